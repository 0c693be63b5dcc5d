"""Deferrable work in the cleanest hours ahead, on all replicas.

At a utilisation of 0.5 four replicas take 2 requests/s, or 120 in a step.
"""

from __future__ import annotations

import math
from typing import Any

from controllers import ActuatorLimits, CleanWindows, SiteAction
from tests.conftest import Runs
from tests.controllers.planning import seen, site
from tests.cosim.loop.deferral import run_beside_noop


def ready(**parameters: Any) -> CleanWindows:
    policy = CleanWindows(**{"utilisation": 0.5, "wake_s": 60} | parameters)
    policy.reset(site())
    return policy


def step(
    policy: CleanWindows, intensity: list[float], waiting: int, number: int = 0, **changes: Any
) -> SiteAction:
    forecasts = {"carbon_intensity": intensity, "arrivals": [0.0] * len(intensity)}
    return policy.step(seen(number, forecasts=forecasts, deferrable_waiting=waiting, **changes))


def rates(intensity: list[float], waiting: list[int], **parameters: Any) -> list[float | None]:
    """Rates of release on four replicas in the first minutes of a signal that is forecast."""
    policy = ready(replicas=False, **parameters)
    return [
        step(policy, intensity[at:], count, at).deferrable_rate_per_s
        for at, count in enumerate(waiting)
    ]


SIGNAL = [50.0, 20, 30, 10, 40, 40, 40, 40, 40]


def test_work_waits_for_the_slots_that_it_needs() -> None:
    assert rates(SIGNAL, [120] * 5) == [0, 0, 0, 2, 2]  # in the end none is cleaner
    assert rates(SIGNAL, [121, 121, 1]) == [0, 2, 0]
    assert rates(SIGNAL, [361] * 4) == [0, 2, 2, 2]
    assert rates(SIGNAL, [960] * 2) == [0, 2]
    assert rates(SIGNAL, [1080]) == [2]


def test_all_replicas_serve_then_and_wake_up_before() -> None:
    policy = ready()
    signal = [50.0, 50, 10, 50, 50]
    played = [step(policy, signal[at:], 120, at).active_replicas for at in range(2)]
    assert played == [1, 1]  # one replica serves 120 within a quarter of an hour
    signal = [50.0] * 30 + [10.0] * 20
    policy = ready()
    played = [step(policy, signal[at:], 2400, at).active_replicas for at in (28, 29, 30)]
    assert played == [1, 4, 4]


def test_a_share_of_the_hours_instead() -> None:
    assert rates([20.0, 10, 30, 40, 50], [9], share=0.25) == [2]  # the quantile is 20
    assert rates([20.1, 10, 20, 40, 50], [9], share=0.25) == [0]
    # work may wait for 7000 s: no more than 117 minutes count
    far = [20.0] * 117 + [10.0] * 117
    assert rates(far, [9], share=0.25) == [2]


def test_work_that_can_wait_no_more() -> None:
    dirty = [50.0] * 5 + [10.0] * 20
    action = step(ready(replicas=False), dirty, 120, deferrable_slack_s=60.0)
    assert action.deferrable_rate_per_s == 2
    assert action.reason == "window: 120 wait"  # the cleanest in time
    action = step(ready(replicas=False, share=0.2), dirty, 120, deferrable_slack_s=60.0)
    assert action.deferrable_rate_per_s == 2
    assert action.reason == "120 wait, some can wait no more"


def test_a_flat_day_waits_for_nothing() -> None:
    assert rates([0.1] * 9, [5, 5, 5]) == [2, 2, 2]
    assert rates([0.1] * 9, [5, 5, 5], share=0.2) == [2, 2, 2]


def test_the_same_after_a_reset() -> None:
    policy = ready()
    played = []
    for _ in range(2):
        policy.reset(site())
        actions = [step(policy, SIGNAL[at:], 121, at, arrived=9) for at in range(4)]
        played.append(actions)
    assert played[0] == played[1]
    assert len(set(played[0])) > 1


def test_it_sets_replicas_unless_told_not_to() -> None:
    assert CleanWindows().actuators == {"deferrable_rate", "active_replicas"}
    assert CleanWindows(replicas=False).actuators == {"deferrable_rate"}
    one = CleanWindows()
    limits = {
        "active_replicas": ActuatorLimits(1, 1),
        "deferrable_rate": ActuatorLimits(0, 1, initial=math.inf),
    }
    one.reset(site(replicas=1, limits=limits))
    assert step(one, [10.0] * 3, 9).active_replicas == 1


def test_in_a_run_it_saves_at_equal_work(runs: Runs) -> None:
    settings = ("sites.0.cluster.replicas=3", "workload.arrivals.rate_per_s=1")
    policy, noop = run_beside_noop(runs, "{type: clean_windows}", "time.duration=4h", *settings)
    assert policy.summary["requests"]["completed"] == noop.summary["requests"]["completed"] == 2500
    assert policy.summary["carbon_g"]["import"] < 0.65 * noop.summary["carbon_g"]["import"]
    assert policy.summary["sites"]["california"]["slo"]["attainment"] > 0.99
