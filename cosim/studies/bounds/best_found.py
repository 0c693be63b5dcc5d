"""The best plan found with hindsight: a search over schedules, each run in the simulator.

A bound says what cannot be done; a plan that was run says what can. The truth lies between them:

    bound  <=  least emissions of any controller  <=  best plan found

The search begins with the release that the bound's programme chose, with releases in bulk at steps
no further apart than the deadlines allow (the shortest path through the run, by the intensity), and
with the cleanest hours in several numbers. It goes on from the best schedule so far by random
changes, within a budget of runs. It counts a schedule only if the run holds its objectives. It
knows the future and has no forecast, so it is a yardstick and not a policy.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from cosim.studies.bounds.demand import MISSING
from cosim.studies.bounds.schedule import Schedule, scheduled
from cosim.studies.bounds.site_bound import SiteBound, site_bounds
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.measure import run_figures
from cosim.world.plan import Plan
from cosim.world.site_plan import SitePlan
from inference_sim.arrays import FloatArray

_SHARES = (0.05, 0.1, 0.2, 0.35)
"""Shares of the hours, the cleanest ones, with which the search begins."""
_OVERHEADS_H = (0.1, 1.0)
"""Work of a release in bulk beside that of its requests, in hours of the mean work that comes."""
_BLOCK_S = 1800.0
_CLOCKS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """The best plan found.

    Attributes:
        carbon_g: Emissions of its run, with the batteries' change at the mean intensity [g].
        schedules: Its schedule by site; none where doing nothing was the best.
        runs: Runs that the search took.
    """

    carbon_g: float
    schedules: Mapping[str, Schedule]
    runs: int


def holds(figures: RunFigures) -> bool:
    """Return whether a run held its objectives: so only can it be compared with a bound."""
    attained = figures.attainment is None or figures.attainment >= 1 - MISSING
    served = figures.backlog == 0 and figures.rejected == 0
    return attained and served and figures.late == 0 and not figures.failure


def best_found(plan: Plan, freedom: str, runs: int = 40, seed: int = 0) -> Found | None:
    """Return the best plan of a search; None where no run held its objectives.

    Args:
        plan: The plan; its own controllers are left out.
        freedom: The freedom that schedules may take.
        runs: Most runs.
        seed: Seed of the changes at random.
    """
    rng = np.random.default_rng(seed)
    bounds = site_bounds(plan)
    sites = {site.name: site for site in plan.sites if site.name in bounds}
    best: Found | None = None
    first = {name: _open(plan, bound) for name, bound in bounds.items()}
    starts = _starts(plan, sites, bounds, freedom)
    done = 0
    tried: set[bytes] = set()
    for _ in range(4 * runs):
        if done == runs:
            break
        schedules = next(starts, None)
        if schedules is None:
            schedules = _changed((best and best.schedules) or first, freedom, plan, rng)
        key = _key(schedules)
        if key in tried:
            continue
        tried.add(key)
        figures = run_figures(scheduled(plan, dict(schedules), freedom))
        done += 1
        if holds(figures) and (best is None or figures.carbon_g < best.carbon_g):
            best = Found(carbon_g=figures.carbon_g, schedules=schedules, runs=done)
    return None if best is None else replace(best, runs=done)


def _starts(
    plan: Plan, sites: Mapping[str, SitePlan], bounds: Mapping[str, SiteBound], freedom: str
) -> Iterator[Mapping[str, Schedule]]:
    """Yield the schedules with which the search begins; the first one does nothing."""
    yield {}
    solved = {name: bound.solve(freedom)[1] for name, bound in bounds.items()}
    plain = {name: _open(plan, bound) for name, bound in bounds.items()}
    dispatched = {
        name: replace(schedule, battery_w=_setpoints_w(bounds[name], solved[name], plan))
        for name, schedule in plain.items()
    }
    yield {
        name: replace(schedule, windows=_served(bounds[name], solved[name], plan))
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


def _open(plan: Plan, bound: SiteBound) -> Schedule:
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


def _served(bound: SiteBound, solution: Mapping[str, FloatArray], plan: Plan) -> NDArray[np.bool_]:
    """Return the steps in which the bound's programme serves most of what may wait."""
    served = sum(
        np.diff(solution[f"{kind} {number}"], prepend=0.0)
        for number in bound.deferrable
        for kind in ("prompts", "steps")
    )
    per_step = np.repeat(served, bound.periods.counts) if bound.deferrable else np.zeros(0)
    if not len(per_step) or not per_step.max() > 0:
        return np.ones(plan.scenario.time.steps, dtype=bool)
    windows: NDArray[np.bool_] = per_step > 0.05 * per_step.max()
    return windows


def _setpoints_w(bound: SiteBound, solution: Mapping[str, FloatArray], plan: Plan) -> FloatArray:
    """Return setpoints of the battery that follow the programme."""
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


def _changed(
    schedules: Mapping[str, Schedule], freedom: str, plan: Plan, rng: np.random.Generator
) -> Mapping[str, Schedule]:
    """Return schedules of which that of one site is changed at random."""
    name = str(rng.choice(sorted(schedules)))
    schedule = schedules[name]
    limits = plan.contexts[name].limits
    moves = ["flip", "move", "move", "shift", "share"]
    if freedom in ("sleep", "clocks") and limits["active_replicas"].maximum > 1:
        moves += ["replicas", "replicas", "edges"]
    if freedom == "clocks" and "clock_fraction" in limits:
        moves += ["clock", "clock", "clock"]
    move = rng.choice(moves)
    steps = len(schedule.windows)
    if move == "move":  # a window of its own goes to another step near
        at = np.flatnonzero(schedule.windows)
        windows = schedule.windows.copy()
        if len(at):
            place = int(rng.choice(at))
            windows[place] = False
            windows[min(max(place + int(rng.integers(-6, 7)), 0), steps - 1)] = True
        changed = replace(schedule, windows=windows)
    elif move == "flip":
        length = max(1, int(_BLOCK_S / plan.scenario.time.step * rng.choice([0.25, 0.5, 1, 2, 4])))
        first = int(rng.integers(0, steps))
        windows = schedule.windows.copy()
        windows[first : first + length] ^= True
        changed = replace(schedule, windows=windows)
    elif move == "shift":
        changed = replace(schedule, windows=np.roll(schedule.windows, int(rng.integers(-10, 11))))
    elif move == "share":
        changed = replace(schedule, share=float(rng.choice([0.1, 0.3, 0.6, 0.8, 1.0, math.inf])))
    elif move == "replicas":
        busy, calm = rng.integers(1, int(limits["active_replicas"].maximum) + 1, 2)
        changed = replace(schedule, busy=int(max(busy, calm)), calm=int(min(busy, calm)))
    elif move == "edges":
        changed = replace(schedule, after=int(rng.integers(0, 20)), before=int(rng.integers(0, 4)))
    else:
        clocks = rng.choice(_CLOCKS, 2)
        changed = replace(schedule, fast=float(clocks[0]), slow=float(clocks[1]))
    return {**schedules, name: changed}


def _key(schedules: Mapping[str, Schedule]) -> bytes:
    parts = []
    for name, each in sorted(schedules.items()):
        numbers = (each.share, each.busy, each.calm, each.after, each.before, each.fast, each.slow)
        arrays = each.windows.tobytes() + each.battery_w.tobytes()
        parts.append(name.encode() + repr(numbers).encode() + arrays)
    return b"|".join(parts)
