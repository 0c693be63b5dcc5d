"""Hourly generation by fuel of a US balancing area in 2022, of form EIA-930.

A file ``eia930_2022_AREA.csv`` has a column per code of a fuel [MW], stamped with the end of the
hour, in UTC.

Source: US Energy Information Administration, form EIA-930; public domain.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd

from cosim.signals.faults import BoolArray, IntArray
from cosim.signals.hourly_2022 import HOURS
from inference_sim.arrays import FloatArray

FUELS = {
    "WND": "wind",
    "SUN": "solar",
    "WAT": "hydro",
    "OIL": "oil",
    "NG": "gas",
    "COL": "coal",
    "NUC": "nuclear",
    "OTH": "other",
}
_BACK_AFTER_H, _TRIP = 6, 0.6


@dataclass(frozen=True, slots=True)
class Generation:
    """Hourly generation of an area, 2022-01-01T00:00Z first; NaN where data are missing.

    Attributes:
        reported: Generation by fuel as EIA has it [MW], shape (8760,) each.
        checked: The same without hours that cannot be. The last hour of 2022, which is in the files
            of the next year, is that of 2021 here, as with `repeat_year`.
    """

    reported: dict[str, FloatArray]
    checked: dict[str, FloatArray]

    @property
    def missing(self) -> int:
        """Hours without data, or with data that cannot be."""
        return int(np.isnan(self.checked["gas"]).sum())


def read_generation(path: Path) -> Generation:
    """Read the file of an area."""
    table = pd.read_csv(path)
    starts = pd.to_datetime(table["timestamp"]) - pd.Timedelta(hours=1)
    hours = (starts - pd.Timestamp("2022-01-01", tz="UTC")) // pd.Timedelta(hours=1)
    wrapped = {fuel: np.full(HOURS, np.nan) for fuel in FUELS.values()}
    for code, fuel in FUELS.items():
        wrapped[fuel][hours.to_numpy() % HOURS] = table[code].to_numpy(dtype=np.float64)
    of_year = np.arange(HOURS) <= hours.max()
    wrong = nuclear_trips(wrapped["nuclear"])
    return Generation(
        {fuel: np.where(of_year, values, np.nan) for fuel, values in wrapped.items()},
        {fuel: np.where(wrong, np.nan, values) for fuel, values in wrapped.items()},
    )


def nuclear_trips(nuclear_mw: FloatArray) -> BoolArray:
    """Return the hours in which nuclear generation falls by 40 % and is back within six hours.

    No plant does that: a reactor that trips stays off for a day. In these hours other fuels are
    wrong too, in PJM all of them.
    """
    known = pd.Series(nuclear_mw).ffill().bfill()
    wrong = np.zeros(len(known), dtype=bool)
    for length in range(1, _BACK_AFTER_H + 1):
        low = known < _TRIP * np.minimum(known.shift(1), known.shift(-length))
        for hour in np.flatnonzero(low):
            gap = slice(hour, hour + length)
            if known[gap].max() < _TRIP * min(known[hour - 1], known[hour + length]):
                wrong[gap] = True
    return wrong


def months_of_year() -> IntArray:
    """Return the month of each hour of 2022, from 1, shape (8760,)."""
    hours = np.datetime64("2022-01-01T00", "h") + np.arange(HOURS)
    months: IntArray = hours.astype("datetime64[M]").astype(np.int64) % 12 + 1
    return months
