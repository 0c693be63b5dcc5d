"""Carbon intensity of a typical day: means by month and UTC hour of US balancing areas, 2022."""

from __future__ import annotations

import math
from functools import cache
from importlib import resources

import numpy as np
import pandas as pd

from cosim.signals.series import Series
from inference_sim.arrays import FloatArray

HOUR_S = 3600.0


@cache
def _table() -> pd.DataFrame:
    file = resources.files("cosim.signals") / "data" / "typical_days_2022.csv"
    with file.open(encoding="utf-8") as lines:
        return pd.read_csv(lines, comment="#").sort_values(["balancing_area", "month", "hour_utc"])


def areas() -> list[str]:
    """Return the EIA codes of the balancing areas that have a typical day."""
    return [str(area) for area in _table()["balancing_area"].unique()]


def typical_day_means(area: str) -> FloatArray:
    """Return the average intensity of `area` [g/kWh], shape ``(12, 24)``: month by UTC hour.

    Raises:
        KeyError: If there is no such area.
    """
    table = _table()
    means = table.loc[table["balancing_area"] == area, "mean_g_per_kwh"]
    if means.empty:
        raise KeyError(area)
    return means.to_numpy(dtype=np.float64).reshape(12, 24)


def typical_day_series(area: str, start_s: float, end_s: float) -> Series:
    """Return the average intensity of `area` [g/kWh] for all hours that touch a span of time.

    Args:
        area: EIA code of the balancing area.
        start_s: Start of the span, in seconds since the Unix epoch.
        end_s: End of the span, in seconds since the Unix epoch.
    """
    stop = math.ceil(end_s / HOUR_S)
    hours = np.arange(math.floor(start_s / HOUR_S), stop)
    months = hours.astype("datetime64[h]").astype("datetime64[M]").astype(np.int64) % 12
    return Series(
        hours.astype(np.float64) * HOUR_S,
        stop * HOUR_S,
        typical_day_means(area)[months, hours % 24],
        source=f"typical day of {area}",
    )
