"""Policy ``battery_aware``: as much work as sun and battery carry, and a little grid when clean.

Green power is the solar power now, plus the power that the battery can give for the next hours,

    green = solar + max(0, (SoC - SoC_min) * C / horizon)                                  [W]

and the grid may add more the cleaner it is, up to a share beta of the peak power of the site,

    target = green + beta * P_peak * (1 - n(CI))                                           [W]

where n(CI) is 0 at the 10th percentile of the carbon intensity of the last days and 1 at the 90th
(0 throughout on a flat signal). The actuator then gets the fraction of its maximum at which the
site would draw the target, if power rose linearly from idle to peak,

    fraction = clip((target - P_idle) / (P_peak - P_idle), minimum, 1)

so it is open whenever the target, and all the more green power alone, covers the peak.

Green power is not compared with the power drawn, because throttling lowers that power: the next
step would find enough green power, open, find too little, and throttle again, for ever. The
fraction does not depend on anything that it changes at once. It is a ceiling, so it does not
throttle a site that draws less than the target anyway. Small moves are left out (`deadband`).

Sizing work to solar power and a battery goes back to [1]_; handing both to the application as
power that it may spend, to [2]_.

References:
    .. [1] Í. Goiri et al., "Parasol and GreenSwitch: Managing Datacenters Powered by Renewable
       Energy", ASPLOS 2013.
    .. [2] A. Souza et al., "Ecovisor: A Virtual Energy System for Carbon-Efficient Applications",
       ASPLOS 2023.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controllers.base import Controller, SiteAction, SiteContext
from controllers.observation import SiteObservation
from controllers.throttle import Throttle, ThrottledActuator
from controllers.window import IntensityBand


class BatteryAware(Controller):
    """Throttle of an actuator to the load that green power and a clean grid can carry.

    Args:
        actuator: Actuator to throttle.
        horizon_h: Time over which the battery's energy is to last [h].
        beta: Grid power allowed when the grid is at its cleanest, as a share of the site's peak
            power [0 to 1].
        minimum: Least fraction of the actuator's maximum [0 to 1].
        deadband: Least move of the fraction; opening fully is always possible [0 to 1].
        window_h: Length of the window of which the intensity's percentiles are taken [h]; history
            before the start counts, and so does the present value.
    """

    def __init__(
        self,
        *,
        actuator: Annotated[
            ThrottledActuator, Field(description="actuator to throttle")
        ] = "admission_rate",
        horizon_h: Annotated[
            float, Field(gt=0, description="time the battery's energy is to last [h]")
        ] = 4,
        beta: Annotated[
            float, Field(ge=0, le=1, description="grid share of peak power, grid at its cleanest")
        ] = 0.5,
        minimum: Annotated[
            float, Field(ge=0, le=1, description="least fraction of the maximum")
        ] = 0.25,
        deadband: Annotated[
            float, Field(ge=0, le=1, description="least move of the fraction")
        ] = 0.05,
        window_h: Annotated[float, Field(gt=0, description="length of the window [h]")] = 168,
    ) -> None:
        self.actuators = frozenset({actuator})
        self._actuator = actuator
        self._horizon_h = horizon_h
        self._beta = beta
        self._minimum = minimum
        self._deadband = deadband
        self._band = IntensityBand(default_quantiles=(0.1, 0.9), window_h=window_h)

    def reset(self, context: SiteContext) -> None:
        """Start open, with the history of the site."""
        self._throttle = Throttle(self._actuator, context)
        self._band.reset(context)
        self._peak_w = context.peak_power_w
        self._idle_w = context.idle_power_w
        self._fraction = 1.0

    def step(self, observation: SiteObservation) -> SiteAction:
        """Follow the green power."""
        intensity = observation.carbon_intensity_g_per_kwh
        green_w = observation.solar_w + self._battery_w(observation)
        dirtiness = self._band.see(observation).position(intensity)
        grid_w = self._beta * self._peak_w * (1 - dirtiness)
        wanted = self._carried_by(green_w + grid_w)
        if abs(wanted - self._fraction) >= self._deadband or wanted == 1:
            self._fraction = wanted
        return self._throttle.action(
            self._fraction,
            f"{green_w:.0f} W green + {grid_w:.0f} W grid of {self._peak_w:.0f} W peak",
        )

    def _battery_w(self, observation: SiteObservation) -> float:
        """Return the power that the battery can give over the horizon [W]."""
        if observation.battery_soc is None or observation.battery_capacity_wh is None:
            return 0.0
        usable = max(0.0, observation.battery_soc - (observation.battery_min_soc or 0.0))
        return usable * observation.battery_capacity_wh / self._horizon_h

    def _carried_by(self, power_w: float) -> float:
        """Return the fraction of the maximum at which the site draws `power_w`."""
        span_w = self._peak_w - self._idle_w
        if power_w >= self._peak_w or span_w <= 0:  # without a span nothing is gained by throttling
            return 1.0
        fraction = (power_w - self._idle_w) / span_w
        return min(1.0, max(self._minimum, fraction))
