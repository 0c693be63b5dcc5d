"""From a scenario to the policies that it compares: their twins, decoys, baselines and weeks."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path

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
from cosim.studies.evaluate.documents import variant_document
from cosim.studies.evaluate.ends import ends_of
from cosim.studies.evaluate.variants import NOOP, Comparison, Variant
from cosim.studies.evaluate.weeks import Use, weeks
from cosim.world.plan import Plan, plan_document


def comparison(
    source: Path | ScenarioTree,
    overrides: Sequence[str | Setting] = (),
    seeds: int | None = None,
    *,
    decoys: bool = True,
    bands: bool = False,
) -> Comparison:
    """Return the policies that a scenario's ``evaluation`` compares, everything checked.

    Args:
        source: The scenario: its file, or as it was read.
        overrides: Settings on top of it.
        seeds: Number of seeds in place of the scenario's.
        decoys: Whether to run decoys at all.
        bands: Whether policies and baselines also run with less sure coefficients at their ends.

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
        ends=tuple(ends_of(scenario)) if bands else (),
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
