"""Policy ``mpc``: model-predictive control, a plan for a day that is renewed every period.

Every quarter of an hour it solves the linear programme of `controllers.lp` over the forecasts of
intensity, sun and arrivals: at which rate to release deferrable requests, and at which power to
charge or discharge the battery, so that the emissions of the import are least and no deadline is
missed. It carries out the first period, and plans anew: the next observation corrects the errors of
the forecast.

Above `utilisation` of the capacity queues form, which the programme does not know, and requests
that may not wait would miss their SLOs: it leaves the rest free. GPUs use less energy for the same
work in larger batches, which it cannot model either: a rate between none and all is released in
bursts, see `controllers.bursts`.

With `replicas` it also decides how many replicas serve. The power of the load is then the lower
hull over their numbers, see `controllers.planning`; the first period of the plan gives the number,
which is asked for as long before as replicas take to wake up.

It is as good as its forecasts and its model of the deployment; `day_ahead_plan` is the same
programme solved once a day.

References:
    .. [1] J. B. Rawlings, D. Q. Mayne, M. M. Diehl, "Model Predictive Control: Theory, Computation,
       and Design", 2017.
    .. [2] A. Radovanović et al., "Carbon-Aware Computing for Datacenters", IEEE Transactions on
       Power Systems 38(2), 2023.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from controllers.base import Controller, SiteAction, SiteContext
from controllers.bursts import Bursts
from controllers.lp import LpPlan
from controllers.observation import SiteObservation
from controllers.planning import FORECASTS, SitePlanner, setpoint_w
from controllers.standby import PlannedReplicas


class Mpc(Controller):
    """Plan of deferrable work and the battery by a linear programme, renewed every period.

    Args:
        period_min: Length of a period of the plan, and the time from plan to plan [min]; a whole
            number of steps.
        horizon_h: Length of the plan [h].
        defer: Whether it sets `deferrable_rate`.
        battery: Whether it sets `battery_power`.
        replicas: Whether it sets `active_replicas`; only with `defer`, and where there are several.
        wake_s: Time that a replica takes to wake up [s].
        slo_margin: Share of the SLO for the time per token that is kept free [0 to 1].
        utilisation: Share of the capacity at the rest of that SLO that all work together may take
            [0 to 1].
        delay_g_per_h: Price of an hour's delay of a request [g].
        switching_g: Price of a change of the rate over its whole range [g].

    Raises:
        ValueError: If it is to set neither, or replicas without deferring.
    """

    forecasts = FORECASTS

    def __init__(
        self,
        *,
        period_min: Annotated[
            float, Field(gt=0, description="length of a period of the plan [min]")
        ] = 15,
        horizon_h: Annotated[float, Field(gt=0, description="length of the plan [h]")] = 24,
        defer: Annotated[bool, Field(description="whether it sets deferrable_rate")] = True,
        battery: Annotated[bool, Field(description="whether it sets battery_power")] = True,
        replicas: Annotated[bool, Field(description="whether it sets active_replicas")] = False,
        wake_s: Annotated[
            float, Field(ge=0, description="time that a replica takes to wake up [s]")
        ] = 60,
        slo_margin: Annotated[
            float, Field(ge=0, lt=1, description="share of the SLO per token kept free")
        ] = 0.2,
        utilisation: Annotated[
            float, Field(gt=0, le=1, description="share of the capacity that all work may take")
        ] = 0.8,
        delay_g_per_h: Annotated[
            float, Field(ge=0, description="price of an hour's delay of a request [g]")
        ] = 1e-6,
        switching_g: Annotated[
            float, Field(ge=0, description="price of a change over the whole range [g]")
        ] = 0.0,
    ) -> None:
        if not (defer or battery):
            raise ValueError("mpc must set something: defer, battery or both")
        if replicas and not defer:
            raise ValueError("mpc with replicas must defer too: they serve what it releases")
        wanted = {"deferrable_rate": defer, "battery_power": battery, "active_replicas": replicas}
        self.actuators = frozenset(name for name, used in wanted.items() if used)
        self.forecast_horizon_h = horizon_h
        self._period_s = period_min * 60
        self._defer, self._battery = defer, battery
        self._replicas, self._wake_s = replicas, wake_s
        self._slo_margin, self._utilisation = slo_margin, utilisation
        self._delay_g_per_h, self._switching_g = delay_g_per_h, switching_g

    def reset(self, context: SiteContext) -> None:
        """Take in the service model of the site.

        Raises:
            ValueError: If it has no cluster, or a single replica where the number is to be set.
        """
        self._planner = SitePlanner(
            context,
            period_s=self._period_s,
            slo_margin=self._slo_margin,
            utilisation=self._utilisation,
            battery=self._battery,
            delay_g_per_h=self._delay_g_per_h,
            switching_g=self._switching_g,
            replicas=self._replicas,
        )
        self._standby = self._planned_replicas(context) if self._replicas else None
        self._most = context.limits["deferrable_rate"].maximum if self._defer else 0.0
        if self._battery:
            self._charges = context.limits["battery_power"]
        self._plan: LpPlan | None = None
        self._made_s = 0.0
        self._bursts = Bursts()

    def step(self, observation: SiteObservation) -> SiteAction:
        """Plan if it is time to, and carry out the plan."""
        if self._plan is None or observation.time_s - self._made_s >= self._period_s:
            self._plan = self._planner.plan(observation)
            self._made_s = observation.time_s
        plan = self._plan
        rate_per_s: float | None = None
        count: int | None = None
        if self._defer:
            full_per_s = float(plan.room_per_s[0])
            if self._standby is not None:
                count = self._count(self._standby, plan, observation)
                serving = self._standby.ask(count, observation)
                full_per_s = self._standby.room_per_s(plan, serving)
            full_per_s = min(full_per_s, self._most)
            rate_per_s = self._bursts.release(float(plan.rate_per_s[0]), full_per_s, observation)
        return SiteAction(
            active_replicas=count,
            deferrable_rate_per_s=rate_per_s,
            battery_setpoint_w=self._setpoint_w(plan) if self._battery else None,
            reason=f"plan: {plan.rate_per_s[0]:.2f}/s and {plan.battery_w[0]:+.0f} W now, "
            f"{plan.emissions_g:.0f} g in {self.forecast_horizon_h:g} h",
        )

    def _setpoint_w(self, plan: LpPlan) -> float:
        """Return the battery's setpoint [W]; the solver's rounding may not pass its limits."""
        wanted_w = setpoint_w(plan)
        if math.isinf(wanted_w):
            return wanted_w
        return min(max(wanted_w, self._charges.minimum), self._charges.maximum)

    def _planned_replicas(self, context: SiteContext) -> PlannedReplicas:
        limits = context.limits["active_replicas"]
        if limits.maximum <= 1:
            raise ValueError(
                f"site '{context.site}' has one replica, so mpc has no number of them to set: "
                "leave out `replicas`"
            )
        return PlannedReplicas(
            round(limits.minimum),
            round(limits.maximum),
            self._planner.each_per_s,
            self._planner.split.deferrable_weight,
            self._wake_s,
        )

    def _count(self, standby: PlannedReplicas, plan: LpPlan, observation: SiteObservation) -> int:
        """Return the replicas to ask for: for the period, the queues, and soon the next period."""
        backlog = observation.gateway_waiting + observation.replica_waiting
        rate_per_s = float(plan.rate_per_s[0]) if observation.deferrable_waiting else 0.0
        count = standby.needed(plan, 0, rate_per_s + backlog / self._period_s)
        ends_s = self._made_s + self._period_s
        if observation.time_s + standby.leads(observation.step_s) >= ends_s:
            count = max(count, standby.needed(plan, 1))
        return count
