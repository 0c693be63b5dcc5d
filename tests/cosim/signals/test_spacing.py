"""Rows of several lengths: what is a change of resolution, and what is a gap."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.errors import SignalError
from cosim.signals import Series
from cosim.signals.csv_file import read_csv
from cosim.signals.even import even, lengths_us_of
from cosim.signals.faults import Faults
from cosim.signals.gaps import Fill
from cosim.signals.intervals import regular_series
from cosim.signals.resample import resampled
from cosim.signals.year import repeated_year

HOUR_US = 3_600_000_000
MINUTE_US = 60_000_000


def rows(*minutes: int, stamp: str = "start", fill: Fill | None = None) -> Series:
    """The series of rows at some minutes, each with its number as its value."""
    times_us = np.array(minutes) * MINUTE_US
    faults = Faults(Path("f"), np.arange(len(minutes)) + 2)
    values = np.arange(len(minutes), dtype=np.float64)
    return regular_series(times_us, values, faults, stamp=stamp, fill=fill)  # type: ignore[arg-type]


def lengths(series: Series) -> list[int]:
    return (lengths_us_of(series) // MINUTE_US).tolist()


CHANGE = (0, 60, 120, 180, 195, 210, 225, 240)


def test_from_an_hour_to_a_quarter() -> None:
    series = rows(*CHANGE)
    assert lengths(series) == [60, 60, 60, 15, 15, 15, 15, 15]
    assert series.notes == (
        "rows of 1:00:00, from 1970-01-01T03:00:00Z of 0:15:00: each value is held over its own",
    )
    assert series.step_means(0, 3600, 4).tolist() == [0, 1, 2, (3 + 4 + 5 + 6) / 4]


def test_with_stamps_at_the_ends() -> None:
    series = rows(*CHANGE, stamp="end")
    assert lengths(series) == [60, 60, 60, 60, 15, 15, 15, 15]
    assert (series.starts_s[0], series.end_s) == (-3600, 4 * 3600)


def test_back_to_an_hour() -> None:
    series = rows(0, 15, 30, 45, 60, 120, 180, 240)
    assert lengths(series) == [15, 15, 15, 15, 60, 60, 60, 60]


@pytest.mark.parametrize(
    ("minutes", "message"),
    [
        ((0, 60, 120, 180, 240, 300, 315), "the rows come too close: expected 1:00:00"),
        ((0, 15, 30, 45, 60, 90, 105, 120, 135), "there is a gap: expected 0:15:00"),
        ((0, 15, 30, 45, 75, 105, 135, 150, 165, 180), "there is a gap: expected 0:15:00"),
        ((0, 60, 120, 180, 230, 280, 330), "there is a gap: expected 0:50:00"),  # not nested
        ((0, 60, 120, 180, 195, 210, 225, 285, 300, 315), "there is a gap: expected 0:15:00"),
    ],
)
def test_what_is_no_change(minutes: tuple[int, ...], message: str) -> None:
    with pytest.raises(SignalError, match=message):
        rows(*minutes)


def test_gaps_on_both_sides_of_a_change_are_filled() -> None:
    minutes = (0, 60, 120, 180, 300, 315, 330, 345, 375, 390)
    series = rows(*minutes, fill=Fill("hold", 7200))
    assert lengths(series) == [60, 60, 60, 60, 60, *[15] * 7]
    assert series.values.tolist() == [0, 1, 2, 3, 3, 4, 5, 6, 7, 7, 8, 9]
    assert series.notes[1].startswith("2 of 12 values missing, in 2 gaps")


def test_a_line_across_a_gap_goes_by_time() -> None:
    minutes = (0, 60, 120, 180, 240, 255, 270, 285, 315)
    series = rows(*minutes, fill=Fill("linear", 7200))
    assert series.values[-3:].tolist() == [7, 7.5, 8]


@given(st.lists(st.integers(1, 12), min_size=1, max_size=30), st.integers(0, 10**9))
def test_even_rows_are_the_same_signal(units: list[int], first_s: int) -> None:
    edges_s = first_s + np.append(0, np.cumsum(units)) * 60.0
    values = np.random.default_rng(1).uniform(0, 9, len(units))
    series = Series(edges_s[:-1], edges_s[-1], values, source="f")
    found = even(series)
    assert len(set(lengths_us_of(found).tolist())) == 1
    assert (found.starts_s[0], found.end_s) == (series.starts_s[0], series.end_s)
    total = sum(units)
    for step_s in (60.0, 60.0 * total):
        steps = round(60 * total / step_s)
        expected = series.step_means(first_s, step_s, steps)
        np.testing.assert_allclose(found.step_means(first_s, step_s, steps), expected, rtol=1e-12)


def test_rows_without_a_common_length() -> None:
    series = Series([0, 1e-3, 1e9], 2e9, [1, 2, 3], source="f")
    with pytest.raises(SignalError, match=r"f: its rows have no length in common from 0.001 s on"):
        even(series)


def monthly(folder: Path) -> Series:
    text = "".join(f"2023-{month:02}-01,{month}\n" for month in range(1, 13))
    path = folder / "m.csv"
    path.write_text(f"month,v\n{text}")
    return read_csv(path, timezone="UTC")


def test_months_stand_for_those_of_another_year(tmp_path: Path) -> None:
    start_s = datetime(2031, 2, 27, tzinfo=UTC).timestamp()
    found = repeated_year(monthly(tmp_path), start_s, start_s + 4 * 86400)
    assert found.step_means(start_s, 86400, 4).tolist() == [2, 2, 3, 3]


def test_only_hold_takes_rows_of_several_lengths(tmp_path: Path) -> None:
    series = monthly(tmp_path)
    found = resampled(series, "hold", 86400, signed=False)
    assert len(found) == 365
    assert found.values[31] == 2
    with pytest.raises(ValueError, match="linear interpolation needs rows of one length"):
        resampled(series, "linear", 86400, signed=False)
