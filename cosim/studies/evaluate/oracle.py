"""The least emissions possible: a linear programme over the whole run that knows everything.

It knows the intensity, the sun and every arrival, and decides when each request is served: the
programme of `controllers.lp` over the whole run, in the aggregate model of the deployment. That
model is a lower bound of the power of the load (the chord of a concave curve), and is scaled
so that doing nothing takes the energy that it took in the simulation. No policy emits less within
the aggregate model; the scale shows how far the simulator differs from it.

There are two bounds. One is for policies that leave the replicas and their clocks as they are. The
other may put replicas to sleep at no loss of time and take any clock at any time: the lower convex
hull over all of them.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import takewhile

import numpy as np

from controllers.lp import BatterySpec, LpProblem, solve
from controllers.planning import battery_spec, load_terms
from controllers.service import ServiceModel
from cosim.accounting.energy import J_PER_KWH
from cosim.world.plan import Plan
from cosim.world.site_plan import SitePlan
from inference_sim.arrays import FloatArray

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
        noop_kwh: Energy of the sites' clusters in the simulation when nothing was done [kWh].
    """
    sites = [SiteModel.of(plan, site) for site in plan.sites if site.cluster is not None]
    drawn_kwh = sum(site.drawn_kwh for site in sites)
    scale = noop_kwh / drawn_kwh if drawn_kwh else 1.0
    problems = [site.problem(scale) for site in sites]
    widened = [site.widened(scale) for site in sites]
    at_once = [site.at_once(scale) for site in sites]

    def least_g(programmes: Sequence[LpProblem], *, battery: bool = True) -> float:
        return sum(
            solve(programme if battery else replace(programme, battery=None)).objective_g
            for programme in programmes
        )

    return Bound(
        all_g=least_g(problems),
        wide_g=least_g(widened),
        deferral_g=least_g(problems, battery=False),
        battery_g=least_g(at_once),
        nothing_g=least_g(at_once, battery=False),
        scale=scale,
    )


@dataclass(frozen=True, slots=True, eq=False)
class SiteModel:
    """A site in the aggregate model.

    Attributes:
        service: The capacity and the power of the deployment.
        demand: The requests that came to it.
        battery: The battery; None without one.
        intensity_g_per_kwh, solar_w: Means over the periods, shape (periods,).
    """

    service: ServiceModel
    demand: Demand
    battery: BatterySpec | None
    intensity_g_per_kwh: FloatArray
    solar_w: FloatArray

    @classmethod
    def of(cls, plan: Plan, site: SitePlan) -> SiteModel:
        """Return the model of a site that has a cluster."""
        time, battery = plan.scenario.time, site.config.microgrid.battery
        context = plan.contexts[site.name]
        if context.service is None:
            raise ValueError(f"site '{site.name}' has no cluster")
        demand = _demand(plan, site)
        shape = (len(demand.arrived), round(demand.period_s / time.step))

        def by_period(values: FloatArray) -> FloatArray:
            means: FloatArray = values[: shape[0] * shape[1]].reshape(shape).mean(axis=1)
            return means

        mean = float(site.carbon_intensity_g_per_kwh.mean())
        return cls(
            context.service,
            demand,
            battery_spec(context, battery.initial_soc, mean) if battery else None,
            by_period(site.carbon_intensity_g_per_kwh),
            by_period(site.solar_w),
        )

    @property
    def drawn_kwh(self) -> float:
        """Energy of all requests when they are served as they arrive [kWh]."""
        drawn_w = self.service.draw_w(self.demand.total_per_s)
        return float(drawn_w.sum()) * self.demand.period_s / J_PER_KWH

    def problem(self, scale: float) -> LpProblem:
        """Return the programme of the site, its loads scaled."""
        demand = self.demand
        base_w, slope_j, room = load_terms(self.service, demand.interactive_per_s, None)
        return LpProblem(
            period_s=demand.period_s,
            intensity_g_per_kwh=self.intensity_g_per_kwh,
            solar_w=self.solar_w,
            base_w=base_w * scale,
            slope_j=slope_j * scale,
            room_per_s=room,
            arrived=demand.arrived,
            due=demand.due,
            battery=self.battery,
        )

    def widened(self, scale: float) -> LpProblem:
        """Return it with the power of the best replicas and clock at any load."""
        loads, powers_w = lower_hull(self.service)
        slopes = np.diff(powers_w) / np.diff(loads)
        rate = self.demand.interactive_per_s
        lines = tuple(
            (scale * (power_w + slope * (rate - load)), scale * float(slope))
            for load, power_w, slope in zip(loads, powers_w, slopes, strict=False)
        )
        return replace(self.problem(scale), lines=lines)

    def at_once(self, scale: float) -> LpProblem:
        """Return it with all requests served as they come."""
        none = np.zeros_like(self.solar_w)
        return replace(
            self.problem(scale),
            base_w=self.service.draw_w(self.demand.total_per_s) * scale,
            slope_j=none,
            room_per_s=none,
            arrived=none,
            due=none,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Demand:
    """Arrivals by period, shape (periods,): rates [requests/s], and cumulative counts."""

    period_s: float
    interactive_per_s: FloatArray
    arrived: FloatArray
    due: FloatArray

    @property
    def total_per_s(self) -> FloatArray:
        """Arrival rate of all requests [requests/s]."""
        deferrable = np.diff(self.arrived, prepend=0.0) / self.period_s
        total: FloatArray = self.interactive_per_s + deferrable
        return total


def _demand(plan: Plan, site: SitePlan) -> Demand:
    time, workload = plan.scenario.time, site.workload
    if workload is None:
        raise ValueError(f"site '{site.name}' has no workload")
    period_s = _period_s(time.step)
    periods = int(time.horizon_s // period_s)
    end_s = periods * period_s
    latest = [
        request_class.service_class().latest_start_s(0.0) if request_class.deferrable else -1.0
        for request_class in workload.config.classes
    ]
    times: list[float] = []
    starts: list[float] = []  # latest start; the arrival itself where it may not wait
    for arrival in takewhile(lambda arrival: arrival[0] < end_s, workload.stream()):
        times.append(arrival[0])
        starts.append(arrival[0] + latest[arrival[3]])
    at, until = np.array(times), np.array(starts)
    waits = until >= at
    edges = period_s * np.arange(periods + 1)
    interactive = np.histogram(at[~waits], edges)[0] / period_s
    arrived = np.cumsum(np.histogram(at[waits], edges)[0]).astype(np.float64)
    due = np.searchsorted(np.sort(until[waits]), edges[1:], side="right").astype(np.float64)
    due[-1] = arrived[-1]  # the run ends with nothing left, as it is compared at equal work
    return Demand(period_s, interactive, arrived, np.minimum(due, arrived))


def _period_s(step_s: float) -> float:
    """Return the shortest multiple of a step that is at least a period of the plan [s]."""
    return max(1, math.ceil(PERIOD_S / step_s)) * step_s


def lower_hull(service: ServiceModel) -> tuple[FloatArray, FloatArray]:
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
