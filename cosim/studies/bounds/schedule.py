"""A schedule that was made beforehand, and the controller that follows it without looking."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from controllers import Controller, HostedController, SiteAction, SiteContext, SiteObservation
from cosim.studies.bounds.bound import FREEDOMS
from cosim.world.plan import Plan
from inference_sim.arrays import FloatArray

_ACTUATORS = {
    "timing": ("deferrable_rate",),
    "battery": ("battery_power",),
    "sleep": ("active_replicas",),
    "clocks": ("clock_fraction",),
}
"""Actuators that each freedom adds, of those that a schedule sets."""


@dataclass(frozen=True, slots=True, eq=False)
class Schedule:
    """Settings of a site by step: windows in which deferrable work runs, and all else by them.

    Attributes:
        windows: Steps in which deferrable work is released, shape (steps,).
        share: Share of the highest rate at which it is; infinite for all at once.
        busy: Replicas that serve in windows, and while what was released is served.
        calm: Replicas that serve else.
        after: Steps after a window in which the replicas of windows go on serving.
        before: Steps before a window at which they are woken up.
        fast, slow: Clocks in windows, and else.
        battery_w: Setpoints of the battery, shape (steps,) [W]; infinite leaves it automatic.
    """

    windows: NDArray[np.bool_]
    share: float
    busy: int
    calm: int
    after: int
    before: int
    fast: float
    slow: float
    battery_w: FloatArray

    def at_work(self) -> NDArray[np.bool_]:
        """Return the steps in which the replicas of windows serve, shape (steps,)."""
        wide = self.windows.copy()
        for lag in range(1, self.after + 1):
            wide[lag:] |= self.windows[:-lag]
        for lead in range(1, self.before + 1):
            wide[:-lead] |= self.windows[lead:]
        return wide


class OpenLoop(Controller):
    """A controller that follows a schedule.

    Args:
        schedule: The schedule of its site.
        freedom: The freedom that it takes.
    """

    def __init__(self, schedule: Schedule, freedom: str) -> None:
        self._schedule = schedule
        taken = FREEDOMS[: FREEDOMS.index(freedom) + 1]
        self._wanted = frozenset(name for step in taken for name in _ACTUATORS[step])
        self.actuators = self._wanted

    def reset(self, context: SiteContext) -> None:
        """Look up the limits of the site."""
        self._limits = context.limits
        self._at_work = self._schedule.at_work()

    def step(self, observation: SiteObservation) -> SiteAction:
        """Return the settings of the step."""
        schedule, limits, step = self._schedule, self._limits, observation.step
        action = SiteAction(reason="schedule")
        at_work = bool(self._at_work[step])
        if "deferrable_rate" in self.actuators:
            most = schedule.share * limits["deferrable_rate"].maximum
            rate = most if schedule.windows[step] else 0.0
            action = replace(action, deferrable_rate_per_s=rate)
        if "active_replicas" in self.actuators:
            action = replace(action, active_replicas=schedule.busy if at_work else schedule.calm)
        if "clock_fraction" in self.actuators:
            action = replace(action, clock_fraction=schedule.fast if at_work else schedule.slow)
        if "battery_power" in self.actuators:
            wanted_w = float(schedule.battery_w[step])
            if math.isfinite(wanted_w):
                battery = limits["battery_power"]
                wanted_w = min(max(wanted_w, battery.minimum), battery.maximum)
            action = replace(action, battery_setpoint_w=wanted_w)
        return action

    def restrict(self, context: SiteContext) -> OpenLoop:
        """Return it without the actuators that its site does not have."""
        self.actuators = self._wanted & context.limits.keys()
        return self


def scheduled(plan: Plan, schedules: dict[str, Schedule], freedom: str) -> Plan:
    """Return a plan whose sites follow schedules, in place of its controllers."""
    step_s = plan.scenario.time.step
    entries = []
    for site, schedule in schedules.items():
        controller = OpenLoop(schedule, freedom).restrict(plan.contexts[site])
        if controller.actuators:
            entries.append(HostedController("schedule", controller, site, step_s))
    return replace(plan, controllers=tuple(entries))
