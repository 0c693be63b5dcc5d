"""The host of all controllers: it shows them observations, and checks and keeps their settings.

The host knows nothing of the coupling. Each step it is given the telemetry of the step before and
returns the actuator values in force for the step that begins; mosaik, or a plain loop, carries them
to the clusters, and the microgrids' dispatch asks for the setpoints of the batteries. Values in
force are kept by `Setting`: an actuator, and the pool that it is set for.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

from controllers.actuators import (
    ACTUATORS,
    DEFERRING,
    SITE,
    THROTTLES,
    ActuatorLimits,
    Setting,
)
from controllers.base import FleetController, SiteContext
from controllers.changes import ActuatorChange
from controllers.errors import Call, ControllerError
from controllers.guard import GUARD, RELEASED, GuardSettings, SloGuard, guards_of
from controllers.observation import Observation, SiteObservation
from controllers.placement import (
    Declaration,
    HostedController,
    check_conflicts,
    check_place,
    period_steps,
)
from controllers.site_views import MicrogridReport, SiteReport
from controllers.validation import check_sums, read_action, read_site_action
from controllers.views import SiteSignals, Viewer, check_signals

BATTERY = "battery_power"
_NO_REPORT, _NO_MICROGRID = SiteReport(), MicrogridReport()  # before the first step


class ControllerHost:
    """The controllers of a run, and the actuator values in force.

    Args:
        entries: The controllers, in the order in which they are asked.
        contexts: Every site of the run, by name; one without a cluster has no limits.
        signals: The signals of every site, by name; their arrays may be filled in as the run goes,
            up to the step that begins.
        guard: Settings of the SLO guard, at sites whose controllers throttle; None for no guard.

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
        self.guards = guards_of(guard, entries, contexts)
        self._limits = {site: context.settings() for site, context in contexts.items()}
        self._set: dict[str, dict[Setting, float]] = {}
        self._in_force: dict[str, dict[Setting, float]] = {}
        self._guarded: dict[str, bool] = {}
        self._ready = False
        self.changes: list[ActuatorChange] = []
        self.failure: ControllerError | None = None

    def actuators(self, site: str) -> tuple[str, ...]:
        """Return the names of the actuators that a site's cluster has."""
        names = dict.fromkeys(name for name, _ in self._limits[site])
        return tuple(name for name in names if ACTUATORS[name].part == "cluster")

    def sets_battery(self, site: str) -> bool:
        """Return whether a controller may set the power of a site's battery."""
        return any(
            BATTERY in entry.controller.actuators and entry.site in (None, site)
            for entry, _ in self._entries
        )

    def battery_setpoint_w(self, site: str) -> float:
        """Return the battery's setpoint in force [W]; infinite while it is automatic."""
        in_force = self._in_force.get(site, {})
        return in_force.get((BATTERY, SITE), math.inf)

    def reset(self) -> None:
        """Prepare for a run: reset the controllers, and open all actuators.

        Raises:
            ControllerError: If a controller raises an exception.
        """
        self.changes = []
        self.failure = None
        self._set = {
            site: {setting: _open(setting, limits) for setting, limits in ranges.items()}
            for site, ranges in self._limits.items()
        }
        self._in_force = {site: dict(values) for site, values in self._set.items()}
        self._guarded = dict.fromkeys(self._contexts, False)
        for guard in self.guards.values():
            guard.reset()
        for entry, _ in self._entries:
            try:
                if isinstance(entry.controller, FleetController):
                    shown = {site: self._viewer.context(entry, site) for site in self._contexts}
                    entry.controller.reset(MappingProxyType(shown))
                elif entry.site is not None:
                    entry.controller.reset(self._viewer.context(entry, entry.site))
            except KeyboardInterrupt:
                raise
            except BaseException as error:  # sys.exit, say, must not end the run in silence
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
        reports: Mapping[str, SiteReport],
        microgrids: Mapping[str, MicrogridReport],
    ) -> dict[str, dict[str, float | Mapping[str, float]]]:
        """Ask the controllers that are due, and return the values in force for the step.

        All see the same observations, made before the first of them acts.

        Args:
            step: Index of the step that begins, from 0.
            reports: Each site's report of its cluster in the step before; empty at the first step.
            microgrids: The same of each site's microgrid; empty at the first step.

        Returns:
            Values in force by site and actuator, for the actuators that the site's cluster has; by
            pool, where the pools differ.

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
                    reports.get(site, _NO_REPORT),
                    microgrids.get(site, _NO_MICROGRID),
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
            site: {name: self._value(site, name) for name in self.actuators(site)}
            for site in self._in_force
        }

    def _value(self, site: str, actuator: str) -> float | Mapping[str, float]:
        """Return the value in force of an actuator: a number, or numbers by pool.

        A number is for every pool: numbers by pool are those that differ, or that not all have.
        """
        values = {
            target: value
            for (name, target), value in self._in_force[site].items()
            if name == actuator
        }
        numbers = set(values.values())
        everywhere = SITE in values or len(values) == max(len(self._contexts[site].pools), 1)
        return numbers.pop() if everywhere and len(numbers) == 1 else values

    def _ask(self, entry: HostedController, observations: Mapping[str, SiteObservation]) -> None:
        """Ask one controller, and put its settings in force."""
        current = next(iter(observations.values()))
        call = Call(entry.name, entry.site, current.step, current.time_s, current.time)
        view = self._viewer.view
        returned: object = None
        try:
            if isinstance(entry.controller, FleetController):
                shown_sites = {site: view(entry, shown) for site, shown in observations.items()}
                returned = entry.controller.step(
                    Observation(
                        step=current.step,
                        time_s=current.time_s,
                        time=current.time,
                        sites=shown_sites,
                    )
                )
            elif entry.site is not None:
                shown = view(entry, observations[entry.site])
                returned = {entry.site: entry.controller.step(shown)}
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            raise call.raised(error) from error

        declared = self._check_declared(entry, call).actuators
        for site, action in read_action(returned, sites=observations, call=call).items():
            values, reason = read_site_action(
                action,
                declared=declared,
                limits=self._limits[site],
                call=replace(call, site=site),
            )
            check_sums(self._set[site] | values, values, call=replace(call, site=site))
            for setting, new in values.items():
                self._set[site][setting] = new
                if not self._is_held(site, setting[0]):
                    self._put(observations[site], entry.name, setting, new, reason)

    def _is_held(self, site: str, actuator: str) -> bool:
        """Return whether the guard of a site holds an actuator at present."""
        return self._guarded[site] and actuator in self.guards[site].released | DEFERRING

    def _check_declared(self, entry: HostedController, call: Call) -> Declaration:
        """Return the declaration of a controller before the run; it must not have changed."""
        declared = self._declared[id(entry.controller)]
        if changed := declared.changed_to(Declaration.of(entry.controller)):
            raise call.error("changed what it declares", changed)
        return declared

    def _guard(self, guard: SloGuard, observation: SiteObservation) -> None:
        """Let the guard of a site release its throttles, or restore them."""
        site = observation.site
        before, self._guarded[site] = self._guarded[site], guard.update(observation)
        limits, was_set = self._limits[site], self._set[site]
        if self._guarded[site]:
            for setting in self._controlled(site):
                actuator = setting[0]
                if actuator in guard.released:
                    value = _open(setting, limits[setting])
                    self._put(observation, GUARD, setting, value, guard.reason)
                elif actuator in DEFERRING:
                    value = limits[setting].minimum
                    self._put(observation, GUARD, setting, value, guard.reason)
                elif actuator in RELEASED:  # opened by a hold before this one, if at all
                    value = was_set[setting]
                    self._put(observation, GUARD, setting, value, "not in the way any more")
        elif before:
            for setting in self._controlled(site):
                if setting[0] in THROTTLES:
                    self._put(observation, GUARD, setting, was_set[setting], "the hold is over")

    def _controlled(self, site: str) -> list[Setting]:
        """Return the settings of a site that some controller declares."""
        declared: set[str] = set()
        for entry, _ in self._entries:
            if entry.site in (None, site):
                declared |= entry.controller.actuators
        return [setting for setting in self._limits[site] if setting[0] in declared]

    def _put(
        self, observation: SiteObservation, by: str, setting: Setting, new: float, reason: str
    ) -> None:
        """Put a value in force, and record it if it is a change."""
        in_force = self._in_force[observation.site]
        old = in_force[setting]
        if new != old:
            in_force[setting] = new
            self.changes.append(ActuatorChange.of(observation, by, setting, old, new, reason))


def _open(setting: Setting, limits: ActuatorLimits) -> float:
    value = limits.unthrottled
    return round(value) if ACTUATORS[setting[0]].integral else value
