"""What is possible at best: a linear programme over the whole run that knows everything.

It knows the intensity, the sun and every arrival, and has no doubts about what is served when: the
programme of `controllers.lp` over the whole run, in the aggregate model of the deployment. That
model is a lower bound of what the load draws (the chord of a curve that bends down), and is scaled
so that doing nothing takes the energy that it took in the simulation. No policy emits less within
the aggregate model; the simulator may differ from it by what the scale tells.

There are two bounds. One is for policies that leave the replicas and their clocks as they are. The
other may put replicas to sleep at no loss of time and take any clock at any time: the lower convex
hull over all of them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np
from numpy.typing import NDArray

from controllers.lp import BatterySpec, LpProblem, solve
from controllers.planning import load_terms
from controllers.service import ServiceModel
from cosim.briefing import battery_limits_w, site_context
from cosim.plan import Plan
from cosim.scenario.site import ClcBattery
from cosim.site_plan import SitePlan

Array = NDArray[np.float64]

PERIOD_S = 900.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The least emissions of a run, with the batteries' change valued at the mean intensity [g].

    Attributes:
        all_g: With deferral and battery.
        wide_g: With these, and with replicas that sleep and clocks that slow down.
        deferral_g: With deferral alone, the battery taken away.
        battery_g: With the battery alone.
        nothing_g: With neither: the aggregate model's emissions of doing nothing without a battery.
        scale: Energy of the simulation over that of the model, when nothing is done.
    """

    all_g: float
    wide_g: float
    deferral_g: float
    battery_g: float
    nothing_g: float
    scale: float


def oracle(plan: Plan, noop_kwh: float) -> Bound:
    """Return the bound of a plan; sites add up.

    Args:
        plan: The scenario with one seed.
        noop_kwh: What the sites' clusters took in the simulation when nothing was done [kWh].
    """
    sites = [site for site in plan.sites if site.cluster is not None]
    demands = [_demand(plan, site) for site in sites]
    services = [_service(plan, site) for site in sites]
    drawn_kwh = sum(
        float(service.draw_w(demand.total_per_s).sum()) * demand.period_s / 3.6e6
        for service, demand in zip(services, demands, strict=True)
    )
    scale = noop_kwh / drawn_kwh if drawn_kwh else 1.0
    problems = [
        _problem(plan, site, service, demand, scale)
        for site, service, demand in zip(sites, services, demands, strict=True)
    ]
    served = [_at_once(*three) for three in zip(problems, services, demands, strict=True)]
    served = [_scaled(one, problem, scale) for one, problem in zip(served, problems, strict=True)]
    return Bound(
        all_g=sum(solve(one).objective_g for one in problems),
        wide_g=sum(
            solve(_widened(*three, scale)).objective_g
            for three in zip(problems, services, demands, strict=True)
        ),
        deferral_g=sum(solve(replace(one, battery=None)).objective_g for one in problems),
        battery_g=sum(solve(one).objective_g for one in served),
        nothing_g=sum(solve(replace(one, battery=None)).objective_g for one in served),
        scale=scale,
    )


@dataclass(frozen=True, slots=True, eq=False)
class _Demand:
    """Arrivals by period, shape (periods,): rates [requests/s], and cumulative counts."""

    period_s: float
    interactive_per_s: Array
    arrived: Array
    due: Array

    @property
    def total_per_s(self) -> Array:
        """All requests at the rate at which they come [requests/s]."""
        deferrable = np.diff(self.arrived, prepend=0.0) / self.period_s
        total: Array = self.interactive_per_s + deferrable
        return total


def _demand(plan: Plan, site: SitePlan) -> _Demand:
    time, workload = plan.scenario.time, site.workload
    if workload is None:
        raise ValueError(f"site '{site.name}' has no workload")
    period_s = _period_s(time.step)
    periods = int(time.horizon_s // period_s)
    end_s = periods * period_s
    latest = [
        one.service_class().latest_start_s(0.0) if one.deferrable else -1.0
        for one in workload.config.classes
    ]
    times: list[float] = []
    starts: list[float] = []  # latest start; the arrival itself where it may not wait
    for one in takewhile(lambda arrival: arrival[0] < end_s, workload.stream()):
        times.append(one[0])
        starts.append(one[0] + latest[one[3]])
    at, until = np.array(times), np.array(starts)
    waits = until >= at
    edges = period_s * np.arange(periods + 1)
    interactive = np.histogram(at[~waits], edges)[0] / period_s
    arrived = np.cumsum(np.histogram(at[waits], edges)[0]).astype(np.float64)
    due = np.searchsorted(np.sort(until[waits]), edges[1:], side="right").astype(np.float64)
    due[-1] = arrived[-1]  # the run ends with nothing left, as it is compared at equal work
    return _Demand(period_s, interactive, arrived, np.minimum(due, arrived))


def _period_s(step_s: float) -> float:
    """Return the shortest multiple of a step that is at least a period of the plan [s]."""
    return max(1, math.ceil(PERIOD_S / step_s)) * step_s


def _service(plan: Plan, site: SitePlan) -> ServiceModel:
    time = plan.scenario.time
    service = site_context(site, time.start, time.step_s, time.steps).service
    if service is None:
        raise ValueError(f"site '{site.name}' has no cluster")
    return service


def _problem(
    plan: Plan, site: SitePlan, service: ServiceModel, demand: _Demand, scale: float
) -> LpProblem:
    base_w, slope_j, room = load_terms(service, demand.interactive_per_s, None)
    size = round(demand.period_s / plan.scenario.time.step)
    periods = len(base_w)
    intensity = _periods(site.carbon_intensity_g_per_kwh, size, periods)
    return LpProblem(
        period_s=demand.period_s,
        intensity_g_per_kwh=intensity,
        solar_w=_periods(site.solar_w, size, periods),
        base_w=base_w * scale,
        slope_j=slope_j * scale,
        room_per_s=room,
        arrived=demand.arrived,
        due=demand.due,
        battery=_battery(site, demand.period_s, float(site.carbon_intensity_g_per_kwh.mean())),
    )


def _widened(problem: LpProblem, service: ServiceModel, demand: _Demand, scale: float) -> LpProblem:
    """Return the problem with the power of the best replicas and clock at any load."""
    loads, powers_w = lower_hull(service)
    slopes = np.diff(powers_w) / np.diff(loads)
    lines = tuple(
        (scale * (power_w + slope * (demand.interactive_per_s - load)), scale * float(slope))
        for load, power_w, slope in zip(loads, powers_w, slopes, strict=False)
    )
    return replace(problem, lines=lines)


def lower_hull(service: ServiceModel) -> tuple[Array, Array]:
    """Return the corners of the least power at any load: rates [requests/s], and powers [W].

    Over all numbers of replicas that serve, one at least, and all clocks, mixed in time.
    """
    points = [(0.0, service.idle_w + service.sleep_w * (service.replicas - 1))]
    for count in range(1, service.replicas + 1):
        asleep_w = service.sleep_w * (service.replicas - count)
        rates, powers = service.rate_per_s * count, service.power_w * count + asleep_w
        points += zip(rates.ravel().tolist(), powers.ravel().tolist(), strict=True)
    hull: list[tuple[float, float]] = []
    for load, power_w in sorted(points):
        if hull and load <= hull[-1][0]:
            continue
        while len(hull) > 1 and _turns_down(hull[-2], hull[-1], (load, power_w)):
            hull.pop()
        hull.append((load, power_w))
    loads, powers_w = np.array(hull).T
    return loads, powers_w


def _turns_down(a: tuple[float, float], b: tuple[float, float], c: tuple[float, float]) -> bool:
    return (b[0] - a[0]) * (c[1] - a[1]) <= (b[1] - a[1]) * (c[0] - a[0])


def _at_once(problem: LpProblem, service: ServiceModel, demand: _Demand) -> LpProblem:
    """Return the problem with all served as it comes."""
    none = np.zeros_like(problem.base_w)
    return replace(
        problem,
        base_w=service.draw_w(demand.total_per_s),
        slope_j=none,
        room_per_s=none,
        arrived=none,
        due=none,
    )


def _scaled(served: LpProblem, problem: LpProblem, scale: float) -> LpProblem:
    return replace(served, base_w=served.base_w * scale, battery=problem.battery)


def _periods(values: Array, size: int, periods: int) -> Array:
    means: Array = values[: size * periods].reshape(periods, size).mean(axis=1)
    return means


def _battery(site: SitePlan, period_s: float, end_g_per_kwh: float) -> BatterySpec | None:
    battery = site.config.microgrid.battery
    if battery is None:
        return None
    charge_w, discharge_w = battery_limits_w(battery, period_s)
    charge, discharge = (0.978, 1 / 1.014) if isinstance(battery, ClcBattery) else (1.0, 1.0)
    return BatterySpec(
        capacity_wh=battery.capacity_wh,
        min_wh=battery.min_soc * battery.capacity_wh,
        start_wh=battery.initial_soc * battery.capacity_wh,
        charge_w=charge_w,
        discharge_w=discharge_w,
        charge_efficiency=charge,
        discharge_efficiency=discharge,
        end_g_per_kwh=end_g_per_kwh,
        surplus_counts=True,
    )
