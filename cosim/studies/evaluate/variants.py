"""The policies of an evaluation, their baselines and decoys, each as a scenario of its own."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

import numpy as np

from controllers import Decoy
from cosim.errors import Problem, ScenarioError
from cosim.scenario.control import RecordedForecast
from cosim.scenario.evaluation import EvaluationKeys
from cosim.scenario.loading import (
    DataPath,
    Document,
    ScenarioTree,
    problem_at,
    read_document,
    read_settings,
    validate_document,
)
from cosim.scenario.scenario import Scenario
from cosim.scenario.settings import Setting
from cosim.scenario.workload import Workload
from cosim.studies.evaluate.baselines import (
    BULK,
    RIGHT_SIZED,
    TRIAL_HOURS,
    TRIAL_WEEKS,
    Controllers,
    in_bulk,
    right_sized,
)
from cosim.studies.evaluate.drain import drained
from cosim.studies.evaluate.weeks import Use, weeks
from cosim.world.plan import Plan, plan_document

NOOP = "noop"
_POLICIES = "evaluation.policies"
Kind = Literal["baseline", "policy", "twin", "decoy"]


@dataclass(frozen=True, slots=True)
class Variant:
    """A policy in an evaluation, or what it is compared with.

    Attributes:
        name: Name of the policy.
        index: Its place among the scenario's policies; -1 for one that was added.
        kind: A baseline that is blind to carbon, a policy, its carbon-agnostic twin, or one of its
            decoys.
        decoy: The decoy of the carbon signal that it sees; None for none.
        added: Its controllers, in JSON, if it is not the scenario's.
    """

    name: str
    index: int
    kind: Kind = "policy"
    decoy: Decoy | None = None
    added: str = "[]"

    @property
    def label(self) -> str:
        """Its name in words."""
        if self.kind == "twin":
            return f"{self.name} (agnostic)"
        return self.name if self.decoy is None else f"{self.name} ({self.decoy.label})"


@dataclass(frozen=True, slots=True)
class Case:
    """A variant in one of the weeks.

    Attributes:
        variant: The variant.
        week: Number of the week, from 0; 0 if there are none.
        start: Its start; None for the scenario's own.
    """

    variant: Variant
    week: int = 0
    start: datetime | None = None

    @property
    def label(self) -> str:
        """The case in words."""
        return self.variant.label + (f", {self.start:%d %B}" if self.start is not None else "")


@dataclass(frozen=True, slots=True)
class Comparison:
    """Policies to compare on a scenario.

    Attributes:
        source: The scenario: its file, or as it was read.
        overrides: Settings on top of it.
        name: Name of the scenario.
        seeds: Seeds of the first week; each week has as many of its own, the same for all policies.
        starts: Starts of the weeks; one None for the scenario's own time.
        variants: The policies and what they are compared with; the one that does nothing first.
        working_dir: Where paths of the settings start from.
        trials: Deferrable work in bulk, by the hour of the day; the best one becomes a baseline,
            see `bulk`. None where it is none.
        trial_starts: Starts of the weeks of these trials, as `starts`.
        bulk_name: Name of that baseline.
        bulk_hour_utc: Its hour [h]; None before the trials, or without it.
        notes: Notes on the signals and the forecasts of the policies.
    """

    source: Path | ScenarioTree
    overrides: tuple[str | Setting, ...] = field(hash=False)
    name: str
    seeds: tuple[int, ...]
    starts: tuple[datetime | None, ...]
    variants: tuple[Variant, ...]
    working_dir: Path
    trials: Mapping[int, Variant] = field(hash=False)
    trial_starts: tuple[datetime | None, ...]
    bulk_name: str = BULK
    bulk_hour_utc: int | None = None
    notes: tuple[str, ...] = ()

    def shift(self, case: Case) -> int:
        """Return what is added to the seeds of the first week for those of a case's week."""
        return case.week * len(self.seeds)

    @property
    def cases(self) -> tuple[Case, ...]:
        """Every variant in every week, the weeks of a variant after each other."""
        return tuple(
            Case(variant, week, start)
            for variant in self.variants
            for week, start in enumerate(self.starts)
        )


def comparison(
    source: Path | ScenarioTree,
    overrides: Sequence[str | Setting] = (),
    seeds: int | None = None,
    *,
    decoys: bool = True,
) -> Comparison:
    """Return the policies that a scenario's ``evaluation`` compares, everything checked.

    Args:
        source: The scenario: its file, or as it was read.
        overrides: Settings on top of it.
        seeds: Number of seeds in place of the scenario's.
        decoys: Whether to run decoys at all.

    Raises:
        ScenarioError: If it has no ``evaluation``, or anything is wrong with a policy.
    """
    document = read_document(source, overrides)
    scenario = validate_document(document, Scenario)
    evaluation = scenario.evaluation
    if evaluation is None:
        message = (
            "the scenario has no `evaluation`: name policies with --controllers, such as "
            "--controllers carbon_threshold,mpc"
        )
        raise ScenarioError(problem_at(document, (), message))
    check_comparable(document, scenario)
    first, *others = _listed(document, evaluation)
    problems: list[Problem] = []
    plans: dict[Variant, Plan] = {}
    for variant in (first, *others):
        try:
            plans[variant] = plan_document(variant_document(document, variant))
        except ScenarioError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise ScenarioError(problems)
    if all(site.cluster is None for site in plans[first].sites):
        raise ScenarioError("no site serves requests: there is nothing to evaluate")
    listed = {variant for variant in others if _is_baseline(variant, plans[variant])}
    variants = [first, *_added(evaluation, RIGHT_SIZED, right_sized(plans[first]), listed)]
    variants += [replace(variant, kind="baseline") for variant in others if variant in listed]
    bulk = {
        hour: variant
        for hour in TRIAL_HOURS
        for variant in _added(evaluation, BULK, in_bulk(plans[first], hour), listed)
    }
    for variant in (variant for variant in others if variant not in listed):
        variants += [variant, *(_decoys(variant, plans[variant], evaluation) if decoys else ())]
    count = evaluation.seeds if seeds is None else seeds
    return Comparison(
        source=source.resolve() if isinstance(source, Path) else source,
        overrides=tuple(overrides),
        name=scenario.name,
        seeds=tuple(range(scenario.seed, scenario.seed + count)),
        starts=_starts(document, scenario, evaluation),
        variants=tuple(variants),
        working_dir=Path.cwd(),
        trials={
            hour: replace(variant, name=f"{BULK} at {hour}:00 UTC")
            for hour, variant in bulk.items()
        },
        trial_starts=_trial_starts(scenario, evaluation),
        bulk_name=next((variant.name for variant in bulk.values()), BULK),
        notes=tuple(dict.fromkeys(note for plan in plans.values() for note in _notes(plan))),
    )


def check_comparable(document: Document, scenario: Scenario) -> None:
    """Check that all policies get the same requests.

    Raises:
        ScenarioError: If clients in a closed loop send fewer to a policy that is slower.
    """
    owners: list[tuple[DataPath, Workload | None]] = [((), scenario.workload)]
    owners += [(("sites", k), site.workload) for k, site in enumerate(scenario.sites)]
    for place, workload in owners:
        if workload is not None and workload.clients is not None:
            message = (
                "clients in a closed loop send fewer requests to a policy that is slower: less "
                "work is not a saving, and policies cannot be compared (expected `arrivals`, also "
                "with `sessions`)"
            )
            raise ScenarioError(problem_at(document, (*place, "workload", "clients"), message))


def _is_baseline(variant: Variant, plan: Plan) -> bool:
    """Return whether the scenario lists a baseline itself, by its name."""
    by_name = variant.kind == "policy" and variant.name in (RIGHT_SIZED, BULK)
    return by_name and all(entry.is_blind for entry in plan.controllers)


def _notes(plan: Plan) -> Iterator[str]:
    """Yield the notes on the signals of a plan, with the site of each."""
    for site in plan.sites:
        for note in site.signal_notes:
            yield f"{site.name}: {note}"
    if _has_recorded(plan):
        yield (
            "policies with recorded forecasts of the carbon intensity have no decoys, of which "
            "nothing was recorded, and no saving by timing"
        )


def _listed(document: Document, evaluation: EvaluationKeys) -> list[Variant]:
    """Return the scenario's policies and their twins; the one that does nothing first."""
    variants: list[Variant] = []
    for index, policy in enumerate(evaluation.policies):
        variants.append(Variant(policy.name, index))
        if policy.twin and policy.controllers:
            variants.append(Variant(policy.name, index, "twin"))
    still = [variant for variant in variants if not evaluation.policies[variant.index].controllers]
    first = still[0] if still else Variant(NOOP, -1)
    if first.index < 0 and any(variant.name == NOOP for variant in variants):
        message = f"the policy '{NOOP}' is the one without controllers (got some)"
        raise ScenarioError(problem_at(document, ("evaluation", "policies"), message))
    others = [variant for variant in variants if variant is not first]
    return [replace(first, kind="baseline"), *others]


def _added(
    evaluation: EvaluationKeys, name: str, controllers: Controllers | None, listed: set[Variant]
) -> Iterator[Variant]:
    """Yield a baseline, unless the scenario has none such or lists it itself.

    A policy of that name that is another one keeps it.
    """
    if controllers is None or not evaluation.baselines:
        return
    if name not in {variant.name for variant in listed}:
        taken = any(policy.name == name for policy in evaluation.policies)
        free_name = f"{name} (blind)" if taken else name
        yield Variant(free_name, -1, "baseline", added=json.dumps(controllers))


def _decoys(variant: Variant, plan: Plan, evaluation: EvaluationKeys) -> Iterator[Variant]:
    """Yield the decoys of a policy, if it looks at the carbon intensity."""
    if variant.kind != "policy" or all(entry.is_blind for entry in plan.controllers):
        return
    if _has_recorded(plan):
        return
    candidates = [Decoy("moved", by_s=by_s) for by_s in evaluation.decoys]
    candidates += [Decoy("other_days", draw=draw + 1) for draw in range(evaluation.other_days)]
    for decoy in candidates:
        if _differs(decoy, plan):
            yield replace(variant, kind="decoy", decoy=decoy)


def _has_recorded(plan: Plan) -> bool:
    """Return whether a controller sees recorded forecasts of the intensity: no decoy has those."""
    recorded = isinstance(plan.scenario.forecasts.carbon_intensity, RecordedForecast)
    return recorded and any(
        "carbon_intensity" in entry.controller.forecasts and not entry.clairvoyant
        for entry in plan.controllers
    )


def _differs(decoy: Decoy, plan: Plan) -> bool:
    """Return whether a decoy is another signal than the true one at some site."""
    step_s = plan.scenario.time.step
    for site in plan.sites:
        values = site.carbon_intensity_g_per_kwh
        try:
            _, seen = decoy.of(site.past_carbon_intensity_g_per_kwh, values, step_s)
        except ValueError:  # too short
            continue
        if not np.allclose(seen, values):
            return True
    return False


def _starts(
    document: Document, scenario: Scenario, evaluation: EvaluationKeys
) -> tuple[datetime | None, ...]:
    """Return the starts of the evaluation's weeks; one None where it has none."""
    if evaluation.weeks is None:
        return (None,)
    try:
        return tuple(_weeks(scenario, evaluation, evaluation.weeks, "test"))
    except ValueError as error:
        place = ("evaluation", "weeks")
        raise ScenarioError(problem_at(document, place, str(error))) from error


def _trial_starts(scenario: Scenario, evaluation: EvaluationKeys) -> tuple[datetime | None, ...]:
    """Return the starts of the weeks of trials, as many as there are; one None without weeks."""
    for count in range(TRIAL_WEEKS if evaluation.weeks is not None else 0, 0, -1):
        try:
            return tuple(_weeks(scenario, evaluation, count, "tune"))
        except ValueError:  # the year has fewer
            continue
    return (None,)


def _weeks(scenario: Scenario, evaluation: EvaluationKeys, count: int, use: Use) -> list[datetime]:
    time = scenario.time
    year = time.start.year if evaluation.of is None else evaluation.of
    return weeks(year, time.start, time.horizon_s, count, use)


def case_document(compared: Comparison, case: Case) -> Document:
    """Return the scenario of a case, whatever its seed."""
    return variant_document(_week_document(compared, case.start), case.variant)


def compared_document(compared: Comparison) -> Document:
    """Return the scenario as its policies are compared: without the end that `drain` takes off."""
    document = read_document(compared.source, compared.overrides)
    if not document.data["evaluation"].get("drain", True):
        return document
    return replace(document, data=drained(document.data))


@lru_cache(maxsize=4)
def _week_document(compared: Comparison, start: datetime | None) -> Document:
    """Return the scenario in one of the weeks."""
    week = () if start is None else (f"time.start={start.isoformat()}",)
    return read_document(compared.source, (*compared.overrides, *week))


def case_plan(compared: Comparison, case: Case, seed: int) -> Plan:
    """Return the plan of a case with one of the seeds of the first week, shifted to its own.

    Raises:
        ScenarioError: With every problem that could be found.
    """
    document = case_document(compared, case)
    seeded = {**document.data, "seed": seed + compared.shift(case)}
    return plan_document(replace(document, data=seeded))


def variant_document(document: Document, variant: Variant) -> Document:
    """Return the scenario with the keys of a policy in place of its own."""
    keys = document.data["evaluation"]
    if variant.index < 0:
        policy = read_settings([f"controllers={variant.added}"]).data
    else:
        policy = keys["policies"][variant.index]
    data = {key: value for key, value in document.data.items() if key != "evaluation"}
    entries, shown = policy.get("controllers", []), _shown(variant)
    if keys.get("drain", True):
        data = drained(data)
    data["controllers"] = [
        {**entry, **shown} if isinstance(entry, dict) else entry for entry in entries
    ]
    if "forecasts" in policy:
        data["forecasts"] = policy["forecasts"]
    place = ("evaluation", "policies", variant.index)
    depth = len(place)
    taken = {"controllers"} | ({"forecasts"} & policy.keys())

    def moved(marks: Mapping[DataPath, str]) -> dict[DataPath, str]:
        kept = {path: mark for path, mark in marks.items() if not (path and path[0] in taken)}
        return kept | {
            path[depth:]: mark
            for path, mark in marks.items()
            if path[:depth] == place and len(path) > depth and path[depth] in taken
        }

    return replace(
        document, data=data, marks=moved(document.marks), key_marks=moved(document.key_marks)
    )


def _shown(variant: Variant) -> dict[str, Any]:
    """Return the keys of an entry that say what it sees of the carbon intensity."""
    if variant.kind == "twin":
        return {"agnostic": True}
    match variant.decoy:
        case None:
            return {}
        case Decoy(kind="moved"):
            return {"decoy": {"type": "moved", "by": variant.decoy.by_s}}
        case decoy:
            return {"decoy": {"type": decoy.kind, "draw": decoy.draw}}


def policies_setting(names: Sequence[str], *, twins: bool) -> str:
    """Return the override that compares controllers by name, each alone.

    Args:
        names: Names of controllers, or ./file.py:Class.
        twins: Whether the carbon-agnostic baseline of each is run too.
    """
    policies = []
    for name in dict.fromkeys(names):
        label = name.rpartition(":")[2] if ":" in name else name
        entry = {"name": label, "twin": twins and name != NOOP}
        policies.append(entry | {"controllers": [] if name == NOOP else [{"type": name}]})
    return f"{_POLICIES}={json.dumps(policies)}"


def at_option(error: ScenarioError) -> ScenarioError:
    """Return an error with the problems of policies at ``--controllers``, which named them."""
    return ScenarioError(
        [
            Problem(problem.message, where="--controllers")
            if problem.where == f"--set {_POLICIES}"
            else problem
            for problem in error.problems
        ]
    )
