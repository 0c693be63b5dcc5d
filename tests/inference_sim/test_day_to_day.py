"""Days that differ."""

from __future__ import annotations

from itertools import islice, takewhile

import numpy as np
import pytest

from inference_sim.workload import (
    DailyArrivals,
    DayToDayArrivals,
    FixedLengths,
    HourlyArrivals,
    generated_stream,
)
from tests.inference_sim.builders import approx

DAY_S = 86_400.0
COSINE = DailyArrivals(0.01, peak_to_mean=1.8, peak_hour=21.0, start_hour=0.0)
"""Its quietest hour is 9:00."""
MONDAY, SATURDAY = 0, 5


def days(
    std: float = 0.3,
    *,
    correlation_s: float = 0.0,
    weekend: float = 1.0,
    start_weekday: int = MONDAY,
    daily: DailyArrivals | HourlyArrivals = COSINE,
    seed: int = 1,
) -> DayToDayArrivals:
    return DayToDayArrivals(daily, std, correlation_s, weekend, start_weekday, (seed, 5))


def times(arrivals: DayToDayArrivals, until_s: float) -> np.ndarray:
    stream = generated_stream(arrivals, FixedLengths(10, 5), 1)
    return np.array([one.time_s for one in takewhile(lambda one: one.time_s < until_s, stream)])


def test_factors_are_lognormal_with_mean_1() -> None:
    factors = days(0.4).factors(20_000)
    assert factors.mean() == approx(1, 4 * 0.4 / np.sqrt(20_000))
    assert factors.std() == approx(0.4, 0.05)
    logs = np.log(factors)
    assert logs.std() == approx(np.sqrt(np.log(1 + 0.4**2)), 0.02)
    assert abs(np.corrcoef(logs[1:], logs[:-1])[0, 1]) < 4 / np.sqrt(20_000)


def test_their_logarithms_remember() -> None:
    logs = np.log(days(0.4, correlation_s=2 * DAY_S).factors(20_000))
    for lag in (1, 3):
        found = np.corrcoef(logs[lag:], logs[:-lag])[0, 1]
        assert found == pytest.approx(np.exp(-lag / 2), abs=0.04)


def test_more_days_begin_with_the_same() -> None:
    arrivals = days(correlation_s=DAY_S, weekend=0.6)
    assert arrivals.factors(50)[:20].tolist() == arrivals.factors(20).tolist()
    assert days(seed=2).factors(3).tolist() != days().factors(3).tolist()


def test_days_before_the_run_are_remembered_too() -> None:
    """They do not depend on how many are asked for, and the run's days do not on them."""
    arrivals = days(0.4, correlation_s=2 * DAY_S)
    factors = arrivals.factors(10, 20_000)
    assert factors[20_000:].tolist() == arrivals.factors(10).tolist()
    assert factors[19_995:].tolist() == arrivals.factors(10, 5).tolist()
    logs = np.log(factors)
    assert np.corrcoef(logs[1:], logs[:-1])[0, 1] == pytest.approx(np.exp(-1 / 2), abs=0.03)
    hours_s = (np.arange(-48, 9) + 0.5) * 3600
    ratio = arrivals.rate_per_s(hours_s) / COSINE.rate_per_s(hours_s)
    assert ratio == approx(np.repeat(arrivals.factors(1, 2), [9, 24, 24]), 1e-12)


def test_weekends() -> None:
    """Monday begins at 0:00, but its first hours, before 9:00, are Sunday night."""
    factors = days(0, weekend=0.5).factors(15)
    workday = 7 / 6
    week = [*[workday] * 5, *[0.5 * workday] * 2]
    assert factors == approx([0.5 * workday, *week, *week], 1e-12)
    assert factors[1:8].mean() == approx(1, 1e-12)
    later = DailyArrivals(0.01, 1.8, 21.0, start_hour=12.0)
    assert days(0, weekend=0.5, daily=later).factors(6) == approx(
        [*[workday] * 5, 0.5 * workday], 1e-12
    )


def test_days_begin_where_the_profile_is_lowest() -> None:
    arrivals = days()
    assert arrivals.first_day_s == 9 * 3600
    hours = np.arange(72) + 0.5
    ratio = arrivals.rate_per_s(hours * 3600) / COSINE.rate_per_s(hours * 3600)
    assert ratio == approx(np.repeat(arrivals.factors(4), [9, 24, 24, 15]), 1e-12)
    weights = (3.0, 2.0, 1.0, 1.0, *[4.0] * 20)
    assert days(daily=HourlyArrivals(0.01, weights, 3.0)).first_day_s == 23 * 3600


def test_requests_follow_the_rates() -> None:
    """Over thirty days, by the hour: a chi-square of 720 degrees of freedom."""
    arrivals = days(0.5, daily=DailyArrivals(0.02, 1.8, 21.0, 0.0))
    drawn = times(arrivals, 30 * DAY_S)
    counts = np.histogram(drawn, 720, (0, 30 * DAY_S))[0]
    fine = arrivals.rate_per_s((np.arange(7200) + 0.5) * 360)
    expected = fine.reshape(720, 10).sum(axis=1) * 360
    chi_square = ((counts - expected) ** 2 / expected).sum()
    assert abs(chi_square - 720) < 4 * np.sqrt(2 * 720)


def test_busy_days_come_in_small_chunks() -> None:
    chunks = days(daily=DailyArrivals(2.0, 1.8, 21.0, 0.0)).times_s(np.random.default_rng(1))
    first = [*islice(chunks, 60)]
    assert max(map(len, first)) < 5000
    assert (np.diff(np.concatenate(first)) >= 0).all()


def test_one_day_in_700_is_busier_than_the_peak() -> None:
    arrivals = days(0.3, weekend=0.8)
    share = arrivals.factors(70_000) * COSINE.peak_rate_per_s > arrivals.peak_rate_per_s
    assert 0.3 / 700 < share.mean() < 1.7 / 700
    assert days(0).peak_rate_per_s == COSINE.peak_rate_per_s
