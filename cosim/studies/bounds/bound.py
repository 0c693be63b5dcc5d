"""The least emissions of a run for each freedom of its controllers.

The freedoms are nested. `timing` is that of when work is done: deferrable work, and chat within its
objectives. `battery` is also that of the battery's power, `sleep` also that of the number of
replicas that serve, `clocks` also that of clocks and power caps. A run that holds its objectives
(99 % of the requests with SLOs meet them, none is late, all is served) emits no less, with the
change of its batteries at the mean intensity, than the bound of the freedom that holds all that its
controllers set. `docs/bounds.md` has the model.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import astuple, dataclass

import numpy as np
from numpy.typing import NDArray

from controllers.lp import BatterySpec
from cosim.studies.bounds.demand import MISSING, MustRun, Requests
from cosim.studies.bounds.facility import FacilityLine, facility_lines
from cosim.studies.bounds.machine import Machine
from cosim.studies.bounds.prices import Floor, find_floor
from cosim.studies.bounds.programme import Replicas, Supply, Work, least_g, least_of_load_g
from cosim.world.context import battery_limits_w
from cosim.world.plan import Plan
from cosim.world.site_plan import SitePlan
from inference_sim.arrays import FloatArray
from inference_sim.cluster import Cluster
from inference_sim.errors import InferenceSimError
from inference_sim.power_cap import LOWEST_CLOCK

FREEDOMS = ("timing", "battery", "sleep", "clocks")
"""The freedoms; each holds all before it."""

_BY_ACTUATOR: Mapping[str, str] = {
    "battery_power": "battery",
    "active_replicas": "sleep",
    "clock_fraction": "clocks",
    "power_cap": "clocks",
}
_MOST_PERIODS = 600
_ROUNDING = 1e-6
"""Share by which a bound is lowered for the tolerances of the solver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The least emissions of a run, with the batteries' change valued at the mean intensity [g].

    Example::

        bound_of(plan).of(freedom_of(controller.actuators))

    Attributes:
        timing_g: With free timing of the work.
        battery_g: And of the battery.
        sleep_g: And of the replicas that are awake.
        clocks_g: And of the clocks.
    """

    timing_g: float
    battery_g: float
    sleep_g: float
    clocks_g: float

    def of(self, freedom: str) -> float:
        """Return the bound of a freedom [g]."""
        return float(astuple(self)[FREEDOMS.index(freedom)])


def freedom_of(actuators: Iterable[str]) -> str:
    """Return the smallest freedom that holds all of some actuators."""
    names = {_BY_ACTUATOR.get(actuator, "timing") for actuator in actuators}
    return max(names, key=FREEDOMS.index, default="timing")


def bound_of(plan: Plan) -> Bound:
    """Return the bound of a plan, whatever its controllers; sites add up.

    Raises:
        InferenceSimError: If a deployment cannot be simulated.
        ValueError: If a programme has no solution.
    """
    sums = np.sum([bound.least_g() for bound in site_bounds(plan).values()], axis=0)
    sums += np.sum([_plain_g(plan, site) for site in plan.sites if site.cluster is None], axis=0)
    # a larger freedom can do all that a smaller one can: the tolerance must not say otherwise
    timing_g, battery_g, sleep_g, clocks_g = np.minimum.accumulate(sums - _ROUNDING * np.abs(sums))
    return Bound(
        timing_g=float(timing_g),
        battery_g=float(battery_g),
        sleep_g=float(sleep_g),
        clocks_g=float(clocks_g),
    )


def site_bounds(plan: Plan) -> dict[str, SiteBound]:
    """Return the programmes of the sites that have a cluster, by name."""
    horizon_s = plan.scenario.time.horizon_s
    by_site = {
        site.name: Requests.of(
            site.workload.stream(),
            site.workload.config.classes,
            horizon_s,
            Cluster(site.cluster, iter(())),
        )
        for site in plan.sites
        if site.cluster is not None and site.workload is not None
    }
    # attainment is that of all sites together: all that miss may be at one
    may_miss = int(MISSING * sum(requests.has_slo.sum() for requests in by_site.values()))
    return {
        site.name: SiteBound.of(plan, site, by_site[site.name], may_miss)
        for site in plan.sites
        if site.name in by_site
    }


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SiteBound:
    """The programmes of a site with a cluster.

    Attributes:
        supply: Its sun, grid and battery.
        replicas: Its replicas.
        full, slowed: Its work with clocks as they are, and with any.
        periods: The periods of the programmes.
        deferrable: Numbers of the classes that may wait, of those with requests.
    """

    supply: Supply
    replicas: Replicas
    full: Work
    slowed: Work
    periods: Periods
    deferrable: tuple[int, ...]

    @classmethod
    def of(cls, plan: Plan, site: SitePlan, requests: Requests, may_miss: int) -> SiteBound:
        """Return the programmes of a site.

        Args:
            plan: The plan.
            site: The site.
            requests: The requests that come to it.
            may_miss: Requests with SLOs that may miss them.
        """
        cluster = site.cluster
        if cluster is None:
            raise ValueError(f"site '{site.name}' has no cluster")
        time, pool = plan.scenario.time, cluster.pool
        periods = Periods.of(time.steps, time.step)
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
        busy_h = must_run.hours(edges_s) / pool.pipeline_parallel
        missed_h = float(must_run.longest_s[:may_miss].sum()) / 3600 / pool.pipeline_parallel
        floors = _floors(machine, requests, site, awake_w / gpus, float(busy_h.sum()) * 3600)
        full, slowed = (
            Work(
                classes=requests.by_class(floor, periods.ends_s, may_miss),
                decoding=requests.decoding(periods.ends_s, may_miss),
                busy_h=busy_h,
                missed_h=missed_h,
                lines=floor.lines,
            )
            for floor in floors
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
            full=full,
            slowed=slowed,
            periods=periods,
            deferrable=_deferrable(site, requests),
        )

    def least_g(self) -> tuple[float, ...]:
        """Return the bound of each freedom [g]."""
        timing_g = self.solve("timing")[0]
        battery_g = self.solve("battery")[0] if self.supply.battery is not None else timing_g
        sleep_g = self.solve("sleep")[0] if self.replicas.count > 1 else battery_g
        clocks_g = self.solve("clocks")[0] if self.slowed is not self.full else sleep_g
        return timing_g, battery_g, sleep_g, clocks_g

    def solve(self, freedom: str) -> tuple[float, Mapping[str, FloatArray]]:
        """Return the least emissions of a freedom [g], and a solution of its programme."""
        return least_g(
            self.supply,
            self.replicas,
            self.slowed if freedom == "clocks" else self.full,
            battery_set=freedom != "timing",
            sleeps=freedom in ("sleep", "clocks") and self.replicas.count > 1,
        )


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """Periods of one step or several: of their values the bound takes the best.

    Attributes:
        first: First step of each, shape (periods,).
        counts: Steps of each.
        ends_s: Ends [s].
        hours: Lengths [h].
    """

    first: NDArray[np.intp]
    counts: NDArray[np.intp]
    ends_s: FloatArray
    hours: FloatArray

    @classmethod
    def of(cls, steps: int, step_s: float) -> Periods:
        """Return the periods of a run: its steps, or some hundreds where it has more."""
        each = math.ceil(steps / _MOST_PERIODS)
        edges = np.append(np.arange(0, steps, each), steps)
        counts = np.diff(edges)
        return cls(edges[:-1], counts, edges[1:] * step_s, counts * step_s / 3600)

    def least(self, values: FloatArray) -> FloatArray:
        """Return the least of the values of each period's steps."""
        least: FloatArray = np.minimum.reduceat(values, self.first)
        return least

    def least_lines(self, lines: Sequence[FacilityLine]) -> tuple[FacilityLine, ...]:
        """Return the least of lines by step in each period."""
        return tuple(FacilityLine(line.fixed_w, self.least(line.slope)) for line in lines)

    def wh(self, powers_w: FloatArray) -> FloatArray:
        """Return the energy of powers by step in each period [Wh]."""
        step_h = float(self.hours.sum()) / len(powers_w)
        energies: FloatArray = np.add.reduceat(powers_w, self.first) * step_h
        return energies


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


def _floors(
    machine: Machine, requests: Requests, site: SitePlan, awake_w: float, busy_s: float
) -> tuple[Floor, Floor]:
    """Return the floors at the clock as it is, and at any; the same one where there is one clock.

    A power cap of the scenario lets the GPUs choose their clocks: both floors are over all of them.
    """
    if site.cluster is None or site.workload is None:
        raise ValueError(f"site '{site.name}' has no cluster")
    pool = site.cluster.pool
    total = requests.amounts.sum(axis=0)
    worths = (
        requests.worths(site.workload.config.classes, busy_s) if len(requests.arrival_s) else []
    )
    swing_w = pool.gpus_per_replica * max(awake_w - pool.power.sleep_w, 1.0)
    powers_w = [swing_w * factor for factor in (1.0, 4.0)]
    clocks = _clocks(machine)
    if pool.power_cap_w < pool.power.max_w:
        floor = find_floor(machine, clocks, total, worths, powers_w)
        return floor, floor
    full = find_floor(machine, [1.0], total, worths, powers_w[:1])
    if len(clocks) == 1:
        return full, full
    return full, find_floor(machine, clocks, total, worths, powers_w)


def _clocks(machine: Machine) -> Sequence[float]:
    """Return clocks over the range that may be set; the highest alone for profiles."""
    clocks = [float(clock) for clock in np.linspace(LOWEST_CLOCK, 1.0, 8)]
    try:
        for stage in machine.stages:
            stage.at_clock(clocks[0])
    except InferenceSimError:
        return (1.0,)
    return clocks


def _plain_g(plan: Plan, site: SitePlan) -> tuple[float, ...]:
    """Return the bounds of a site with a plain load: nothing is set there [g]."""
    if site.load_w is None:
        raise ValueError(f"site '{site.name}' has neither cluster nor load")
    periods = Periods.of(plan.scenario.time.steps, plan.scenario.time.step)
    supply = _supply(plan, site, periods, site.load_w)
    return (least_of_load_g(supply, periods.wh(site.load_w)),) * len(FREEDOMS)


def _supply(plan: Plan, site: SitePlan, periods: Periods, least_w: FloatArray) -> Supply:
    """Return the supply of a site that draws at least so much in each step [W]."""
    intensity = site.carbon_intensity_g_per_kwh
    battery, spec = site.config.microgrid.battery, None
    if battery is not None:
        step_s = float(periods.hours.sum()) * 3600 / len(intensity)
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
    return Supply(
        hours=periods.hours,
        intensity_g_per_kwh=periods.least(intensity),
        solar_wh=periods.wh(site.solar_w),
        surplus_wh=periods.wh(np.maximum(site.solar_w - least_w, 0.0)),
        mean_g_per_kwh=float(intensity.mean()),
        battery=spec,
    )
