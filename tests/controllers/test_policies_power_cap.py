"""Caps of ``power_cap`` that can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from controllers import ActuatorLimits, PowerCap
from tests.conftest import Runs
from tests.controllers.builders import INF, context, play
from tests.cosim.builders import controlled, write

SITE = {"limits": {"power_cap": ActuatorLimits(100, 700, INF)}}
FIXED = {"low_g_per_kwh": 100, "high_g_per_kwh": 300}


def caps(policy, intensities, **changes):
    policy.reset(context(**SITE | changes))
    return play(policy, intensities, "power_cap_w")


def test_between_fixed_intensities():
    # u = 1, 1, 0.5, 0, 0, 0.25; cap = 350 + 350 u
    signal = [50, 100, 200, 300, 400, 250]
    assert caps(PowerCap(**FIXED), signal) == pytest.approx([INF, INF, 525, 350, 350, 437.5])


def test_alpha_bends_the_curve():
    assert caps(PowerCap(**FIXED, alpha=2), [200]) == [350 + 350 * 0.25]


def test_lowest_cap_is_never_below_what_a_gpu_draws_idle():
    assert caps(PowerCap(**FIXED, minimum=0.01), [300]) == [100]


def test_percentiles_of_the_past():
    past = [*range(50), *range(51, 101)]  # with the present 50, the band is 10..90
    assert caps(PowerCap(), [50], past_carbon_intensity_g_per_kwh=past) == [525]


def test_a_flat_signal_is_not_capped():
    assert caps(PowerCap(), [200] * 5) == [INF] * 5


def test_with_a_cap_in_the_scenario_that_is_the_greatest():
    limits = {"power_cap": ActuatorLimits(100, 400, 400)}
    assert caps(PowerCap(**FIXED), [100, 300], limits=limits) == [400, 200]


def test_reason_and_the_same_after_a_reset():
    policy = PowerCap(window_h=0.1)
    signal = np.random.default_rng(1).uniform(0, 400, 40).tolist()
    assert caps(policy, signal) == caps(policy, signal)


def test_bad_intensities_and_a_site_without_caps():
    with pytest.raises(ValueError, match="high_g_per_kwh needs low_g_per_kwh beside it"):
        PowerCap(high_g_per_kwh=100)
    with pytest.raises(ValueError, match="site 'dc' has no power_cap to throttle"):
        PowerCap().reset(context())


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_in_the_loop_the_gpu_keeps_to_it(tmp_path, runs: Runs, coupling):
    entry = "{type: power_cap, low_g_per_kwh: 0, high_g_per_kwh: 415.8}"  # 207.9 g/kWh: u = 0.5
    text = controlled(entry).replace("rate_per_s: 0.5", "rate_per_s: 20")
    text = text.replace("duration: 20min", "duration: 3min")
    ran = runs(write(tmp_path / "s.yaml", text), f"coupling={coupling}")
    open_ = runs(write(tmp_path / "noop.yaml", text.replace(entry, "{type: noop}")))
    assert ran.column("power_cap_w") == pytest.approx(np.full(3, 525.0))
    assert (ran.column("over_cap_fraction") == 0).all()
    assert (ran.column("clock_mean") < 1).any()
    assert ran.column("facility_power_w").mean() < open_.column("facility_power_w").mean()


def test_in_the_loop_beside_a_cap_of_the_scenario_that_never_binds(tmp_path, runs: Runs):
    text = controlled("{type: power_cap, low_g_per_kwh: 300, high_g_per_kwh: 400}")
    text = text.replace("gpu: h100-sxm-80gb", "gpu: h100-sxm-80gb\n      power_cap_w: 700")
    ran = runs(write(tmp_path / "s.yaml", text))
    assert ran.column("clock_mean")[1:] == pytest.approx(1)
