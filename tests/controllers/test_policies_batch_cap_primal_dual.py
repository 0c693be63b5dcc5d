"""Steps of ``batch_cap_primal_dual`` that can be worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from controllers import ActuatorLimits, BatchCapPrimalDual, ClassInfo
from tests.conftest import Runs
from tests.controllers.builders import context, observation, service
from tests.cosim.builders import controlled, write

LIMITS = {"batch_cap": ActuatorLimits(1, 64)}
# By log2 of the batch, power and time per token rise evenly, and the rate doubles each time.
EVEN = service(
    batches=np.array([1.0, 2.0, 4.0, 8.0]),
    power_w=np.array([250.0, 300.0, 350.0, 400.0]) * np.ones((2, 1)),
    tpot_s=np.array([0.010, 0.012, 0.014, 0.016]) * np.ones((2, 1)),
    rate_per_s=np.array([1.0, 2.0, 4.0, 8.0]) * np.ones((2, 1)),
)
SITE = {"limits": LIMITS, "service": EVEN}
POWER, TPOT, RATE = 50 / 400, 0.002, math.log(2)  # slopes per doubling


def actions(policy, steps, **changes):
    """What it sets over (intensity, ratio of TPOT to an objective of 20 ms), after a reset."""
    policy.reset(context(**SITE | changes))
    return [
        policy.step(observation(step, ci, tpot_p99_s=None if ratio is None else ratio * 0.02))
        for step, (ci, ratio) in enumerate(steps)
    ]


def caps(policy, steps, **changes):
    return [action.batch_cap for action in actions(policy, steps, **changes)]


def test_carbon_takes_the_cap_down_and_throughput_takes_it_up():
    policy = BatchCapPrimalDual(eta=2, nu=0.2, max_change=9, window_h=2 / 60)
    # Weights of power: CI over the mean of the last two values: 1, 1.5, 0.5.
    steps = [(100, None), (300, None), (100, None)]
    x = [3.0]
    for weight in (1, 1.5, 0.5):
        x.append(min(3.0, x[-1] - 2 * (weight * POWER - 0.2 * RATE)))
    assert x[1] == 3  # throughput wins at the mean intensity
    assert x[2] < 3
    assert caps(policy, steps) == [64, round(2 ** x[2]), round(2 ** x[3]) if x[3] < 3 else 64]
    assert caps(policy, steps)[1] == 7


def test_latency_over_its_objective_has_a_price():
    policy = BatchCapPrimalDual(
        tpot_slo_s=0.02, eta=1, eta_mu=4, nu=POWER / RATE, max_change=9, window_h=1
    )
    # At a flat intensity power and throughput balance; only the price counts, times 0.1 a doubling.
    steps = [(100, None), (100, 1.5), (100, 1.5), (100, None), (100, 0.5), (100, 0.5), (100, 0.5)]
    mu = [0, 2, 4, 4, 2, 0, 0]
    x = 3 - np.cumsum(mu) * TPOT / 0.02
    expected = [64, *(round(2**one) for one in x[1:].tolist())]
    assert caps(policy, steps) == expected == [64, 7, 5, 4, 3, 3, 3]


def test_change_is_bounded_and_the_cap_within_limits():
    policy = BatchCapPrimalDual(tpot_slo_s=0.02, eta=1, eta_mu=1000, max_change=1)
    assert caps(policy, [(100, 3)] * 5) == [4, 2, 1, 1, 1]
    narrow = {"batch_cap": ActuatorLimits(3, 6)}
    assert caps(policy, [(100, None), (100, 3), (100, 3)], limits=narrow) == [6, 3, 3]


def test_it_starts_where_the_deployment_is_at_its_objective():
    policy = BatchCapPrimalDual(tpot_slo_s=0.014, eta=1e-6)
    assert caps(policy, [(100, None)]) == [4]


def test_slopes_are_of_the_clock_in_force():
    half = service(power_w=np.array([[100.0, 100, 100, 100], [250.0, 300, 350, 400]]))
    policy = BatchCapPrimalDual(eta=1, nu=0, max_change=9)
    policy.reset(context(limits=LIMITS, service=half))
    assert policy.step(observation(0, 100, clock_fraction=0.5)).batch_cap == 64
    assert policy.step(observation(1, 100, clock_fraction=1.0)).batch_cap == 7  # 2 ** (3 - 1/8)


def test_the_guard_and_missing_values_leave_the_price_alone():
    policy = BatchCapPrimalDual(tpot_slo_s=0.02, eta=1, eta_mu=4, nu=POWER / RATE, max_change=9)
    policy.reset(context(**SITE))
    guarded = observation(0, 100, tpot_p99_s=0.5, guarded=True)
    assert policy.step(guarded).batch_cap == 64
    assert policy.step(observation(1, 100)).batch_cap == 64


def test_no_intensity_at_all():
    assert caps(BatchCapPrimalDual(), [(0, None)] * 2) == [64, 64]


def test_one_batch_only_leaves_nothing_to_choose():
    one = service(
        batches=np.ones(1), power_w=np.full((2, 1), 200.0), tpot_s=np.full((2, 1), 0.01),
        rate_per_s=np.full((2, 1), 1.0),
    )  # fmt: skip
    assert caps(BatchCapPrimalDual(), [(100, None)] * 2, service=one) == [64, 64]


def test_reason_gives_the_three_terms():
    (action,) = actions(BatchCapPrimalDual(tpot_slo_s=0.02, nu=0.1, eta_mu=1), [(100, 1.5)])
    assert action.reason == "carbon +0.125, latency +0.050, throughput -0.069 per doubling"


def test_is_the_same_after_a_reset():
    random = np.random.default_rng(1)
    steps = list(zip(random.uniform(50, 400, 40), random.uniform(0.5, 2, 40), strict=True))
    policy = BatchCapPrimalDual(tpot_slo_s=0.02)
    assert actions(policy, steps) == actions(policy, steps)


def test_needs_a_deployment():
    with pytest.raises(ValueError, match="'dc' has no cluster to plan for"):
        BatchCapPrimalDual().reset(context(limits=LIMITS))
    with pytest.raises(ValueError, match="'dc' has no batch_cap to set"):
        BatchCapPrimalDual().reset(context(limits={}, classes=(ClassInfo(name="a", share=1),)))


def test_in_the_loop_a_price_builds_up_until_the_objective_is_met(tmp_path, runs: Runs):
    entry = "{type: batch_cap_primal_dual, tpot_slo_s: 0.0099}"
    text = controlled(entry).replace("rate_per_s: 0.5", "rate_per_s: 60")
    ran = runs(write(tmp_path / "s.yaml", text))
    tpot_p99_s = ran.column("tpot_p99_s")
    assert (tpot_p99_s[:5] > 0.0099).all()
    assert (tpot_p99_s[-5:] <= 0.0099).all()
    assert 1 < ran.column("batch_cap")[-1] < ran.column("batch_cap")[0]
