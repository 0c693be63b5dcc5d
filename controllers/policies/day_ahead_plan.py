"""Policy ``day_ahead_plan``: an hourly plan made once a day, and then honoured.

At a fixed hour it solves the linear programme of `controllers.lp` over the forecasts of the day, in
hours, and keeps to the rates of the solution: a virtual capacity curve as Google's [1]_, for the
work that may wait. Errors of the forecast are not corrected until the next day; deadlines win, as
always.

References:
    .. [1] A. Radovanović et al., "Carbon-Aware Computing for Datacenters", IEEE Transactions on
       Power Systems 38(2), 2023.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controllers.base import Controller, SiteAction, SiteContext
from controllers.lp import LpPlan
from controllers.observation import SiteObservation
from controllers.planning import FORECASTS, SitePlanner

_HOUR_S = 3600.0


class DayAheadPlan(Controller):
    """Release of deferrable requests at the hourly rates of a plan made once a day.

    Args:
        hour_utc: Hour of the day at which it plans, UTC [h]; it plans at the start of the run too.
        slo_margin: Share of the SLO for the time per token that is kept free [0 to 1].
        horizon_h: Length of the plan [h]; longer than a day, so that the last hours of the day are
            not planned as if no work came after.
    """

    actuators = frozenset({"deferrable_rate"})
    forecasts = FORECASTS

    def __init__(
        self,
        *,
        hour_utc: Annotated[
            float, Field(ge=0, lt=24, description="hour of the day at which it plans, UTC [h]")
        ] = 0,
        slo_margin: Annotated[
            float, Field(ge=0, lt=1, description="share of the SLO per token kept free")
        ] = 0.2,
        horizon_h: Annotated[float, Field(ge=24, description="length of the plan [h]")] = 36,
    ) -> None:
        self._hour_utc, self._slo_margin = hour_utc, slo_margin
        self.forecast_horizon_h = horizon_h

    def reset(self, context: SiteContext) -> None:
        """Forget the plan, and take in the service model of the site."""
        self._planner = SitePlanner(
            context,
            period_s=_HOUR_S,
            slo_margin=self._slo_margin,
            battery=False,
            delay_g_per_h=1e-6,
            switching_g=0.0,
        )
        self._most = context.limits["deferrable_rate"].maximum
        self._plan: LpPlan | None = None
        self._made_s = 0.0

    def step(self, observation: SiteObservation) -> SiteAction:
        """Plan if it is time to, and keep to the plan."""
        time = observation.time
        clock_h = time.hour + time.minute / 60 + time.second / _HOUR_S
        since_s = round((clock_h - self._hour_utc) % 24 * _HOUR_S, 3) % (24 * _HOUR_S)
        due = since_s < observation.step_s
        late = observation.time_s - self._made_s >= 24 * _HOUR_S
        if self._plan is None or due or late:
            self._plan = self._planner.plan(observation)
            self._made_s = observation.time_s
        hour = int((observation.time_s - self._made_s) // _HOUR_S)
        rates = self._plan.rate_per_s
        rate = float(rates[min(hour, len(rates) - 1)])
        return SiteAction(
            deferrable_rate_per_s=min(max(rate, 0.0), self._most),
            reason=f"hour {hour} of the plan: {rate:.2f}/s",
        )
