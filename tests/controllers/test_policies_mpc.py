"""``mpc`` and ``day_ahead_plan`` on signals whose plans can be made in the head.

The site draws 400 W idle and 100 J a request, and serves 4 requests/s within its objective.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers import (
    ActuatorLimits,
    Controller,
    DayAheadPlan,
    Forecasts,
    Mpc,
    SiteAction,
    SiteContext,
    SiteObservation,
)
from controllers.forecast import Forecast
from controllers.planning import load_terms, replica_terms
from tests.controllers.builders import INF, START, observation
from tests.controllers.planning import BATCH, CHAT, LONG, SHORT, seen, service, site
from tests.samples import examples

HOUR_S = 3600.0


def patient(latest_start_s: float, **changes: Any) -> SiteContext:
    """The site, whose deferrable requests may wait so long."""
    return site(classes=(CHAT, replace(BATCH, latest_start_s=latest_start_s)), **changes)


def ahead(intensity: list[float], arrivals: float = 0.0, solar: float = 0.0) -> dict[str, Any]:
    count = len(intensity)
    return {
        "carbon_intensity": intensity,
        "arrivals": [arrivals] * count,
        "deferrable_arrivals": [BATCH.share * arrivals] * count,
        "solar": [solar] * count,
    }


def asked(policy: Controller, *observations: SiteObservation) -> list[SiteAction]:
    actions = [policy.step(one) for one in observations]
    assert all(isinstance(one, SiteAction) for one in actions)
    return [one for one in actions if isinstance(one, SiteAction)]


def rates(actions: list[SiteAction]) -> list[float | None]:
    return [one.deferrable_rate_per_s for one in actions]


class TestMpc:
    def mpc(self, **changes: Any) -> Mpc:
        values: dict[str, Any] = {
            "period_min": 2,
            "battery": False,
            "slo_margin": 0,
            "utilisation": 1,
        }
        return Mpc(**values | changes)

    def test_it_waits_for_the_clean_period_and_plans_once_a_period(self) -> None:
        """240 requests take a minute at full rate, half of a period."""
        policy = self.mpc()
        policy.reset(patient(240))
        waiting: dict[str, Any] = {"deferrable_waiting": 240}
        dirty = seen(0, forecasts=ahead([300] * 2 + [100] * 4), deferrable_slack_s=240, **waiting)
        clean = seen(2, forecasts=ahead([100] * 4), deferrable_slack_s=120, **waiting)
        # Without forecasts in between: it does not ask for any.
        actions = asked(policy, dirty, seen(1, **waiting), clean, seen(3))
        assert rates(actions) == pytest.approx([0, 0, 4, 0])  # 2/s in the mean
        assert all(one.battery_setpoint_w is None for one in actions)
        assert actions[2].reason.startswith("plan: 2.00/s and +0 W now, ")

    def test_what_must_be_served_now_is(self) -> None:
        policy = self.mpc(period_min=1)
        policy.reset(patient(60))
        signal = ahead([300] + [10] * 5)
        late = seen(0, forecasts=signal, deferrable_waiting=240, deferrable_slack_s=60)
        assert rates(asked(policy, late)) == pytest.approx([4])

    def test_room_is_what_the_requests_that_cannot_wait_leave(self) -> None:
        """4 arrive a second, of which one in four cannot wait."""
        policy = self.mpc(period_min=1)
        policy.reset(patient(0))
        assert rates(asked(policy, seen(0, forecasts=ahead([100] * 3, 4.0)))) == pytest.approx([3])

    def test_room_in_requests_of_other_lengths(self) -> None:
        """Chat takes 0.4 of a mean request, batch 1.2, and as many times the 100 J of one."""
        classes = (SHORT, replace(LONG, latest_start_s=60))
        policy = self.mpc(period_min=1)
        policy.reset(site(classes=classes))
        signal = ahead([100] * 3, 4.0)
        late = seen(0, forecasts=signal, deferrable_waiting=600, deferrable_slack_s=60)
        assert rates(asked(policy, late)) == pytest.approx([(4 - 0.4) / 1.2])
        base_w, slope_j, room = load_terms(
            service(), np.array([0.4, 9.0]), 0.05, deferrable_weight=1.2
        )
        assert base_w == pytest.approx([440, 1200])
        assert slope_j == pytest.approx([120, 0])
        assert room == pytest.approx([3, 0])

    def test_the_margin_lowers_the_batch_and_so_the_rate(self) -> None:
        """At 0.04 s a token a replica takes one sequence, and 0.2 requests/s."""
        policy = self.mpc(period_min=1, slo_margin=0.2)
        policy.reset(patient(60))
        signal = ahead([100] * 3)
        late = seen(0, forecasts=signal, deferrable_waiting=240, deferrable_slack_s=60)
        assert rates(asked(policy, late)) == pytest.approx([0.8])

    def test_a_part_of_the_capacity_is_left_free(self) -> None:
        """0.8 of 4 requests/s, less the one in four of 4/s that cannot wait."""
        policy = self.mpc(period_min=1, utilisation=0.8)
        policy.reset(patient(60))
        signal = ahead([100] * 3, 4.0)
        late = seen(0, forecasts=signal, deferrable_waiting=600, deferrable_slack_s=60)
        assert rates(asked(policy, late)) == pytest.approx([2.2])

    def test_the_limit_of_the_actuator_wins(self) -> None:
        limits = {"deferrable_rate": ActuatorLimits(0, 1.5, initial=INF)}
        policy = self.mpc(period_min=1)
        policy.reset(patient(60, limits=limits))
        signal = ahead([100] * 3)
        late = seen(0, forecasts=signal, deferrable_waiting=240, deferrable_slack_s=60)
        assert rates(asked(policy, late)) == [1.5]

    @settings(max_examples=examples(15))
    @given(st.floats(0.05, 4.0), st.integers(1, 6))
    def test_bursts_have_the_mean_of_the_plan(self, arrivals: float, period: int) -> None:
        """All that may wait for no time is planned as it comes: three in four."""
        policy = self.mpc(period_min=period)
        policy.reset(patient(0))
        signal = ahead([200.0] * 6, arrivals)
        room = 4 - arrivals / 4
        found = rates(asked(policy, *(seen(step, forecasts=signal) for step in range(100))))
        assert all(one in (0.0, pytest.approx(room)) for one in found)
        assert sum(map(float, found)) == pytest.approx(100 * 0.75 * arrivals, abs=room / 2 + 1e-3)  # type: ignore[arg-type]

    def battery_site(self, discharge_w: float) -> SiteContext:
        limits = {"battery_power": ActuatorLimits(-discharge_w, 600, initial=INF)}
        return patient(240, limits=limits, battery_capacity_wh=100.0, battery_min_soc=0.1)

    def setpoint(self, intensity: list[float], discharge_w: float = 300, **seen_too: Any) -> float:
        policy = Mpc(period_min=1, defer=False)
        assert policy.actuators == {"battery_power"}
        policy.reset(self.battery_site(discharge_w))
        told = {"battery_soc": 0.5, "battery_capacity_wh": 100.0, "battery_min_soc": 0.1}
        (action,) = asked(policy, seen(0, forecasts=ahead(intensity), **told | seen_too))
        assert action.deferrable_rate_per_s is None
        assert action.battery_setpoint_w is not None
        return action.battery_setpoint_w

    def test_the_battery_charges_below_the_mean_and_discharges_above(self) -> None:
        assert self.setpoint([100, 100, 400, 400]) == pytest.approx(600)
        assert self.setpoint([400, 400, 100, 100]) == pytest.approx(-300)

    def test_it_takes_no_more_than_there_is_room_for(self) -> None:
        """8 Wh in a minute."""
        assert self.setpoint([100, 400], battery_soc=0.92) == pytest.approx(480)

    def test_it_is_left_to_follow_the_load_where_it_covers_all_of_it(self) -> None:
        assert self.setpoint([400, 400, 100, 100], discharge_w=900) == INF

    def test_below_its_reserve_it_gives_nothing(self) -> None:
        assert self.setpoint([400, 300], battery_soc=0.08) >= 0

    def test_the_same_after_a_reset(self) -> None:
        policy = self.mpc()
        told = [
            seen(0, forecasts=ahead([300] * 2 + [100] * 4, 1.3), deferrable_waiting=70),
            seen(1, deferrable_waiting=90),
            seen(2, forecasts=ahead([100] * 6, 0.9), deferrable_waiting=170),
            seen(3),
        ]
        played = []
        for _ in range(2):
            policy.reset(patient(240))
            played.append(asked(policy, *told))
        assert played[0] == played[1]

    def test_the_power_of_as_many_replicas_as_a_load_needs(self) -> None:
        """Each of four takes 1/s at 200 W; idle it draws 100 W, asleep 20 W."""
        load = np.array([0.5, 2.5, 4.5])
        base_w, lines, room = replica_terms(service(), load, 1.0, deferrable_weight=0.5)
        assert base_w == pytest.approx([150 + 60, 3 * (100 + 250 / 3) + 20, 4 * 212.5])
        assert room == pytest.approx([7.0, 3.0, 0.0])

        def power_w(rate: float) -> np.ndarray:
            return np.max([w + slope * rate for w, slope in lines], axis=0)

        assert power_w(0.0) == pytest.approx(base_w)
        assert power_w(1.0)[:2] == pytest.approx([200 + 60, 600 + 20])  # the base is full
        assert power_w(3.0)[:2] == pytest.approx([400 + 40, 800])  # and the next replicas
        assert power_w(7.0)[0] == pytest.approx(800)

    def test_replicas_wake_in_time_for_a_burst_and_sleep_after_it(self) -> None:
        """Two minutes of a period; all four replicas serve what waits in the clean one.

        A quarter of 1/s may not wait: a replica is enough for it, and leaves 0.75/s to others.
        """
        policy = self.mpc(replicas=True)
        assert policy.actuators == {"deferrable_rate", "active_replicas"}
        policy.reset(patient(360))
        waiting: dict[str, Any] = {"deferrable_waiting": 400}
        signal = [300] * 2 + [100] * 2 + [300] * 2
        first = seen(0, forecasts=ahead(signal, 1.0), deferrable_slack_s=360, **waiting)
        later = signal[2:] + [300] * 4
        clean = seen(2, forecasts=ahead(later, 1.0), deferrable_slack_s=240, **waiting)
        dirty = seen(4, forecasts=ahead(later[2:], 1.0))
        found = asked(policy, first, seen(1, **waiting), clean, seen(3, **waiting), dirty, seen(5))
        assert [action.active_replicas for action in found] == [1, 4, 4, 4, 1, 1]
        assert rates(found) == pytest.approx([0, 0, 3.75, 3.75, 0, 0])

    def test_no_more_is_released_than_replicas_awake_serve(self) -> None:
        policy = self.mpc(replicas=True, period_min=1, wake_s=120)
        policy.reset(patient(60))
        now: dict[str, Any] = {"deferrable_waiting": 240, "deferrable_slack_s": 60}
        calm = seen(0, forecasts=ahead([100] * 6))
        found = asked(
            policy, calm, *(seen(k, forecasts=ahead([100] * 6), **now) for k in (1, 2, 3))
        )
        assert [action.active_replicas for action in found] == [1, 4, 4, 4]
        assert rates(found) == pytest.approx([0, 1, 1, 4])

    def test_replicas_that_cannot_be_set(self) -> None:
        with pytest.raises(ValueError, match="mpc with replicas must defer too"):
            Mpc(replicas=True, defer=False)
        with pytest.raises(ValueError, match="site 'dc' has one replica, so mpc has no number"):
            self.mpc(replicas=True).reset(site(replicas=1))

    def test_it_must_set_something(self) -> None:
        with pytest.raises(ValueError, match="must set something: defer, battery or both"):
            Mpc(defer=False, battery=False)

    def test_a_period_must_be_whole_steps(self) -> None:
        policy = self.mpc(period_min=1.5)
        policy.reset(patient(240))
        with pytest.raises(ValueError, match="whole number of steps of 60 s"):
            policy.step(seen(0, forecasts=ahead([100] * 4)))


def hourly(
    hour: float,
    intensity: list[float] | None = None,
    step_s: float = HOUR_S,
    arrivals: float = 0.0,
    **changes: Any,
) -> SiteObservation:
    """An observation at an hour of the run, with forecasts in hours if they are given."""
    signals = {} if intensity is None else ahead(intensity, arrivals)
    made = {
        name: Forecast(hour * HOUR_S, HOUR_S, np.array(values, float), np.zeros(len(values)))
        for name, values in signals.items()
    }
    values: dict[str, Any] = {
        "time_s": hour * HOUR_S,
        "time": START + timedelta(hours=hour),
        "step_s": step_s,
        "forecasts": Forecasts(made.__getitem__, frozenset(made)),
    }
    return observation(round(hour * HOUR_S / step_s), **values | changes)


class TestDayAheadPlan:
    """14 400 requests take an hour at full rate, 4/s."""

    WAITING = {"deferrable_waiting": 14_400, "deferrable_slack_s": 4 * HOUR_S}

    def plan(self, **changes: Any) -> DayAheadPlan:
        policy = DayAheadPlan(**{"slo_margin": 0, "utilisation": 1} | changes)
        policy.reset(patient(4 * HOUR_S))
        return policy

    def test_it_keeps_to_the_hours_of_its_plan(self) -> None:
        first = hourly(0, [300, 200, 100, 300] + [300] * 32, **self.WAITING)
        # What it sees later changes nothing, and it asks for no forecasts.
        later = [hourly(hour, deferrable_waiting=hour * 1000) for hour in range(1, 24)]
        actions = asked(self.plan(), first, *later)
        assert rates(actions) == pytest.approx([0, 0, 4] + [0] * 21, abs=1e-9)
        assert actions[2].reason == "hour 2 of the plan: 4.00/s"

    def test_it_holds_within_an_hour(self) -> None:
        policy = self.plan()
        quarter: dict[str, Any] = {"step_s": 900.0}
        first = hourly(0, [300, 100] + [300] * 34, **quarter, **self.WAITING)
        found = rates(asked(policy, first, *(hourly(k / 4, **quarter) for k in range(1, 9))))
        assert found == pytest.approx([0] * 4 + [4] * 4 + [0], abs=1e-9)

    def test_a_rate_in_between_comes_in_bursts(self) -> None:
        """Half of an hour at full rate: two quarters of it."""
        policy = self.plan()
        quarter: dict[str, Any] = {"step_s": 900.0}
        waiting: dict[str, Any] = {"deferrable_waiting": 7_200, "deferrable_slack_s": 4 * HOUR_S}
        first = hourly(0, [300, 100] + [300] * 34, **quarter, **waiting)
        found = rates(asked(policy, first, *(hourly(k / 4, **quarter) for k in range(1, 9))))
        assert found == pytest.approx([0] * 4 + [4, 0, 4, 0] + [0], abs=1e-9)

    def test_it_makes_room_for_the_errors_of_its_forecasts(self) -> None:
        """Of 1/s forecast, three in four deferrable, half as much again comes on the first day.

        So all is to be 1.5/s, and the deferrable (0.5 + 0.75) / 0.75 of its forecast.
        """
        policy = self.plan(risk_quantile=0.97, peak_g_per_kw=0)
        policy.reset(patient(0))
        days = [hourly(h, [100.0] * 36, arrivals=1.0, arrived=5400 if h else 0) for h in range(49)]
        planned = [float(str(action.reason).split()[-1][:-2]) for action in asked(policy, *days)]
        assert planned[:24] == pytest.approx([0.75] * 24)
        assert planned[24:] == pytest.approx([1.25] * 25)
        plain = self.plan(risk_quantile=0, peak_g_per_kw=0)
        plain.reset(patient(0))
        fewer = [hourly(h, [100.0] * 36, arrivals=1.0, arrived=1800) for h in range(25)]
        assert asked(plain, *fewer)[24].reason == "hour 0 of the plan: 0.75/s"

    def test_a_price_on_the_peak_flattens_the_plan(self) -> None:
        """100 J a request: 4/s are 400 W over an hour, and 1/s 100 W over four of them.

        That saves 300 W of peak and costs 0.1 kWh more in each of three hours, at 20 g/kWh.
        """
        signal = [100, 120, 120, 120] + [300] * 32
        first = hourly(0, signal, **self.WAITING)
        (steep,) = asked(self.plan(peak_g_per_kw=19), first)
        assert steep.reason == "hour 0 of the plan: 4.00/s"
        (flat,) = asked(self.plan(peak_g_per_kw=21), first)
        assert flat.reason == "hour 0 of the plan: 1.00/s"

    def planned(self, policy: DayAheadPlan, steps: int, step_s: float) -> list[int]:
        """Steps at which it asks for forecasts."""
        found = []
        for step in range(steps):
            told = hourly(step * step_s / HOUR_S, [100.0] * 36, step_s)

            def issue(signal: str, told: SiteObservation = told, step: int = step) -> Forecast:
                found.append(step)
                return told.forecasts[signal]

            counted = Forecasts(issue, frozenset(told.forecasts))
            policy.step(replace(told, forecasts=counted))
        return sorted(set(found))

    def test_it_plans_at_the_start_and_at_its_hour(self) -> None:
        assert self.planned(self.plan(), 72, HOUR_S) == [0, 24, 48]
        assert self.planned(self.plan(hour_utc=6), 72, HOUR_S) == [0, 6, 30, 54]
        assert self.planned(self.plan(hour_utc=5.5), 72, HOUR_S) == [0, 6, 30, 54]
        assert self.planned(self.plan(hour_utc=0.5), 96 * 2, 900.0) == [0, 2, 98]

    def test_it_plans_once_whatever_the_step(self) -> None:
        assert self.planned(self.plan(hour_utc=0.025), 12, 30.0) == [0, 3]
        assert self.planned(self.plan(), 4, 20.0) == [0]

    def test_the_same_after_a_reset(self) -> None:
        policy = self.plan()
        told = [hourly(0, [300, 200, 100] + [300] * 33, **self.WAITING), hourly(1), hourly(2)]
        first = asked(policy, *told)
        policy.reset(patient(4 * HOUR_S))
        assert asked(policy, *told) == first


@pytest.mark.parametrize("policy", [Mpc(), DayAheadPlan()])
def test_a_site_without_a_cluster_cannot_be_planned(policy: Controller) -> None:
    with pytest.raises(ValueError, match="site 'dc' has no cluster to plan for"):
        policy.reset(site(service=None))
