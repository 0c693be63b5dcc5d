"""Every policy on signals whose actions can be worked out by hand."""

from __future__ import annotations

import pytest

from controllers import (
    ActuatorLimits,
    BatteryAware,
    CarbonProportional,
    CarbonThreshold,
    Noop,
    Throttle,
)
from tests.controllers.builders import INF, context, observation, play


def test_noop_sets_nothing():
    policy = Noop()
    policy.reset(context())
    assert policy.actuators == frozenset()
    assert policy.step(observation()) is None


class TestCarbonThreshold:
    def test_hysteresis_between_fixed_thresholds(self):
        policy = CarbonThreshold(high_g_per_kwh=200, low_g_per_kwh=100, throttled=0.25)
        policy.reset(context())
        signal = [150, 200, 150, 101, 100, 150, 199, 300, 99]
        assert play(policy, signal) == [20, 5, 5, 5, 20, 20, 20, 5, 20]

    def test_quantiles_of_history_and_present(self):
        # Of [0, 10, ..., 90] and the present value: the 11 values' 0.7-quantile is the 8th, the
        # 0.3-quantile the 4th.
        policy = CarbonThreshold()
        past = range(0, 100, 10)
        for present, throttled in [(75, True), (60, True), (59, False), (30, False)]:
            policy.reset(context(past_carbon_intensity_g_per_kwh=past))
            assert play(policy, [present]) == [10 if throttled else 20]

    def test_window_forgets(self):
        policy = CarbonThreshold(window_h=3 / 60, high_quantile=0.9, low_quantile=0.5)
        policy.reset(context(past_carbon_intensity_g_per_kwh=[900] * 60))
        # Windows: 900 900 100 | 900 100 110 | 100 110 120
        assert play(policy, [100, 110, 120]) == [20, 20, 10]

    def test_a_flat_day_stays_open(self):
        policy = CarbonThreshold()
        policy.reset(context(past_carbon_intensity_g_per_kwh=[250.0] * 1440))
        assert play(policy, [250.0] * 10) == [20] * 10

    def test_min_dwell_delays_the_switch_back(self):
        policy = CarbonThreshold(high_g_per_kwh=200, low_g_per_kwh=100, min_dwell_s=180)
        policy.reset(context())
        assert play(policy, [300, 50, 50, 50, 300, 300, 300]) == [10, 10, 10, 20, 20, 20, 10]

    def test_batch_cap_is_whole_and_at_least_one(self):
        for throttled, cap in [(0.5, 64), (0.3, 38), (0, 1)]:
            policy = CarbonThreshold(
                actuator="batch_cap", high_g_per_kwh=2, low_g_per_kwh=1, throttled=throttled
            )
            assert policy.actuators == {"batch_cap"}
            policy.reset(context())
            values = play(policy, [3, 1], "batch_cap")
            assert values == [cap, 128]
            assert all(isinstance(value, int) for value in values)

    def test_reasons(self):
        policy = CarbonThreshold(high_g_per_kwh=270, low_g_per_kwh=100, min_dwell_s=60)
        policy.reset(context())
        assert policy.step(observation(0, 291)).reason == "291 g/kWh >= 270 (high)"
        assert policy.step(observation(0, 90)).reason == (
            "90 g/kWh <= 100 (low), but switched less than min_dwell_s ago"
        )
        assert policy.step(observation(1, 120)).reason == "100 (low) < 120 g/kWh < 270 (high)"

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            ({"high_g_per_kwh": 200}, "high_g_per_kwh needs low_g_per_kwh beside it"),
            ({"low_quantile": 0.2}, "low_quantile needs high_quantile beside it"),
            (
                {"high_g_per_kwh": 1, "low_g_per_kwh": 2},
                r"low_g_per_kwh must not exceed high_g_per_kwh \(got 2 and 1\)",
            ),
            (
                {
                    "high_g_per_kwh": 2,
                    "low_g_per_kwh": 1,
                    "high_quantile": 0.7,
                    "low_quantile": 0.3,
                },
                "either as high_g_per_kwh",
            ),
            ({"high_quantile": 70, "low_quantile": 30}, r"from 0 to 1 \(got 30 and 70\)"),
        ],
    )
    def test_wrong_combinations(self, arguments, message):
        with pytest.raises(ValueError, match=message):
            CarbonThreshold(**arguments)

    def test_window_shorter_than_a_step(self):
        policy = CarbonThreshold(window_h=0.001)
        with pytest.raises(ValueError, match=r"must span a step of 60 s \(got 0\.001 h\)"):
            policy.reset(context())


class TestCarbonProportional:
    def test_between_fixed_intensities(self):
        policy = CarbonProportional(high_g_per_kwh=300, low_g_per_kwh=100, minimum=0.2)
        policy.reset(context())
        # u = 1, 1, 0.5, 0, 0, 0.25; fraction = 0.2 + 0.8 u
        assert play(policy, [50, 100, 200, 300, 400, 250]) == pytest.approx([20, 20, 12, 4, 4, 8])

    def test_alpha_bends_the_curve(self):
        policy = CarbonProportional(high_g_per_kwh=300, low_g_per_kwh=100, minimum=0, alpha=2)
        policy.reset(context())
        assert play(policy, [200]) == [0.25 * 20]

    def test_max_change_limits_each_step(self):
        policy = CarbonProportional(
            high_g_per_kwh=300, low_g_per_kwh=100, minimum=0, max_change=0.25
        )
        policy.reset(context())
        assert play(policy, [300, 300, 300, 300, 300, 100, 250]) == [15, 10, 5, 0, 0, 5, 5]

    def test_percentiles_of_the_past(self):
        policy = CarbonProportional(minimum=0)
        policy.reset(context(past_carbon_intensity_g_per_kwh=[*range(50), *range(51, 101)]))
        # With the present 50, the window is 0..100: the band is 10..90, and u = 0.5.
        assert play(policy, [50]) == [10]

    def test_a_flat_signal_stays_open(self):
        policy = CarbonProportional()
        policy.reset(context())
        assert play(policy, [200] * 5) == [20] * 5

    def test_batch_cap(self):
        policy = CarbonProportional(actuator="batch_cap", high_g_per_kwh=300, low_g_per_kwh=100)
        policy.reset(context())
        assert play(policy, [100, 200, 300], "batch_cap") == [128, 77, 26]


class TestBatteryAware:
    """Idle 100 W, peak 500 W, a maximum of 20/s: every 20 W above idle carry 1/s."""

    def test_sun_alone(self):
        policy = BatteryAware(beta=0, minimum=0.1)
        policy.reset(context())
        rates = [
            policy.step(observation(step, solar_w=solar)).admission_rate_per_s
            for step, solar in enumerate([600, 500, 300, 140, 0])
        ]
        assert rates == pytest.approx([20, 20, 10, 2, 2])

    def test_battery_lasts_the_horizon(self):
        policy = BatteryAware(beta=0, minimum=0, horizon_h=2)
        policy.reset(context(battery_capacity_wh=1000, battery_min_soc=0.2))
        battery = {"battery_capacity_wh": 1000.0, "battery_min_soc": 0.2, "solar_w": 100.0}
        rates = [
            policy.step(observation(step, battery_soc=soc, **battery)).admission_rate_per_s
            for step, soc in enumerate([0.8, 0.4, 0.2, 0.1])
        ]
        # 100 W of sun, and 300, 100, 0 and 0 W of battery
        assert rates == pytest.approx([15, 5, 0, 0])

    def test_grid_as_far_as_it_is_clean(self):
        policy = BatteryAware(beta=0.6, minimum=0, window_h=10 / 60)
        # With the present value the window is 0..10 but for its first value, the band 1.9..9.1.
        past = [0, 10, 9, 8, 7, 6, 4, 3, 2, 1]
        policy.reset(context(past_carbon_intensity_g_per_kwh=past))
        action = policy.step(observation(0, 5.5, solar_w=100))
        # The window is 1, 2, 3, 4, 5.5, 6, 7, 8, 9, 10: band 1.9..9.1, n = 0.5, grid 150 W.
        assert action.admission_rate_per_s == pytest.approx(7.5)
        assert action.reason == "100 W green + 150 W grid of 500 W peak"

    def test_a_site_whose_power_never_changes_is_left_open(self):
        policy = BatteryAware(beta=0)
        policy.reset(context(idle_power_w=500))
        assert policy.step(observation(0)).admission_rate_per_s == 20

    def test_does_not_flap_with_the_power_it_lowers(self):
        policy = BatteryAware(beta=0)
        policy.reset(context())
        values = set()
        power = 500.0
        for step in range(20):
            action = policy.step(observation(step, solar_w=300, facility_power_w=power))
            values.add(action.admission_rate_per_s)
            power = 100 + 400 * action.admission_rate_per_s / 20
        assert values == {10}

    def test_deadband_holds_small_moves_but_not_full_opening(self):
        policy = BatteryAware(beta=0, minimum=0, deadband=0.08)
        policy.reset(context())
        rates = [
            policy.step(observation(step, solar_w=solar)).admission_rate_per_s
            for step, solar in enumerate([480, 460, 470, 490, 500, 490])
        ]
        # fractions 0.95, 0.9, 0.925, 0.975, 1, 0.975
        assert rates == pytest.approx([20, 18, 18, 18, 20, 20])

    def test_a_site_whose_power_does_not_depend_on_load_stays_open(self):
        policy = BatteryAware(beta=1)
        policy.reset(context(idle_power_w=500.0))
        assert policy.step(observation()).admission_rate_per_s == 20


class TestThrottle:
    def test_open_is_the_value_without_a_controller(self):
        limits = {"admission_rate": ActuatorLimits(2, 20, initial=INF)}
        throttle = Throttle("admission_rate", context(limits=limits))
        rates = [throttle.action(f, "").admission_rate_per_s for f in (0, 0.5, 1)]
        assert rates == [2, 10, INF]

    def test_needs_a_finite_maximum(self):
        limits = {"admission_rate": ActuatorLimits(0, INF)}
        with pytest.raises(ValueError, match="admission_rate must have a finite maximum"):
            Throttle("admission_rate", context(limits=limits))

    def test_needs_the_actuator(self):
        with pytest.raises(ValueError, match="site 'dc' has no batch_cap"):
            Throttle("batch_cap", context(limits={}))
