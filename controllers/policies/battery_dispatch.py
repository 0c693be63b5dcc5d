"""Policy ``battery_dispatch``: charge the battery while the grid is clean, else discharge it.

With the carbon intensity CI, solar power and the load of the step before, the rules are::

    solar_or_threshold   charge if CI <= low, else discharge if CI >= high or solar < load
    single_threshold     charge if CI < (low + high) / 2, else discharge
    double_threshold     charge if CI < low, discharge if CI > high
    running_mean         charge if CI < mean, else discharge
    running_mean_plus    the same, but charging begins only once CI has stopped falling
    running_mean_margin  charge if CI < (1 - margin) * mean, discharge if CI > (1 + margin) * mean

and hold otherwise. Low and high are intensities, or quantiles of the last hours; mean is that of
these hours. The actions are:

    charge     with charge_w, from sun and grid; with all solar surplus, where that is more
    discharge  the site's deficit; a surplus is taken
    hold       the grid covers the site's deficit; a surplus, solar - load, is taken

Without a policy Vessim takes every surplus and covers every deficit, so that a battery without sun
does nothing. Here it also moves energy from clean hours to dirty ones. That costs the battery's
losses: it saves carbon only where the intensities differ by more than the losses, a condition that
``running_mean_margin`` applies. It also costs room: a battery that was filled from the grid in the
morning cannot take the sun of noon. Where the sun fills it anyway, leave it to Vessim. On a flat
day, where CI = low = high = mean, no rule charges from the grid.

``single_threshold``, ``double_threshold``, ``running_mean`` and ``running_mean_plus`` are those of
OpenDC [1]_ [2]_, whose battery is idle where ours holds; OpenDC's documentation calls the last its
best. The margin of ``running_mean_margin`` is a plain share of the mean.

References:
    .. [1] D. Niewenhuis, S. Talluri, A. Iosup, T. De Matteis, "OpenDC-STEAM: Realistic Modeling
       and Systematic Exploration of Composable Techniques for Sustainable Datacenters", CCGRID
       2026, arXiv:2603.12381.
    .. [2] OpenDC, package org.opendc.simulator.compute.power.batteries.policy,
       https://github.com/atlarge-research/opendc.
"""

from __future__ import annotations

import math
from typing import Annotated, Literal

from pydantic import Field

from controllers.base import Controller, SiteAction, SiteContext
from controllers.objective import required_limits
from controllers.observation import SiteObservation
from controllers.window import IntensityBand, IntensityWindow

Rule = Literal[
    "solar_or_threshold",
    "single_threshold",
    "double_threshold",
    "running_mean",
    "running_mean_plus",
    "running_mean_margin",
]
Deed = Literal["charge", "discharge", "hold"]


class BatteryDispatch(Controller):
    """Battery charging while the grid is clean, and discharging while it is not.

    Args:
        rule: Rule of charging and discharging; see the formulas below.
        high_g_per_kwh: High intensity [g/kWh]; needs `low_g_per_kwh`.
        low_g_per_kwh: Low intensity [g/kWh].
        high_quantile: In place of these, quantile of the window that is high [0 to 1]; 0.7 by
            default.
        low_quantile: Quantile of the window that is low [0 to 1]; 0.3 by default.
        window_h: Length of the window of quantiles and running means [h]; history before the start
            counts, and so does the present value.
        margin: Distance from the mean from which `running_mean_margin` acts, as a share of it.
        charge_h: Time in which charging fills the empty battery [h]; the battery's limit of power
            holds as well.

    Raises:
        ValueError: If thresholds are given by halves, in both ways, or in the wrong order.
    """

    actuators = frozenset({"battery_power"})

    def __init__(
        self,
        *,
        rule: Annotated[
            Rule, Field(description="rule of charging and discharging")
        ] = "solar_or_threshold",
        high_g_per_kwh: Annotated[
            float | None, Field(ge=0, description="high intensity [g/kWh]")
        ] = None,
        low_g_per_kwh: Annotated[
            float | None, Field(ge=0, description="low intensity [g/kWh]")
        ] = None,
        high_quantile: Annotated[
            float | None, Field(ge=0, le=1, description="quantile of the window that is high")
        ] = None,
        low_quantile: Annotated[
            float | None, Field(ge=0, le=1, description="quantile of the window that is low")
        ] = None,
        window_h: Annotated[
            float, Field(gt=0, description="window of quantiles and running means [h]")
        ] = 24,
        margin: Annotated[
            float,
            Field(ge=0, lt=1, description="running_mean_margin: distance, as a share of the mean"),
        ] = 0.1,
        charge_h: Annotated[
            float, Field(gt=0, description="time in which charging fills the empty battery [h]")
        ] = 4,
    ) -> None:
        self._rule = rule
        self._band = IntensityBand(
            low_g_per_kwh=low_g_per_kwh,
            high_g_per_kwh=high_g_per_kwh,
            low_quantile=low_quantile,
            high_quantile=high_quantile,
            default_quantiles=(0.3, 0.7),
            window_h=window_h,
        )
        self._window_h = window_h
        self._margin = margin
        self._charge_h = charge_h

    def reset(self, context: SiteContext) -> None:
        """Start with the history of the site."""
        self._most_w = required_limits(context, "battery_power").maximum
        capacity_wh = context.battery_capacity_wh or 0.0
        self._charge_w = min(self._most_w, capacity_wh / self._charge_h)
        self._band.reset(context)
        self._window = IntensityWindow(context, self._window_h)
        self._charging = False
        past = context.past_carbon_intensity_g_per_kwh
        self._before = float(past[-1]) if len(past) else math.inf

    def step(self, observation: SiteObservation) -> SiteAction:
        """Charge, discharge, or hold."""
        # At the first step the load is not known yet, and no surplus is counted on.
        load_w = observation.facility_power_w if observation.step else None
        deed, reason = self._decide(observation, load_w)
        self._charging = deed == "charge"
        self._before = observation.carbon_intensity_g_per_kwh
        surplus_w = 0.0 if load_w is None else max(0.0, observation.solar_w - load_w)
        if deed == "discharge":
            setpoint_w = math.inf
        elif deed == "charge":
            setpoint_w = min(self._most_w, max(self._charge_w, surplus_w))
        else:
            setpoint_w = min(self._most_w, surplus_w)
        return SiteAction(battery_setpoint_w=setpoint_w, reason=f"{deed}: {reason}")

    def _decide(self, observation: SiteObservation, load_w: float | None) -> tuple[Deed, str]:
        """Return the action, and why; a load of None is not known."""
        ci = observation.carbon_intensity_g_per_kwh
        if self._rule.startswith("running_mean"):
            self._window.see(observation)
            return self._by_mean(ci, self._window.mean())
        band = self._band.see(observation)
        if self._rule == "single_threshold":
            middle = (band.low + band.high) / 2
            if ci < middle:
                return "charge", f"{ci:.0f} g/kWh < {middle:.0f} (threshold)"
            return "discharge", f"{ci:.0f} g/kWh >= {middle:.0f} (threshold)"
        if self._rule == "double_threshold":
            if ci < band.low:
                return "charge", f"{ci:.0f} g/kWh < {band.low:.0f} (low)"
            if ci > band.high:
                return "discharge", f"{ci:.0f} g/kWh > {band.high:.0f} (high)"
            return "hold", f"{band.low:.0f} (low) <= {ci:.0f} g/kWh <= {band.high:.0f} (high)"
        if ci <= band.low and ci < band.high:
            return "charge", f"{ci:.0f} g/kWh <= {band.low:.0f} (low)"
        if ci >= band.high and ci > band.low:
            return "discharge", f"{ci:.0f} g/kWh >= {band.high:.0f} (high)"
        if load_w is not None and observation.solar_w < load_w:
            return "discharge", f"{observation.solar_w:.0f} W of sun < {load_w:.0f} W of load"
        if load_w is None:
            return "hold", "the load is not known yet"
        return "hold", f"{observation.solar_w:.0f} W of sun carry {load_w:.0f} W of load"

    def _by_mean(self, ci: float, mean: float) -> tuple[Deed, str]:
        """Return the action of a rule of a running mean, and why."""
        margin = self._margin if self._rule == "running_mean_margin" else 0.0
        low, high = (1 - margin) * mean, (1 + margin) * mean
        minus, plus = (f" {sign} {margin:.0%}" if margin else "" for sign in "-+")
        if ci < low:
            falling = ci < self._before
            if self._rule == "running_mean_plus" and falling and not self._charging:
                return "hold", f"{ci:.0f} g/kWh < {mean:.0f} (mean), but still falling"
            return "charge", f"{ci:.0f} g/kWh < {low:.0f} (mean{minus})"
        if ci > high or not margin:
            return "discharge", f"{ci:.0f} g/kWh >= {high:.0f} (mean{plus})"
        return "hold", f"{low:.0f} <= {ci:.0f} g/kWh <= {high:.0f} (mean -/+ {margin:.0%})"
