"""Policy ``carbon_proportional``: the cleaner the grid, the more work.

With the carbon intensity CI between a low and a high one, it allows this fraction of the maximum::

    u        = clip((high - CI) / (high - low), 0, 1)
    fraction = minimum + (1 - minimum) * u**alpha

moved by at most ``max_change`` per control step. alpha > 1 throttles early, alpha < 1 late. If high
and low coincide, as on a flat signal, it stays open. It follows the capacity curves by which [1]_
shapes the load of a data centre after its carbon intensity, but without a forecast.

References:
    .. [1] A. Radovanović et al., "Carbon-Aware Computing for Datacenters", IEEE Transactions on
       Power Systems 38(2), 2023.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controllers.base import Controller, SiteAction, SiteContext
from controllers.observation import SiteObservation
from controllers.throttle import Throttle, ThrottledActuator
from controllers.window import IntensityBand


class CarbonProportional(Controller):
    """Throttle of an actuator in proportion to the carbon intensity.

    Args:
        actuator: Actuator to throttle.
        high_g_per_kwh: Intensity at which it allows the least [g/kWh]; needs `low_g_per_kwh`.
        low_g_per_kwh: Intensity at which it opens [g/kWh].
        high_quantile: In place of these, quantile of the window at which it allows the least
            [0 to 1]; 0.9 by default.
        low_quantile: Quantile of the window at which it opens [0 to 1]; 0.1 by default.
        window_h: Length of the window [h]; history before the start counts, and so does the
            present value.
        alpha: Exponent of the curve.
        minimum: Least fraction of the actuator's maximum [0 to 1].
        max_change: Greatest change per control step, as a fraction of the maximum; 1 for any.

    Raises:
        ValueError: If intensities or quantiles are given by halves, in both ways, or in the wrong
            order.
    """

    def __init__(
        self,
        *,
        actuator: Annotated[
            ThrottledActuator, Field(description="actuator to throttle")
        ] = "admission_rate",
        high_g_per_kwh: Annotated[
            float | None, Field(ge=0, description="intensity that allows the least [g/kWh]")
        ] = None,
        low_g_per_kwh: Annotated[
            float | None, Field(ge=0, description="intensity at which it opens [g/kWh]")
        ] = None,
        high_quantile: Annotated[
            float | None,
            Field(ge=0, le=1, description="quantile of the window that allows the least"),
        ] = None,
        low_quantile: Annotated[
            float | None,
            Field(ge=0, le=1, description="quantile of the window at which it opens"),
        ] = None,
        window_h: Annotated[float, Field(gt=0, description="length of the window [h]")] = 168,
        alpha: Annotated[float, Field(gt=0, description="exponent of the curve")] = 1,
        minimum: Annotated[
            float, Field(ge=0, le=1, description="least fraction of the maximum")
        ] = 0.2,
        max_change: Annotated[
            float,
            Field(gt=0, le=1, description="greatest change per control step, of the maximum"),
        ] = 1,
    ) -> None:
        self.actuators = frozenset({actuator})
        self._actuator = actuator
        self._band = IntensityBand(
            low_g_per_kwh=low_g_per_kwh,
            high_g_per_kwh=high_g_per_kwh,
            low_quantile=low_quantile,
            high_quantile=high_quantile,
            default_quantiles=(0.1, 0.9),
            window_h=window_h,
        )
        self._alpha = alpha
        self._minimum = minimum
        self._max_change = max_change

    def reset(self, context: SiteContext) -> None:
        """Start open, with the history of the site."""
        self._throttle = Throttle(self._actuator, context)
        self._band.reset(context)
        self._fraction = 1.0

    def step(self, observation: SiteObservation) -> SiteAction:
        """Follow the intensity."""
        intensity = observation.carbon_intensity_g_per_kwh
        band = self._band.see(observation)
        u = 1 - band.position(intensity)
        wanted = self._minimum + (1 - self._minimum) * u**self._alpha
        lowest = max(0.0, self._fraction - self._max_change)
        highest = min(1.0, self._fraction + self._max_change)
        self._fraction = min(highest, max(lowest, wanted))
        return self._throttle.action(
            self._fraction,
            f"{intensity:.0f} g/kWh between {band.low:.0f} (low) and {band.high:.0f} (high)",
        )
