"""Policy ``suspend_resume``: deferrable work runs while the grid is cleaner than most of the day.

With T the q-quantile of the forecast of the carbon intensity CI over the hours to come, and b the
cost of a switch, deferrable work

    runs         if CI <= T - b, or its slack is gone
    is deferred  if CI > T + b
    as before    in between

Suspending work above a quantile of the coming day is [1]_ and, as a baseline, [2]_; work whose
slack is gone runs whatever the intensity. The two thresholds are those of the online
pause-and-resume problem [3]_, where resuming asks for a price lower by twice the cost of a switch
than the one at which running work goes on; without a cost both are T. The thresholds of [3]_ also
move with the work left of one job of known size; those here do not, for new work keeps coming.
Where the forecast is flat, CI equals T and work runs: there is no better time.

References:
    .. [1] P. Wiesner et al., "Let's Wait Awhile: How Temporal Workload Shifting Can Reduce Carbon
       Emissions in the Cloud", Middleware 2021.
    .. [2] W. A. Hanafy et al., "Going Green for Less Green: Optimizing the Cost of Reducing Cloud
       Carbon Emissions" (GAIA), ASPLOS 2024.
    .. [3] A. Lechowicz et al., "The Online Pause and Resume Problem: Optimal Algorithms and An
       Application to Carbon-Aware Load Shifting", Proc. ACM Meas. Anal. Comput. Syst. 7(3), 2023.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from controllers.base import Controller, SiteAction, SiteContext
from controllers.observation import SiteObservation
from controllers.release import ACTUATOR, Release

_ROUNDING = 1e-9  # relative: a quantile of equal values may differ from them in the last digit


class SuspendResume(Controller):
    """Release of deferrable work while the intensity is low for the day to come.

    Args:
        quantile: Quantile of the forecast below which work runs [0 to 1].
        switching_cost_g_per_kwh: Cost of a switch, as a carbon intensity [g/kWh]: the thresholds
            to resume and to suspend lie this much below and above the quantile.
        rate_per_s: Rate at which work is released [requests/s]; by default the capacity at the SLO
            for the time per token that other work leaves.
        utilisation: Share of that capacity that all work together may take [0 to 1].
        horizon_h: How far it looks ahead [h].
    """

    actuators = frozenset({ACTUATOR})
    forecasts = frozenset({"carbon_intensity"})

    def __init__(
        self,
        *,
        quantile: Annotated[
            float, Field(ge=0, le=1, description="quantile of the forecast below which work runs")
        ] = 0.3,
        switching_cost_g_per_kwh: Annotated[
            float, Field(ge=0, description="cost of a switch, as a carbon intensity [g/kWh]")
        ] = 0,
        rate_per_s: Annotated[
            float | None,
            Field(
                gt=0,
                description="rate of release [requests/s]; default: the capacity that others leave",
            ),
        ] = None,
        utilisation: Annotated[
            float, Field(gt=0, le=1, description="share of the capacity that all work may take")
        ] = 0.8,
        horizon_h: Annotated[float, Field(gt=0, description="how far it looks ahead [h]")] = 24,
    ) -> None:
        self.forecast_horizon_h = horizon_h
        self._quantile = quantile
        self._cost = switching_cost_g_per_kwh
        self._release = Release(rate_per_s, utilisation)

    def reset(self, context: SiteContext) -> None:
        """Begin with deferrable work deferred."""
        self._release.reset(context)
        self._running = False

    def step(self, observation: SiteObservation) -> SiteAction:
        """Release, or defer."""
        rate_per_s = self._release.see(observation)
        intensity = observation.carbon_intensity_g_per_kwh
        ahead = observation.forecasts["carbon_intensity"].mean
        middle = float(np.quantile(ahead, self._quantile))
        bound = middle + (self._cost if self._running else -self._cost)
        self._running = intensity <= bound + _ROUNDING * abs(middle)
        if self._running:
            return self._release.run(rate_per_s, f"{intensity:.0f} g/kWh <= {bound:.0f}")
        slack_s = observation.deferrable_slack_s
        if slack_s is not None and slack_s <= observation.step_s:
            return self._release.run(rate_per_s, "its slack is gone")
        return self._release.hold(f"{intensity:.0f} g/kWh > {bound:.0f}")
