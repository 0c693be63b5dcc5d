"""A bucket starts where the carbon it saves per time until its end is greatest."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from controllers import CarbonTime, LowestWindow
from tests.conftest import Runs
from tests.controllers.planning import play_bucket, seen, site
from tests.cosim.loop.deferral import run_beside_noop


def play(waiting: int, signal: list[float], slack_s: float | None = None) -> list[float]:
    policy = CarbonTime(rate_per_s=1)
    policy.reset(site())
    return play_bucket(policy, signal, [waiting] * min(5, len(signal)), slack_s)


def test_starts_where_it_saves_most_per_time() -> None:
    # one step long; savings 0 5 30 32 36 over 1 2 3 4 5 steps: 0 2.5 10 8 7.2
    signal = [50, 45, 20, 18, 14]
    assert play(60, signal) == [0, 0, 1, 1, 1]
    # where the lowest window waits on
    policy = LowestWindow(rate_per_s=1)
    policy.reset(site())
    assert play_bucket(policy, signal, [60] * 5) == [0, 0, 0, 0, 1]


def test_the_wait_so_far_counts() -> None:
    # savings 0 20 24 over 1 2 3: 0 10 8, best at 1; that 4 more could be saved then is too late
    assert play(60, [50, 30, 26]) == [0, 1, 1]
    # savings 0 20 36 over 1 2 3: 0 10 12
    assert play(60, [50, 30, 14]) == [0, 0, 1]


def test_it_is_planned_anew_at_each_forecast() -> None:
    policy = CarbonTime(rate_per_s=1)
    policy.reset(site())
    # 40 after one step is worth 5, and 10 after two was worth 13; now 38 after two is worth 4
    forecasts = [[50, 40, 10], [40, 38, 60], [38, 38, 38]]
    rates = [
        policy.step(
            seen(step, forecasts={"carbon_intensity": ahead}, deferrable_waiting=60)
        ).deferrable_rate_per_s
        for step, ahead in enumerate(forecasts)
    ]
    assert rates == [0, 1, 1]
    policy.reset(site())  # and where all has become worse than it was, it waits no longer
    for step, ahead in enumerate([[50, 10, 10], [90, 80, 70]]):
        action = policy.step(
            seen(step, forecasts={"carbon_intensity": ahead}, deferrable_waiting=60)
        )
    assert action.deferrable_rate_per_s == 1


@given(st.lists(st.integers(1, 500), min_size=4, max_size=20), st.integers(1, 3))
def test_forecast_right_it_starts_where_it_planned_at_first(signal: list[int], length: int) -> None:
    """As GAIA does, which plans once."""
    sums = [sum(signal[i : i + length]) for i in range(len(signal) - length + 1)]
    gains = [(sums[0] - one) / (i + length) for i, one in enumerate(sums)]
    policy = CarbonTime(rate_per_s=1)
    policy.reset(site())
    rates = play_bucket(policy, signal, [60 * length] * len(sums))
    assert rates.index(1) == gains.index(max(gains))


def test_steps_without_a_call_count() -> None:
    policy = CarbonTime(rate_per_s=1)
    policy.reset(site())
    ahead = {"carbon_intensity": [50, 50, 30, 25]}
    assert policy.step(seen(0, forecasts=ahead, deferrable_waiting=60)).deferrable_rate_per_s == 0
    # savings 20 25 over 3 4 steps since it opened: 6.7 6.3
    ahead = {"carbon_intensity": [30, 25]}
    assert policy.step(seen(2, forecasts=ahead, deferrable_waiting=60)).deferrable_rate_per_s == 1


def test_a_longer_bucket() -> None:
    # sums of two: 90 80 40 60; savings 0 10 50 30 over 2 3 4 5: 0 3.3 12.5 6
    assert play(120, [50, 40, 40, 0, 60]) == [0, 0, 1, 1, 1]


def test_never_waits_for_nothing() -> None:
    assert play(60, [10, 20, 30]) == [1, 1, 1]
    assert play(60, [10, 10, 10]) == [1, 1, 1]
    assert play(150, [0.1] * 99) == [1] * 5
    assert play(60, [0, 0, 0]) == [1, 1, 1]


def test_slack_bounds_the_wait() -> None:
    assert play(60, [50, 45, 20, 18], slack_s=60) == [0, 1, 1, 1]


def test_without_telemetry_it_holds() -> None:
    policy = CarbonTime()
    policy.reset(site(service=None))
    assert policy.step(seen(0)).deferrable_rate_per_s == 0


def test_the_same_after_a_reset() -> None:
    assert play(60, [50, 45, 20, 18, 14]) == play(60, [50, 45, 20, 18, 14])


def test_in_a_run_it_saves_at_equal_work(runs: Runs) -> None:
    policy, noop = run_beside_noop(runs, "{type: carbon_time}")
    assert policy.summary["requests"]["completed"] == noop.summary["requests"]["completed"]
    assert policy.summary["carbon_g"]["import"] < 0.97 * noop.summary["carbon_g"]["import"]
