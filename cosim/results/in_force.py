"""How long the settings of controllers were in force, and for how much of that they mattered.

A setting is in force while it differs from the value without a controller. It matters in a step in
which the site would have done something else without it, as far as the record of the step shows:
requests queued at a gateway, behind a batch cap or deferred; replicas asleep; a clock below its
bounds, or the lowest of these while there was work. A policy whose settings never matter saves
nothing, whatever it set.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from controllers.actuators import ACTUATORS
from cosim.loop.record import SETTINGS, Run, SiteRecord
from inference_sim.arrays import FloatArray

Mask = NDArray[np.bool_]

_MATTERS: Mapping[str, Callable[[SiteRecord], Mask]] = {
    "admission_rate": lambda record: record.column("gateway_waiting") > 0,
    "deferrable_rate": lambda record: record.column("deferrable_waiting") > 0,
    "batch_cap": lambda record: record.column("replica_waiting") > 0,
    "active_replicas": lambda record: record.column("asleep_fraction") > 0,
    "clock_fraction": lambda record: _lowers(
        record.column("clock_fraction"), np.maximum(*_of_phases(record)), record
    ),
    "prefill_clock": lambda record: _lowers(
        record.column("prefill_clock"), record.column("clock_fraction"), record
    ),
    "decode_clock": lambda record: _lowers(
        record.column("decode_clock"), record.column("clock_fraction"), record
    ),
    "power_cap": lambda record: (
        record.column("clock_mean")
        < np.minimum(record.column("clock_fraction"), np.minimum(*_of_phases(record)))
    ),
}
"""In which steps an actuator of a cluster binds; one that is not here does so while in force."""


def _of_phases(record: SiteRecord) -> tuple[FloatArray, FloatArray]:
    """Return the bounds of the clock with prompts and without, each of shape (steps,)."""
    return record.column("prefill_clock"), record.column("decode_clock")


def _lowers(clock: FloatArray, other: FloatArray, record: SiteRecord) -> Mask:
    """Return in which steps with work a bound of the clock is below another one."""
    return (clock < other) & (record.column("busy_fraction") > 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class SettingUse:
    """The use of an actuator at a site.

    Attributes:
        in_force_s: Time for which it was not as without a controller [s].
        mattered_s: The part of it in which that made a difference [s].
    """

    in_force_s: float
    mattered_s: float


def setting_use(run: Run, site: str | None, actuators: frozenset[str]) -> dict[str, SettingUse]:
    """Return the use of the actuators that a controller may set, by name.

    Args:
        run: The run.
        site: The site of the controller; None for all sites.
        actuators: Names of the actuators.
    """
    step_s = run.plan.scenario.time.step_s
    found: dict[str, SettingUse] = {}
    for actuator in (name for name in ACTUATORS if name in actuators):
        in_force_s = mattered_s = 0.0
        for name, record in run.recorder.sites.items():
            ranges = run.plan.contexts[name].settings()
            settings = {key: limits for key, limits in ranges.items() if key[0] == actuator}
            if not settings or site not in (None, name):
                continue
            in_force = np.zeros(len(record), dtype=bool)
            for (_, pool), limits in settings.items():
                initial = limits.unthrottled
                in_force |= _values(run, record, actuator, pool, initial) != initial
            matters = _MATTERS[actuator](record) if actuator in _MATTERS else True
            in_force_s += step_s * int(in_force.sum())
            mattered_s += step_s * int((in_force & matters).sum())
        found[actuator] = SettingUse(in_force_s=in_force_s, mattered_s=mattered_s)
    return found


def _values(run: Run, record: SiteRecord, actuator: str, pool: str, initial: float) -> FloatArray:
    """Return the value of an actuator in each step, shape (steps,)."""
    if pool in record.pools:
        no_steps = np.empty(0)  # a run that failed before the first step has no such column
        return record.pools[pool].columns.get(ACTUATORS[actuator].field, no_steps)
    if actuator in SETTINGS:
        return record.column(SETTINGS[actuator])
    values = np.full(len(record), initial)
    for change in run.host.changes:
        if change.actuator == actuator and change.site == record.site.name:
            values[change.step :] = change.new
    return values
