"""From rows to a series: one distance between all stamps, and gaps filled if that is asked for."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

import numpy as np
import pandas as pd

from cosim.errors import Problem
from cosim.signals.faults import BoolArray, Faults, IntArray, Texts
from cosim.signals.series import Series, utc_stamp
from inference_sim.arrays import FloatArray

_MISSING = ("", "-", "nan", "na", "n/a", "n/e", "null", "none")
_MOST_INTERVALS = 10_000_000


@dataclass(frozen=True, slots=True)
class Fill:
    """How gaps are filled: rows that are not there, and rows without a value.

    Attributes:
        method: ``hold`` repeats the value before the gap; ``linear`` draws a line across it.
        limit_s: Longest gap that may be filled [s].
    """

    method: Literal["hold", "linear"]
    limit_s: float


def is_missing(texts: pd.Series[str]) -> BoolArray:
    """Return which texts stand for a missing value."""
    return texts.str.lower().isin(_MISSING).to_numpy(dtype=bool)


def parse_numbers(
    texts: pd.Series[str], faults: Faults, *, blank: bool = False, what: str = "the value"
) -> FloatArray:
    """Return numbers; those that are none are NaN, and a fault.

    Args:
        texts: How they are written.
        faults: Where to note what is wrong.
        blank: Whether a number may be missing.
        what: What is missing, for the fault.
    """
    missing = is_missing(texts)
    parsed = pd.to_numeric(texts, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    is_number = ~np.isnan(parsed)
    # Once more, as float() rounds correctly and the parser of pandas does not promise to.
    values = np.full(len(texts), np.nan)
    values[is_number] = texts.to_numpy(dtype=object)[is_number].astype(np.float64)
    if not blank:
        faults.add(missing, f"{what} is missing; 'fill' says how to fill gaps", texts)
    faults.add(~is_number & ~missing, "expected a number", texts)
    return values


def scaled_values(
    values: FloatArray, factor: float, texts: Texts, faults: Faults, *, signed: bool
) -> FloatArray:
    """Return values times `factor`; those that are infinite, or negative unless signed, are faults.

    Args:
        values: The values; NaN where there is none.
        factor: What to multiply each by.
        texts: How they are written, for the faults.
        faults: Where to note what is wrong.
        signed: Whether values may be negative.
    """
    with np.errstate(over="ignore"):
        values = values * factor
    faults.add(np.isinf(values), "expected a finite number", texts)
    if not signed:
        faults.add(values < 0, "expected a value that is not negative", texts)
    return values


def regular_series(
    times_us: IntArray | None,
    values: FloatArray,
    faults: Faults,
    *,
    stamp: Literal["start", "end"] = "start",
    interval_us: int | None = None,
    fill: Fill | None = None,
) -> Series:
    """Return the series of rows that follow each other at one distance.

    Args:
        times_us: Stamp of each row, in microseconds since the Unix epoch; None if it has faults.
        values: Value of each row; NaN where it is missing.
        faults: What is wrong with the rows so far.
        stamp: Whether a stamp is the start or the end of its interval.
        interval_us: Length of an interval [us], where the file tells it; by default the most
            common distance between two rows.
        fill: How gaps are filled; they are errors by default.

    Raises:
        SignalError: If there are faults, or stamps that do not follow each other so.
    """
    if times_us is None:
        faults.stop()
    spacing_us = _find_spacing(times_us, interval_us, fill, faults)
    missing = np.isnan(values)
    if not faults.problems:
        faults.add(np.isinf(values), "expected a finite number", values.tolist())
    if fill is None and not faults.problems:
        faults.add(missing, "the value is missing; 'fill' says how to fill gaps", _stamps(times_us))
    if missing.all():
        faults.add(missing, "no row has a value", _stamps(times_us))
    if faults.problems:
        faults.stop()
    starts_us = times_us - spacing_us if stamp == "end" else times_us
    notes: tuple[str, ...] = ()
    if fill is not None:
        starts_us, values, notes = _filled(starts_us, values, spacing_us, fill, faults)
    end_us = starts_us[-1] + spacing_us
    return Series(starts_us / 1e6, end_us / 1e6, values, source=str(faults.path), notes=notes)


def _find_spacing(
    times_us: IntArray, interval_us: int | None, fill: Fill | None, faults: Faults
) -> int:
    """Return the distance of two stamps [us]; it is a fault where there is another."""
    stamps = _stamps(times_us)
    steps_us = np.diff(times_us)
    unsorted = np.append(False, steps_us < 0)
    repeated = np.append(False, steps_us == 0)
    faults.add(unsorted, "expected stamps in order of time; this one is before the last", stamps)
    faults.add(repeated, "expected one row per stamp; this one repeats the last", stamps)
    if unsorted.any() or repeated.any():
        return 0

    if interval_us is None:
        lengths_us, counts = np.unique(steps_us, return_counts=True)
        spacing_us = int(lengths_us[counts.argmax()])
    else:
        spacing_us = interval_us
    longest_us = spacing_us + (fill.limit_s * 1e6 if fill else 0)
    may_fill: BoolArray = (steps_us % spacing_us == 0) & (steps_us <= longest_us)
    odd = np.append(False, ~may_fill)
    if odd.any():
        row = int(odd.argmax())
        got_us = int(steps_us[row - 1])
        whole = got_us % spacing_us == 0
        what = "there is a gap" if got_us > spacing_us else "the rows come too close"
        if fill is not None and whole:
            what += f" of more than {timedelta(seconds=fill.limit_s)}, fill.limit"
        faults.add(
            odd,
            f"{what}: expected {timedelta(microseconds=spacing_us)} between rows as elsewhere, not "
            f"the {timedelta(microseconds=got_us)} from {stamps[row - 1]}"
            + ("; 'fill' says how to fill gaps" if fill is None and whole else ""),
            stamps,
        )
    return spacing_us


def _filled(
    starts_us: IntArray, values: FloatArray, spacing_us: int, fill: Fill, faults: Faults
) -> tuple[IntArray, FloatArray, tuple[str, ...]]:
    """Return rows without gaps, and what was done; missing values at either end are cut off."""
    known = np.flatnonzero(~np.isnan(values))
    first_row, last_row = int(known[0]), int(known[-1])
    cut = len(values) - 1 - (last_row - first_row)
    starts_us, values = starts_us[first_row : last_row + 1], values[first_row : last_row + 1]
    places = (starts_us - starts_us[0]) // spacing_us
    if places[-1] >= _MOST_INTERVALS:
        faults.problems.append(
            Problem(
                f"the file has gaps of {int(places[-1]) + 1 - len(places):,} intervals, too many "
                "to fill",
                where=str(faults.path),
            )
        )
        faults.stop()
    grid = np.full(int(places[-1]) + 1, np.nan)
    grid[places] = values
    grid_us = starts_us[0] + np.arange(len(grid)) * spacing_us

    known = np.flatnonzero(~np.isnan(grid))
    sizes = np.diff(known) - 1
    too_long = sizes * spacing_us > fill.limit_s * 1e6
    if too_long.any():
        gap = int(too_long.argmax())
        start_us = grid_us[known[gap] + 1]
        length = timedelta(microseconds=int(sizes[gap]) * spacing_us)
        faults.problems.append(
            Problem(
                f"values are missing for {length} from {utc_stamp(start_us / 1e6)}, more than the "
                f"{timedelta(seconds=fill.limit_s)} of fill.limit",
                where=faults.where(first_row + int(np.searchsorted(starts_us, start_us))),
            )
        )
        faults.stop()
    missing = np.isnan(grid)
    notes = []
    if cut:
        notes.append(f"rows without a value at the ends left out: {cut:,}")
    if missing.any():
        longest = timedelta(microseconds=int(sizes.max()) * spacing_us)
        first = utc_stamp(grid_us[missing.argmax()] / 1e6)
        if (gaps := int((sizes > 0).sum())) == 1:
            where = f"one gap (from {first}, {longest} long)"
        else:
            where = f"{gaps} gaps (the first from {first}, up to {longest} long)"
        notes.append(
            f"{int(missing.sum()):,} of {len(grid):,} values missing, in {where}: filled "
            f"({fill.method})"
        )
        if fill.method == "hold":
            grid = grid[np.maximum.accumulate(np.where(missing, 0, np.arange(len(grid))))]
        else:
            grid = np.interp(np.arange(len(grid)), known, grid[known])
    return grid_us, grid, tuple(notes)


def _stamps(times_us: IntArray) -> pd.Series[str]:
    return pd.Series(np.datetime_as_string(times_us.astype("datetime64[us]"), unit="s")) + "Z"
