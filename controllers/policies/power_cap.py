"""Policy ``power_cap``: the dirtier the grid, the less each GPU may draw.

With the carbon intensity CI, the power cap of each GPU is::

    cap  = P_min + (P_max - P_min) * (1 - n(CI))**alpha            [W per GPU]

where P_max is the highest power of a GPU, or the scenario's own cap, P_min the share ``minimum`` of
it but at least the idle power of a GPU, and n(CI) goes from 0 at a low to 1 at a high intensity. At
or below the low one, and on a flat signal, there is no cap but the scenario's own.

A GPU meets its cap by a lower clock, iteration by iteration: everything is served, only slower, and
a GPU that draws less anyway is not touched. That saves energy too, because power falls faster than
speed down to about half the clock. The effect of a power cap on LLM inference, phase by phase, is
measured in [1]_; the idea that the power limit follows the carbon intensity is that of [2]_, who
shape it by capacity curves and with a forecast.

References:
    .. [1] P. Patel et al., "Characterizing Power Management Opportunities for LLMs in the Cloud",
       ASPLOS 2024.
    .. [2] A. Radovanović et al., "Carbon-Aware Computing for Datacenters", IEEE Transactions on
       Power Systems 38(2), 2023.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controllers.base import Controller, SiteAction, SiteContext
from controllers.observation import SiteObservation
from controllers.throttle import Throttle
from controllers.window import IntensityBand


class PowerCap(Controller):
    """Power cap of each GPU, the lower the dirtier the grid.

    Args:
        high_g_per_kwh: Intensity at which the cap is lowest [g/kWh]; needs `low_g_per_kwh`.
        low_g_per_kwh: Intensity down to which there is no cap [g/kWh].
        high_quantile: In place of these, quantile of the window at which the cap is lowest
            [0 to 1]; 0.9 by default.
        low_quantile: Quantile of the window down to which there is no cap [0 to 1]; 0.1 by default.
        window_h: Length of the window [h]; history before the start counts, and so does the
            present value.
        alpha: Exponent of the curve.
        minimum: Lowest cap, as a share of the greatest [0 to 1].

    Raises:
        ValueError: If intensities or quantiles are given by halves, in both ways, or in the wrong
            order.
    """

    actuators = frozenset({"power_cap"})

    def __init__(
        self,
        *,
        high_g_per_kwh: Annotated[
            float | None, Field(ge=0, description="intensity of the lowest cap [g/kWh]")
        ] = None,
        low_g_per_kwh: Annotated[
            float | None, Field(ge=0, description="intensity down to which there is no cap [g/kWh]")
        ] = None,
        high_quantile: Annotated[
            float | None, Field(ge=0, le=1, description="quantile of the lowest cap")
        ] = None,
        low_quantile: Annotated[
            float | None, Field(ge=0, le=1, description="quantile down to which there is no cap")
        ] = None,
        window_h: Annotated[float, Field(gt=0, description="length of the window [h]")] = 168,
        alpha: Annotated[float, Field(gt=0, description="exponent of the curve")] = 1,
        minimum: Annotated[
            float, Field(gt=0, le=1, description="lowest cap, as a share of the greatest")
        ] = 0.5,
    ) -> None:
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

    def reset(self, context: SiteContext) -> None:
        """Start with the history of the site."""
        self._throttle = Throttle("power_cap", context)
        self._band.reset(context)

    def step(self, observation: SiteObservation) -> SiteAction:
        """Follow the intensity."""
        intensity = observation.carbon_intensity_g_per_kwh
        band = self._band.see(observation)
        u = 1 - band.position(intensity)
        return self._throttle.action(
            self._minimum + (1 - self._minimum) * u**self._alpha,
            f"{intensity:.0f} g/kWh between {band.low:.0f} (low) and {band.high:.0f} (high)",
        )
