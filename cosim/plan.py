"""From a scenario file to a plan of the run: everything checked, every signal cut into steps.

What a plan holds cannot fail any more for a reason in the scenario: files are read, signals cover
the run, models fit, controllers are made. Nothing has been written yet.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from controllers import (
    ActuatorLimits,
    ControllerHost,
    HostedController,
    SiteContext,
    SiteSignals,
    check_conflicts,
)
from cosim.control import controller_problems, read_controllers
from cosim.errors import Problem, ScenarioError
from cosim.loading import DataPath, Document, problem_at, read_document, validate_document
from cosim.scenario.live import LiveCarbon
from cosim.scenario.power import TemperaturePueKeys
from cosim.scenario.recorded import Kind
from cosim.scenario.scenario import Scenario
from cosim.scenario.signals import CarbonIntensity
from cosim.scenario.site import Site
from cosim.signals import (
    Place,
    Series,
    carbon_series,
    load_series,
    price_series,
    solar_series,
    temperature_series,
)
from cosim.workload import WorkloadSource, workload_source
from inference_sim.cluster import ClusterConfig
from inference_sim.errors import InferenceSimError

Array = NDArray[np.float64]
_PAST_S = 7 * 86400.0
_LOWEST_CLOCK = 0.3  # over the highest; the power model says too little further down


@dataclass(frozen=True, slots=True, kw_only=True)
class SitePlan:
    """One site, ready to run.

    Attributes:
        config: Its section of the scenario.
        carbon_intensity_g_per_kwh, solar_w: Means over each step, shape (steps,). A live intensity
            is NaN until the run gets there.
        load_w: Power of a plain load, shape (steps,); None where a cluster stands.
        price_per_kwh: Shape (steps,); None without a price.
        past_carbon_intensity_g_per_kwh: Steps before the start, oldest first, up to 7 days.
        cluster: The deployment; None where a plain load stands.
        workload: What comes to the cluster.
        carbon_kind: Whether the carbon intensity is average or marginal.
        signal_notes: What was done to the data of the signals, such as gaps that were filled.
    """

    config: Site
    carbon_intensity_g_per_kwh: Array
    solar_w: Array
    load_w: Array | None
    price_per_kwh: Array | None
    past_carbon_intensity_g_per_kwh: Array
    cluster: ClusterConfig | None
    workload: WorkloadSource | None
    carbon_kind: Kind
    signal_notes: tuple[str, ...]

    @property
    def name(self) -> str:
        """Name of the site."""
        return self.config.name


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that can start."""

    scenario: Scenario
    document: Document
    sites: tuple[SitePlan, ...]
    controllers: tuple[HostedController, ...]

    def host(self, before_step: Callable[[int], None] = lambda step: None) -> ControllerHost:
        """Return a host of the controllers, to be reset before the run.

        Args:
            before_step: Called with the index of each step before anything else happens in it.
        """
        return ControllerHost(
            self.controllers,
            {site.name: self._context(site) for site in self.sites},
            {
                site.name: SiteSignals(
                    site.carbon_intensity_g_per_kwh,
                    site.solar_w,
                    site.price_per_kwh,
                    site.load_w,
                )
                for site in self.sites
            },
            before_step,
        )

    def _context(self, site: SitePlan) -> SiteContext:
        time, battery, cluster = self.scenario.time, site.config.microgrid.battery, site.cluster
        peak_w = float(site.load_w.max()) if site.load_w is not None else 0.0
        idle_w = float(site.load_w.min()) if site.load_w is not None else 0.0
        if cluster is not None:
            peak_w, idle_w = cluster.peak_power_w, cluster.idle_power_w
        return SiteContext(
            site=site.name,
            start=time.start,
            step_s=time.step_s,
            steps=time.steps,
            limits=_limits(site),
            past_carbon_intensity_g_per_kwh=site.past_carbon_intensity_g_per_kwh,
            peak_power_w=peak_w,
            idle_power_w=idle_w,
            battery_capacity_wh=battery.capacity_wh if battery else None,
            battery_min_soc=battery.min_soc if battery else None,
        )


def _limits(site: SitePlan) -> dict[str, ActuatorLimits]:
    """Return the ranges of the actuators.

    The greatest admission rate, of which policies set fractions, is the gateway's if it has one,
    otherwise the workload's highest mean rate; without a policy the gateway stays as it is. The
    same goes for deferrable requests, where there are any. Profiles know the highest clock alone.
    """
    cluster, workload = site.cluster, site.workload
    if cluster is None or workload is None:
        return {}
    limited = np.isfinite(cluster.admission_rate_per_s)
    most = cluster.admission_rate_per_s if limited else workload.peak_rate_per_s
    limits = {
        "admission_rate": ActuatorLimits(0.0, most, initial=cluster.admission_rate_per_s),
        "batch_cap": ActuatorLimits(1, cluster.batch_cap),
        "active_replicas": ActuatorLimits(1, cluster.replicas),
    }
    deferrable = sum(one.share for one in workload.config.classes if one.deferrable)
    if deferrable:
        rate_per_s = workload.peak_rate_per_s * deferrable
        limits["deferrable_rate"] = ActuatorLimits(0.0, rate_per_s, initial=math.inf)
    if site.config.cluster is not None and site.config.cluster.execution.type == "roofline":
        limits["clock_fraction"] = ActuatorLimits(_LOWEST_CLOCK, 1.0)
    return limits


def load_plan(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """Read a scenario file and prepare its run.

    Args:
        path: The scenario file.
        overrides: Settings such as ``sites.0.cluster.replicas=2``.

    Raises:
        ScenarioError: With every problem that could be found.
    """
    document = read_document(path, overrides)
    problems: list[Problem] = []
    scenario: Scenario | None = None
    try:
        scenario = validate_document(document, Scenario)
    except ScenarioError as error:
        problems += error.problems
    if scenario is None:
        raise ScenarioError([*problems, *controller_problems(document)])

    sites: list[SitePlan] = []
    for index in range(len(scenario.sites)):
        try:
            sites.append(_plan_site(document, scenario, index))
        except ScenarioError as error:
            problems += error.problems
    controllers: list[HostedController] = []
    try:
        controllers = read_controllers(document, scenario)
    except ScenarioError as error:
        problems += error.problems
    if problems:
        raise ScenarioError(problems)
    plan = Plan(scenario, document, tuple(sites), tuple(controllers))
    if scenario.controllers and not any(site.cluster for site in sites):
        message = "no site has a cluster, so there is nothing to control"
        raise ScenarioError(problem_at(document, ("controllers",), message))
    try:
        check_conflicts(plan.controllers)
        plan.host()  # checks that each controller can work where it stands
    except ValueError as error:
        raise ScenarioError(problem_at(document, ("controllers",), str(error))) from error
    return plan


def _plan_site(document: Document, scenario: Scenario, index: int) -> SitePlan:
    site, time = scenario.sites[index], scenario.time
    grid, place = site.microgrid, ("sites", index)
    start_s, steps = time.start.timestamp(), time.steps
    problems: list[Problem] = []
    notes: list[str] = []

    def step_means(where: DataPath, make: Callable[[], Series]) -> tuple[Array, Series | None]:
        """Return a signal's means over the steps of the run."""
        try:
            series = make()
            notes.extend(f"{where[-1]} from {series.source}: {note}" for note in series.notes)
            return series.step_means(start_s, time.step, steps), series
        except (ScenarioError, ValueError) as error:
            problems.extend(_placed(document, (*place, *where), error))
            return np.zeros(steps), None

    if isinstance(grid.carbon_intensity, LiveCarbon):
        carbon, carbon_signal = np.full(steps, np.nan), None  # filled in while the run goes on
    else:
        carbon, carbon_signal = step_means(
            ("microgrid", "carbon_intensity"),
            lambda: carbon_series(grid.carbon_intensity, time.start, time.horizon_s),
        )
    solar, load, price = np.zeros(steps), None, None
    if (solar_config := grid.solar) is not None:
        solar, _ = step_means(
            ("microgrid", "solar"),
            lambda: solar_series(
                solar_config,
                time.start,
                time.horizon_s,
                Place(**site.location.model_dump()) if site.location else None,
                seed=(scenario.seed, index),
            ),
        )
    if (load_config := site.load) is not None:
        load, _ = step_means(
            ("load",), lambda: load_series(load_config, time.start, time.horizon_s)
        )
    if (price_config := grid.price) is not None:
        price, _ = step_means(
            ("microgrid", "price"),
            lambda: price_series(price_config, time.start, time.horizon_s),
        )
    outside: Array | None = None
    if site.cluster is not None and isinstance(pue := site.cluster.pue, TemperaturePueKeys):
        outside, _ = step_means(
            ("cluster", "pue", "outside"),
            lambda: temperature_series(pue.outside, time.start, time.horizon_s),
        )
    workload: WorkloadSource | None = None
    if site.cluster is not None:
        try:
            workload = workload_source(scenario, index)
        except (InferenceSimError, ValueError) as error:
            where: DataPath = ("workload",) if site.workload is None else (*place, "workload")
            problems.append(problem_at(document, (*where, "trace", "path"), str(error)))
    if problems:
        raise ScenarioError(problems)
    cluster: ClusterConfig | None = None
    if site.cluster is not None and workload is not None:
        cluster = replace(
            site.cluster.config(),
            seed=scenario.seed + index,
            classes=tuple(one.service_class() for one in workload.config.classes),
            outside_temperature_c=None if outside is None else _by_time(outside, time.step_s),
        )
    return SitePlan(
        config=site,
        carbon_intensity_g_per_kwh=carbon,
        solar_w=solar,
        load_w=load,
        price_per_kwh=price,
        past_carbon_intensity_g_per_kwh=_past(carbon_signal, start_s, time.step),
        cluster=cluster,
        workload=workload,
        carbon_kind=_kind(grid.carbon_intensity, carbon_signal),
        signal_notes=tuple(notes),
    )


def _kind(config: CarbonIntensity, signal: Series | None) -> Kind:
    """Return the kind that a file tells, or else the scenario."""
    return (signal.kind if signal is not None else None) or config.kind or "average"


def _by_time(values: Array, step_s: float) -> Callable[[float], float]:
    """Return means over steps as a function of the time in the run [s]; the last one holds on."""
    return lambda time_s: float(values[min(int(time_s // step_s), len(values) - 1)])


def _placed(document: Document, place: DataPath, error: Exception) -> list[Problem]:
    messages = (
        [str(problem) for problem in error.problems]
        if isinstance(error, ScenarioError)
        else [str(error)]
    )
    return [problem_at(document, place, message) for message in messages]


def _past(signal: Series | None, start_s: float, step_s: float) -> Array:
    """Return the signal's means over the steps before the start that it covers, up to 7 days."""
    if signal is None:
        return np.empty(0)
    span_s = min(_PAST_S, start_s - float(signal.starts_s[0]))
    steps = max(0, int(span_s // step_s))
    return signal.step_means(start_s - steps * step_s, step_s, steps) if steps else np.empty(0)
