"""Windows of deferrable work: the slots that it needs, the replicas, and the rate of release.

At a utilisation of 0.5 a replica takes 0.5 requests/s, and four of them 2/s; a quarter of the
requests may not wait.
"""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from controllers import SiteAction, SiteObservation
from controllers.windows import WindowPolicy, cleanest_slots
from tests.controllers.builders import LIMITS, context
from tests.controllers.planning import BATCH, CHAT, seen, service, site

# The slots that work needs


def chosen(intensity: list[float], due: list[float]) -> list[bool]:
    return cleanest_slots(np.array(intensity), np.ones(len(intensity)), np.array(due)).tolist()


def test_the_cleanest_slots_that_serve_what_is_due() -> None:
    assert chosen([3, 1, 2], [0, 0, 0]) == [False, False, False]
    assert chosen([3, 1, 2], [0, 0, 1]) == [False, True, False]
    assert chosen([3, 1, 2], [0, 0, 1.5]) == [False, True, True]
    assert chosen([3, 1, 2], [1, 1, 2]) == [True, True, False]
    assert chosen([3, 1, 2], [9, 9, 9]) == [True, True, True]
    assert chosen([2, 2, 2], [0, 0, 2]) == [True, True, False]  # the sooner of equal ones


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(0, 1)), min_size=1, max_size=7))
def test_no_other_slots_in_time_are_cleaner(slots: list[tuple[int, int]]) -> None:
    intensity = [float(value) for value, _ in slots]
    due = np.cumsum([count for _, count in slots])
    costs = [
        sum(value for value, used in zip(intensity, choice, strict=True) if used)
        for choice in itertools.product((0, 1), repeat=len(slots))
        if (np.cumsum(choice) >= due).all()
    ]
    taken = chosen(intensity, due.tolist())
    assert (np.cumsum(taken) >= due).all()
    assert sum(value for value, used in zip(intensity, taken, strict=True) if used) == min(costs)


# Replicas and rate


class Given(WindowPolicy):
    """Windows that a test sets."""

    def __init__(self, opens: list[int], **changes: Any) -> None:
        super().__init__(
            **{"replicas": True, "utilisation": 0.5, "wake_s": 60, "horizon_h": 1} | changes
        )
        self.opens = opens

    def windows(self, observation: SiteObservation) -> NDArray[np.bool_]:
        return np.array(self.opens[observation.step :], dtype=np.bool_)


def ready(opens: list[int], **changes: Any) -> Given:
    policy = Given(opens, **changes)
    policy.reset(site())
    return policy


def step(policy: WindowPolicy, number: int, rate: float = 0.0, **changes: Any) -> SiteAction:
    return policy.step(seen(number, forecasts={"arrivals": [rate] * 15}, **changes))


def settings(action: SiteAction) -> tuple[Any, Any]:
    return action.active_replicas, action.deferrable_rate_per_s


def test_replicas_wake_before_a_window_and_sleep_after_it() -> None:
    policy = ready([0, 0, 1, 1, 0])
    played = [settings(step(policy, at, deferrable_waiting=9999)) for at in range(5)]
    # at the start of the window all have been set to serve for a minute
    assert played == [(1, 0), (4, 0), (4, 2), (4, 2), (1, 0)]


def test_a_replica_that_still_wakes_up_does_not_count() -> None:
    policy = ready([1, 1, 1], wake_s=120)
    rates = [
        settings(step(policy, 0, deferrable_waiting=9999)),
        settings(step(policy, 1, deferrable_waiting=9999, awake_replicas=3)),
    ]
    assert rates == [(4, 2), (4, 1.5)]
    policy = ready([0, 1, 1, 1], wake_s=120)
    step(policy, 0)  # nothing waits: one replica
    later = [settings(step(policy, at, deferrable_waiting=9999)) for at in (1, 2, 3)]
    assert later == [(4, 0.5), (4, 0.5), (4, 2)]


def test_no_more_replicas_than_the_work_needs() -> None:
    """Within a quarter of an hour."""
    policy = ready([1] * 4)
    assert settings(step(policy, 0, deferrable_waiting=450)) == (1, 0.5)
    assert settings(step(policy, 1, deferrable_waiting=451))[0] == 2
    assert settings(step(policy, 2, 0.8, deferrable_waiting=451))[0] == 2  # 0.2/s of chat
    assert settings(step(policy, 3, 0.8, deferrable_waiting=650))[0] == 2


def test_work_takes_the_room_that_chat_leaves() -> None:
    policy = ready([1] * 3)
    assert settings(step(policy, 0, 1.2, deferrable_waiting=9999)) == (4, pytest.approx(1.7))
    # 90 queued requests are to be served within a quarter of an hour
    busy = step(policy, 1, 1.2, deferrable_waiting=9999, replica_waiting=90)
    assert settings(busy) == (4, pytest.approx(1.6))
    assert settings(step(policy, 2, 99, deferrable_waiting=9999)) == (4, 0)


def test_work_that_can_wait_no_more_starts_in_time() -> None:
    policy = ready([0] * 9)
    # all replicas take 2/s: 240 requests take 120 s, and replicas a step to wake up
    calm = step(policy, 0, deferrable_waiting=240, deferrable_slack_s=301.0)
    assert settings(calm) == (1, 0)
    urgent = step(policy, 1, deferrable_waiting=240, deferrable_slack_s=300.0)
    assert urgent.active_replicas == 3  # 240 within the 180 s that are left
    assert urgent.deferrable_rate_per_s == 0.5  # one is awake for sure
    assert urgent.reason == "240 wait, some can wait no more"


def test_requests_that_are_longer_than_the_mean() -> None:
    """A deferrable one takes the service of 1.25 mean requests, a chat a quarter of one."""
    policy = Given([1], wake_s=0)
    chat = {"share": 0.25, "tpot_slo_s": 0.05}
    policy.reset(
        site(
            classes=(
                type(CHAT)(name="chat", weight=0.25, **chat),
                type(BATCH)(name="batch", share=0.75, deferrable=True, weight=1.25),
            )
        )
    )
    action = step(policy, 0, 4.0, deferrable_waiting=9999)
    assert settings(action) == (4, pytest.approx((2 - 4.0 / 16) / 1.25))


def test_replicas_that_others_set() -> None:
    policy = ready([1, 1], replicas=False)
    assert policy.actuators == {"deferrable_rate"}
    assert settings(step(policy, 0, deferrable_waiting=9)) == (None, 2)
    half = step(policy, 1, deferrable_waiting=9, active_replicas=2, awake_replicas=3)
    assert settings(half) == (None, 1)


def test_nothing_waits() -> None:
    action = step(ready([1]), 0)
    assert (settings(action), action.reason) == ((1, 0), "nothing waits")


def test_sites_without_deferrable_work_or_a_cluster() -> None:
    with pytest.raises(ValueError, match="site 'dc' has no deferrable_rate: no class is deferr"):
        Given([1]).reset(context(limits=LIMITS))
    with pytest.raises(ValueError, match="site 'dc' has no cluster to scale"):
        Given([1]).reset(site(service=None))


def test_one_replica_is_a_site_too() -> None:
    policy = Given([0, 1, 1])
    policy.reset(site(replicas=1))
    played = [settings(step(policy, at, deferrable_waiting=99)) for at in range(3)]
    assert played == [(1, 0), (1, 0.5), (1, 0.5)]
    assert service(1).replicas == 1
