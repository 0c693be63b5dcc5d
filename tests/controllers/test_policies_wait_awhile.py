"""Deferrable work in the cleanest slots before its deadline, with the replicas left alone."""

from __future__ import annotations

import pytest

from controllers import WaitAwhile
from tests.conftest import Runs
from tests.controllers.planning import seen, site
from tests.cosim.loop.deferral import run_beside_noop


def rates(
    intensity: list[float],
    waiting: list[int],
    *,
    arrived: list[int] | None = None,
    slack_s: float | None = None,
    chat: float = 0.0,
) -> list[float | None]:
    """Rates of release at a utilisation of 0.5: four replicas take 120 requests in a minute."""
    policy = WaitAwhile(utilisation=0.5)
    policy.reset(site())
    made = []
    for at, count in enumerate(waiting):
        ahead = intensity[at:]
        now = seen(
            at,
            forecasts={"carbon_intensity": ahead, "arrivals": [chat] * len(ahead)},
            arrived=arrived[at] if arrived else 0,
            deferrable_waiting=count,
            deferrable_slack_s=None if slack_s is None else slack_s - 60 * at,
        )
        made.append(policy.step(now).deferrable_rate_per_s)
    return made


SIGNAL = [50.0, 20, 30, 10, 40, 40]


def test_as_many_of_the_cleanest_slots_as_the_work_takes() -> None:
    assert rates(SIGNAL, [120] * 4) == [0, 0, 0, 2]
    assert rates(SIGNAL, [240, 240, 120, 120]) == [0, 2, 0, 2]
    assert rates(SIGNAL, [360, 360, 240, 120]) == [0, 2, 2, 2]
    assert rates(SIGNAL, [720]) == [2]


def test_only_slots_before_the_deadline() -> None:
    # all are taken to be as urgent as the first, for none was seen to arrive
    assert rates(SIGNAL, [120, 120], slack_s=200) == [0, 2]
    assert rates(SIGNAL, [240, 240], slack_s=300) == [0, 2]


def test_each_cohort_before_its_own() -> None:
    """Those that arrived last may wait for the last slot, the cleanest."""
    signal = [50.0, 20, 30, *[40.0] * 20, 10.0]
    alone = rates(signal, [120, 240], slack_s=301)
    assert alone == [0, 2]
    # of 240 that wait, 120 arrived a minute ago and have 7000 s
    beside = rates(signal, [120, 240], arrived=[0, 160], slack_s=301)
    assert beside == [0, 2]
    served = rates(signal, [0, 240, 120], arrived=[0, 160, 0], slack_s=301)
    assert served == [0, 2, 2]


def test_chat_leaves_less_room() -> None:
    assert rates(SIGNAL, [121] * 2) == [0, 2]
    assert rates(SIGNAL, [61] * 2, chat=4.0) == [0, pytest.approx(1.0)]  # a quarter of 4/s
    assert rates(SIGNAL, [60] * 2, chat=4.0) == [0, 0]


def test_a_flat_day_waits_for_nothing() -> None:
    assert rates([0.1] * 6, [5, 5, 5]) == [2, 2, 2]


def test_the_same_after_a_reset() -> None:
    policy = WaitAwhile()
    played = []
    for _ in range(2):
        policy.reset(site())
        forecasts = {"carbon_intensity": SIGNAL, "arrivals": [0.0] * 6}
        played.append(
            [
                policy.step(seen(at, forecasts=forecasts, arrived=9, deferrable_waiting=9 * at))
                for at in range(3)
            ]
        )
    assert played[0] == played[1]


def test_in_a_run_it_saves_at_equal_work(runs: Runs) -> None:
    policy, noop = run_beside_noop(runs, "{type: wait_awhile}")
    assert policy.summary["requests"]["completed"] == noop.summary["requests"]["completed"]
    assert policy.summary["carbon_g"]["import"] < 0.97 * noop.summary["carbon_g"]["import"]
