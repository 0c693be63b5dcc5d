"""A year that stands in for others."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.errors import SignalError
from cosim.signals.series import Series
from cosim.signals.year import repeated_year

HOUR_S, DAY_S = 3600.0, 86400.0


def epoch_s(*date: int) -> float:
    return datetime(*date, tzinfo=UTC).timestamp()  # type: ignore[arg-type]


def hours(start_s: float, end_s: float, offset_s: float = 0.0) -> Series:
    """Each hour has the value of its own start, in hours since 1970."""
    starts_s = np.arange(start_s + offset_s, end_s + offset_s, HOUR_S)
    return Series(starts_s, starts_s[-1] + HOUR_S, starts_s / HOUR_S, kind="average")


def moments(series: Series) -> list[datetime]:
    return [datetime.fromtimestamp(value * HOUR_S, UTC) for value in series.values]


YEAR_2022 = hours(epoch_s(2022, 1, 1), epoch_s(2023, 1, 1))
LEAP_YEAR = hours(epoch_s(2024, 1, 1), epoch_s(2025, 1, 1))


def test_the_same_dates_of_another_year() -> None:
    series = repeated_year(YEAR_2022, epoch_s(2030, 6, 8, 12, 30), epoch_s(2030, 6, 9))
    assert series.covers(epoch_s(2030, 6, 1, 13), epoch_s(2030, 6, 9))
    assert series.kind == "average"
    found = moments(series)
    assert found[0] == datetime(2022, 6, 1, 12, tzinfo=UTC)
    assert found[-1] == datetime(2022, 6, 8, 23, tzinfo=UTC)


def test_over_the_new_year() -> None:
    series = repeated_year(YEAR_2022, epoch_s(2022, 12, 31), epoch_s(2023, 1, 2))
    assert moments(series)[-25:-23] == [
        datetime(2022, 12, 31, 23, tzinfo=UTC),
        datetime(2022, 1, 1, 0, tzinfo=UTC),
    ]


def test_29_february() -> None:
    """Where the file has none, it is the 28th again; where the run has none, it is left out."""
    into_leap = repeated_year(YEAR_2022, epoch_s(2024, 2, 28), epoch_s(2024, 3, 2))
    dates = [(moment.month, moment.day) for moment in moments(into_leap)][-72::24]
    assert dates == [(2, 28), (2, 28), (3, 1)]
    out_of_leap = repeated_year(LEAP_YEAR, epoch_s(2023, 2, 27), epoch_s(2023, 3, 2))
    dates = [(moment.month, moment.day) for moment in moments(out_of_leap)][-72::24]
    assert dates == [(2, 27), (2, 28), (3, 1)]


def test_what_the_file_covers_stays() -> None:
    series = repeated_year(YEAR_2022, epoch_s(2022, 6, 8), epoch_s(2022, 6, 9))
    assert (series.values * HOUR_S == series.starts_s).all()


def test_a_year_from_summer_to_summer_and_stamps_off_the_hour() -> None:
    file = hours(epoch_s(2021, 7, 1), epoch_s(2022, 7, 1), offset_s=900)
    series = repeated_year(file, epoch_s(2022, 6, 30), epoch_s(2022, 7, 2))
    assert moments(series)[-1] == datetime(2021, 7, 1, 23, 15, tzinfo=UTC)
    assert (np.diff(series.starts_s) == HOUR_S).all()


def test_a_part_of_a_year_is_enough_if_the_run_lies_in_it() -> None:
    june = hours(epoch_s(2022, 6, 1), epoch_s(2022, 7, 1))
    series = repeated_year(june, epoch_s(2031, 6, 2), epoch_s(2031, 6, 3))
    assert series.starts_s[0] == epoch_s(2031, 6, 1)
    with pytest.raises(SignalError, match=r"no year of the file has a value for 07-01T00:00:00Z"):
        repeated_year(june, epoch_s(2031, 6, 30), epoch_s(2031, 7, 1, 1))


def test_rows_that_do_not_divide_a_day() -> None:
    odd = Series(np.arange(0, 700_000, 7000.0), 700_000, np.ones(100))
    with pytest.raises(ValueError, match=r"divides a day \(got 7000 s\)"):
        repeated_year(odd, 0, 100)


@given(st.datetimes(datetime(1972, 1, 1), datetime(2098, 1, 1)), st.integers(1, 400))
def test_date_and_time_are_those_of_the_run(start: datetime, length_h: int) -> None:
    start_s = start.replace(tzinfo=UTC).timestamp()
    end_s = start_s + length_h * HOUR_S
    series = repeated_year(LEAP_YEAR, start_s, end_s)
    assert series.covers(start_s - 7 * DAY_S + HOUR_S, end_s)
    for time_s, moment in zip(series.starts_s, moments(series), strict=True):
        wanted = datetime.fromtimestamp(time_s, UTC)
        assert moment == wanted.replace(year=2024)
