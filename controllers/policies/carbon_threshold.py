"""Policy ``carbon_threshold``: throttle while the grid is dirty, with hysteresis.

With the carbon intensity CI and two thresholds low <= high::

    open       if CI <= low
    throttled  if CI >= high
    as before  in between

Thresholds are fixed intensities, such as the 100 and 200 g/kWh of [1]_, or quantiles of the last
hours, which suit any grid. Where all three coincide, as on a flat day, it stays open: there is no
better time to shift work to. Two thresholds instead of one keep it from switching back and forth
around a single one; the online problem with a cost of switching is studied in [2]_, and suspending
work above a quantile of the intensity in [3]_.

References:
    .. [1] M. Özcan, P. Wiesner, P. Weiß, O. Kao, "Quantifying the Energy Consumption and Carbon
       Emissions of LLM Inference via Simulations", 2025, Table 1b.
    .. [2] A. Lechowicz et al., "The Online Pause and Resume Problem: Optimal Algorithms and An
       Application to Carbon-Aware Load Shifting", Proc. ACM Meas. Anal. Comput. Syst. 7(3), 2023.
    .. [3] P. Wiesner et al., "Let's Wait Awhile: How Temporal Workload Shifting Can Reduce Carbon
       Emissions in the Cloud", Middleware 2021.
"""

from __future__ import annotations

import math
from typing import Annotated

from pydantic import Field

from controllers.base import Controller, SiteAction, SiteContext
from controllers.observation import SiteObservation
from controllers.throttle import Throttle, ThrottledActuator
from controllers.window import Band, IntensityBand


class CarbonThreshold(Controller):
    """Throttle of an actuator to a fixed fraction while the carbon intensity is high.

    Args:
        actuator: Actuator to throttle.
        high_g_per_kwh: Intensity from which it throttles [g/kWh]; needs `low_g_per_kwh`.
        low_g_per_kwh: Intensity down to which it opens [g/kWh].
        high_quantile: In place of these, quantile of the window from which it throttles [0 to 1];
            0.7 by default.
        low_quantile: Quantile of the window down to which it opens [0 to 1]; 0.3 by default.
        window_h: Length of the window [h]; history before the start counts, and so does the
            present value.
        throttled: Fraction of the actuator's maximum while throttled [0 to 1].
        min_dwell_s: Least time between two switches [s].

    Raises:
        ValueError: If thresholds are given by halves, in both ways, or in the wrong order.
    """

    def __init__(
        self,
        *,
        actuator: Annotated[
            ThrottledActuator, Field(description="actuator to throttle")
        ] = "admission_rate",
        high_g_per_kwh: Annotated[
            float | None, Field(ge=0, description="intensity from which it throttles [g/kWh]")
        ] = None,
        low_g_per_kwh: Annotated[
            float | None, Field(ge=0, description="intensity down to which it opens [g/kWh]")
        ] = None,
        high_quantile: Annotated[
            float | None,
            Field(ge=0, le=1, description="quantile of the window from which it throttles"),
        ] = None,
        low_quantile: Annotated[
            float | None,
            Field(ge=0, le=1, description="quantile of the window down to which it opens"),
        ] = None,
        window_h: Annotated[float, Field(gt=0, description="length of the window [h]")] = 24,
        throttled: Annotated[
            float, Field(ge=0, le=1, description="fraction of the maximum while throttled")
        ] = 0.5,
        min_dwell_s: Annotated[
            float, Field(ge=0, description="least time between two switches [s]")
        ] = 0,
    ) -> None:
        self.actuators = frozenset({actuator})
        self._actuator = actuator
        self._band = IntensityBand(
            low_g_per_kwh=low_g_per_kwh,
            high_g_per_kwh=high_g_per_kwh,
            low_quantile=low_quantile,
            high_quantile=high_quantile,
            default_quantiles=(0.3, 0.7),
            window_h=window_h,
        )
        self._fraction = throttled
        self._min_dwell_s = min_dwell_s

    def reset(self, context: SiteContext) -> None:
        """Start open, with the history of the site."""
        self._throttle = Throttle(self._actuator, context)
        self._band.reset(context)
        self._throttled = False
        self._switched_s = -math.inf

    def step(self, observation: SiteObservation) -> SiteAction:
        """Throttle, open, or hold."""
        intensity = observation.carbon_intensity_g_per_kwh
        wanted, reason = self._decide(intensity, self._band.see(observation))
        if wanted != self._throttled:
            if observation.time_s - self._switched_s >= self._min_dwell_s:
                self._throttled = wanted
                self._switched_s = observation.time_s
            else:
                reason += ", but switched less than min_dwell_s ago"
        return self._throttle.action(self._fraction if self._throttled else 1, reason)

    def _decide(self, intensity: float, band: Band) -> tuple[bool, str]:
        """Return whether to throttle, and why."""
        if intensity <= band.low:
            return False, f"{intensity:.0f} g/kWh <= {band.low:.0f} (low)"
        if intensity >= band.high:
            return True, f"{intensity:.0f} g/kWh >= {band.high:.0f} (high)"
        return (
            self._throttled,
            f"{band.low:.0f} (low) < {intensity:.0f} g/kWh < {band.high:.0f} (high)",
        )
