"""Runs the controllers of all sites: shows them observations, checks and keeps what they set.

The host knows nothing of the coupling. Each step it is given the telemetry of the step before and
returns the actuator values in force for the step that begins; mosaik, or a plain loop, carries
them to the clusters.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from controllers.base import (
    ACTUATORS,
    ActuatorLimits,
    FleetController,
    Observation,
    SiteContext,
    SiteObservation,
)
from controllers.errors import Call, ControllerError
from controllers.placement import HostedController, check_conflicts, check_place, period_steps
from controllers.telemetry import cluster_fields
from controllers.validation import read_action, read_site_action


@dataclass(frozen=True, slots=True, eq=False)
class SiteSignals:
    """The grid signals of a site, one value per step of the run.

    Attributes:
        carbon_intensity_g_per_kwh: Mean carbon intensity over each step [g/kWh], shape (steps,).
        solar_w: Solar power available in each step [W], shape (steps,).
        price_per_kwh: Price of imported energy [1/kWh], shape (steps,); None if there is none.
        load_w: Power of a plain load in place of a cluster [W], shape (steps,).
    """

    carbon_intensity_g_per_kwh: NDArray[np.float64]
    solar_w: NDArray[np.float64]
    price_per_kwh: NDArray[np.float64] | None = None
    load_w: NDArray[np.float64] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ActuatorChange:
    """A change of an actuator, with the observation that led to it.

    Attributes:
        step: Index of the step for which it holds first, from 0.
        time_s: Start of that step since the start of the run [s].
        site: The site.
        controller: Name of the controller that made it.
        actuator: Name of the actuator.
        old: Value until then.
        new: Value from then on.
        reason: The controller's own words.
        carbon_intensity_g_per_kwh: As observed, like all that follow; see `SiteObservation`.
        solar_w: Solar power available [W].
        battery_soc: State of charge [0 to 1], None without a battery.
        facility_power_w: Power of the load in the step before [W].
        gateway_waiting: Requests waiting at the gateway.
        replica_waiting: Requests waiting in the replicas' queues.
        running: Requests in a batch.
    """

    step: int
    time_s: float
    site: str
    controller: str
    actuator: str
    old: float
    new: float
    reason: str
    carbon_intensity_g_per_kwh: float
    solar_w: float
    battery_soc: float | None
    facility_power_w: float
    gateway_waiting: int
    replica_waiting: int
    running: int


class ControllerHost:
    """The controllers of a run, and the actuator values in force.

    Args:
        entries: The controllers, in the order in which they are asked.
        contexts: Every site of the run, by name; one without a cluster has no limits.
        signals: The grid signals of every site, by name.
        before_step: Called with the index of each step before anything else happens in it; may
            bring the arrays of `signals` up to date.

    Attributes:
        changes: Every change of an actuator so far, in order.
        failure: The error that ended the run, if one did. A coupling that loses exceptions on
            the way, or wraps them, finds it here.

    Raises:
        ValueError: If controllers conflict, or are not where they can work, if a control period
            is not a multiple of the step, or if signals do not cover the run.
    """

    def __init__(
        self,
        entries: Sequence[HostedController],
        contexts: Mapping[str, SiteContext],
        signals: Mapping[str, SiteSignals],
        before_step: Callable[[int], None] = lambda step: None,
    ) -> None:
        _check_sites(contexts, signals)
        for entry in entries:
            check_place(entry, contexts)
        check_conflicts(entries)
        step_s = next(iter(contexts.values())).step_s
        self._entries = [(entry, period_steps(entry, step_s)) for entry in entries]
        self._contexts = MappingProxyType(dict(contexts))
        self._signals = dict(signals)
        self._before_step = before_step
        self._in_force: dict[str, dict[str, float]] = {}
        self._ready = False
        self.changes: list[ActuatorChange] = []
        self.failure: ControllerError | None = None

    def actuators(self, site: str) -> tuple[str, ...]:
        """Return the names of the actuators that a site has."""
        return tuple(self._contexts[site].limits)

    def reset(self) -> None:
        """Prepare for a run: reset the controllers, and open all actuators.

        Raises:
            ControllerError: If a controller raises an exception.
        """
        self.changes = []
        self.failure = None
        self._in_force = {
            site: {name: _open(name, limits) for name, limits in context.limits.items()}
            for site, context in self._contexts.items()
        }
        for entry, _ in self._entries:
            try:
                if isinstance(entry.controller, FleetController):
                    entry.controller.reset(self._contexts)
                elif entry.site is not None:
                    entry.controller.reset(self._contexts[entry.site])
            except (Exception, SystemExit) as error:
                self.failure = Call(entry.name, entry.site).raised(error)
                raise self.failure from error
        self._ready = True

    def step(
        self,
        step: int,
        telemetry: Mapping[str, Mapping[str, float]],
        microgrid: Mapping[str, Mapping[str, float | None]],
    ) -> dict[str, dict[str, float]]:
        """Ask the controllers that are due, and return what is in force for the step.

        All see the same observations, made before the first of them acts.

        Args:
            step: Index of the step that begins, from 0.
            telemetry: What each site's cluster did in the step before, by field of
                `SiteObservation`; empty at the first step.
            microgrid: What each site's microgrid did in the step before: ``import_w``,
                ``export_w``, ``battery_soc``, ``battery_power_w``; empty at the first step.

        Returns:
            Values in force by site and actuator, for the actuators that the site has.

        Raises:
            ControllerError: If a controller raises an exception or returns something that cannot
                be applied; also kept as `failure`.
        """
        if not self._ready:
            raise RuntimeError("reset() the controllers before the first step")
        self._before_step(step)
        due = [entry for entry, period in self._entries if step % period == 0]
        if due:
            observations = {
                site: self._observe(context, step, telemetry.get(site, {}), microgrid.get(site, {}))
                for site, context in self._contexts.items()
            }
            try:
                for entry in due:
                    self._ask(entry, observations)
            except ControllerError as error:
                self.failure = error
                raise
        return {site: dict(values) for site, values in self._in_force.items()}

    def _observe(
        self,
        context: SiteContext,
        step: int,
        telemetry: Mapping[str, float],
        microgrid: Mapping[str, float | None],
    ) -> SiteObservation:
        signals = self._signals[context.site]
        price = signals.price_per_kwh
        if signals.load_w is not None and step:
            telemetry = {"facility_power_w": float(signals.load_w[step - 1])}
        time_s = step * context.step_s
        return SiteObservation(
            site=context.site,
            step=step,
            time_s=time_s,
            time=context.start + timedelta(seconds=time_s),
            step_s=context.step_s,
            carbon_intensity_g_per_kwh=float(signals.carbon_intensity_g_per_kwh[step]),
            price_per_kwh=None if price is None else float(price[step]),
            solar_w=float(signals.solar_w[step]),
            battery_capacity_wh=context.battery_capacity_wh,
            battery_min_soc=context.battery_min_soc,
            **cluster_fields(telemetry),
            **microgrid,  # type: ignore[arg-type]
            **{  # type: ignore[arg-type]
                ACTUATORS[name].field: value for name, value in self._in_force[context.site].items()
            },
        )

    def _ask(self, entry: HostedController, observations: Mapping[str, SiteObservation]) -> None:
        """Ask one controller, and put in force what it sets."""
        now = next(iter(observations.values()))
        call = Call(entry.name, entry.site, now.step, now.time_s, now.time)
        returned: object = None
        try:
            if isinstance(entry.controller, FleetController):
                returned = entry.controller.step(
                    Observation(step=now.step, time_s=now.time_s, time=now.time, sites=observations)
                )
            elif entry.site is not None:
                returned = {entry.site: entry.controller.step(observations[entry.site])}
        except (Exception, SystemExit) as error:
            raise call.raised(error) from error

        declared = frozenset(entry.controller.actuators)
        for site, action in read_action(returned, sites=observations, call=call).items():
            values, reason = read_site_action(
                action,
                declared=declared,
                limits=self._contexts[site].limits,
                call=replace(call, site=site),
            )
            for actuator, new in values.items():
                old = self._in_force[site][actuator]
                if new != old:
                    self._in_force[site][actuator] = new
                    self.changes.append(
                        _change(observations[site], entry.name, actuator, old, new, reason)
                    )


def _change(
    observation: SiteObservation, controller: str, actuator: str, old: float, new: float, why: str
) -> ActuatorChange:
    return ActuatorChange(
        step=observation.step,
        time_s=observation.time_s,
        site=observation.site,
        controller=controller,
        actuator=actuator,
        old=old,
        new=new,
        reason=why,
        carbon_intensity_g_per_kwh=observation.carbon_intensity_g_per_kwh,
        solar_w=observation.solar_w,
        battery_soc=observation.battery_soc,
        facility_power_w=observation.facility_power_w,
        gateway_waiting=observation.gateway_waiting,
        replica_waiting=observation.replica_waiting,
        running=observation.running,
    )


def _open(actuator: str, limits: ActuatorLimits) -> float:
    value = limits.unthrottled
    return round(value) if ACTUATORS[actuator].integral else value


def _check_sites(contexts: Mapping[str, SiteContext], signals: Mapping[str, SiteSignals]) -> None:
    if len({(context.start, context.step_s) for context in contexts.values()}) != 1:
        raise ValueError("there must be a site, and all sites must share their start and step")
    for site, context in contexts.items():
        if site not in signals:
            raise ValueError(f"site '{site}' has no signals")
        for name, array in (
            ("carbon_intensity_g_per_kwh", signals[site].carbon_intensity_g_per_kwh),
            ("solar_w", signals[site].solar_w),
            ("price_per_kwh", signals[site].price_per_kwh),
        ):
            if array is not None and len(array) < context.steps:
                raise ValueError(
                    f"{name} of site '{site}' must have a value for each of {context.steps} steps "
                    f"(got {len(array)})"
                )
