"""The fewest replicas that hold the objectives, and more while the grid is clean.

At a utilisation of 0.5 a replica takes 0.5 requests/s; it draws 100 W idle, 150 W at that rate, and
20 W asleep. So the room of the base costs 100 W per request/s, and a further replica 130 W for half
a request/s, or 260 W per request/s.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers import Autoscale, SiteObservation
from tests.conftest import Runs
from tests.controllers.builders import LIMITS, context
from tests.controllers.planning import LONG, SHORT, seen, site
from tests.cosim.loop.deferral import run_beside_noop


def scaled(policy: Autoscale, arrivals: list[float], **changes: object) -> int | None:
    now = seen(0, forecasts={"arrivals": arrivals}, **changes)
    return policy.step(now).active_replicas


def ready(**parameters: float) -> Autoscale:
    policy = Autoscale(**{"utilisation": 0.5, "lookahead_s": 180} | parameters)  # type: ignore[arg-type]
    policy.reset(site())
    return policy


# Requests that may not wait


def test_the_fewest_replicas_that_hold_the_rate() -> None:
    policy = ready()
    rates = [0, 0.1, 0.5, 0.51, 1.0, 1.5, 1.9, 2.0, 99]
    assert [scaled(policy, [rate] * 3) for rate in rates] == [1, 1, 1, 2, 2, 3, 4, 4, 4]


def test_it_looks_as_far_as_a_replica_takes_to_wake_up() -> None:
    policy = ready()
    assert scaled(policy, [0.1, 0.1, 0.9, 0.1]) == 2
    assert scaled(policy, [0.1, 0.1, 0.1, 0.9]) == 1


def test_what_waits_is_served_within_that_time() -> None:
    policy = ready()
    # 0.4/s and 36 requests in 180 s
    assert scaled(policy, [0.4] * 3, gateway_waiting=30, replica_waiting=6) == 2
    assert scaled(policy, [0.4] * 3, gateway_waiting=18) == 1


def test_the_objective_bounds_the_batch() -> None:
    """Without it a replica serves 2/s."""
    policy = Autoscale(utilisation=0.5)
    policy.reset(site(classes=()))
    assert scaled(policy, [1.0] * 15) == 1


# Deferrable work: three quarters of the requests


def planned(
    intensity: list[float], waiting: int, *, rate: float = 0.0, slack_s: float | None = None
) -> tuple[int | None, float | None]:
    """Replicas and rate of release, with slots of a minute."""
    policy = ready(deferrable=True, lookahead_s=60, slot_s=60, horizon_h=len(intensity) / 60)
    now: SiteObservation = seen(
        0,
        forecasts={"carbon_intensity": intensity, "arrivals": [rate] * len(intensity)},
        deferrable_waiting=waiting,
        deferrable_slack_s=slack_s,
    )
    action = policy.step(now)
    return action.active_replicas, action.deferrable_rate_per_s


def test_only_requests_that_may_not_wait_count_for_the_base() -> None:
    assert planned([10], 0, rate=4.0) == (2, 0)  # a quarter of 4/s


def test_room_and_replicas_are_taken_from_the_cleanest_slots_on() -> None:
    # One minute of the base's room is 30 requests, and of each of three more replicas 30. Grams per
    # request go as 100 CI in the room, and as 260 CI beyond it: here 5000 and 13000 now, 2000
    # and 5200 in the next minute, 1000 and 2600 in the third.
    signal = [50.0, 20.0, 10.0]
    # in order: the third's room (30), the second's (60), the third's replicas (150), now's room
    # (180), the second's replicas (270), now's replicas (360)
    assert planned(signal, 30) == (1, 0)
    assert planned(signal, 150) == (1, 0)
    one = 1 / 60  # a second, for the one request that other slots leave
    assert planned(signal, 151) == (1, pytest.approx(one))
    assert planned(signal, 180) == (1, 0.5)
    assert planned(signal, 270) == (1, 0.5)
    assert planned(signal, 271) == (2, pytest.approx(0.5 + one))
    assert planned(signal, 301) == (3, pytest.approx(1.0 + one))
    assert planned(signal, 331) == (4, pytest.approx(1.5 + one))
    assert planned(signal, 360) == (4, pytest.approx(2.0))
    assert planned(signal, 9999) == (4, 2.0)


def test_a_clean_minute_takes_replicas_before_a_dirty_one_its_room() -> None:
    assert planned([10.0, 50.0], 121) == (4, 2.0)
    assert planned([10.0, 50.0], 31) == (2, 1.0)  # 2600 < 5000
    assert planned([20.0, 50.0], 31) == (1, 0.5)  # 5200 > 5000


@given(
    st.lists(st.integers(1, 500), min_size=1, max_size=8),
    st.integers(1, 900),
    st.sampled_from([0.0, 1.2, 3.2]),
)
def test_forecast_right_it_emits_the_least_that_can_be(
    signal: list[int], work: int, rate: float
) -> None:
    """Played to the end of the slack, beside the cheapest way to serve as much."""
    room = 0.5 - rate / 4 if rate < 2 else 1.0 - rate / 4  # of one replica, or of two
    replicas = 3 if rate < 2 else 2
    growth = [(room, 100 * room), *[(0.5, 130.0)] * replicas]  # requests/s and W
    costs = sorted(
        (power_w / per_s * ci, 60 * per_s) for ci in signal for per_s, power_w in growth if per_s
    )
    work = min(work, int(sum(most for _, most in costs)))
    least, left = 0.0, float(work)
    for cost, most in costs:
        least += cost * min(most, left)
        left -= min(most, left)

    emitted, left = 0.0, float(work)
    for step in range(len(signal)):
        if left < 1e-6:
            break
        _, per_s = planned(
            [float(ci) for ci in signal[step:]],
            left,  # type: ignore[arg-type]
            rate=rate,
            slack_s=60.0 * (len(signal) - step) - 1,
        )
        assert per_s is not None
        done = min(left, 60 * per_s)
        left -= done
        for each_per_s, power_w in growth:
            served = min(done, 60 * each_per_s)
            emitted += signal[step] * served * (power_w / each_per_s if each_per_s else 0.0)
            done -= served
    assert left == pytest.approx(0, abs=1e-6)
    assert emitted == pytest.approx(least, rel=1e-6)


def test_slack_bounds_the_slots() -> None:
    signal = [50.0, 20.0, 10.0]
    assert planned(signal, 30, slack_s=59) == (1, 0.5)
    assert planned(signal, 30, slack_s=60) == (1, 0)
    assert planned(signal, 61, slack_s=0) == (3, 1.5)


def test_the_base_leaves_less_room_where_it_is_busy() -> None:
    replicas, rate = planned([10.0], 5, rate=1.2)  # 0.3/s of chat in 0.5/s
    assert replicas == 1
    assert rate == pytest.approx(0.2)
    replicas, rate = planned([10.0], 9999, rate=7.2)  # all four, with 0.2/s left
    assert replicas == 4
    assert rate == pytest.approx(0.2)


def test_classes_of_other_lengths_count_in_mean_requests() -> None:
    """Chat takes 0.4 of one, batch 1.2: 5/s bring 0.5 mean requests/s of chat, one replica's."""
    policy = Autoscale(
        deferrable=True, utilisation=0.5, lookahead_s=60, slot_s=60, horizon_h=1 / 60
    )
    policy.reset(site(classes=(SHORT, LONG)))
    forecasts = {"carbon_intensity": [10.0], "arrivals": [5.0]}
    alone = policy.step(seen(0, forecasts=forecasts))
    assert (alone.active_replicas, alone.deferrable_rate_per_s) == (1, 0)
    # 26 of batch are 31.2 mean requests; a replica serves 30 in a minute
    one = policy.step(seen(0, forecasts=forecasts, deferrable_waiting=25, deferrable_slack_s=0))
    assert (one.active_replicas, one.deferrable_rate_per_s) == (2, pytest.approx(25 / 60))
    two = policy.step(seen(0, forecasts=forecasts, deferrable_waiting=26, deferrable_slack_s=0))
    assert (two.active_replicas, two.deferrable_rate_per_s) == (3, pytest.approx(1.0 / 1.2))


def test_a_flat_signal_waits_for_nothing() -> None:
    assert planned([30.0] * 4, 10) == (1, 0.5)
    assert planned([0.0] * 4, 10) == (1, 0.5)


def test_without_telemetry_or_deferrable_work_nothing_is_released() -> None:
    assert planned([30.0] * 4, 0) == (1, 0)


def test_reasons() -> None:
    policy = ready(deferrable=True, slot_s=60)
    forecasts = {"carbon_intensity": [10.0] * 3, "arrivals": [4.0] * 3}
    action = policy.step(seen(0, forecasts=forecasts, deferrable_waiting=31))
    assert action.reason == "2 for 1 requests/s, 2 more for 31 deferrable"
    assert policy.step(seen(0, forecasts=forecasts)).reason == "2 for 1 requests/s"


def test_the_same_after_a_reset() -> None:
    assert planned([50.0, 20.0, 10.0], 271) == planned([50.0, 20.0, 10.0], 271)
    policy = ready()
    first = [scaled(policy, [rate] * 3) for rate in (0.3, 1.4, 0.2)]
    policy.reset(site())
    assert [scaled(policy, [rate] * 3) for rate in (0.3, 1.4, 0.2)] == first == [1, 3, 1]


def test_sites_that_it_cannot_scale() -> None:
    with pytest.raises(ValueError, match="site 'dc' has no cluster to scale"):
        Autoscale().reset(context(limits=LIMITS))
    with pytest.raises(ValueError, match=r"slot_s must be a multiple of the step, 60 s \(got 90"):
        Autoscale(deferrable=True, slot_s=90).reset(site())


@pytest.mark.parametrize("deferrable", ["true", "false"])
def test_in_a_run_it_saves_at_equal_work(runs: Runs, deferrable: str) -> None:
    settings = ("sites.0.cluster.replicas=3", "workload.arrivals.rate_per_s=1")
    entry = f"{{type: autoscale, deferrable: {deferrable}}}"
    policy, noop = run_beside_noop(runs, entry, "time.duration=4h", *settings)
    assert policy.summary["requests"]["completed"] == noop.summary["requests"]["completed"] == 2500
    assert policy.summary["energy_kwh"]["import"] < 0.8 * noop.summary["energy_kwh"]["import"]
    assert policy.summary["sites"]["california"]["slo"]["attainment"] > 0.99
