"""Hours of 2022 in US balancing areas, built in: carbon intensity and solar power.

`calibration/hourly_2022.py` makes the table from EIA-930; its head says how.
"""

from __future__ import annotations

from dataclasses import replace
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

_TENTHS, _THOUSANDTHS = 10, 1000  # of which the table holds whole ones
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
    return _table()[f"{kind}_{area}"].to_numpy(dtype=np.float64) / _TENTHS


def hourly_intensity_series(area: str, kind: Kind, start_s: float, end_s: float) -> Series:
    """Return the carbon intensity over a span and 7 days before it [g/kWh].

    Other years get the values of the same dates and times (`repeated_year`).

    Args:
        area: EIA code of the balancing area.
        kind: As in `hourly_intensity`.
        start_s: Start of the span, in seconds since the Unix epoch.
        end_s: End of the span, in seconds since the Unix epoch.
    """
    series = _over(hourly_intensity(area, kind), area, start_s, end_s)
    return replace(series, kind=kind)


def hourly_sun(area: str) -> FloatArray:
    """Return the power of an area's solar plants over that in their best hour, shape ``(8760,)``.

    Args:
        area: EIA code of the balancing area.

    Raises:
        KeyError: If there is no such area, or it has hardly any solar plants.
    """
    return _table()[f"solar_{area}"].to_numpy(dtype=np.float64) / _THOUSANDTHS


def hourly_sun_series(area: str, start_s: float, end_s: float) -> Series:
    """Return the power of an area's solar plants over a span and 7 days before it.

    Args:
        area: EIA code of the balancing area.
        start_s: Start of the span, in seconds since the Unix epoch.
        end_s: End of the span, in seconds since the Unix epoch.
    """
    return _over(hourly_sun(area), area, start_s, end_s)


def _over(values: FloatArray, area: str, start_s: float, end_s: float) -> Series:
    starts_s = _START_S + _HOUR_S * np.arange(HOURS, dtype=np.float64)
    year = Series(starts_s, _START_S + HOURS * _HOUR_S, values, source=f"hours of 2022 in {area}")
    return repeated_year(year, start_s, end_s)
