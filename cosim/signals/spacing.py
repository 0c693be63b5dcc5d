"""How long the value of each row holds: one distance, several in turn, or months and years."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Literal

import numpy as np
import pandas as pd

from cosim.signals.faults import BoolArray, Faults, IntArray

Stamp = Literal["start", "end"]

FEWEST_EQUAL = 3
"""So many equal distances in a row are a resolution of the file; fewer are gaps."""
_LEAST_MONTH_US = 28 * 86_400_000_000


def row_lengths(
    times_us: IntArray,
    told_us: IntArray | None,
    faults: Faults,
    *,
    stamp: Stamp = "start",
    fill_limit_s: float | None = None,
) -> IntArray:
    """Return the length of the interval of each row [us]; rows that leave gaps are faults.

    Where the file states no lengths, they are the distances of the rows: the most common one, the
    calendar's where all stamps begin a month or a year, or several in turn where the file goes
    over from one resolution to another.

    Args:
        times_us: Stamp of each row, in microseconds since the Unix epoch.
        told_us: The lengths, where the file states them.
        faults: Collector of faults.
        stamp: Whether a stamp is the start or the end of its interval.
        fill_limit_s: Longest gap that will be filled [s]; None if none will.
    """
    stamps = stamps_of(times_us)
    steps_us = np.diff(times_us)
    unsorted = np.append(False, steps_us < 0)
    repeated = np.append(False, steps_us == 0)
    faults.add(unsorted, "expected stamps in order of time; this one is before the last", stamps)
    faults.add(repeated, "expected one row per stamp; this one repeats the last", stamps)
    if unsorted.any() or repeated.any():
        return np.ones_like(times_us)

    lengths_us = told_us
    if lengths_us is None:
        lengths_us = calendar_lengths(times_us, stamp, faults)
    elif len(np.unique(lengths_us)) > 1:
        _note_changes(times_us, lengths_us, faults)
    if lengths_us is None:
        expected_us = _expected_steps(steps_us)
        lengths_us = (
            np.append(expected_us, expected_us[-1])
            if stamp == "start"
            else np.append(expected_us[0], expected_us)
        )
        if len(np.unique(lengths_us)) > 1:
            _note_changes(times_us, lengths_us, faults)
    _refuse_gaps(times_us, lengths_us, faults, stamp, fill_limit_s)
    return lengths_us


def stamps_of(times_us: IntArray) -> pd.Series[str]:
    """Return times as errors show them."""
    return pd.Series(np.datetime_as_string(times_us.astype("datetime64[us]"), unit="s")) + "Z"


def calendar_lengths(times_us: IntArray, stamp: Stamp, faults: Faults) -> IntArray | None:
    """Return the lengths of calendar months or years [us]; None if the stamps are not theirs.

    Args:
        times_us: Stamps in order, in microseconds since the Unix epoch.
        stamp: Whether they are the starts or the ends.
        faults: Where to note that they are months or years.
    """
    times = times_us.astype("datetime64[us]")
    months = times.astype("datetime64[M]")
    if len(times_us) < 2 or (months.astype("datetime64[us]") != times).any():
        return None
    if np.diff(times_us).min() < _LEAST_MONTH_US:
        return None
    steps = np.diff(months.astype(np.int64))
    each, counts = np.unique(steps, return_counts=True)
    count = int(each[counts.argmax()])
    if count not in (1, 12):
        return None
    sign = 1 if stamp == "start" else -1
    others = (months + sign * count).astype("datetime64[us]").astype(np.int64)
    unit = "month" if count == 1 else "year"
    faults.notes.append(f"one row for each calendar {unit}: its value is held over the {unit}")
    lengths_us: IntArray = np.abs(others - times_us)
    return lengths_us


def _expected_steps(steps_us: IntArray) -> IntArray:
    """Return the distance to expect in the place of each distance between two rows [us].

    It is the most common one, but where the file goes over to another for good: there are two or
    more that hold for some rows in succession, none comes back after another, and of each two the
    shorter divides the longer.
    """
    each_us, counts = np.unique(steps_us, return_counts=True)
    expected_us: IntArray = np.full(len(steps_us), each_us[counts.argmax()])
    edges = np.concatenate([[0], np.flatnonzero(np.diff(steps_us)) + 1, [len(steps_us)]])
    runs = [
        (int(steps_us[first]), int(first), int(last))
        for first, last in itertools.pairwise(edges)
        if last - first >= FEWEST_EQUAL
    ]
    spans: list[tuple[int, int, int]] = []
    for length_us, first, last in runs:
        if spans and spans[-1][0] == length_us:
            spans[-1] = (length_us, spans[-1][1], last)
        else:
            spans.append((length_us, first, last))
    lengths = [length_us for length_us, _, _ in spans]
    nested = all(max(pair) % min(pair) == 0 for pair in itertools.pairwise(lengths))
    if len(lengths) < 2 or len(set(lengths)) < len(lengths) or not nested:
        return expected_us
    expected_us[:] = lengths[0]
    for (before_us, _, end), (after_us, first, _) in itertools.pairwise(spans):
        between = steps_us[end:first]
        expected_us[end:first] = np.where(between % before_us == 0, before_us, after_us)
        expected_us[first:] = after_us
    return expected_us


def _note_changes(times_us: IntArray, lengths_us: IntArray, faults: Faults) -> None:
    changes = np.flatnonzero(np.diff(lengths_us)) + 1
    stamps = stamps_of(times_us[changes[:1]])
    first, second = (timedelta(microseconds=int(lengths_us[row])) for row in (0, changes[0]))
    more = f", and {len(changes) - 1} more changes" if len(changes) > 1 else ""
    faults.notes.append(
        f"rows of {first}, from {stamps[0]} of {second}{more}: each value is held over its own"
    )


def _refuse_gaps(
    times_us: IntArray,
    lengths_us: IntArray,
    faults: Faults,
    stamp: Stamp,
    fill_limit_s: float | None,
) -> None:
    """Note the first row that does not begin where the one before ends."""
    stamps, steps_us = stamps_of(times_us), np.diff(times_us)
    units_us = lengths_us[:-1] if stamp == "start" else lengths_us[1:]
    longest_us = units_us + (fill_limit_s * 1e6 if fill_limit_s is not None else 0)
    may_fill: BoolArray = (steps_us % units_us == 0) & (steps_us <= longest_us)
    odd = np.append(False, ~may_fill)
    if not odd.any():
        return
    row = int(odd.argmax())
    got_us, unit_us = int(steps_us[row - 1]), int(units_us[row - 1])
    whole = got_us % unit_us == 0
    what = "there is a gap" if got_us > unit_us else "the rows come too close"
    if fill_limit_s is not None and whole:
        what += f" of more than {timedelta(seconds=fill_limit_s)}, fill.limit"
    faults.add(
        odd,
        f"{what}: expected {timedelta(microseconds=unit_us)} between rows as elsewhere, not "
        f"the {timedelta(microseconds=got_us)} from {stamps[row - 1]}"
        + ("; 'fill' says how to fill gaps" if fill_limit_s is None and whole else ""),
        stamps,
    )
