"""From a scenario file to a plan of the run: everything checked, every signal cut into steps.

A plan can no longer fail for a reason in the scenario: files are read, signals cover
the run, models fit, controllers are made. Nothing has been written yet.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from controllers import (
    ControllerError,
    ControllerHost,
    GuardSettings,
    HostedController,
    SiteContext,
    SiteSignals,
    check_conflicts,
)
from cosim.accounting.words import plural
from cosim.errors import Problem, ScenarioError
from cosim.scenario.control import NoisyForecast
from cosim.scenario.live import LiveCarbon
from cosim.scenario.loading import (
    DataPath,
    Document,
    problem_at,
    read_document,
    validate_document,
)
from cosim.scenario.scenario import Scenario
from cosim.world.context import site_context, site_signals
from cosim.world.control import controller_problems, read_controllers
from cosim.world.history import history_notes
from cosim.world.site_plan import SitePlan, plan_site


@dataclass(frozen=True, slots=True)
class Plan:
    """A run that can start.

    Attributes:
        scenario: The scenario.
        document: The file that it was read from, with places and overrides.
        sites: The sites, in the scenario's order.
        controllers: The controllers, in the order in which they are asked.
        contexts: The facts that controllers get of each site before the run, by its name.
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

    def check_resets(self) -> None:
        """Reset the controllers, as a run does before its first step.

        Raises:
            ScenarioError: If one of them cannot work with the scenario.
        """
        try:
            self.host().reset()
        except ControllerError as error:
            names = [entry["type"] for entry in self.scenario.controllers]
            place: DataPath = ("controllers",)
            if error.controller in names:
                place = ("controllers", names.index(error.controller))
            raise ScenarioError(problem_at(self.document, place, str(error))) from error


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
    of_sites: list[Problem] = []
    for index in range(len(scenario.sites)):
        try:
            sites.append(plan_site(document, scenario, index))
        except ScenarioError as error:
            of_sites += error.problems
    problems += _told_once(of_sites)
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
        signals = {
            site.name: site_signals(site, scenario.forecasts, time, (scenario.seed, index))
            for index, site in enumerate(sites)
        }
        plan = Plan(
            scenario,
            document,
            tuple(_with_history_notes(site, signals, controllers, time.step_s) for site in sites),
            tuple(controllers),
            contexts={
                site.name: site_context(site, time.start, time.step_s, time.steps) for site in sites
            },
            signals=signals,
        )
        plan.host()  # checks that each controller can work where it stands
    except ValueError as error:
        raise ScenarioError(problem_at(document, ("controllers",), str(error))) from error
    return plan


def _with_history_notes(
    site: SitePlan,
    signals: Mapping[str, SiteSignals],
    controllers: Sequence[HostedController],
    step_s: float,
) -> SitePlan:
    """Return a site with notes on the forecasts that lack a day before the start."""
    notes = history_notes(site.name, signals[site.name], controllers, step_s)
    return replace(site, signal_notes=(*site.signal_notes, *notes))


def _told_once(problems: Sequence[Problem]) -> list[Problem]:
    """Return problems without those that say the same of other places, such as of a shared file."""
    places: dict[str, list[Problem]] = {}
    for problem in problems:
        places.setdefault(problem.message, []).append(problem)
    return [
        first
        if not others
        else replace(first, message=f"{message} (and so in {plural(len(others), 'more place')})")
        for message, (first, *others) in places.items()
    ]


def _live_problems(
    document: Document, scenario: Scenario, controllers: Sequence[HostedController]
) -> list[Problem]:
    """Return the problems of parts that need future values of a live intensity."""
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
        kind = _needed_future(entry)
        if kind and (entry.site is None or entry.site in live):
            what, needs = kind
            problems.append(
                problem_at(
                    document,
                    ("controllers",),
                    f"controller '{entry.name}' is {what}: it needs {needs} of the carbon "
                    "intensity, which is live",
                )
            )
    return problems


def _needed_future(entry: HostedController) -> tuple[str, str] | None:
    """Return its kind and its need, if a controller needs a signal that is to come; else None."""
    if entry.clairvoyant:
        return "clairvoyant", "the future"
    if entry.agnostic:
        return "agnostic", "the mean of the run"
    return ("shown a decoy", "all of the run") if entry.decoy is not None else None
