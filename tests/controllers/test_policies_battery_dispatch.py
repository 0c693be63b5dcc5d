"""Rules of ``battery_dispatch`` on signals whose setpoints can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from controllers import ActuatorLimits, BatteryDispatch
from tests.conftest import Runs
from tests.controllers.builders import INF, context, observation
from tests.cosim.builders import controlled, write

SITE = {"limits": {"battery_power": ActuatorLimits(-800, 800, INF)}, "battery_capacity_wh": 1000.0}
CHARGE, DISCHARGE, HOLD = 250.0, INF, 0.0  # 1000 Wh in 4 h


def setpoints(policy, intensities, solar=0.0, load=100.0, **changes):
    """What it sets over a signal, after a reset."""
    policy.reset(context(**SITE | changes))
    solar = np.broadcast_to(solar, len(intensities)).tolist()
    return [
        policy.step(
            observation(step, ci, solar_w=solar[step], facility_power_w=load if step else 0.0)
        ).battery_setpoint_w
        for step, ci in enumerate(intensities)
    ]


FIXED = {"low_g_per_kwh": 100, "high_g_per_kwh": 200}


def test_default_rule_charges_when_clean_and_discharges_when_dirty_or_without_sun():
    policy = BatteryDispatch(**FIXED)
    signal = [150, 100, 150, 200, 150, 99, 150]
    solar = [0, 0, 0, 300, 300, 500, 100]
    assert setpoints(policy, signal, solar) == [
        HOLD,  # in between, load not known yet
        CHARGE,  # clean
        DISCHARGE,  # in between, without sun
        DISCHARGE,  # dirty, sun or not
        200,  # in between, in the sun: its surplus over the load of 100 W
        400,  # clean, and the surplus is more than the 250 W of charging
        HOLD,  # the sun just carries the load
    ]


def test_single_threshold_is_the_middle_of_the_band():
    policy = BatteryDispatch(rule="single_threshold", **FIXED)
    signal = [149, 150, 151, 149]
    assert setpoints(policy, signal) == [CHARGE, DISCHARGE, DISCHARGE, CHARGE]


def test_double_threshold_is_idle_on_and_between_the_thresholds_but_for_the_sun():
    policy = BatteryDispatch(rule="double_threshold", **FIXED)
    signal = [99, 100, 150, 200, 201, 150]
    solar = [0, 0, 0, 0, 0, 180]
    assert setpoints(policy, signal, solar) == [CHARGE, HOLD, HOLD, HOLD, DISCHARGE, 80]


def test_running_mean():
    policy = BatteryDispatch(rule="running_mean", window_h=3 / 60)
    # Means of the last three: 100, 150, 200, 216.7, 200, 150
    signal = [100, 200, 300, 150, 150, 150]
    expected = [DISCHARGE, DISCHARGE, DISCHARGE, CHARGE, CHARGE, DISCHARGE]
    assert setpoints(policy, signal) == expected


def test_running_mean_plus_begins_to_charge_when_the_fall_is_over_and_goes_on():
    signal = [300, 200, 100, 100, 90, 300, 120, 130]
    # Means: 300, 250, 200, 175, 158, 181.7, 172.9, 167.5: below it from the second step on
    plain = BatteryDispatch(rule="running_mean")
    assert setpoints(plain, signal) == [DISCHARGE] + [CHARGE] * 4 + [DISCHARGE] + [CHARGE] * 2
    plus = BatteryDispatch(rule="running_mean_plus")
    assert setpoints(plus, signal) == [
        DISCHARGE,
        HOLD,  # still falling
        HOLD,
        CHARGE,  # not any more
        CHARGE,  # once begun it goes on
        DISCHARGE,
        HOLD,
        CHARGE,
    ]


def test_running_mean_margin_holds_near_the_mean():
    policy = BatteryDispatch(rule="running_mean_margin", margin=0.1, window_h=5 / 60)
    # With four values of history the window is those and the present: means 98, 96.8, 101.2, 102.8
    past = [100, 100, 100, 100]
    signal = [90, 94, 122, 108]
    assert setpoints(policy, signal, past_carbon_intensity_g_per_kwh=past) == [
        HOLD,  # 90 > 88.2
        HOLD,
        DISCHARGE,  # 122 > 111.3
        HOLD,
    ]
    policy.reset(context(**SITE, past_carbon_intensity_g_per_kwh=past))
    assert policy.step(observation(0, 80)).reason == "charge: 80 g/kWh < 86 (mean - 10%)"
    policy.reset(context(**SITE, past_carbon_intensity_g_per_kwh=past))
    assert policy.step(observation(0, 120)).reason == "discharge: 120 g/kWh >= 114 (mean + 10%)"


@pytest.mark.parametrize(
    "rule",
    [
        "solar_or_threshold",
        "single_threshold",
        "double_threshold",
        "running_mean",
        "running_mean_plus",
        "running_mean_margin",
    ],
)
def test_a_flat_day_never_charges_from_the_grid(rule):
    flat = 0.1 + 0.2  # a number that is not a sum of few powers of two
    values = setpoints(
        BatteryDispatch(rule=rule), [flat] * 9, past_carbon_intensity_g_per_kwh=[flat] * 1440
    )
    assert set(values) <= {HOLD, DISCHARGE}


def test_charging_is_within_the_limit_of_the_battery():
    policy = BatteryDispatch(charge_h=0.5, **FIXED)
    assert setpoints(policy, [90]) == [800]
    assert setpoints(policy, [150, 150], solar=2000) == [0, 800]


def test_reasons():
    policy = BatteryDispatch(**FIXED)
    policy.reset(context(**SITE))
    assert policy.step(observation(0, 90)).reason == "charge: 90 g/kWh <= 100 (low)"
    seen = observation(1, 150, solar_w=80, facility_power_w=120)
    assert policy.step(seen).reason == "discharge: 80 W of sun < 120 W of load"
    seen = observation(2, 150, solar_w=180, facility_power_w=120)
    assert policy.step(seen).reason == "hold: 180 W of sun carry 120 W of load"


def test_is_the_same_after_a_reset():
    policy = BatteryDispatch(rule="running_mean_plus", window_h=0.1)
    signal = np.random.default_rng(1).uniform(0, 400, 40).tolist()
    assert setpoints(policy, signal) == setpoints(policy, signal)


def test_bad_thresholds_and_a_site_without_a_battery():
    with pytest.raises(ValueError, match="low_g_per_kwh needs high_g_per_kwh beside it"):
        BatteryDispatch(low_g_per_kwh=100)
    with pytest.raises(ValueError, match="site 'dc' has no battery_power to set"):
        BatteryDispatch().reset(context())


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_in_the_loop_the_battery_charges_from_the_grid(tmp_path, runs: Runs, coupling):
    text = controlled("{type: battery_dispatch, low_g_per_kwh: 900, high_g_per_kwh: 1000}")
    text = text.replace("      solar: {type: clear_sky, peak_power_w: 600}\n", "")
    ran = runs(write(tmp_path / "s.yaml", text), f"coupling={coupling}")
    assert ran.column("battery_power_w")[0] == pytest.approx(25)  # 100 Wh in 4 h
    assert ran.column("import_w")[0] == pytest.approx(ran.column("facility_power_w")[0] + 25)
    assert ran.actions["reason"].iloc[0].startswith("charge: ")


def test_in_the_loop_a_hold_leaves_the_load_to_sun_and_grid(tmp_path, runs: Runs):
    band = "low_g_per_kwh: 0, high_g_per_kwh: 999"
    text = controlled(f"{{type: battery_dispatch, rule: double_threshold, {band}}}")
    text = text.replace("peak_power_w: 600", "peak_power_w: 60")
    ran = runs(write(tmp_path / "s.yaml", text))
    assert (ran.column("battery_power_w") == 0).all()
    assert (ran.column("solar_w") > 10).all()
    lacking = ran.column("facility_power_w") - ran.column("solar_w")
    assert ran.column("import_w") == pytest.approx(lacking)
