"""A bucket starts in the cleanest window that its slack allows, and runs until nothing waits."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers import LowestWindow
from controllers.bucket import window_sums
from tests.conftest import Runs
from tests.controllers.planning import play_bucket, seen, site
from tests.cosim.loop.deferral import run_beside_noop

#         0   1   2   3   4   5   6   7   8
SIGNAL = [50, 40, 30, 60, 10, 70, 20, 20, 90]


def bucket(waiting: int, slack_s: float | None, signal: list[int] = SIGNAL) -> list[float]:
    """The rates while a bucket of this many requests stays; 1/s, so 60 of them are a step long."""
    policy = LowestWindow(rate_per_s=1)
    policy.reset(site())
    return play_bucket(policy, signal, [waiting] * 5, slack_s)


def test_one_step_long_it_starts_at_the_minimum() -> None:
    assert bucket(60, None) == [0, 0, 0, 0, 1]


def test_two_steps_long_it_starts_where_both_are_clean() -> None:
    # sums of two: 90 70 90 70 80 90 40 110; the least is at 6, beyond what was played
    assert bucket(120, None) == [0, 0, 0, 0, 0]
    # within three steps the first of the equal ones, at 1; then it runs on
    assert bucket(61, 180) == [0, 1, 1, 1, 1]


def test_slack_bounds_the_wait() -> None:
    assert bucket(60, 0) == [1, 1, 1, 1, 1]
    assert bucket(60, 179) == [0, 0, 1, 1, 1]  # two whole steps


def test_a_bucket_longer_than_the_forecast_starts_at_once() -> None:
    assert bucket(60 * len(SIGNAL), None)[0] == 1


def test_a_flat_forecast_waits_for_nothing() -> None:
    assert bucket(7, None, [3] * 9) == [1] * 5
    policy = LowestWindow(rate_per_s=1)
    policy.reset(site())
    assert play_bucket(policy, [0.1] * 99, [150], None) == [1]  # whatever the sums round to


def test_it_is_planned_anew_until_started() -> None:
    policy = LowestWindow(rate_per_s=1)
    policy.reset(site())
    forecasts = [[50, 40, 10], [40, 50, 60], [99, 10, 10]]
    rates = [
        policy.step(
            seen(step, forecasts={"carbon_intensity": ahead}, deferrable_waiting=60)
        ).deferrable_rate_per_s
        for step, ahead in enumerate(forecasts)
    ]
    assert rates == [0, 1, 1]  # what it had waited for is not forecast any more; then it has begun


def test_what_comes_after_the_end_is_the_next_bucket() -> None:
    policy = LowestWindow(rate_per_s=1)
    policy.reset(site())
    waiting = [0, 60, 60, 5, 0, 30, 30, 30]
    # nothing waits at 0; held at 1, starts at 2 when its slack is gone, ends at 4; and the next
    assert play_bucket(policy, SIGNAL, waiting, 120) == [0, 0, 1, 1, 0, 1, 1, 1]
    policy.reset(site())
    assert play_bucket(policy, SIGNAL, waiting, 420) == [0, 0, 0, 0, 0, 0, 1, 1]


def test_reasons() -> None:
    policy = LowestWindow(rate_per_s=1)
    policy.reset(site())
    reasons = []
    for step, count in ((0, 0), (0, 61), (6, 61), (7, 61)):
        ahead = {"carbon_intensity": SIGNAL[step:]}
        reasons.append(policy.step(seen(step, forecasts=ahead, deferrable_waiting=count)).reason)
    assert reasons == [
        "nothing waits",
        "61 requests, 120 s long: best in 360 s",
        "61 requests, 120 s long: best now",
        "the bucket runs to its end",
    ]


def test_without_telemetry_it_holds() -> None:
    policy = LowestWindow()
    policy.reset(site(classes=(), service=None))
    assert policy.step(seen(0)).deferrable_rate_per_s == 0


def test_the_same_after_a_reset() -> None:
    assert bucket(60, None) == bucket(60, None)
    policy = LowestWindow()
    played = []
    for _ in range(2):
        policy.reset(site())
        played.append(play_bucket(policy, SIGNAL, [9, 9, 9, 9, 9, 0, 4], 200))
    assert played[0] == played[1]


@given(
    st.lists(st.integers(0, 1000), min_size=1, max_size=30),
    st.integers(1, 40),
    st.none() | st.integers(0, 40),
)
def test_window_sums_are_sums_of_windows(
    values: list[int], length: int, latest: int | None
) -> None:
    size = min(length, len(values))
    starts = len(values) - size + 1 if latest is None else min(latest + 1, len(values) - size + 1)
    expected = [sum(values[start : start + size]) for start in range(starts)]
    assert window_sums(np.array(values, float), length, latest).tolist() == expected


@given(st.lists(st.integers(1, 500), min_size=4, max_size=20), st.integers(1, 3))
def test_forecast_right_it_runs_in_the_cleanest_window(signal: list[int], length: int) -> None:
    sums = [sum(signal[i : i + length]) for i in range(len(signal) - length + 1)]
    policy = LowestWindow(rate_per_s=1)
    policy.reset(site())
    rates = play_bucket(policy, signal, [60 * length] * len(sums))
    assert rates.index(1) == sums.index(min(sums))


def test_in_a_run_it_saves_at_equal_work(runs: Runs) -> None:
    policy, noop = run_beside_noop(runs, "{type: lowest_window}")
    assert policy.summary["requests"]["completed"] == noop.summary["requests"]["completed"]
    assert policy.summary["carbon_g"]["import"] < 0.97 * noop.summary["carbon_g"]["import"]


@pytest.mark.parametrize("waiting", [1, 59, 60])
def test_part_of_a_step_is_a_step(waiting: int) -> None:
    assert bucket(waiting, None) == [0, 0, 0, 0, 1]
