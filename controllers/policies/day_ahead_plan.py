"""Policy ``day_ahead_plan``: an hourly plan made once a day, and then honoured.

At a fixed hour it solves the linear programme of `controllers.lp` over the forecasts of the day, in
hours, and keeps to the rates of the solution: a virtual capacity curve as Google's [1]_, for the
work that may wait. Errors of the forecast are not corrected until the next day; deadlines win, as
always. The rate of an hour is released in bursts, see `controllers.bursts`.

The plan makes room for more work than is forecast. With T the load forecast for a day, T_F the part
of it that may wait, and e_q the q-quantile of the relative errors of the forecasts of the load on
the days before, 90 at most, it plans for alpha T_F, where

    T - T_F + alpha T_F = T (1 + e_q)                          equations 4 and 5 of [1]_

with e_q at least 0: all that may come in excess is taken to be deferrable. Until a day has passed
alpha is 1. Beside the emissions the plan minimises the highest power y of the load, at a price,

    lambda_e sum_t F_t P_t dt + lambda_p y                     equation 6 of [1]_

where `peak_g_per_kw` is lambda_p / lambda_e: [1]_ has 10 $ per MW and day over 40 $ per kg.

References:
    .. [1] A. Radovanović et al., "Carbon-Aware Computing for Datacenters", IEEE Transactions on
       Power Systems 38(2), 2023.
"""

from __future__ import annotations

from collections import deque
from typing import Annotated

import numpy as np
from pydantic import Field

from controllers.base import Controller, SiteAction, SiteContext
from controllers.bursts import Bursts
from controllers.lp import LpPlan
from controllers.observation import SiteObservation
from controllers.planning import FORECASTS, SitePlanner

_HOUR_S = 3600.0
_DAY_S = 24 * _HOUR_S
_DAYS = 90


class DayAheadPlan(Controller):
    """Release of deferrable requests at the hourly rates of a plan made once a day.

    Args:
        hour_utc: Hour of the day at which it plans, UTC [h]; it plans at the start of the run too.
        slo_margin: Share of the SLO for the time per token that is kept free [0 to 1].
        utilisation: Share of the capacity at the rest of that SLO that all work together may take
            [0 to 1].
        horizon_h: Length of the plan [h]; longer than a day, so that the last hours of the day are
            not planned as if no work came after.
        risk_quantile: Quantile of the errors of past forecasts that the plan makes room for
            [0 to 1].
        peak_g_per_kw: Price of the highest power of the load in a plan [g/kW].
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
        utilisation: Annotated[
            float, Field(gt=0, le=1, description="share of the capacity that all work may take")
        ] = 0.8,
        horizon_h: Annotated[float, Field(ge=24, description="length of the plan [h]")] = 36,
        risk_quantile: Annotated[
            float, Field(ge=0, le=1, description="quantile of forecast errors to make room for")
        ] = 0.97,
        peak_g_per_kw: Annotated[
            float, Field(ge=0, description="price of the highest power of the load [g/kW]")
        ] = 0.25,
    ) -> None:
        self._hour_utc = hour_utc
        self._slo_margin, self._utilisation = slo_margin, utilisation
        self._risk_quantile, self._peak_g_per_kw = risk_quantile, peak_g_per_kw
        self.forecast_horizon_h = horizon_h

    def reset(self, context: SiteContext) -> None:
        """Forget plan and errors, and take in the service model of the site."""
        self._planner = SitePlanner(
            context,
            period_s=_HOUR_S,
            slo_margin=self._slo_margin,
            utilisation=self._utilisation,
            peak_g_per_kw=self._peak_g_per_kw,
        )
        self._most = context.limits["deferrable_rate"].maximum
        self._bursts = Bursts()
        self._plan: LpPlan | None = None
        self._made_s = 0.0
        self._errors: deque[float] = deque(maxlen=_DAYS)
        self._forecast_requests = 0.0
        self._arrived = 0.0
        self._asked_s = 0.0

    def step(self, observation: SiteObservation) -> SiteAction:
        """Plan if it is time to, and keep to the plan."""
        self._count(observation)
        time = observation.time
        clock_h = time.hour + time.minute / 60 + time.second / _HOUR_S
        since_s = round((clock_h - self._hour_utc) % 24 * _HOUR_S, 3) % _DAY_S
        due = since_s < observation.step_s
        late = observation.time_s - self._made_s >= _DAY_S
        if self._plan is None or due or late:
            self._learn(observation)
            self._plan = self._planner.plan(observation, self._inflation())
            self._made_s = observation.time_s
        hour = int((observation.time_s - self._made_s) // _HOUR_S)
        hour = min(hour, len(self._plan.rate_per_s) - 1)
        rate_per_s = float(self._plan.rate_per_s[hour])
        full_per_s = min(float(self._plan.room_per_s[hour]), self._most)
        return SiteAction(
            deferrable_rate_per_s=self._bursts.release(rate_per_s, full_per_s, observation),
            reason=f"hour {hour} of the plan: {rate_per_s:.2f}/s",
        )

    def _count(self, observation: SiteObservation) -> None:
        """Add up the requests that arrived since the plan; as in the last step, if not asked."""
        asked_steps = (observation.time_s - self._asked_s) / observation.step_s
        self._arrived += observation.arrived * asked_steps
        self._asked_s = observation.time_s

    def _learn(self, observation: SiteObservation) -> None:
        """Take in the error of the forecast that has come to its end, and begin with the next."""
        whole_day = self._plan is not None and observation.time_s - self._made_s >= _DAY_S
        if whole_day and self._forecast_requests > 0:
            self._errors.append(self._arrived / self._forecast_requests - 1)
        arrivals = observation.forecasts["arrivals"]
        day = round(_DAY_S / arrivals.step_s)
        self._forecast_requests = float(arrivals.mean[:day].sum()) * arrivals.step_s
        self._arrived = 0.0

    def _inflation(self) -> float:
        """Return the deferrable work to plan for, over that forecast."""
        split = self._planner.split
        if not self._errors or not split.deferrable_share:
            return 1.0
        error = max(0.0, float(np.quantile(self._errors, self._risk_quantile)))
        deferrable = split.deferrable_share * split.deferrable_weight
        return 1 + error * (split.interactive_load + deferrable) / deferrable
