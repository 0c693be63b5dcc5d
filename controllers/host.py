"""Runs the controllers of all sites: shows them observations, checks and keeps what they set.

The host knows nothing of the coupling. Each step it is given the telemetry of the step before and
returns the actuator values in force for the step that begins; mosaik, or a plain loop, carries
them to the clusters, and the microgrids' dispatch asks for the setpoints of the batteries.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType
from typing import Any

from controllers.actuators import ACTUATORS, ActuatorLimits
from controllers.base import FleetController, Observation, SiteContext, SiteObservation
from controllers.changes import ActuatorChange
from controllers.errors import Call, ControllerError
from controllers.guard import GUARD, HELD, RELEASED, GuardSettings, SloGuard
from controllers.placement import (
    Declaration,
    HostedController,
    check_conflicts,
    check_place,
    period_steps,
)
from controllers.validation import read_action, read_site_action
from controllers.views import SiteSignals, Viewer, check_signals

BATTERY = "battery_power"


class ControllerHost:
    """The controllers of a run, and the actuator values in force.

    Args:
        entries: The controllers, in the order in which they are asked.
        contexts: Every site of the run, by name; one without a cluster has no limits.
        signals: The signals of every site, by name; their arrays may be filled in as the run goes,
            up to the step that begins.
        guard: When the guard of the objectives acts, at sites whose controllers throttle; None
            for never.

    Attributes:
        changes: Every change of an actuator so far, in order.
        guards: The guards, by site.
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
        guard: GuardSettings | None = None,
    ) -> None:
        check_signals(contexts, signals)
        for entry in entries:
            check_place(entry, contexts)
        check_conflicts(entries)
        step_s = next(iter(contexts.values())).step_s
        self._entries = [(entry, period_steps(entry, step_s)) for entry in entries]
        self._declared = {
            id(entry.controller): Declaration.of(entry.controller) for entry in entries
        }
        self._contexts = MappingProxyType(dict(contexts))
        self._viewer = Viewer(self._contexts, signals)
        self.guards = _guards(guard, entries, contexts)
        self._set: dict[str, dict[str, float]] = {}
        self._in_force: dict[str, dict[str, float]] = {}
        self._guarded: dict[str, bool] = {}
        self._ready = False
        self.changes: list[ActuatorChange] = []
        self.failure: ControllerError | None = None

    def actuators(self, site: str) -> tuple[str, ...]:
        """Return the names of the actuators that a site's cluster has."""
        limits = self._contexts[site].limits
        return tuple(name for name in limits if ACTUATORS[name].part == "cluster")

    def sets_battery(self, site: str) -> bool:
        """Return whether a controller may set the power of a site's battery."""
        return any(
            BATTERY in entry.controller.actuators and entry.site in (None, site)
            for entry, _ in self._entries
        )

    def battery_setpoint_w(self, site: str) -> float:
        """Return the battery's setpoint in force [W]; infinite while it is left to itself."""
        return self._in_force[site].get(BATTERY, math.inf) if self._in_force else math.inf

    def reset(self) -> None:
        """Prepare for a run: reset the controllers, and open all actuators.

        Raises:
            ControllerError: If a controller raises an exception.
        """
        self.changes = []
        self.failure = None
        self._set = {
            site: {name: _open(name, limits) for name, limits in context.limits.items()}
            for site, context in self._contexts.items()
        }
        self._in_force = {site: dict(values) for site, values in self._set.items()}
        self._guarded = dict.fromkeys(self._contexts, False)
        for guard in self.guards.values():
            guard.reset()
        for entry, _ in self._entries:
            try:
                if isinstance(entry.controller, FleetController):
                    told = {site: self._viewer.context(entry, site) for site in self._contexts}
                    entry.controller.reset(MappingProxyType(told))
                elif entry.site is not None:
                    entry.controller.reset(self._viewer.context(entry, entry.site))
            except (Exception, SystemExit) as error:
                self.failure = Call(entry.name, entry.site).raised(error)
                raise self.failure from error
            try:
                self._check_declared(entry, Call(entry.name, entry.site))
            except ControllerError as error:
                self.failure = error
                raise
        self._ready = True

    def step(
        self,
        step: int,
        telemetry: Mapping[str, Mapping[str, Any]],
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
            Values in force by site and actuator, for the actuators that the site's cluster has.

        Raises:
            ControllerError: If a controller raises an exception or returns something that cannot
                be applied; also kept as `failure`.
        """
        if not self._ready:
            raise RuntimeError("reset() the controllers before the first step")
        due = [entry for entry, period in self._entries if step % period == 0]
        if due or self.guards:
            observations = {
                site: self._viewer.observe(
                    site,
                    step,
                    telemetry.get(site, {}),
                    microgrid.get(site, {}),
                    self._in_force[site],
                    self._guarded[site],
                )
                for site in self._contexts
            }
            try:
                for entry in due:
                    self._ask(entry, observations)
            except ControllerError as error:
                self.failure = error
                raise
            for site, guard in self.guards.items():
                self._guard(guard, observations[site])
        return {
            site: {name: values[name] for name in self.actuators(site)}
            for site, values in self._in_force.items()
        }

    def _ask(self, entry: HostedController, observations: Mapping[str, SiteObservation]) -> None:
        """Ask one controller, and put in force what it sets."""
        now = next(iter(observations.values()))
        call = Call(entry.name, entry.site, now.step, now.time_s, now.time)
        view = self._viewer.view
        returned: object = None
        try:
            if isinstance(entry.controller, FleetController):
                seen = {site: view(entry, one) for site, one in observations.items()}
                returned = entry.controller.step(
                    Observation(step=now.step, time_s=now.time_s, time=now.time, sites=seen)
                )
            elif entry.site is not None:
                seen_here = view(entry, observations[entry.site])
                returned = {entry.site: entry.controller.step(seen_here)}
        except (Exception, SystemExit) as error:
            raise call.raised(error) from error

        declared = self._check_declared(entry, call).actuators
        for site, action in read_action(returned, sites=observations, call=call).items():
            values, reason = read_site_action(
                action,
                declared=declared,
                limits=self._contexts[site].limits,
                call=replace(call, site=site),
            )
            for actuator, new in values.items():
                self._set[site][actuator] = new
                if not (self._guarded[site] and actuator in self.guards[site].released | HELD):
                    self._put(observations[site], entry.name, actuator, new, reason)

    def _check_declared(self, entry: HostedController, call: Call) -> Declaration:
        """Return what a controller declared before the run; it must still declare that."""
        declared = self._declared[id(entry.controller)]
        if changed := declared.changed_to(Declaration.of(entry.controller)):
            raise call.error("changed what it declares", changed)
        return declared

    def _guard(self, guard: SloGuard, observation: SiteObservation) -> None:
        """Let the guard of a site release its throttles, or give them back."""
        site = observation.site
        before, self._guarded[site] = self._guarded[site], guard.update(observation)
        limits = self._contexts[site].limits
        if self._guarded[site]:
            for actuator in self._controlled(site):
                if actuator in guard.released:
                    value = _open(actuator, limits[actuator])
                    self._put(observation, GUARD, actuator, value, guard.reason)
                elif actuator in HELD:
                    held = limits[actuator].minimum
                    self._put(observation, GUARD, actuator, held, guard.reason)
                elif actuator in RELEASED:  # opened by a hold before this one, if at all
                    value = self._set[site][actuator]
                    self._put(observation, GUARD, actuator, value, "not in the way any more")
        elif before:
            for actuator in self._controlled(site):
                if actuator in RELEASED | HELD:
                    self._put(
                        observation, GUARD, actuator, self._set[site][actuator], "the hold is over"
                    )

    def _controlled(self, site: str) -> list[str]:
        """Return the actuators of a site that some controller sets."""
        declared: set[str] = set()
        for entry, _ in self._entries:
            if entry.site in (None, site):
                declared |= entry.controller.actuators
        return [name for name in self._contexts[site].limits if name in declared]

    def _put(
        self, observation: SiteObservation, by: str, actuator: str, new: float, reason: str
    ) -> None:
        """Put a value in force, and record it if it is a change."""
        in_force = self._in_force[observation.site]
        old = in_force[actuator]
        if new != old:
            in_force[actuator] = new
            self.changes.append(ActuatorChange.of(observation, by, actuator, old, new, reason))


def _open(actuator: str, limits: ActuatorLimits) -> float:
    value = limits.unthrottled
    return round(value) if ACTUATORS[actuator].integral else value


def _guards(
    settings: GuardSettings | None,
    entries: Sequence[HostedController],
    contexts: Mapping[str, SiteContext],
) -> dict[str, SloGuard]:
    """Return the guards of the sites where controllers throttle and there is something to guard."""
    found: dict[str, SloGuard] = {}
    for site, context in contexts.items():
        throttled = any(
            frozenset(entry.controller.actuators) & (RELEASED | HELD) and entry.site in (None, site)
            for entry in entries
        )
        if settings is not None and throttled:
            guard = SloGuard(settings, context.classes)
            if guard.watches:
                found[site] = guard
    return found
