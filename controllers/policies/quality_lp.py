"""Policy ``quality_lp``: the better model in clean hours, the smaller one in dirty ones.

Over a window of a day, say, the mean score of the requests is to be at least a floor. At each
period of an hour, say, it solves the linear programme of :mod:`controllers.mix` over the rest of
the window, with the quality that was served so far, and sets the shares of the present period.
Energy per request comes from the service model of each pool, at the workload's highest mean rate.

References:
    .. [1] P. Wiesner et al., "Quality Time: Carbon-Aware Quality Adaptation for Energy-Intensive
       Services", 2024, arXiv 2411.19058.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from controllers.arrays import FloatArray
from controllers.base import Controller, SiteAction, SiteContext
from controllers.mix import Mix
from controllers.observation import SiteObservation

_HOUR_S = 3600.0
_ROUNDING = 1e-6


class QualityLp(Controller):
    """Shares of the models with the least emissions, at a mean quality over a window.

    Args:
        floor: Mean score of the requests over each window, at least.
        benchmark: Score that counts, by its name in the pools' `quality`; the first that all have
            by default.
        over_h: Length of a window [h]; the first begins with the run.
        every_h: Time between plans [h].
        utilisation: Share of a pool's capacity that may be planned with [0 to 1].
    """

    actuators = frozenset({"tier_share"})
    forecasts = frozenset({"carbon_intensity", "arrivals"})

    def __init__(
        self,
        *,
        floor: Annotated[float, Field(ge=0, description="mean score over a window, at least")],
        benchmark: Annotated[
            str | None, Field(description="score that counts; the first by default")
        ] = None,
        over_h: Annotated[float, Field(gt=0, description="length of a window [h]")] = 24,
        every_h: Annotated[float, Field(gt=0, description="time between plans [h]")] = 1,
        utilisation: Annotated[
            float, Field(gt=0, le=1, description="share of a pool's capacity to plan with")
        ] = 0.8,
    ) -> None:
        self._floor, self._benchmark = floor, benchmark
        self._window_s, self._every_s = over_h * _HOUR_S, every_h * _HOUR_S
        self._utilisation = utilisation
        self.forecast_horizon_h = over_h

    def reset(self, context: SiteContext) -> None:
        """Forget what was served."""
        self._mix = Mix.of(context, self._benchmark)
        if self._mix is not None:
            self._mix.check(self._floor)
        self._shares: FloatArray | None = None
        self._window = self._planned_s = -1.0
        self._requests = self._quality = 0.0
        self._end_s = context.step_s * context.steps

    def step(self, observation: SiteObservation) -> SiteAction | None:
        """Plan if it is time to, and set the shares."""
        if self._mix is None:
            return None
        self._count(self._mix, observation)
        now_s = observation.time_s
        window = np.floor(now_s / self._window_s + _ROUNDING)
        if window != self._window:  # what the last one lacked is lost
            self._window, self._requests, self._quality = window, 0.0, 0.0
        elif now_s - self._planned_s < self._every_s - _ROUNDING:
            return None
        self._planned_s = now_s
        end_s = min((window + 1) * self._window_s, self._end_s)
        self._shares = self._plan(self._mix, observation, end_s - now_s)
        settings = self._mix.settings(self._shares)
        so_far = f", {self._quality / self._requests:.4g} so far" if self._requests else ""
        intensity = observation.carbon_intensity_g_per_kwh
        return SiteAction(
            tier_share=settings,
            reason=f"{intensity:.0f} g/kWh: quality {self._floor:g} by LP{so_far}",
        )

    def _count(self, mix: Mix, observation: SiteObservation) -> None:
        """Add the requests of the step before, and the quality that they were served with."""
        if self._shares is None:
            return
        self._requests += observation.arrived
        self._quality += observation.arrived * float(mix.quality @ self._shares)

    def _plan(self, mix: Mix, observation: SiteObservation, left_s: float) -> FloatArray:
        intensity = observation.forecasts["carbon_intensity"]
        arrivals = observation.forecasts["arrivals"]
        step_s = arrivals.step_s
        steps = max(1, min(round(left_s / step_s), len(arrivals.mean), len(intensity.mean)))
        group = max(1, round(self._every_s / step_s))
        starts = np.arange(0, steps, group)
        requests = np.add.reduceat(arrivals.mean[:steps] * step_s, starts)
        length = np.diff(np.append(starts, steps))
        grams = np.add.reduceat(intensity.mean[:steps], starts) / length
        wanted = self._floor * (self._requests + float(requests.sum())) - self._quality
        shares = mix.least_carbon(
            grams, requests, wanted, utilisation=self._utilisation, periods_s=length * step_s
        )
        first: FloatArray = shares[0]
        return first
