"""The use of a controller's settings on example days, which tells of one that never does anything.

A setting is in force in a step while it differs from the value without a controller. It matters
there if the day asks for more than it allows: requests that come faster than a rate, batches above
a cap, GPUs that draw more than theirs. The other actuators matter whenever they are in force.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

import numpy as np

from controllers.actuators import ACTUATORS, Settings
from controllers.base import Controller, FleetController
from controllers.errors import Call
from controllers.example_day import ExampleDay
from controllers.rehearsal import Rehearsal
from controllers.site_views import SiteReport


@dataclass(slots=True)
class ActuatorUse:
    """The use of an actuator on some days.

    Attributes:
        actuator: Its name.
        in_force: Steps in which it was not as without a controller.
        mattered: Those of them in which that made a difference.
    """

    actuator: str
    in_force: int = 0
    mattered: int = 0

    def __str__(self) -> str:
        return f"{self.actuator} in force {self.in_force} steps, mattered in {self.mattered}"


def actuator_uses(
    make: Callable[[], Controller | FleetController], days: Iterable[tuple[ExampleDay, int]]
) -> list[ActuatorUse]:
    """Return the use of each actuator that a controller declares, over all days and sites.

    Args:
        make: Makes the controller.
        days: Days of the example sites, and how many steps of each to play.

    Raises:
        ControllerError: If the controller raises an exception, or its action cannot be applied.
    """
    uses: dict[str, ActuatorUse] = {}
    for day, until in days:
        controller = make()
        play = Rehearsal(controller, day)
        for actuator in ACTUATORS:
            if actuator in play.declared.actuators:
                uses.setdefault(actuator, ActuatorUse(actuator))
        free = {
            site: {setting: limits.unthrottled for setting, limits in context.settings().items()}
            for site, context in day.contexts.items()
        }
        in_force = {site: dict(values) for site, values in free.items()}
        for step, answer in enumerate(play.run(until=until)):
            for site, action in answer.items():
                call = Call(type(controller).__name__, site, step)
                in_force[site] |= play.values(site, action, call)
            for site in in_force:
                for actuator, value in _least_changed(in_force[site], free[site]).items():
                    if actuator in uses:
                        uses[actuator].in_force += 1
                        uses[actuator].mattered += _matters(actuator, value, day, site, step)
    return list(uses.values())


def _least_changed(values: Settings, free: Settings) -> dict[str, float]:
    """Return the least value of each actuator that is not as without a controller."""
    least: dict[str, float] = {}
    for (actuator, pool), value in values.items():
        if value != free[actuator, pool]:
            least[actuator] = min(value, least.get(actuator, value))
    return least


def _matters(actuator: str, value: float, day: ExampleDay, site: str, step: int) -> bool:
    asked = _ASKED.get(actuator)
    return asked is None or value < asked(day, site, step)


def _arrivals_per_s(day: ExampleDay, site: str, step: int) -> float:
    arrivals_per_s = day.signals[site].arrivals_per_s
    return 0.0 if arrivals_per_s is None else float(arrivals_per_s[step])


def _deferrable_per_s(day: ExampleDay, site: str, step: int) -> float:
    """Return the rate at which all that is deferred or comes would be gone after the step."""
    context = day.contexts[site]
    share = sum(info.share for info in context.classes if info.deferrable)
    deferred = _report(day, site, step).queue.deferrable_waiting
    return share * _arrivals_per_s(day, site, step) + deferred / context.step_s


def _batch(day: ExampleDay, site: str, step: int) -> float:
    return _report(day, site, step).serving.batch_mean


def _gpu_power_w(day: ExampleDay, site: str, step: int) -> float:
    """Return the power of a replica at its batch, which at the example is that of one GPU."""
    service = day.contexts[site].service
    if service is None:
        return 0.0
    watts = service.at_clock(service.power_w, 1.0)
    return float(np.interp(_batch(day, site, step), service.batches, watts))


def _report(day: ExampleDay, site: str, step: int) -> SiteReport:
    return day.reports[step].get(site, SiteReport())


_ASKED: Mapping[str, Callable[[ExampleDay, str, int], float]] = {
    "admission_rate": _arrivals_per_s,
    "deferrable_rate": _deferrable_per_s,
    "batch_cap": _batch,
    "power_cap": _gpu_power_w,
}
"""The value below which an actuator makes a difference in a step of a day."""
