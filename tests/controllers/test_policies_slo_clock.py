"""Clocks of ``slo_clock`` that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from controllers import ActuatorLimits, SloClock
from tests.conftest import Runs
from tests.controllers.builders import context, observation, service
from tests.cosim.builders import controlled, write

LIMITS = {"clock_fraction": ActuatorLimits(0.3, 1.0)}
# tpot is (10, 12, 16, 24) ms for a batch of 1, 2, 4, 8 at the full clock, and 1.5 times as long at
# half of it; between them it is linear in the clock, 1.25 times as long at 0.75.
SITE = {"limits": LIMITS, "service": service()}
PLAIN = {"headroom": 0, "minimum": 0.5, "clock_step": 0.25, "tpot_slo_s": 0.02}


def seen(step=1, **changes):
    """A minute in which nothing came, at the full clock."""
    return observation(step, **{"batch_cap": 64, "active_replicas": 1} | changes)


def clock(policy, observation, **changes):
    policy.reset(context(**SITE | changes))
    return policy.step(observation).clock_fraction


@pytest.mark.parametrize(
    ("running", "expected"),
    [
        (0, 0.5),  # 15 ms
        (2, 0.5),  # 18 ms
        (3, 0.75),  # 17.5 ms, but 21 ms at half the clock
        (4, 0.75),  # 20 ms, just so
        (5, 1.0),  # 18 ms, but 22.5 ms at 0.75
        (8, 1.0),  # 24 ms: none will do
    ],
)
def test_lowest_clock_that_holds_with_the_requests_at_hand(running, expected):
    assert clock(SloClock(**PLAIN), seen(running=running)) == expected


def test_waiting_requests_count_and_are_shared_by_the_replicas():
    policy = SloClock(**PLAIN)
    assert clock(policy, seen(running=2, replica_waiting=1, gateway_waiting=1)) == 0.75
    assert clock(policy, seen(running=4, replica_waiting=2, active_replicas=3)) == 0.5


def test_the_batch_is_never_above_the_cap():
    assert clock(SloClock(**PLAIN), seen(running=2, gateway_waiting=50, batch_cap=2)) == 0.5


def test_the_rate_makes_a_batch():
    # Rates of a batch of 1, 2, 4, 8: 10, 16.7, 25, 33.3 a second, at half the clock two thirds.
    policy = SloClock(**PLAIN)
    assert clock(policy, seen(admitted=60 * 11)) == 0.5  # a batch of 2 or so at 16.5 ms
    assert clock(policy, seen(admitted=60 * 16)) == 0.75  # 4 at 24 ms at half the clock
    assert clock(policy, seen(admitted=60 * 30)) == 1.0  # cannot be served at half the clock
    assert clock(policy, seen(admitted=60 * 16, active_replicas=2)) == 0.5


def test_the_rate_is_a_mean():
    policy = SloClock(**PLAIN, smoothing_s=60 / np.log(2))  # halfway to the last minute
    policy.reset(context(**SITE))
    clocks = [
        policy.step(seen(step, admitted=60 * rate)).clock_fraction
        for step, rate in [(1, 0), (2, 33), (3, 0), (4, 0)]
    ]
    assert clocks == [0.5, 0.75, 0.5, 0.5]  # rates 0, 16.5, 8.25, 4.1


def test_headroom_is_kept_of_objective_and_rate():
    policy = SloClock(**PLAIN | {"headroom": 0.1})
    assert clock(policy, seen(running=2)) == 0.5  # 18 ms of 18
    assert clock(policy, seen(running=3)) == 0.75  # 17.5 ms
    assert clock(policy, seen(running=4)) == 1.0  # 16 ms
    assert clock(policy, seen(admitted=60 * 31)) == 1.0


def test_what_is_observed_corrects_the_table():
    policy = SloClock(**PLAIN)
    policy.reset(context(**SITE))
    fast = seen(1, running=2, batch_mean=2, tpot_p99_s=0.006)
    assert policy.step(fast).clock_fraction == 0.5  # faster than the table: it is not believed
    slow = seen(2, running=2, batch_mean=2, tpot_p99_s=0.024, clock_fraction=1.0)
    # Twice the 12 ms of the table: the factor goes a fifth of the way, to 1.2: 21.6 ms.
    action = policy.step(slow)
    assert action.clock_fraction == 0.75
    assert action.reason == "TPOT of 18.0 ms with a batch of 2.0"
    # Half the clock is expected to take 18 ms: now as the table says, and the factor falls to 1.16.
    right = seen(3, running=2, batch_mean=2, tpot_p99_s=0.018, clock_fraction=0.5)
    assert policy.step(right).clock_fraction == 0.75
    assert policy.step(seen(4, running=1)).clock_fraction == 0.5  # 15 ms * 1.16


def test_the_clock_of_decodes_alone():
    """It is set and watched in place of that of all iterations, by the same table."""
    policy = SloClock(**PLAIN, actuator="decode_clock")
    policy.reset(context(limits={"decode_clock": ActuatorLimits(0.3, 1.0)}, service=service()))
    assert policy.actuators == {"decode_clock"}
    action = policy.step(seen(1, running=2))
    assert (action.decode_clock, action.clock_fraction) == (0.5, None)
    # Half the clock takes 18 ms by the table, as is observed: the factor stays 1.
    right = seen(2, running=2, batch_mean=2, tpot_p99_s=0.018, decode_clock=0.5, clock_fraction=1.0)
    assert policy.step(right).decode_clock == 0.5
    assert policy.step(seen(3, running=2)).decode_clock == 0.5
    with pytest.raises(ValueError, match="'dc' has no decode_clock to set"):
        policy.reset(context(**SITE))


def test_limits_and_steps_of_the_clock():
    policy = SloClock(tpot_slo_s=1, minimum=0.1, headroom=0)
    assert clock(policy, seen()) == 0.3
    assert clock(SloClock(tpot_slo_s=1, minimum=0.42), seen()) == 0.42
    assert clock(SloClock(tpot_slo_s=1, minimum=1), seen()) == 1.0


def test_before_there_is_telemetry_the_clock_is_the_highest():
    policy = SloClock(**PLAIN)
    assert clock(policy, seen(0)) == 1.0
    assert policy.step(seen(1)).clock_fraction == 0.5
    assert policy.step(seen(2, tpot_p99_s=None, running=8)).reason == (
        "no lower clock holds the SLO"
    )


def test_is_the_same_after_a_reset():
    policy = SloClock(tpot_slo_s=0.02)
    random = np.random.default_rng(1)
    steps = [
        seen(
            step,
            running=int(random.integers(8)),
            admitted=int(random.integers(900)),
            batch_mean=float(random.uniform(1, 8)),
            tpot_p99_s=float(random.uniform(0.01, 0.03)),
        )
        for step in range(30)
    ]

    def play():
        policy.reset(context(**SITE))
        return [policy.step(one) for one in steps]

    first = play()
    assert play() == first
    assert len({action.clock_fraction for action in first}) > 3


def test_needs_an_objective_a_clock_and_a_deployment():
    with pytest.raises(ValueError, match="'dc' has no SLO for the time per token"):
        SloClock().reset(context(**SITE))
    with pytest.raises(ValueError, match="'dc' has no clock_fraction to set"):
        SloClock(tpot_slo_s=1).reset(context())
    with pytest.raises(ValueError, match="'dc' has no cluster to plan for"):
        SloClock(tpot_slo_s=1).reset(context(limits=LIMITS))


def test_in_the_loop_it_saves_energy_and_holds_the_objective(tmp_path, runs: Runs):
    entry = "{type: slo_clock, tpot_slo_s: 0.02}"
    text = controlled(entry).replace("rate_per_s: 0.5", "rate_per_s: 20")
    text = text.replace("duration: 20min", "duration: 8min")
    ran = runs(write(tmp_path / "s.yaml", text))
    open_ = runs(write(tmp_path / "noop.yaml", text.replace(entry, "{type: noop}")))
    assert ran.column("clock_fraction")[0] == 1 > ran.column("clock_fraction")[1:].max()
    assert (ran.column("tpot_p99_s") < 0.02).all()
    assert ran.column("gpu_power_w").mean() < 0.65 * open_.column("gpu_power_w").mean()
    assert ran.column("completed").sum() > 0.99 * open_.column("completed").sum()
