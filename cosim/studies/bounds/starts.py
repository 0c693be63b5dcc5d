"""Schedules with which a search for the best plan begins.

They are the release that the bound's programme chose, releases in bulk at steps no further apart
than the deadlines allow (the shortest path through the run, by the intensity), and the cleanest
hours in several numbers, each with the battery left automatic and as the programme dispatched it.
Queues are first come, first served: a request with SLOs that comes behind a release in bulk misses
them. So releases also go where no such request comes for long.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from cosim.studies.bounds.schedule import Schedule
from cosim.studies.bounds.site_bound import SiteBound
from cosim.world.plan import Plan
from cosim.world.site_plan import SitePlan
from inference_sim.arrays import FloatArray

_SHARES = (0.05, 0.1, 0.2, 0.35)
"""Shares of the hours, the cleanest ones, with which the search begins."""
_OVERHEADS_H = (0.03, 0.1, 0.3, 1.0)
"""Work of a release in bulk beside that of its requests, in hours of the mean work that comes."""
_SERVED = (0.05, 0.5)
"""Shares of the highest work of a period above which the programme's release is followed."""
_GAPS = ((True, 4), (True, 12), (False, 8))
"""Times without a request with SLOs in which the search releases work: all at once, or steadily."""


def starts(
    plan: Plan, sites: Mapping[str, SitePlan], bounds: Mapping[str, SiteBound], freedom: str
) -> Iterator[Mapping[str, Schedule]]:
    """Yield the schedules with which the search begins; the first one does nothing."""
    yield {}
    solved = {name: bound.solve(freedom)[1] for name, bound in bounds.items()}
    plain = {name: open_schedule(plan, bound) for name, bound in bounds.items()}
    dispatched = {
        name: replace(schedule, battery_w=setpoints_w(bounds[name], solved[name], plan))
        for name, schedule in plain.items()
    }
    for least in _SERVED:
        yield {
            name: replace(schedule, windows=_served(bounds[name], solved[name], plan, least))
            for name, schedule in dispatched.items()
        }
    for all_at_once, count in _GAPS:
        yield {
            name: replace(
                schedule,
                windows=_between(bounds[name].has_slo, count, all_at_once=all_at_once),
                share=math.inf if all_at_once else schedule.share,
            )
            for name, schedule in dispatched.items()
        }
    for overhead_h in _OVERHEADS_H:
        yield {
            name: replace(schedule, windows=_in_bulk(plan, sites[name], overhead_h), share=math.inf)
            for name, schedule in dispatched.items()
        }
    for begin in (plain, dispatched) if freedom != "timing" else (plain,):
        for share in _SHARES:
            yield {
                name: replace(schedule, windows=_cleanest(plan, sites[name], share))
                for name, schedule in begin.items()
            }


def open_schedule(plan: Plan, bound: SiteBound) -> Schedule:
    """Return a schedule of a site that holds nothing back."""
    steps, count = plan.scenario.time.steps, bound.replicas.count
    return Schedule(
        windows=np.ones(steps, dtype=bool),
        share=0.9,
        busy=count,
        calm=1,
        after=1,
        before=1,
        fast=1.0,
        slow=1.0,
        battery_w=np.full(steps, np.inf),
    )


def _served(
    bound: SiteBound, solution: Mapping[str, FloatArray], plan: Plan, least: float
) -> NDArray[np.bool_]:
    """Return the steps in which the bound's programme serves much of what may wait."""
    served = sum(
        np.diff(solution[f"{kind} {number}"], prepend=0.0)
        for number in bound.deferrable
        for kind in ("prompts", "steps")
    )
    per_step = np.repeat(served, bound.periods.counts) if bound.deferrable else np.zeros(0)
    if not len(per_step) or not per_step.max() > 0:
        return np.ones(plan.scenario.time.steps, dtype=bool)
    windows: NDArray[np.bool_] = per_step > least * per_step.max()
    return windows


def setpoints_w(bound: SiteBound, solution: Mapping[str, FloatArray], plan: Plan) -> FloatArray:
    """Return setpoints of the battery that follow a programme, shape (steps,) [W]."""
    if "charge" not in solution:
        return np.full(plan.scenario.time.steps, np.inf)
    power_w = (solution["charge"] - solution["discharge"]) / bound.periods.hours
    follows = np.where(solution["import"] < 1e-6, np.inf, power_w)  # as the sun comes
    return np.repeat(follows, bound.periods.counts)


def _in_bulk(plan: Plan, site: SitePlan, overhead_h: float) -> NDArray[np.bool_]:
    """Return steps at which all that waits is released, the cleanest ones within its deadlines.

    Step t after step s costs ``dirt_t (t - s + overhead)``, for the work that came in between.
    """
    step_s, dirt = plan.scenario.time.step, _dirt(plan, site)
    waits = [info.latest_start_s for info in plan.contexts[site.name].classes if info.deferrable]
    steps, most = len(dirt), max(1, int(min(waits, default=0.0) // step_s))
    overhead = overhead_h * 3600 / step_s
    cost, before = np.full(steps + 1, np.inf), np.zeros(steps + 1, dtype=np.int64)
    cost[0] = 0.0
    for step in range(1, steps + 1):
        first = max(0, step - most)
        costs = cost[first:step] + dirt[step - 1] * (np.arange(step - first, 0, -1.0) + overhead)
        before[step] = first + int(np.argmin(costs))
        cost[step] = costs.min()
    windows = np.zeros(steps, dtype=bool)
    step = int(np.argmin(cost[max(1, steps - most) :])) + max(1, steps - most)
    while step > 0:
        windows[step - 1] = True
        step = int(before[step])
    return windows


def _between(has_slo: NDArray[np.bool_], count: int, *, all_at_once: bool) -> NDArray[np.bool_]:
    """Return the longest times without a request with SLOs: their first steps, or all but the last.

    Args:
        has_slo: Steps in which such requests come, shape (steps,).
        count: Number of the times.
        all_at_once: Whether their first steps are asked for.
    """
    free = ~has_slo
    edges = np.flatnonzero(np.diff(np.concatenate([[False], free, [False]]).astype(np.int8)))
    begins, ends = edges[::2], edges[1::2]
    windows = np.zeros(len(has_slo), dtype=bool)
    for place in np.argsort(begins - ends, kind="stable")[:count]:
        last = begins[place] + 1 if all_at_once else max(ends[place] - 1, begins[place] + 1)
        windows[begins[place] : last] = True
    return windows


def _dirt(plan: Plan, site: SitePlan) -> FloatArray:
    """Return the intensity of work in each step, where the sun may cover a part of it [g/kWh]."""
    context = plan.contexts[site.name]
    room_w = max(context.peak_power_w - context.idle_power_w, 1.0)
    covered = np.clip((site.solar_w - context.idle_power_w) / room_w, 0.0, 1.0)
    dirt: FloatArray = site.carbon_intensity_g_per_kwh * (1 - covered)
    return dirt


def _cleanest(plan: Plan, site: SitePlan, share: float) -> NDArray[np.bool_]:
    """Return the cleanest steps of each day, of a share of all."""
    step_s, dirt = plan.scenario.time.step, _dirt(plan, site)
    windows = np.zeros(len(dirt), dtype=bool)
    day = max(1, round(86400 / step_s))
    for first in range(0, len(dirt), day):
        part = dirt[first : first + day]
        count = max(1, round(share * len(part)))
        windows[first + np.argsort(part, kind="stable")[:count]] = True
    return windows
