"""Hours of 2022 in US balancing areas, built in: carbon intensity, average and marginal.

`calibration/hourly_2022.py` makes the table from EIA-930; its head says how.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd

from cosim.scenario.recorded import Kind
from cosim.signals.series import Series
from cosim.signals.year import repeated_year
from inference_sim.arrays import FloatArray

TABLE = Path(__file__).parent / "data" / "hourly_2022.csv.gz"
HOURS = 8760
"""Rows of the table, from 2022-01-01T00:00Z on."""

_SCALE = 10  # the table holds whole tenths
_HOUR_S = 3600.0
_START_S = float(np.datetime64("2022-01-01", "s").astype(np.int64))


@cache
def _table() -> pd.DataFrame:
    return pd.read_csv(TABLE, comment="#")


def hourly_intensity(area: str, kind: Kind) -> FloatArray:
    """Return the carbon intensity of each hour of 2022, in UTC [g/kWh], shape ``(8760,)``.

    Args:
        area: EIA code of the balancing area.
        kind: That of the whole mix, or an estimate of that of the plants that follow the demand.

    Raises:
        KeyError: If there is no such area.
    """
    return _table()[f"{kind}_{area}"].to_numpy(dtype=np.float64) / _SCALE


def hourly_intensity_series(area: str, kind: Kind, start_s: float, end_s: float) -> Series:
    """Return the carbon intensity over a span and 7 days before it [g/kWh].

    Other years get the values of the same dates and times (`repeated_year`).

    Args:
        area: EIA code of the balancing area.
        kind: As in `hourly_intensity`.
        start_s: Start of the span, in seconds since the Unix epoch.
        end_s: End of the span, in seconds since the Unix epoch.
    """
    values = hourly_intensity(area, kind)
    starts_s = _START_S + _HOUR_S * np.arange(HOURS, dtype=np.float64)
    year = Series(
        starts_s, _START_S + HOURS * _HOUR_S, values, source=f"hours of 2022 in {area}", kind=kind
    )
    return repeated_year(year, start_s, end_s)
