"""The policies of an evaluation, each as a scenario of its own."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from cosim.errors import Problem, ScenarioError
from cosim.scenario.loading import DataPath, Document, problem_at, read_document, validate_document
from cosim.scenario.scenario import Scenario
from cosim.world.plan import Plan, plan_document

NOOP = "noop"


@dataclass(frozen=True, slots=True)
class Variant:
    """A policy in an evaluation.

    Attributes:
        name: Its name.
        index: Its place among the scenario's policies; -1 for one without controllers that was
            added.
        twin: Whether it is carbon-agnostic.
    """

    name: str
    index: int
    twin: bool = False


@dataclass(frozen=True, slots=True)
class Comparison:
    """Policies to compare on a scenario.

    Attributes:
        path: The scenario file.
        overrides: Settings on top of it.
        name: Name of the scenario.
        seeds: Seeds, the same for all.
        variants: The policies; the one that does nothing first.
        working_dir: Where paths of the settings start from.
    """

    path: Path
    overrides: tuple[str, ...]
    name: str
    seeds: tuple[int, ...]
    variants: tuple[Variant, ...]
    working_dir: Path


def comparison(path: Path, overrides: Sequence[str] = (), seeds: int | None = None) -> Comparison:
    """Return the policies that a scenario's ``evaluation`` compares, everything checked.

    Args:
        path: The scenario file.
        overrides: Settings on top of it.
        seeds: Number of seeds in place of the scenario's.

    Raises:
        ScenarioError: If it has no ``evaluation``, or anything is wrong with a policy.
    """
    document = read_document(path, overrides)
    scenario = validate_document(document, Scenario)
    evaluation = scenario.evaluation
    if evaluation is None:
        message = (
            "the scenario has no `evaluation`: name policies with --controllers, such as "
            "--controllers carbon_threshold,mpc"
        )
        raise ScenarioError(problem_at(document, (), message))
    variants: list[Variant] = []
    for index, policy in enumerate(evaluation.policies):
        variants.append(Variant(policy.name, index))
        if policy.twin and policy.controllers:
            variants.append(Variant(policy.name, index, twin=True))
    still = [variant for variant in variants if not evaluation.policies[variant.index].controllers]
    first = still[0] if still else Variant(NOOP, -1)
    ordered = (first, *(variant for variant in variants if variant is not first))
    if first.index < 0 and any(variant.name == NOOP for variant in variants):
        message = f"the policy '{NOOP}' is the one without controllers (got some)"
        raise ScenarioError(problem_at(document, ("evaluation", "policies"), message))
    problems: list[Problem] = []
    serves = False
    for variant in ordered:
        try:
            plan = plan_document(variant_document(document, variant))
            serves = any(site.cluster is not None for site in plan.sites)
        except ScenarioError as error:
            problems += [problem for problem in error.problems if problem not in problems]
    if problems:
        raise ScenarioError(problems)
    if not serves:
        raise ScenarioError("no site serves requests: there is nothing to evaluate")
    count = evaluation.seeds if seeds is None else seeds
    return Comparison(
        path=path.resolve(),
        overrides=tuple(overrides),
        name=scenario.name,
        seeds=tuple(range(scenario.seed, scenario.seed + count)),
        variants=ordered,
        working_dir=Path.cwd(),
    )


def variant_plan(compared: Comparison, variant: Variant, seed: int) -> Plan:
    """Return the plan of one policy with one seed.

    Raises:
        ScenarioError: With every problem that could be found.
    """
    document = read_document(compared.path, (*compared.overrides, f"seed={seed}"))
    return plan_document(variant_document(document, variant))


def variant_document(document: Document, variant: Variant) -> Document:
    """Return the scenario with the keys of a policy in place of its own."""
    policies = document.data["evaluation"]["policies"]
    policy = {} if variant.index < 0 else policies[variant.index]
    data = {key: value for key, value in document.data.items() if key != "evaluation"}
    data["controllers"] = [
        {**entry, "agnostic": True} if variant.twin and isinstance(entry, dict) else entry
        for entry in policy.get("controllers", [])
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


def policies_setting(names: Sequence[str], *, twins: bool) -> str:
    """Return the override that compares controllers by name, each alone.

    Args:
        names: Names of controllers, or ./file.py:Class.
        twins: Whether the carbon-agnostic baseline of each is run too.
    """
    policies = []
    for name in names:
        label = name.rpartition(":")[2] if ":" in name else name
        entry = {"name": label, "twin": twins and name != NOOP}
        policies.append(entry | {"controllers": [] if name == NOOP else [{"type": name}]})
    return f"evaluation.policies={json.dumps(policies)}"
