"""Thinned series lie neither about the extremes nor about the mean; ticks stand on their axis."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.report.clock import site_clock
from cosim.report.thin import Buckets
from cosim.report.ticks import domain, duration_ticks, linear_ticks, log_ticks, time_ticks
from cosim.scenario.scenario import MAX_HORIZON_S

values = st.lists(st.floats(-1e9, 1e9) | st.just(math.nan), min_size=1, max_size=200).map(
    lambda xs: np.array(xs, dtype=np.float64)
)


@given(values, st.integers(1, 50))
def test_every_bucket_tells_of_its_own_steps(series: np.ndarray, most: int) -> None:
    buckets = Buckets.at_most(len(series), most)
    thin = buckets.thin(series)
    assert len(thin.mean) == len(buckets.starts) <= most
    for k, first in enumerate(buckets.starts):
        there = series[first : first + buckets.size]
        there = there[~np.isnan(there)]
        if not len(there):
            assert math.isnan(thin.mean[k])
            assert math.isnan(thin.low[k])
            continue
        assert thin.low[k] == there.min()
        assert thin.high[k] == there.max()
        assert thin.mean[k] == pytest.approx(there.mean(), rel=1e-9, abs=1e-6)
        assert thin.low[k] <= thin.mean[k] <= thin.high[k]


@given(values)
def test_a_short_series_stays_as_it_is(series: np.ndarray) -> None:
    thin = Buckets.at_most(len(series), 200).thin(series)
    np.testing.assert_array_equal(thin.mean, series)


def test_a_peak_of_one_step_in_a_year_is_still_there() -> None:
    series = np.ones(525_600)
    series[123_456] = 1e6
    thin = Buckets.at_most(len(series), 720).thin(series)
    assert thin.high.max() == 1e6
    assert (thin.high == 1e6).sum() == 1
    assert thin.mean.mean() == pytest.approx(series.mean())


@given(
    st.integers(1, 600_000),
    st.sampled_from([1, 10, 60, 300, 900, 3600, 86400]),
    st.integers(0, 86399),
    st.sampled_from([0, 86400]),
)
def test_buckets_divide_a_day_and_begin_at_midnight(
    count: int, step_s: int, past_s: int, least_s: int
) -> None:
    past_s -= past_s % step_s
    count = min(count, MAX_HORIZON_S // step_s)
    buckets = Buckets.of_time(count, 720, step_s, past_s, least_s)
    length_s = buckets.size * step_s
    assert length_s >= least_s
    assert len(buckets.starts) <= 721
    if buckets.size == 1:
        return
    assert 86400 % length_s == 0 or length_s % 86400 == 0
    lengths = np.diff([*buckets.starts, count])
    assert all(lengths[1:-1] == buckets.size)
    assert all(lengths < 3 * buckets.size)
    wall_s = past_s + buckets.starts * step_s
    assert all(wall_s[1:] % min(length_s, 86400) == 0)
    steps = np.arange(count, dtype=np.float64)
    thin = buckets.thin(steps)
    np.testing.assert_array_equal(thin.low, buckets.starts)
    np.testing.assert_array_equal(thin.high, [*(buckets.starts[1:] - 1), count - 1])


def test_steps_that_do_not_divide_a_day_are_counted() -> None:
    assert Buckets.of_time(100_000, 720, 77, 0) == Buckets.at_most(100_000, 720)


def test_no_limit_stays_no_limit() -> None:
    thin = Buckets(4, 2).thin(np.array([1.0, math.inf, 2.0, 4.0]))
    assert thin.mean.tolist() == [math.inf, 3.0]
    assert thin.low.tolist() == [1.0, 2.0]
    assert thin.high.tolist() == [math.inf, 4.0]


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e6), st.integers(2, 10))
def test_linear_ticks_stand_on_the_axis(low: float, span: float, most: int) -> None:
    ticks = linear_ticks(low, low + span, most)
    assert 1 <= len(ticks) <= most + 2
    assert all(low - span * 1e-6 <= tick.at <= low + span * (1 + 1e-6) for tick in ticks)


finite = st.floats(allow_nan=False, allow_infinity=False)


@given(finite, finite, st.integers(2, 10), st.sampled_from([1.0, 0.01, 60.0, 1e3, 1e6]))
def test_no_two_ticks_have_the_same_label(a: float, b: float, most: int, size: float) -> None:
    """Whatever the range, however narrow, and whatever the unit."""
    low, high = min(a, b), max(a, b)
    for ticks in (
        linear_ticks(low, high, most, size),
        linear_ticks(*domain([a, b], zero=False), 6),
    ):
        labels = [tick.label for tick in ticks]
        assert len(set(labels)) == len(labels) >= 1


def test_ticks_have_the_decimals_of_their_step() -> None:
    assert [tick.label for tick in linear_ticks(1.4168, 1.4184, 4)] == [
        "1.4170",
        "1.4175",
        "1.4180",
    ]
    assert [tick.label for tick in linear_ticks(0, 70_000, 4, 1000)] == ["0", "20", "40", "60"]
    assert [tick.label for tick in linear_ticks(0, 3e9, 3)] == ["0", "1e9", "2e9", "3e9"]


@given(st.floats(1, 1e6), st.floats(0, 1e-5))
def test_an_axis_is_not_stretched_to_noise(value: float, noise: float) -> None:
    low, high = domain([value, value * (1 + noise)], zero=False)
    assert (high - low) / value >= 0.01


@given(st.floats(1e-3, 10), st.floats(1e3, 1e9))
def test_durations_have_ticks_in_their_own_units(low: float, factor: float) -> None:
    ticks = duration_ticks(low, low * factor, 8)
    labels = [tick.label for tick in ticks]
    assert 2 < len(set(labels)) == len(labels) <= 8
    assert all(low * 0.999 <= tick.at <= low * factor for tick in ticks)


@given(st.integers(0, 2**52), st.integers(2, 10))
def test_an_axis_of_the_smallest_floats_has_ticks(count: int, most: int) -> None:
    assert linear_ticks(0.0, count * 5e-324, most)


@given(st.floats(1e-6, 1e3), st.floats(1.5, 1e6))
def test_log_ticks_stand_on_the_axis(low: float, factor: float) -> None:
    for tick in log_ticks(low, low * factor, 8):
        assert low * 0.999 <= tick.at <= low * factor * 1.001


@given(st.floats(1e-6, 1e3), st.floats(1.5, 1e6), st.integers(5, 10))
def test_a_log_axis_can_be_read(low: float, factor: float, most: int) -> None:
    """Two ticks at the least, however short it is."""
    assert 2 <= len(log_ticks(low, low * factor, most)) <= most + 1


@pytest.mark.parametrize(
    ("duration_s", "labels"),
    [
        (3600 * 24, ["8 Jun", "06:00", "12:00", "18:00", "9 Jun"]),
        (3600 * 24 * 3, ["8 Jun", "9 Jun", "10 Jun", "11 Jun"]),
        (3600 * 24 * 365, ["Jul", "Oct", "Jan 2023", "Apr"]),
        (1200, ["8 Jun", "00:05", "00:10", "00:15", "00:20"]),
        (4, ["8 Jun", "00:00:01", "00:00:02", "00:00:03", "00:00:04"]),
    ],
)
def test_times_are_round(duration_s: float, labels: list[str]) -> None:
    start = datetime(2022, 6, 8, tzinfo=UTC)
    assert [tick.label for tick in time_ticks(start, duration_s, 5)] == labels


def test_times_are_round_however_a_run_begins() -> None:
    ticks = time_ticks(datetime(2022, 6, 8, 5, 47, 11, tzinfo=UTC), 7200, 5)
    assert [(tick.at, tick.label) for tick in ticks] == [
        (769.0, "06:00"),
        (2569.0, "06:30"),
        (4369.0, "07:00"),
        (6169.0, "07:30"),
    ]


def test_times_are_those_of_the_place_also_when_its_clock_changes() -> None:
    """On 27 March 2022 clocks in Berlin went from 2 to 3, on 30 October from 3 to 2."""
    zone = ZoneInfo("Europe/Berlin")
    march = time_ticks(datetime(2022, 3, 26, 23, tzinfo=UTC).astimezone(zone), 6 * 3600, 7)
    assert [(tick.at / 3600, tick.label) for tick in march] == [
        (0, "27 Mar"), (1, "01:00"), (2, "03:00"), (3, "04:00"), (4, "05:00"), (5, "06:00"),
        (6, "07:00"),
    ]  # fmt: skip
    days = time_ticks(datetime(2022, 10, 29, 22, tzinfo=UTC).astimezone(zone), 2 * 86400, 3)
    assert [(tick.at / 3600, tick.label) for tick in days] == [(0, "30 Oct"), (25, "31 Oct")]


@pytest.mark.parametrize(
    ("site", "name", "hour"),
    [
        ({"timezone": "Asia/Kolkata"}, "Asia/Kolkata", 17.5),
        ({"microgrid": {"carbon_intensity": {"area": "CISO"}}}, "America/Los_Angeles", 5),
        (
            {
                "location": {"latitude": 37.87, "longitude": -122.27},
                "microgrid": {"carbon_intensity": {"area": "CISO"}},
            },
            "America/Los_Angeles",
            5,
        ),
        (
            {
                "location": {"latitude": 52.5, "longitude": 13.4},
                "microgrid": {"carbon_intensity": {"area": "CISO"}},
            },
            "UTC+1 by longitude",
            13,
        ),
        (
            {
                "timezone": "Asia/Kolkata",
                "location": {"latitude": 52.5, "longitude": 13.4},
                "microgrid": {"carbon_intensity": {"area": "CISO"}},
            },
            "Asia/Kolkata",
            17.5,
        ),
        ({"location": {"latitude": 52, "longitude": 13}}, "UTC+1 by longitude", 13),
        ({"location": {"latitude": 52, "longitude": 0}}, "UTC", 12),
        ({"timezone": None}, "UTC", 12),
    ],
)
def test_the_clock_of_a_site(site: dict[str, object], name: str, hour: float) -> None:
    clock = site_clock(site)
    start = datetime(2022, 6, 8, 12, tzinfo=UTC)
    assert (clock.name, clock.past_midnight_s(start) / 3600) == (name, hour)
    assert (clock.wall_s(start, np.array([0.0]))[0] / 3600 - 12) % 24 == (hour - 12) % 24


@given(st.lists(st.floats(-1e9, 1e9), max_size=20), st.booleans())
def test_an_axis_holds_what_it_shows(shown: list[float], zero: bool) -> None:
    low, high = domain(shown, zero=zero)
    assert low < high
    assert all(low <= value <= high for value in shown)
    assert not zero or low <= 0 <= high
