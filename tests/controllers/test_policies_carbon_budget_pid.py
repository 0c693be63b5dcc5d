"""Fractions of ``carbon_budget_pid`` that can be worked out by hand, an hour a step."""

from __future__ import annotations

import numpy as np
import pytest

from controllers import CarbonBudgetPid
from tests.conftest import Runs
from tests.controllers.builders import context, observation
from tests.cosim.builders import controlled, write

PLAIN = {"budget_g_per_h": 100, "period_h": 1, "minimum": 0.1, "kp": 0, "ki": 0, "kd": 0}
HOUR = {"step_s": 3600.0}


def actions(policy, grams, intensity=500.0):
    """What it sets where each hour emits so many grams; the first action comes before them."""
    policy.reset(context(**HOUR))
    seen = [observation(0, intensity, time_s=0.0)]
    seen += [
        observation(step, intensity, time_s=3600.0 * step, import_w=gram / intensity * 1000)
        for step, gram in enumerate(grams, start=1)
    ]
    return [policy.step(one) for one in seen]


def fractions(policy, grams, **changes):
    return [action.admission_rate_per_s / 20 for action in actions(policy, grams, **changes)]


def test_proportional():
    policy = CarbonBudgetPid(**PLAIN | {"kp": 1})
    # Off by 0, -20, -50, -50, +10 and -200 g in all, of 100 g a period
    grams = [100, 120, 130, 100, 40, 310]
    assert fractions(policy, grams) == pytest.approx([1, 1, 0.8, 0.5, 0.5, 1, 0.1])


def test_error_is_in_periods_of_the_budget():
    policy = CarbonBudgetPid(**PLAIN | {"kp": 12, "period_h": 24})
    assert fractions(policy, [120, 130]) == pytest.approx([1, 1 - 20 / 200, 1 - 50 / 200])


def test_integral_closes_what_is_left():
    policy = CarbonBudgetPid(**PLAIN | {"ki": 1})
    # errors -0.1, -0.2, -0.2, -0.1; the sum of those before acts
    assert fractions(policy, [110, 110, 100, 90]) == pytest.approx([1, 1, 0.9, 0.7, 0.5])


def test_integral_does_not_wind_up_at_either_bound():
    policy = CarbonBudgetPid(**PLAIN | {"kp": 1, "ki": 1})
    # Far under its budget for long: the first hour over it is answered as if nothing had been.
    assert fractions(policy, [0, 0, 0, 0, 550])[-1] == pytest.approx(1 - 0.5)
    # Far over it for long, and then under it: open at once.
    assert fractions(policy, [900, 900, 900, 0, 0, 0] + [0] * 25)[-1] == 1
    closed = fractions(policy, [300, 300, 300, 300])
    assert closed[2:] == [0.1] * 3


def test_derivative_is_filtered():
    policy = CarbonBudgetPid(**PLAIN | {"kd": 1, "filter_h": 1})
    # The error falls by 0.4 in the first hour and not after: slopes -0.2, -0.1, -0.05
    assert fractions(policy, [140, 100, 100]) == pytest.approx([1, 0.8, 0.9, 0.95])
    unfiltered = CarbonBudgetPid(**PLAIN | {"kd": 1, "filter_h": 0})
    assert fractions(unfiltered, [140, 100]) == pytest.approx([1, 0.6, 1])


def test_import_counts_with_the_intensity_of_the_step_in_which_it_was():
    policy = CarbonBudgetPid(**PLAIN)
    policy.reset(context(**HOUR))
    policy.step(observation(0, 400.0, time_s=0.0))
    action = policy.step(observation(1, 100.0, time_s=3600.0, import_w=1000.0))
    assert action.reason == "400 g emitted of 100 g allowed so far"
    action = policy.step(observation(2, 50.0, time_s=7200.0, import_w=1000.0, export_w=0.0))
    assert action.reason == "500 g emitted of 200 g allowed so far"


def test_other_actuators():
    policy = CarbonBudgetPid(**PLAIN | {"kp": 1, "actuator": "batch_cap"})
    assert policy.actuators == {"batch_cap"}
    assert [one.batch_cap for one in actions(policy, [150, 140])] == [128, 64, 13]


def test_is_the_same_after_a_reset():
    policy = CarbonBudgetPid(budget_g_per_h=100)
    grams = np.random.default_rng(1).uniform(0, 250, 40).tolist()
    assert fractions(policy, grams) == fractions(policy, grams)
    assert min(fractions(policy, grams)) < 1


def test_needs_a_budget_and_the_actuator():
    with pytest.raises(TypeError, match="budget_g_per_h"):
        CarbonBudgetPid()
    with pytest.raises(ValueError, match="site 'dc' has no clock_fraction to throttle"):
        CarbonBudgetPid(budget_g_per_h=1, actuator="clock_fraction").reset(context())


def test_a_plant_whose_emissions_follow_the_fraction_ends_on_its_budget():
    """A site that would emit 200 g/h, in proportion to the fraction, has 120 g/h."""
    policy = CarbonBudgetPid(budget_g_per_h=120)
    policy.reset(context(step_s=600.0))
    fraction, emitted = 1.0, 0.0
    policy.step(observation(0, 500.0, time_s=0.0))
    for step in range(1, 6 * 24 * 4):
        gram = 200 * fraction / 6
        emitted += gram
        seen = observation(step, 500.0, time_s=600.0 * step, import_w=200 * fraction / 500 * 1000)
        fraction = policy.step(seen).admission_rate_per_s / 20
    assert emitted == pytest.approx(120 * 24 * 4, rel=0.02)
    assert fraction == pytest.approx(0.6, abs=0.02)


def test_in_the_loop_what_it_counts_is_what_is_reported(tmp_path, runs: Runs):
    """The site draws some 380 W at 207.9 g/kWh, 79 g/h, at 5 requests a second."""
    gains = "period_h: 1, kp: 2, ki: 0, kd: 0"
    text = controlled(f"{{type: carbon_budget_pid, budget_g_per_h: 40, {gains}}}")
    for old, new in [
        ("peak_power_w: 600", "peak_power_w: 1"),
        ("rate_per_s: 0.5", "rate_per_s: 5"),
        ("gpu: h100-sxm-80gb", "gpu: h100-sxm-80gb\n      host_power_w: 0"),
    ]:
        text = text.replace(old, new)
    ran = runs(write(tmp_path / "s.yaml", text.replace("capacity_wh: 100", "capacity_wh: 1")))
    hours = np.arange(20) / 60
    emitted = np.append(0, np.cumsum(ran.column("import_w") * 207.9 / 1000 / 60)[:-1])
    expected = np.clip(1 + 2 * (hours - emitted / 40), 0.25, 1) * 5
    rates = ran.column("admission_rate_per_s")
    assert rates[0] == np.inf
    assert rates[5:] == pytest.approx(expected[5:])
    assert rates[-1] < 4.5
    assert ran.actions["reason"].iloc[-1].startswith(f"{emitted[-1]:.0f} g emitted of 13 g")
