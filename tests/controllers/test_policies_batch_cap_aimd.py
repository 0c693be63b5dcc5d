"""Rules of ``batch_cap_aimd`` on latencies whose caps can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from controllers import ActuatorLimits, BatchCapAimd, ClassInfo
from tests.conftest import Runs
from tests.controllers.builders import context, observation, service
from tests.cosim.builders import controlled, write

CHAT = ClassInfo(name="chat", share=0.5, tpot_slo_s=0.02)
CODE = ClassInfo(name="code", share=0.5, tpot_slo_s=0.05)
SITE = {"limits": {"batch_cap": ActuatorLimits(1, 64)}, "service": service(), "classes": (CHAT,)}


def seen(step, tpot_s, **changes):
    return observation(step, latency_p99_s_by_class={"chat": (None, tpot_s)}, **changes)


def caps(policy, tpots, **changes):
    """The caps that it sets over what is observed of a class chat, after a reset."""
    policy.reset(context(**SITE | changes))
    return [policy.step(seen(step, tpot_s)).batch_cap for step, tpot_s in enumerate(tpots)]


def test_latency_mode_grows_by_steps_and_shrinks_by_a_factor():
    policy = BatchCapAimd(increase=4, decrease=0.5, settle_s=0)
    tpots = [None, 0.021, 0.030, 0.0201, 0.02, 0.0181, 0.0179, 0.01, 0.001, None, 0.021]
    assert caps(policy, tpots, service=None) == [
        64,  # nothing observed yet
        32,
        16,
        8,
        8,  # at its objective, and not beyond
        8,  # above 0.9 of it
        12,
        16,
        20,
        20,  # nothing to tell
        10,
    ]


def test_cap_stays_within_its_limits():
    policy = BatchCapAimd(decrease=0.1, increase=50, settle_s=0)
    assert caps(policy, [0.03, 0.03, 0.03, 0.01, 0.01], service=None) == [6, 1, 1, 51, 64]


def test_a_decrease_is_left_to_show():
    policy = BatchCapAimd(decrease=0.5, settle_s=180)
    tpots = [0.03, 0.03, 0.01, 0.03, 0.01, 0.01, 0.01]
    assert caps(policy, tpots, service=None) == [32, 32, 32, 16, 16, 16, 20]


def test_it_starts_where_the_deployment_is_at_its_objective():
    assert caps(BatchCapAimd(), [None, 0.01]) == [4, 8]  # of 16 ms a token; 8 take 24 ms
    assert caps(BatchCapAimd(tpot_slo_s=0.024), [None]) == [64]  # it never gets there


def test_the_class_nearest_to_its_objective_counts():
    policy = BatchCapAimd(decrease=0.5)
    policy.reset(context(**SITE | {"classes": (CHAT, CODE), "service": None}))
    both = {"chat": (None, 0.019), "code": (None, 0.06)}
    assert policy.step(observation(0, latency_p99_s_by_class=both)).batch_cap == 32
    both = {"chat": (None, 0.019), "code": (None, None)}
    assert policy.step(observation(1, latency_p99_s_by_class=both)).batch_cap == 32


def test_an_objective_of_its_own_is_for_all_requests_together():
    policy = BatchCapAimd(tpot_slo_s=0.1, decrease=0.5)
    policy.reset(context(**SITE | {"service": None}))
    assert policy.step(seen(0, 0.5, tpot_p99_s=0.09)).batch_cap == 64
    assert policy.step(seen(1, 0.01, tpot_p99_s=0.11)).batch_cap == 32


def test_energy_mode_is_under_the_cap_of_least_energy_per_token():
    # J per token is power * tpot / batch: 2, 1.8, 1.6, 1.5 at the full clock: the largest batch.
    assert caps(BatchCapAimd(mode="energy"), [None], classes=()) == [64]
    # With an objective of 20 ms a token: 4.
    policy = BatchCapAimd(mode="energy", settle_s=0)
    assert caps(policy, [None, 0.001, 0.03, 0.001]) == [4, 4, 2, 4]
    # A board that is worn out by large batches.
    hot = service(power_w=np.array([200.0, 210.0, 250.0, 600.0]) * np.array([[0.5], [1.0]]))
    assert caps(BatchCapAimd(mode="energy"), [None], classes=(), service=hot) == [4]


def test_energy_mode_heeds_the_clock_in_force():
    policy = BatchCapAimd(mode="energy")
    policy.reset(context(**SITE))
    assert policy.step(seen(0, None, clock_fraction=1.0)).batch_cap == 4
    # At half the clock a batch of 4 takes 24 ms a token, one of 2 takes 18 ms.
    assert policy.step(seen(1, None, clock_fraction=0.5)).batch_cap == 2


def test_power_mode_follows_the_intensity():
    policy = BatchCapAimd(mode="power", minimum=0, window_h=11 / 60)
    # The window is 0, 10, ..., 90 and the present value, so that u is 0, 20/70, 35/70, 50/70, 1;
    # allowed are 200 + 300 u watts.
    past = list(range(0, 100, 10))
    site = context(**SITE | {"classes": (), "past_carbon_intensity_g_per_kwh": past})
    for present, cap in [(95, 1), (60, 1), (45, 2), (30, 4), (5, 64)]:
        policy.reset(site)
        assert policy.step(observation(0, present)).batch_cap == cap
    floored = BatchCapAimd(mode="power", minimum=0.4, window_h=11 / 60)
    floored.reset(site)
    assert floored.step(observation(0, 95)).batch_cap == 2  # 320 W
    bent = BatchCapAimd(mode="power", minimum=0, alpha=0.3, window_h=11 / 60)
    bent.reset(site)
    # u = 2/7, and u to the 0.3 is 0.69: 406 W.
    assert bent.step(observation(0, 60)).batch_cap == 4


def test_power_mode_on_a_flat_day_is_open():
    assert caps(BatchCapAimd(mode="power"), [None] * 3, classes=()) == [64] * 3


def test_the_guard_leaves_the_cap_alone():
    policy = BatchCapAimd(decrease=0.5, settle_s=0)
    policy.reset(context(**SITE | {"service": None}))
    assert policy.step(seen(0, 0.03)).batch_cap == 32
    assert policy.step(seen(1, 0.03, guarded=True)).batch_cap == 32
    assert policy.step(seen(2, 0.03)).batch_cap == 16


def test_reasons():
    policy = BatchCapAimd(settle_s=0)
    policy.reset(context(**SITE))
    assert policy.step(seen(0, 0.03)).reason == "TPOT p99 at 150% of its SLO"
    assert policy.step(seen(1, 0.019)).reason == "TPOT p99 near its SLO, at 95%"
    policy = BatchCapAimd(mode="energy")
    policy.reset(context(**SITE))
    assert policy.step(seen(0, None)).reason == "least energy per token at 4: 1.6 J"


def test_is_the_same_after_a_reset():
    policy = BatchCapAimd(mode="power")
    tpots = np.random.default_rng(1).uniform(0.01, 0.03, 40).tolist()
    assert caps(policy, tpots) == caps(policy, tpots)


def test_needs_an_objective_or_a_deployment():
    with pytest.raises(ValueError, match="'dc' has no SLO for the time per token to hold"):
        BatchCapAimd().reset(context())
    with pytest.raises(ValueError, match="'dc' has no cluster to plan for"):
        BatchCapAimd(mode="energy").reset(context())
    with pytest.raises(ValueError, match="'dc' has no batch_cap to set"):
        BatchCapAimd().reset(context(limits={}, classes=(CHAT,)))


def test_in_the_loop_it_holds_an_objective_that_the_open_cluster_does_not(tmp_path, runs: Runs):
    entry = "{type: batch_cap_aimd, tpot_slo_s: 0.012}"
    text = controlled(entry).replace("rate_per_s: 0.5", "rate_per_s: 60")
    text = text.replace("duration: 20min", "duration: 8min")
    ran = runs(write(tmp_path / "aimd.yaml", text))
    open_ = runs(write(tmp_path / "noop.yaml", text.replace(entry, "{type: noop}")))
    assert (open_.column("tpot_p99_s") > 0.012).mean() > 0.8
    tpot_p99_s = ran.column("tpot_p99_s")
    assert (tpot_p99_s <= 0.012 * 1.01).all()  # begun where the mean meets it
    assert (tpot_p99_s[4:] <= 0.012).all()
    assert ran.column("completed").sum() > 0.99 * open_.column("completed").sum()


def test_in_the_loop_a_cap_that_is_too_large_comes_down(tmp_path, runs: Runs):
    entry = "{type: batch_cap_aimd, tpot_slo_s: 0.011, increase: 1, decrease: 0.8, every: 5min}"
    text = controlled(entry).replace("rate_per_s: 0.5", "rate_per_s: 60")
    ran = runs(write(tmp_path / "aimd.yaml", text))
    in_force = ran.column("batch_cap")[::5]
    over = ran.column("tpot_p99_s")[4:-1:5] > 0.011  # what it sees as it is asked again
    fell = np.diff(in_force) < 0
    assert fell.any()
    assert (fell <= over).all()
