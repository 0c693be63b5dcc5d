"""The best plan found with hindsight: a search over schedules, each run in the simulator.

A bound says what cannot be done; a plan that was run says what can. The truth lies between them:

    bound  <=  least emissions of any controller  <=  best plan found

The search begins with some schedules (`starts`) and goes on from the best one so far by random
changes (`moves`), within a budget of runs. A battery changes nothing in how requests are served, so
for the load that a schedule has drawn its best dispatch is a linear programme; where that promises
less than the best plan so far, the schedule is run again with it. A schedule counts only if its
run holds its objectives. The search knows the future and has no forecast, so it is a yardstick and
not a policy.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from cosim.studies.bounds.demand import MISSING
from cosim.studies.bounds.moves import changed
from cosim.studies.bounds.programme import least_of_load_g
from cosim.studies.bounds.schedule import Schedule, scheduled
from cosim.studies.bounds.site_bound import SiteBound, site_bounds
from cosim.studies.bounds.starts import open_schedule, setpoints_w, starts
from cosim.studies.runs.execute import execute
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.latencies import Latencies
from cosim.studies.runs.measure import measure
from cosim.world.plan import Plan
from inference_sim.arrays import FloatArray

_WORTH = 1e-6
"""Share of its emissions by which a dispatch must promise less than the best plan to be run."""


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


def best_found(
    plan: Plan,
    freedom: str,
    runs: int = 40,
    seed: int = 0,
    bounds: Mapping[str, SiteBound] | None = None,
) -> Found | None:
    """Return the best plan of a search; None where no run held its objectives.

    Args:
        plan: The plan; its own controllers are left out.
        freedom: The freedom that schedules may take.
        runs: Most runs.
        seed: Seed of the changes at random.
        bounds: The plan's `site_bounds`, where they are known: finding their prices takes seconds.
    """
    rng = np.random.default_rng(seed)
    bounds = site_bounds(plan) if bounds is None else bounds
    sites = {site.name: site for site in plan.sites if site.name in bounds}
    best: Found | None = None
    first = {name: open_schedule(plan, bound) for name, bound in bounds.items()}
    begins = starts(plan, sites, bounds, freedom)
    done = 0
    tried: set[bytes] = set()
    again: Mapping[str, Schedule] | None = None  # the one that ran, with its battery set anew
    for _ in range(4 * runs):
        if done == runs:
            break
        schedules, again = again, None
        is_again = schedules is not None
        if schedules is None:
            schedules = next(begins, None)
        if schedules is None:
            schedules = changed((best and best.schedules) or first, freedom, plan, rng)
        key = _key(schedules)
        if key in tried:
            continue
        tried.add(key)
        figures, loads_w = _ran(scheduled(plan, dict(schedules), freedom))
        done += 1
        if not holds(figures):
            continue
        if best is None or figures.carbon_g < best.carbon_g:
            best = Found(carbon_g=figures.carbon_g, schedules=schedules, runs=done)
        if freedom != "timing" and not is_again:
            promised_g, set_anew = _dispatched(plan, bounds, schedules or first, loads_w)
            again = set_anew if promised_g < best.carbon_g - _WORTH * abs(best.carbon_g) else None
    return None if best is None else replace(best, runs=done)


def _ran(plan: Plan) -> tuple[RunFigures, Mapping[str, FloatArray]]:
    """Run a plan; return its figures, and each site's load in its steps [W]."""
    latencies = Latencies(plan)
    result = execute(plan, observers=[latencies])
    loads_w = {
        name: np.resize(record.column("facility_power_w"), plan.scenario.time.steps)
        for name, record in result.run.recorder.sites.items()
    }
    return measure(result, latencies), loads_w


def _dispatched(
    plan: Plan,
    bounds: Mapping[str, SiteBound],
    schedules: Mapping[str, Schedule],
    loads_w: Mapping[str, FloatArray],
) -> tuple[float, Mapping[str, Schedule]]:
    """Return schedules with the best dispatch of the batteries for loads, and its emissions [g]."""
    total_g, set_anew = 0.0, dict(schedules)
    for name, bound in bounds.items():
        load_wh = bound.periods.wh(loads_w[name])
        least_g, solution = least_of_load_g(bound.supply, load_wh, battery_set=True)
        total_g += least_g
        if bound.supply.battery is not None:
            battery_w = setpoints_w(bound, solution, plan)
            set_anew[name] = replace(schedules[name], battery_w=battery_w)
    return total_g, set_anew


def _key(schedules: Mapping[str, Schedule]) -> bytes:
    parts = []
    for name, each in sorted(schedules.items()):
        numbers = (each.share, each.busy, each.calm, each.after, each.before, each.fast, each.slow)
        arrays = each.windows.tobytes() + each.battery_w.tobytes()
        parts.append(name.encode() + repr(numbers).encode() + arrays)
    return b"|".join(parts)
