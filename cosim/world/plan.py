"""From a scenario file to a plan of the run: everything checked, every signal cut into steps.

What a plan holds cannot fail any more for a reason in the scenario: files are read, signals cover
the run, models fit, controllers are made. Nothing has been written yet.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from controllers import (
    ControllerHost,
    GuardSettings,
    HostedController,
    SiteContext,
    SiteSignals,
    check_conflicts,
)
from cosim.errors import Problem, ScenarioError
from cosim.scenario.control import NoisyForecast
from cosim.scenario.live import LiveCarbon
from cosim.scenario.loading import DataPath, Document, problem_at, read_document, validate_document
from cosim.scenario.power import TemperaturePueKeys
from cosim.scenario.recorded import Kind
from cosim.scenario.scenario import Scenario
from cosim.scenario.signals import CarbonIntensity
from cosim.signals import (
    Place,
    Series,
    carbon_series,
    load_series,
    price_series,
    solar_series,
    temperature_series,
)
from cosim.world.briefing import site_context, site_signals
from cosim.world.control import controller_problems, read_controllers
from cosim.world.demand import expected_demand
from cosim.world.site_plan import SitePlan
from cosim.world.workload import WorkloadSource, workload_source
from inference_sim.deployment import ClusterConfig
from inference_sim.errors import InferenceSimError

Array = NDArray[np.float64]
_PAST_S = 7 * 86400.0


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that can start.

    Attributes:
        scenario: The scenario.
        document: The file that it was read from, with places and overrides.
        sites: The sites, in the scenario's order.
        controllers: The controllers, in the order in which they are asked.
        contexts: What controllers are told of each site before the run, by its name.
        signals: The signals of each site and their forecasters, by its name.
    """

    scenario: Scenario
    document: Document
    sites: tuple[SitePlan, ...]
    controllers: tuple[HostedController, ...]
    contexts: Mapping[str, SiteContext]
    signals: Mapping[str, SiteSignals]

    def host(self) -> ControllerHost:
        """Return a host of the controllers, to be reset before the run.

        Raises:
            ValueError: If a controller cannot work where it stands.
        """
        guard = self.scenario.slo_guard
        return ControllerHost(
            self.controllers,
            self.contexts,
            self.signals,
            None
            if guard is None
            else GuardSettings(margin=guard.margin, hold_s=guard.hold, max_hold_s=guard.max_hold),
        )


def load_plan(path: Path, overrides: Sequence[str] = ()) -> Plan:
    """Read a scenario file and prepare its run.

    Args:
        path: The scenario file.
        overrides: Settings such as ``sites.0.cluster.replicas=2``.

    Raises:
        ScenarioError: With every problem that could be found.
    """
    return plan_document(read_document(path, overrides))


def plan_document(document: Document) -> Plan:
    """Prepare the run of a scenario that has been read.

    Raises:
        ScenarioError: With every problem that could be found.
    """
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
    problems += _live_problems(document, scenario, controllers)
    if problems:
        raise ScenarioError(problems)
    if scenario.controllers and not any(site.cluster for site in sites):
        message = "no site has a cluster, so there is nothing to control"
        raise ScenarioError(problem_at(document, ("controllers",), message))
    time = scenario.time
    try:
        check_conflicts(controllers)
        plan = Plan(
            scenario,
            document,
            tuple(sites),
            tuple(controllers),
            contexts={
                site.name: site_context(site, time.start, time.step_s, time.steps) for site in sites
            },
            signals={
                site.name: site_signals(site, scenario.forecasts, time, (scenario.seed, index))
                for index, site in enumerate(sites)
            },
        )
        plan.host()  # checks that each controller can work where it stands
    except ValueError as error:
        raise ScenarioError(problem_at(document, ("controllers",), str(error))) from error
    return plan


def _live_problems(
    document: Document, scenario: Scenario, controllers: Sequence[HostedController]
) -> list[Problem]:
    """Return who would have to know what a live intensity has not told yet."""
    live = {
        site.name
        for site in scenario.sites
        if isinstance(site.microgrid.carbon_intensity, LiveCarbon)
    }
    if not live:
        return []
    problems = []
    if isinstance(scenario.forecasts.carbon_intensity, NoisyForecast):
        problems.append(
            problem_at(
                document,
                ("forecasts", "carbon_intensity"),
                "a noisy forecast is the truth with an error, and a live intensity has no future "
                "yet; expected same_hour_yesterday, persistence or recorded",
            )
        )
    for entry in controllers:
        if (entry.clairvoyant or entry.agnostic) and (entry.site is None or entry.site in live):
            what = "clairvoyant" if entry.clairvoyant else "agnostic"
            needs = "what will come" if entry.clairvoyant else "the mean of the run"
            problems.append(
                problem_at(
                    document,
                    ("controllers",),
                    f"controller '{entry.name}' is {what}: it needs {needs} of the carbon "
                    "intensity, which is live",
                )
            )
    return problems


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

    solar_signal: Series | None = None
    if isinstance(grid.carbon_intensity, LiveCarbon):
        carbon, carbon_signal = np.full(steps, np.nan), None  # filled in while the run goes on
    else:
        carbon, carbon_signal = step_means(
            ("microgrid", "carbon_intensity"),
            lambda: carbon_series(grid.carbon_intensity, time.start, time.horizon_s),
        )
    solar, load, price, marginal = np.zeros(steps), None, None, None
    if (marginal_config := grid.marginal_carbon_intensity) is not None:
        marginal, _ = step_means(
            ("microgrid", "marginal_carbon_intensity"),
            lambda: carbon_series(marginal_config, time.start, time.horizon_s),
        )
    if (solar_config := grid.solar) is not None:
        solar, solar_signal = step_means(
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
        marginal_g_per_kwh=marginal,
        past_carbon_intensity_g_per_kwh=_past(carbon_signal, start_s, time.step),
        past_solar_w=_past(solar_signal, start_s, time.step),
        cluster=cluster,
        workload=workload,
        demand=expected_demand(workload, time.step, steps) if workload else None,
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
