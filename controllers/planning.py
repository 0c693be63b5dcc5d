"""The linear programme of a site's next hours, from the observation of a controller.

Requests that cannot wait are served as they come, and draw power by the deployment's load curve.
That curve bends down, so that a linear programme cannot represent all of it: above the load that
cannot wait, it takes the chord from there to the full load. The chord is exact when no deferrable
requests are served and when as many are served as possible, as in most periods of a plan, and too
low in between.
"""

from __future__ import annotations

import math

import numpy as np

from controllers.arrays import FloatArray
from controllers.base import SiteContext
from controllers.lp import BatterySpec, LpPlan, LpProblem, due_by, solve
from controllers.objective import required_service
from controllers.observation import SiteObservation
from controllers.service import LoadSplit, ServiceModel

_ROUNDING = 1e-9
FORECASTS = frozenset({"carbon_intensity", "solar", "arrivals", "deferrable_arrivals"})


def load_terms(
    service: ServiceModel,
    interactive_per_s: FloatArray,
    tpot_slo_s: float | None,
    *,
    deferrable_weight: float = 1.0,
    utilisation: float = 1.0,
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return the terms of the load in a programme, shape (periods,) each.

    Args:
        service: Rates and powers of the deployment.
        interactive_per_s: Load that cannot wait, shape (periods,) [mean requests/s].
        tpot_slo_s: Bound on the time per token [s]; None for none.
        deferrable_weight: Weight of a deferrable request [mean requests].
        utilisation: Share of the capacity that all work together may take [0 to 1].

    Returns:
        Power with the interactive load alone [W], the energy that a deferrable request adds [J],
        and the highest rate of those [requests/s].
    """
    capacity_per_s = utilisation * service.capacity_per_s(tpot_slo_s)
    base_w = service.draw_w(interactive_per_s)
    room = np.maximum(capacity_per_s - interactive_per_s, 0.0) / deferrable_weight
    full_w = float(service.draw_w(capacity_per_s))
    slope_j = np.maximum(full_w - base_w, 0.0) / np.maximum(room, 1e-9)
    return base_w, np.where(room > 0, slope_j, 0.0), room


Lines = tuple[tuple[FloatArray, FloatArray | float], ...]


def replica_terms(
    service: ServiceModel,
    interactive_per_s: FloatArray,
    each_per_s: float,
    *,
    deferrable_weight: float = 1.0,
) -> tuple[FloatArray, Lines, FloatArray]:
    """Return the terms of the load where replicas that are not needed sleep.

    The power is the lower hull over the numbers of replicas that serve, at the full clock: first
    the room beside the load that cannot wait is filled, then one replica after the other.

    Args:
        service: Rates and powers of the deployment.
        interactive_per_s: Load that cannot wait, shape (periods,) [mean requests/s].
        each_per_s: Load that a replica may take [mean requests/s].
        deferrable_weight: Weight of a deferrable request [mean requests].

    Returns:
        Power with the interactive load alone, shape (periods,) [W]; the lines of the power above
        it, as `LpProblem` takes them; and the highest rate of deferrable requests, shape
        (periods,) [requests/s].
    """
    most = service.replicas
    base = np.clip(np.ceil(interactive_per_s / each_per_s - _ROUNDING), 1, most).astype(np.int64)
    base_w, full_w = np.empty_like(interactive_per_s), np.empty_like(interactive_per_s)
    for count in np.unique(base):
        at = base == count
        base_w[at] = service.draw_w(interactive_per_s[at], int(count))
        full_w[at] = float(service.draw_w(count * each_per_s, int(count)))
    spare = np.maximum(base * each_per_s - interactive_per_s, 0.0) / deferrable_weight
    first_j = np.maximum(full_w - base_w, 0.0) / np.maximum(spare, 1e-9)
    first_j = np.where(spare > 0, first_j, 0.0)
    asleep_w = service.sleep_w * most
    one_w = float(service.draw_w(each_per_s, 1)) - (asleep_w - service.sleep_w)
    next_j = (one_w - service.sleep_w) / each_per_s * deferrable_weight
    begins_w = np.maximum(full_w, base_w) - next_j * spare
    room = np.maximum(most * each_per_s - interactive_per_s, 0.0) / deferrable_weight
    return base_w, ((base_w, first_j), (begins_w, next_j)), room


class SitePlanner:
    """Planner of a site over its forecast horizon.

    Args:
        context: The site.
        period_s: Length of a period of the plan [s].
        slo_margin: Share of the SLO for the time per token that is kept free [0 to 1].
        utilisation: Share of the capacity within the rest of it that work may take [0 to 1].
        battery: Whether the battery is planned too; otherwise it is automatic, which the plan does
            not model.
        delay_g_per_h: Price of an hour's delay of a request [g].
        switching_g: Price of a change of the rate over its whole range [g].
        peak_g_per_kw: Price of the highest power of the load in the plan [g/kW].
        replicas: Whether replicas that are not needed sleep.

    Attributes:
        split: The split of the site's load.
        each_per_s: Load that a replica may take [mean requests/s].

    Raises:
        ValueError: If the site has no cluster to plan for, or several pools.
    """

    def __init__(
        self,
        context: SiteContext,
        *,
        period_s: float,
        slo_margin: float,
        utilisation: float,
        battery: bool = False,
        delay_g_per_h: float = 1e-6,
        switching_g: float = 0.0,
        peak_g_per_kw: float = 0.0,
        replicas: bool = False,
    ) -> None:
        self._context, self._service = context, required_service(context)
        self._period_s = period_s
        self._utilisation = utilisation
        self._delay_g_per_h, self._switching_g = delay_g_per_h, switching_g
        self._peak_g_per_kw = peak_g_per_kw
        self._battery = battery and context.battery_capacity_wh is not None
        self.split = LoadSplit.of(context.classes)
        bound = self.split.tpot_slo_s
        self._tpot_s = None if bound is None else bound * (1 - slo_margin)
        self.each_per_s = utilisation * self._service.capacity_per_s(self._tpot_s, replicas=1)
        self._replicas = replicas

    def plan(self, observation: SiteObservation, inflation: float = 1.0) -> LpPlan:
        """Return the best plan from now on, given the forecasts.

        Args:
            observation: The present observation.
            inflation: Deferrable requests to plan for, over those forecast to come.
        """
        return solve(self.problem(observation, inflation))

    def problem(self, observation: SiteObservation, inflation: float = 1.0) -> LpProblem:
        """Return the programme of the coming periods; see `plan`."""
        period_s, split = self._period_s, self.split
        forecasts = observation.forecasts
        intensity = forecasts["carbon_intensity"].by_period(period_s)
        arrivals = forecasts["arrivals"].by_period(period_s)
        deferrable = forecasts["deferrable_arrivals"].by_period(period_s)
        interactive = split.interactive_weight * np.maximum(arrivals - deferrable, 0.0)
        weight = split.deferrable_weight
        base_w, slope_j, room = load_terms(
            self._service,
            interactive,
            self._tpot_s,
            deferrable_weight=weight,
            utilisation=self._utilisation,
        )
        lines: Lines = ()
        if self._replicas:
            base_w, lines, room = replica_terms(
                self._service, interactive, self.each_per_s, deferrable_weight=weight
            )
        ends_s: FloatArray = period_s * np.arange(1.0, len(intensity) + 1)
        waiting = float(observation.deferrable_waiting)
        coming = np.cumsum(deferrable * inflation) * period_s
        first_s = observation.deferrable_slack_s
        due = due_by(waiting, math.inf if first_s is None else first_s, split.may_wait_s, ends_s)
        if math.isfinite(split.may_wait_s):
            due = due + np.interp(ends_s - split.may_wait_s, ends_s, coming, left=0.0)
        return LpProblem(
            period_s=period_s,
            intensity_g_per_kwh=intensity,
            solar_w=forecasts["solar"].by_period(period_s),
            base_w=base_w,
            slope_j=slope_j,
            lines=lines,
            room_per_s=room,
            arrived=waiting + coming,
            due=np.minimum(due, waiting + coming),
            battery=self._battery_spec(observation, float(intensity.mean())),
            delay_g_per_h=self._delay_g_per_h,
            switching_g=self._switching_g,
            peak_g_per_kw=self._peak_g_per_kw,
        )

    def _battery_spec(
        self, observation: SiteObservation, end_g_per_kwh: float
    ) -> BatterySpec | None:
        soc = observation.battery_soc
        if not self._battery or soc is None:
            return None
        return battery_spec(self._context, soc, end_g_per_kwh)


def battery_spec(context: SiteContext, soc: float, end_g_per_kwh: float) -> BatterySpec | None:
    """Return a site's battery as a programme takes it; None without one.

    Args:
        context: The site.
        soc: State of charge at the start [0 to 1].
        end_g_per_kwh: Value of its change over the programme [g/kWh].
    """
    capacity_wh = context.battery_capacity_wh
    if capacity_wh is None:
        return None
    limits = context.limits["battery_power"]
    charge, discharge = context.battery_efficiency
    return BatterySpec(
        capacity_wh=capacity_wh,
        min_wh=(context.battery_min_soc or 0.0) * capacity_wh,
        start_wh=min(soc, 1.0) * capacity_wh,
        charge_w=limits.maximum,
        discharge_w=-limits.minimum,
        charge_efficiency=charge,
        discharge_efficiency=discharge,
        end_g_per_kwh=end_g_per_kwh,
        surplus_counts=True,
    )


def setpoint_w(plan: LpPlan) -> float:
    """Return the battery's setpoint for the first period of a plan [W]; infinite for none.

    Where the plan neither draws from the grid nor feeds into it, the battery is to follow sun and
    load as they come, as an automatic battery does.
    """
    if plan.import_w[0] < 1.0 and plan.export_w[0] < 1.0:
        return math.inf
    return float(plan.battery_w[0])
