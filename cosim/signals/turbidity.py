"""How hazy clear air is: mean Linke turbidity of any place, by month.

From the world map of Remund et al. (2003) that pvlib ships, thinned out to a node every 2 degrees;
the table says how. A town in a valley or behind a ridge may differ from its surroundings.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np

from inference_sim.arrays import FloatArray

TABLE = Path(__file__).parent / "data" / "linke_turbidity.csv.gz"
CELL_DEG = 2
"""Distance of the table's nodes [deg]."""

_SCALE = 100  # the table holds whole hundredths
_YEAR_DAYS = 365.0
_MONTH_MIDDLES = np.array([15.5, 45, 74.5, 105, 135.5, 166, 196.5, 227.5, 258, 288.5, 319, 349.5])


@cache
def _table() -> FloatArray:
    """Return the turbidity, shape ``(12, 90, 180)``: month, latitude from north, longitude."""
    whole = np.loadtxt(TABLE, delimiter=",", comments="#")
    return whole.reshape(12, 180 // CELL_DEG + 1, 360 // CELL_DEG) / _SCALE


def monthly_turbidity(latitude: float, longitude: float) -> FloatArray:
    """Return the Linke turbidity of the twelve months, linear between the nodes.

    Args:
        latitude: Degrees north.
        longitude: Degrees east.
    """
    table = _table()
    rows, columns = table.shape[1:]
    y, x = (90 - latitude) / CELL_DEG, (longitude + 180) / CELL_DEG
    north, west = min(int(y), rows - 2), int(x)
    down, right = y - north, x - west
    left, far = table[:, :, west % columns], table[:, :, (west + 1) % columns]
    column = (1 - right) * left + right * far
    turbidity: FloatArray = (1 - down) * column[:, north] + down * column[:, north + 1]
    return turbidity


def linke_turbidity(times_s: FloatArray, latitude: float, longitude: float) -> FloatArray:
    """Return the Linke turbidity at some times, linear between the middles of the months.

    Args:
        times_s: Seconds since the Unix epoch.
        latitude: Degrees north.
        longitude: Degrees east.
    """
    months = monthly_turbidity(latitude, longitude)
    moments = (times_s * 1000).astype("datetime64[ms]")
    days = (moments - moments.astype("datetime64[Y]")) / np.timedelta64(1, "D")
    turbidity: FloatArray = np.interp(days, _MONTH_MIDDLES, months, period=_YEAR_DAYS)
    return turbidity
