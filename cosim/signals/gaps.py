"""Gaps of a file, filled where that is asked for: rows that are not there or have no value."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np

from cosim.errors import Problem
from cosim.signals.faults import Faults, IntArray
from cosim.signals.series import utc_stamp
from inference_sim.arrays import FloatArray

_MOST_INTERVALS = 10_000_000


@dataclass(frozen=True, slots=True)
class Fill:
    """Rule for filling gaps: missing rows, and rows without a value.

    Attributes:
        method: ``hold`` repeats the value before the gap; ``linear`` draws a line across it.
        limit_s: Longest gap that may be filled [s].
    """

    method: Literal["hold", "linear"]
    limit_s: float


@dataclass(frozen=True, slots=True)
class Rows:
    """Intervals and their values, shape (n,) each.

    Attributes:
        starts_us: Starts, in microseconds since the Unix epoch.
        lengths_us: Lengths [us].
        values: Values; NaN where there is none.
    """

    starts_us: IntArray
    lengths_us: IntArray
    values: FloatArray

    def only(self, rows: slice) -> Rows:
        """Return some of the rows."""
        return Rows(self.starts_us[rows], self.lengths_us[rows], self.values[rows])


def filled(rows: Rows, units_us: IntArray, fill: Fill, faults: Faults) -> Rows:
    """Return rows without gaps; missing values at either end are cut off.

    Args:
        rows: The rows of the file; one of them or more has a value.
        units_us: Length of the rows that are missing after each row, shape (n - 1,) [us].
        fill: How they are filled.
        faults: Collector of faults and notes.

    Raises:
        SignalError: If values are missing for too long.
    """
    known = np.flatnonzero(~np.isnan(rows.values))
    first_row, last_row = int(known[0]), int(known[-1])
    cut = len(rows.values) - 1 - (last_row - first_row)
    rows, units_us = rows.only(slice(first_row, last_row + 1)), units_us[first_row:last_row]
    grid = _with_missing_rows(rows, units_us, faults)

    known = np.flatnonzero(~np.isnan(grid.values))
    ends_us = grid.starts_us + grid.lengths_us
    missing_us = grid.starts_us[known[1:]] - ends_us[known[:-1]]
    too_long = missing_us > fill.limit_s * 1e6
    if too_long.any():
        gap = int(too_long.argmax())
        start_us = int(ends_us[known[gap]])
        faults.problems.append(
            Problem(
                f"values are missing for {timedelta(microseconds=int(missing_us[gap]))} from "
                f"{utc_stamp(start_us / 1e6)}, more than the {timedelta(seconds=fill.limit_s)} of "
                "fill.limit",
                where=faults.where(first_row + int(np.searchsorted(rows.starts_us, start_us))),
            )
        )
        faults.stop()
    missing = np.isnan(grid.values)
    if cut:
        faults.notes.append(f"rows without a value at the ends left out: {cut:,}")
    if not missing.any():
        return grid
    longest = timedelta(microseconds=int(missing_us.max()))
    first = utc_stamp(grid.starts_us[missing.argmax()] / 1e6)
    if (gaps := int((missing_us > 0).sum())) == 1:
        where = f"one gap (from {first}, {longest} long)"
    else:
        where = f"{gaps} gaps (the first from {first}, up to {longest} long)"
    faults.notes.append(
        f"{int(missing.sum()):,} of {len(missing):,} values missing, in {where}: filled "
        f"({fill.method})"
    )
    if fill.method == "hold":
        last_known = np.maximum.accumulate(np.where(missing, 0, np.arange(len(missing))))
        return Rows(grid.starts_us, grid.lengths_us, grid.values[last_known])
    places = (grid.starts_us - grid.starts_us[0]) / grid.lengths_us[0]
    values: FloatArray = np.interp(places, places[known], grid.values[known])
    return Rows(grid.starts_us, grid.lengths_us, values)


def _with_missing_rows(rows: Rows, units_us: IntArray, faults: Faults) -> Rows:
    """Return the rows, and rows without a value where there are gaps between them."""
    ends_us = rows.starts_us + rows.lengths_us
    missing = (rows.starts_us[1:] - ends_us[:-1]) // units_us
    total = len(rows.values) + int(missing.sum())
    if total > _MOST_INTERVALS:
        faults.problems.append(
            Problem(
                f"the file has gaps of {int(missing.sum()):,} intervals, too many to fill",
                where=str(faults.path),
            )
        )
        faults.stop()
    places = np.append(0, np.cumsum(missing + 1))
    owner = np.repeat(np.arange(len(rows.values)), np.append(missing + 1, 1))
    after = np.arange(total) - places[owner]  # how many rows after the one of the file
    lengths_us = np.append(units_us, rows.lengths_us[-1])[owner]
    values = np.full(total, np.nan)
    values[places] = rows.values
    return Rows(
        np.where(after == 0, rows.starts_us[owner], ends_us[owner] + (after - 1) * lengths_us),
        np.where(after == 0, rows.lengths_us[owner], lengths_us),
        values,
    )
