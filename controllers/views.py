"""The views of the controllers: one observation for all, and the parts that only some may see.

Forecasts go to the controllers that declare them, perfect ones to the clairvoyant. A
carbon-agnostic baseline sees the mean of the intensity, in observations, history and forecasts; one
with a decoy sees that, see `controllers.decoy`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import timedelta

import numpy as np

from controllers.actuators import SITE, Settings
from controllers.arrays import FloatArray
from controllers.base import SiteContext
from controllers.decoy import Decoy
from controllers.forecast import (
    DAY_S,
    Forecaster,
    Forecasts,
    Perfect,
    Persistence,
    SameHourYesterday,
)
from controllers.observation import SiteObservation
from controllers.placement import HostedController
from controllers.site_views import (
    BatteryView,
    GridView,
    LatencyView,
    MicrogridReport,
    PoolView,
    SiteReport,
)

SUPPLY = ("carbon_intensity", "solar")
"""Signals that tell when the supply is clean, of which a decoy tells nothing."""


@dataclass(frozen=True, slots=True, eq=False)
class SiteSignals:
    """The signals of a site, one value per step of the run, and their forecasts.

    Attributes:
        carbon_intensity_g_per_kwh: Mean carbon intensity over each step [g/kWh], shape (steps,).
        solar_w: Solar power available in each step [W], shape (steps,).
        price_per_kwh: Price of imported energy [1/kWh], shape (steps,); None if there is none.
        load_w: Power of a plain load in place of a cluster [W], shape (steps,).
        arrivals_per_s: Mean rate at which requests come [requests/s], shape (steps,).
        deferrable_arrivals_per_s: The same of those that may be deferred.
        past: History before the run, oldest first, by signal; see `forecast.SIGNALS`.
        forecasters: Forecast models, by signal; by default the values of the day before.
    """

    carbon_intensity_g_per_kwh: FloatArray
    solar_w: FloatArray
    price_per_kwh: FloatArray | None = None
    load_w: FloatArray | None = None
    arrivals_per_s: FloatArray | None = None
    deferrable_arrivals_per_s: FloatArray | None = None
    past: Mapping[str, FloatArray] = field(default_factory=dict)
    forecasters: Mapping[str, Forecaster] = field(default_factory=dict)

    def values(self, signal: str) -> FloatArray:
        """Return the values of a signal of which there are forecasts, shape (steps,)."""
        values = {
            "carbon_intensity": self.carbon_intensity_g_per_kwh,
            "solar": self.solar_w,
            "arrivals": self.arrivals_per_s,
            "deferrable_arrivals": self.deferrable_arrivals_per_s,
        }[signal]
        return np.zeros_like(self.carbon_intensity_g_per_kwh) if values is None else values

    @property
    def mean_g_per_kwh(self) -> float:
        """Mean of the carbon intensity over the run [g/kWh]."""
        return float(self.carbon_intensity_g_per_kwh.mean())


class Viewer:
    """Maker of the observations of a run.

    Args:
        contexts: The sites, by name.
        signals: Their signals, by name.
    """

    def __init__(
        self, contexts: Mapping[str, SiteContext], signals: Mapping[str, SiteSignals]
    ) -> None:
        self._contexts, self._signals = contexts, dict(signals)
        # until something is reported of them
        self._pools = {
            site: dict.fromkeys(_pools(context), PoolView()) for site, context in contexts.items()
        }
        self._classes = {
            site: dict.fromkeys((info.name for info in context.classes), LatencyView())
            for site, context in contexts.items()
        }
        self._forecasters: dict[tuple[str, str, bool, bool, Decoy | None], Forecaster] = {}
        self._others: dict[tuple[str, str, Decoy | None], tuple[FloatArray, FloatArray]] = {}

    def context(self, entry: HostedController, site: str) -> SiteContext:
        """Return the controller context of a site."""
        context = self._contexts[site]
        if not entry.is_blind and entry.decoy is None:
            return context
        past, _ = self._seen(entry, site, "carbon_intensity")
        if entry.is_blind:
            past = np.full_like(
                context.past_carbon_intensity_g_per_kwh, self._signals[site].mean_g_per_kwh
            )
        return replace(context, past_carbon_intensity_g_per_kwh=past)

    def _seen(
        self, entry: HostedController, site: str, signal: str
    ) -> tuple[FloatArray, FloatArray]:
        """Return a signal as a controller sees it: before the run, and in its steps."""
        is_mean = entry.is_blind and signal == "carbon_intensity"
        if not is_mean and (entry.decoy is None or signal not in SUPPLY):
            signals = self._signals[site]
            return signals.past.get(signal, np.empty(0)), signals.values(signal)
        key = (site, signal, None if is_mean else entry.decoy)
        if key not in self._others:
            signals = self._signals[site]
            values = signals.values(signal)
            past = signals.past.get(signal, np.empty(0))
            if is_mean:
                mean = signals.mean_g_per_kwh
                self._others[key] = np.full_like(past, mean), np.full_like(values, mean)
            elif entry.decoy is not None:
                step_s = self._contexts[site].step_s
                count = len(signals.past.get("carbon_intensity", ()))  # the same order for both
                past = _as_long(past, values, count, max(1, round(DAY_S / step_s)))
                self._others[key] = entry.decoy.of(past, values, step_s)
        return self._others[key]

    def observe(
        self,
        site: str,
        step: int,
        report: SiteReport,
        microgrid: MicrogridReport,
        in_force: Settings,
        guarded: bool,
    ) -> SiteObservation:
        """Return the observation of a site as a step begins, without forecasts.

        Args:
            site: Name of the site.
            step: Index of the step that begins, from 0.
            report: Report on its load in the step before.
            microgrid: Report on its microgrid in the step before.
            in_force: Values of its actuators.
            guarded: Whether its guard held in the step before.
        """
        context, signals = self._contexts[site], self._signals[site]
        price = signals.price_per_kwh
        if signals.load_w is not None and step:
            report = SiteReport(facility_power_w=float(signals.load_w[step - 1]))
        battery = None
        if context.battery_capacity_wh is not None:
            battery = BatteryView(
                soc=microgrid.battery_soc,
                power_w=microgrid.battery_power_w,
                capacity_wh=context.battery_capacity_wh,
                min_soc=context.battery_min_soc or 0.0,
            )
        time_s = step * context.step_s
        return SiteObservation(
            site=site,
            step=step,
            time_s=time_s,
            time=context.start + timedelta(seconds=time_s),
            step_s=context.step_s,
            facility_power_w=report.facility_power_w,
            grid=GridView(
                carbon_intensity_g_per_kwh=float(signals.carbon_intensity_g_per_kwh[step]),
                price_per_kwh=None if price is None else float(price[step]),
                solar_w=float(signals.solar_w[step]),
                import_w=microgrid.import_w,
                export_w=microgrid.export_w,
            ),
            battery=battery,
            queue=report.queue,
            serving=report.serving,
            pools=self._pools[site] | dict(report.pools),
            latency=report.latency,
            classes=self._classes[site] | dict(report.classes),
            in_force=in_force,
            guarded=guarded,
        )

    def view(self, entry: HostedController, observation: SiteObservation) -> SiteObservation:
        """Return an observation as one controller may see it."""
        if entry.is_blind or entry.decoy is not None:
            intensity, sun = (
                float(self._seen(entry, observation.site, signal)[1][observation.step])
                for signal in SUPPLY
            )
            grid = replace(observation.grid, carbon_intensity_g_per_kwh=intensity, solar_w=sun)
            observation = replace(observation, grid=grid)
        declared = frozenset(entry.controller.forecasts)
        if declared:
            ahead = max(1, round(entry.controller.forecast_horizon_h * 3600 / observation.step_s))
            site, step = observation.site, observation.step
            forecasts = Forecasts(
                lambda signal: self._forecaster(entry, site, signal).issue(step, ahead), declared
            )
            observation = replace(observation, forecasts=forecasts)
        return observation

    def _forecaster(self, entry: HostedController, site: str, signal: str) -> Forecaster:
        key = (site, signal, entry.clairvoyant, entry.is_blind, entry.decoy)
        if key not in self._forecasters:
            self._forecasters[key] = self._make(entry, site, signal)
        return self._forecasters[key]

    def _make(self, entry: HostedController, site: str, signal: str) -> Forecaster:
        signals, step_s = self._signals[site], self._contexts[site].step_s
        values = signals.values(signal)
        past = signals.past.get(signal, np.empty(0))
        is_mean = entry.is_blind and signal == "carbon_intensity"
        other = is_mean or (entry.decoy is not None and signal in SUPPLY)
        if other:
            past, values = self._seen(entry, site, signal)
            if is_mean:
                return Persistence(past, values, step_s)
        if entry.clairvoyant:
            return Perfect(past, values, step_s)
        forecaster = signals.forecasters.get(signal)
        if forecaster is None:
            return SameHourYesterday(past, values, step_s)
        return forecaster.of_other(past, values) if other else forecaster


def _as_long(past: FloatArray, values: FloatArray, count: int, day: int) -> FloatArray:
    """Return the history of a signal in `count` steps; what is not known is as a day later."""
    series = np.concatenate([past, values])
    rows = np.arange(-count, 0) + len(past)
    rows += np.maximum(0, -(rows // day)) * day  # the first ones that are there, by their hours
    longer: FloatArray = series[np.minimum(rows, len(series) - 1)]
    return longer


def _pools(context: SiteContext) -> set[str]:
    """Return the names of the pools of a site's cluster."""
    return {pool for _, pool in context.settings() if pool != SITE}


def check_signals(contexts: Mapping[str, SiteContext], signals: Mapping[str, SiteSignals]) -> None:
    """Check that the signals of every site cover the run.

    Raises:
        ValueError: If they do not, or if the sites do not share their start and step.
    """
    if len({(context.start, context.step_s) for context in contexts.values()}) != 1:
        raise ValueError("there must be a site, and all sites must share their start and step")
    for site, context in contexts.items():
        if site not in signals:
            raise ValueError(f"site '{site}' has no signals")
        for name, array in (
            ("carbon_intensity_g_per_kwh", signals[site].carbon_intensity_g_per_kwh),
            ("solar_w", signals[site].solar_w),
            ("price_per_kwh", signals[site].price_per_kwh),
            ("arrivals_per_s", signals[site].arrivals_per_s),
            ("deferrable_arrivals_per_s", signals[site].deferrable_arrivals_per_s),
        ):
            if array is not None and len(array) < context.steps:
                raise ValueError(
                    f"{name} of site '{site}' must have a value for each of {context.steps} steps "
                    f"(got {len(array)})"
                )
