"""The programmes of the sites of a plan: their supply, their replicas and their work."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from controllers.lp import BatterySpec
from cosim.scenario.microgrid import ClcBattery
from cosim.scenario.scenario import Time
from cosim.studies.bounds.automatic_battery import most_stored_wh, tapering_h
from cosim.studies.bounds.demand import MISSING, Requests
from cosim.studies.bounds.facility import facility_lines
from cosim.studies.bounds.machine import Machine
from cosim.studies.bounds.must_run import MustRun
from cosim.studies.bounds.periods import Periods
from cosim.studies.bounds.prices import find_floor
from cosim.studies.bounds.programme import Replicas, Supply, Work, least_g, least_of_load_g
from cosim.world.context import battery_limits_w
from cosim.world.plan import Plan
from cosim.world.site_plan import SitePlan
from inference_sim.arrays import FloatArray
from inference_sim.cluster import Cluster
from inference_sim.errors import InferenceSimError
from inference_sim.power_cap import LOWEST_CLOCK

DEPENDS = "no bound: the requests depend on how they are served, by clients, sessions or time-outs"
SHARES = "no bound: prompts of the trace share text that caches find, so their work is not known"
POOLS = "no bound: a site has several pools, and the bounds are those of one"
"""Reasons why there is no bound."""


def site_bounds(plan: Plan) -> dict[str, SiteBound]:
    """Return the programmes of the sites that have a cluster, by name."""
    by_site = _requests(plan)
    periods = _periods(plan, by_site)
    # attainment is that of all sites together: all that miss may be at one
    may_miss = int(MISSING * sum(requests.has_slo.sum() for requests in by_site.values()))
    return {
        site.name: SiteBound.of(plan, site, by_site[site.name], may_miss, periods)
        for site in plan.sites
        if site.name in by_site
    }


def _requests(plan: Plan) -> dict[str, Requests]:
    """Return the requests that come to each site with a cluster, by its name.

    Raises:
        ValueError: If one has several pools, or its requests depend on how they are served, or
            their work on caches.
    """
    for site in plan.sites:
        if site.cluster is not None and len(site.cluster.pools) > 1:
            raise ValueError(f"{POOLS} (site '{site.name}')")
        if site.workload is not None and site.workload.clients is not None:
            raise ValueError(f"{DEPENDS} (site '{site.name}')")
        if site.workload is not None and site.workload.shares_text:
            raise ValueError(f"{SHARES} (site '{site.name}'; `prefixes: none` leaves it out)")
    return {
        site.name: Requests.of(
            site.workload.stream(),
            site.workload.config.classes,
            plan.scenario.time.horizon_s,
            Cluster(site.cluster, iter(())),
        )
        for site in plan.sites
        if site.cluster is not None and site.workload is not None
    }


def _periods(plan: Plan, by_site: Mapping[str, Requests]) -> Periods:
    """Return the periods of a plan with such requests."""
    last_s = [float(requests.arrival_s.max(initial=0.0)) for requests in by_site.values()]
    return Periods.of(plan.scenario.time, max(last_s, default=0.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteBound:
    """The programmes of a site with a cluster.

    Attributes:
        supply: Its sun, grid and battery.
        replicas: Its replicas.
        work_at: Returns their work, priced over some clocks.
        own_clocks, free_clocks: Clocks without a controller of them, and with one.
        periods: The periods of the programmes.
        deferrable: Numbers of the classes that may wait, of those with requests.
        has_slo: Steps in which requests with SLOs come, shape (steps,).
    """

    supply: Supply
    replicas: Replicas
    work_at: Callable[[Sequence[float]], Work]
    own_clocks: tuple[float, ...]
    free_clocks: tuple[float, ...]
    periods: Periods
    deferrable: tuple[int, ...]
    has_slo: NDArray[np.bool_]

    @classmethod
    def of(
        cls, plan: Plan, site: SitePlan, requests: Requests, may_miss: int, periods: Periods
    ) -> SiteBound:
        """Return the programmes of a site.

        Args:
            plan: The plan.
            site: The site.
            requests: The requests that come to it.
            may_miss: Requests with SLOs that may miss them.
            periods: The periods of the programmes.
        """
        cluster, workload = site.cluster, site.workload
        if cluster is None or workload is None:
            raise ValueError(f"site '{site.name}' has no cluster")
        time, pool = plan.scenario.time, cluster.pool
        gpus = pool.gpus_per_replica
        power = pool.power
        awake_w = gpus * min(power.idle_w, power.static_w)
        hosts_w = pool.gpus * pool.host_power_w
        idle_w = hosts_w + pool.replicas * awake_w
        calm_w = hosts_w + awake_w + (pool.replicas - 1) * gpus * power.sleep_w
        lines, calm_lines = (
            facility_lines(
                cluster.pue,
                cluster.outside_temperature_c,
                time.steps,
                time.step,
                min(least_w, pool.peak_it_w),
                pool.peak_it_w,
            )
            for least_w in (idle_w, min(calm_w, idle_w))
        )
        drawn_w = np.max([line.fixed_w + line.slope * idle_w for line in lines], axis=0)
        machine = cluster_machine(site, requests)
        must_run = MustRun.of(requests, machine)
        # on a pipeline at least one of the stages is at work, of whose times the mean counts
        edges_s = np.concatenate([[0.0], periods.ends_s])
        # more than there are: then no run holds its objectives, and any bound is one
        busy_h = np.minimum(must_run.hours(edges_s), pool.replicas * periods.hours)
        busy_h /= pool.pipeline_parallel
        missed_h = float(must_run.longest_s[:may_miss].sum()) / 3600 / pool.pipeline_parallel
        free_clocks = _clocks(machine)
        # a power cap of the scenario lets the GPUs choose their clocks
        own_clocks = free_clocks if pool.power_cap_w < power.max_w else (1.0,)
        swing_w = gpus * max(awake_w / gpus - power.sleep_w, 1.0)

        @cache
        def work_at(clocks: Sequence[float]) -> Work:
            worths = requests.worths(workload.config.classes, float(busy_h.sum()) * 3600)
            powers_w = [swing_w, 4 * swing_w]
            total = requests.amounts.sum(axis=0)
            floor = find_floor(machine, clocks, total, worths, powers_w[: len(clocks)])
            return Work(
                classes=requests.by_class(floor, periods.ends_s, may_miss),
                decoding=requests.decoding(periods.ends_s, may_miss),
                busy_h=busy_h,
                missed_h=missed_h,
                lines=floor.lines,
            )

        return cls(
            supply=_supply(plan, site, periods, drawn_w),
            replicas=Replicas(
                count=pool.replicas,
                awake_w=awake_w,
                sleep_w=gpus * power.sleep_w,
                hosts_w=hosts_w,
                startup_s=pool.startup_s,
                facility=periods.least_lines(lines),
                calm_facility=periods.least_lines(calm_lines),
            ),
            work_at=work_at,
            own_clocks=own_clocks,
            free_clocks=free_clocks,
            periods=periods,
            deferrable=_deferrable(site, requests),
            has_slo=_has_slo(requests, time),
        )

    def least_g(self) -> tuple[float, ...]:
        """Return the bound of each freedom [g]."""
        timing_g = self.solve("timing")[0]
        battery_g = self.solve("battery")[0] if self.supply.battery is not None else timing_g
        sleep_g = self.solve("sleep")[0] if self.replicas.count > 1 else battery_g
        clocks_g = self.solve("clocks")[0] if self.free_clocks != self.own_clocks else sleep_g
        return timing_g, battery_g, sleep_g, clocks_g

    def solve(self, freedom: str) -> tuple[float, Mapping[str, FloatArray]]:
        """Return the least emissions of a freedom [g], and a solution of its programme."""
        return least_g(
            self.supply,
            self.replicas,
            self.work_at(self.free_clocks if freedom == "clocks" else self.own_clocks),
            battery_set=freedom != "timing",
            sleeps=freedom in ("sleep", "clocks") and self.replicas.count > 1,
        )


def cluster_machine(site: SitePlan, requests: Requests) -> Machine:
    """Return a site's replica as a machine for the requests that come to it."""
    if site.cluster is None:
        raise ValueError(f"site '{site.name}' has no cluster")
    longest = (requests.prompt_tokens + requests.output_tokens).max(initial=1)
    return Machine.of(site.cluster, int(requests.prompt_tokens.min(initial=longest)), int(longest))


def _deferrable(site: SitePlan, requests: Requests) -> tuple[int, ...]:
    """Return the places of the deferrable classes among those that have requests."""
    classes = site.workload.config.classes if site.workload is not None else []
    present = np.unique(requests.class_id)
    return tuple(place for place, number in enumerate(present) if classes[number].deferrable)


def _has_slo(requests: Requests, time: Time) -> NDArray[np.bool_]:
    """Return the steps in which requests with SLOs come, shape (steps,)."""
    has_slo = np.zeros(time.steps, dtype=bool)
    has_slo[(requests.arrival_s[requests.has_slo] // time.step).astype(np.int64)] = True
    return has_slo


def _clocks(machine: Machine) -> tuple[float, ...]:
    """Return clocks over the range that may be set; the highest alone for profiles."""
    clocks = tuple(float(clock) for clock in np.linspace(LOWEST_CLOCK, 1.0, 8))
    try:
        for stage in machine.stages:
            stage.at_clock(clocks[0])
    except InferenceSimError:
        return (1.0,)
    return clocks


def plain_g(plan: Plan, site: SitePlan) -> tuple[float, ...]:
    """Return the bounds of a site with a plain load: nothing is set there [g]."""
    if site.load_w is None:
        raise ValueError(f"site '{site.name}' has neither cluster nor load")
    periods = _periods(plan, _requests(plan))
    supply = _supply(plan, site, periods, site.load_w)
    load_wh = np.where(supply.certain, periods.wh(site.load_w), 0.0)
    return (least_of_load_g(supply, load_wh, battery_set=False)[0],) * 4


def _supply(plan: Plan, site: SitePlan, periods: Periods, least_w: FloatArray) -> Supply:
    """Return the supply of a site that draws at least so much in each step [W]."""
    intensity = site.carbon_intensity_g_per_kwh
    means = np.cumsum(intensity) / np.arange(1, len(intensity) + 1)
    first_end = min(int(periods.certain_s // plan.scenario.time.step), len(means) - 1)
    ends = means[first_end:]  # of a run that ends after any of these steps
    battery, spec, automatic_wh = site.config.microgrid.battery, None, None
    full_h = empty_h = 0.0
    if battery is not None:
        step_s = plan.scenario.time.step
        charge_w, discharge_w = battery_limits_w(battery, step_s)
        charging, discharging = plan.contexts[site.name].battery_efficiency
        spec = BatterySpec(
            capacity_wh=battery.capacity_wh,
            min_wh=battery.min_soc * battery.capacity_wh,
            start_wh=battery.initial_soc * battery.capacity_wh,
            charge_w=charge_w,
            discharge_w=discharge_w,
            charge_efficiency=charging,
            discharge_efficiency=discharging,
        )
        stored_wh = most_stored_wh(battery, spec, least_w - site.solar_w, step_s)
        automatic_wh = np.where(periods.certain, periods.last(stored_wh), np.inf)
        if isinstance(battery, ClcBattery):
            full_h, empty_h = tapering_h(battery)
    return Supply(
        hours=periods.hours,
        certain=periods.certain,
        intensity_g_per_kwh=periods.least(intensity),
        solar_wh=periods.wh(site.solar_w),
        surplus_wh=periods.wh(np.maximum(site.solar_w - least_w, 0.0)),
        means_g_per_kwh=tuple({float(ends.min()), float(ends.max())}),
        battery=spec,
        automatic_wh=automatic_wh,
        # powers of several steps may differ, and their mean says nothing of the last one
        full_h=np.where(periods.counts == 1, full_h, 0.0),
        empty_h=np.where(periods.counts == 1, empty_h, 0.0),
    )
