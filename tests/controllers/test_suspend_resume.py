"""Work runs below a quantile of the day to come, with two thresholds where switching costs."""

from __future__ import annotations

import pytest

from controllers import SuspendResume
from tests.conftest import Runs
from tests.controllers.builders import LIMITS, context
from tests.controllers.planning import LONG, SHORT, play_bucket, seen, site
from tests.cosim.loop.deferral import run_beside_noop

DAY = [30, 10, 20, 50, 40]  # its 0.25-quantile is 20


def step(policy: SuspendResume, day: list[float], number: int = 0, **changes: object) -> float:
    rate = policy.step(
        seen(number, forecasts={"carbon_intensity": day}, **changes)
    ).deferrable_rate_per_s
    assert rate is not None
    return rate


def test_runs_up_to_the_quantile_of_the_forecast() -> None:
    policy = SuspendResume(quantile=0.25, rate_per_s=3)
    policy.reset(site())
    days = [[ci, 10, 20, 50, 40] for ci in (30, 20, 15, 21)]
    # quantiles of what is ahead: 20, 20, 15, 20
    assert [step(policy, day) for day in days] == [0, 3, 3, 0]


def test_two_thresholds_where_a_switch_costs() -> None:
    policy = SuspendResume(quantile=0.5, switching_cost_g_per_kwh=5, rate_per_s=3)
    policy.reset(site())
    # the median is 100 throughout: resume at 95, suspend above 105
    ahead = [100, 100, 0, 200]
    signal = [100, 96, 95, 100, 105, 106, 100, 96, 90]
    assert [step(policy, [ci, *ahead]) for ci in signal] == [0, 0, 3, 3, 3, 0, 0, 0, 3]
    plain = SuspendResume(quantile=0.5, rate_per_s=3)
    plain.reset(site())
    assert [step(plain, [ci, *ahead]) for ci in signal] == [3, 3, 3, 3, 0, 0, 3, 3, 3]


def test_work_whose_slack_is_gone_runs() -> None:
    policy = SuspendResume(rate_per_s=3)
    policy.reset(site())
    dirty = [50, 10, 10, 10]
    assert step(policy, dirty, deferrable_waiting=9, deferrable_slack_s=61.0) == 0
    assert step(policy, dirty, deferrable_waiting=9, deferrable_slack_s=60.0) == 3
    assert step(policy, dirty, deferrable_waiting=9, deferrable_slack_s=None) == 0


def test_a_flat_day_runs() -> None:
    policy = SuspendResume(quantile=0.3, rate_per_s=3)
    policy.reset(site())
    assert play_bucket(policy, [0.1] * 7, [5] * 4) == [3] * 4


def test_the_rate_is_what_others_leave() -> None:
    """Four replicas serve 4/s at the objective; a quarter of what arrives may not wait."""
    policy = SuspendResume(utilisation=0.75)
    policy.reset(site())
    flat = [10.0, 10.0]
    assert step(policy, flat, 0) == pytest.approx(3)  # nothing was observed yet
    assert step(policy, flat, 1, arrived=240) == pytest.approx(2)  # 1/s of chat
    # a minute weighs 1 - exp(-60 / 900) = 0.0645 in the mean: 1.0645/s is not yet another rate
    assert step(policy, flat, 2, arrived=480) == pytest.approx(2)
    # 1.0645 + 0.0645 * (4 - 1.0645) = 1.25381
    assert step(policy, flat, 3, arrived=960) == pytest.approx(3 - 1.25381, abs=1e-5)
    policy.reset(site())
    assert step(policy, flat, 1, arrived=2400) == pytest.approx(0.08)  # the least: 1 % of 8


def test_classes_of_other_lengths_leave_another_rate() -> None:
    """4 mean requests/s at the objective; chat takes 0.4 of one each, batch 1.2."""
    policy = SuspendResume(utilisation=0.75)
    policy.reset(site(classes=(SHORT, LONG)))
    flat = [10.0, 10.0]
    assert step(policy, flat, 0) == pytest.approx(3 / 1.2)
    assert step(policy, flat, 1, arrived=240) == pytest.approx((3 - 0.4) / 1.2)  # 1/s of chat


def test_a_rate_beyond_the_limit_is_cut() -> None:
    policy = SuspendResume(rate_per_s=100)
    policy.reset(site())
    assert step(policy, [10.0, 10.0]) == 8


def test_the_same_after_a_reset() -> None:
    policy = SuspendResume(quantile=0.5, switching_cost_g_per_kwh=5)
    played = []
    for _ in range(2):
        policy.reset(site())
        played.append(play_bucket(policy, DAY * 4, [0, 3, 9, 9, 0, 2, 2]))
    assert played[0] == played[1]
    assert len(set(played[0])) > 1


def test_a_site_without_deferrable_work() -> None:
    with pytest.raises(ValueError, match="site 'dc' has no deferrable_rate: no class is deferr"):
        SuspendResume().reset(context(limits=LIMITS))


def test_in_a_run_it_saves_at_equal_work(runs: Runs) -> None:
    policy, noop = run_beside_noop(runs, "{type: suspend_resume}")
    assert policy.summary["requests"]["completed"] == noop.summary["requests"]["completed"]
    assert policy.summary["carbon_g"]["import"] < 0.97 * noop.summary["carbon_g"]["import"]
