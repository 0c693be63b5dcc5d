"""An evaluation: every policy with every seed, the oracle beside them, and the comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any

from cosim.results.folder import versions
from cosim.scenario.loading import read_document, validate_document
from cosim.scenario.scenario import Scenario
from cosim.studies.evaluate.oracle import Bound, oracle
from cosim.studies.evaluate.statistics import PolicyRow, PolicyRuns, rows
from cosim.studies.evaluate.variants import Comparison, Variant, variant_document, variant_plan
from cosim.studies.frame.cases import CaseRuns
from cosim.studies.runs.figures import RunFigures


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The outcome of an evaluation.

    Attributes:
        name: Name of the scenario.
        seeds: The seeds, the same for all policies.
        policies: The runs of each policy and baseline; of the one that does nothing first.
        bounds: The oracle's bound by seed.
        rows: A row for each policy and baseline.
        scenario: The scenario with what it compares, and every default.
        versions: Versions of the libraries that it was made with.
    """

    name: str
    seeds: tuple[int, ...]
    policies: tuple[PolicyRuns, ...]
    bounds: Mapping[int, Bound]
    rows: tuple[PolicyRow, ...]
    scenario: Mapping[str, Any]
    versions: Mapping[str, str]


def needed_runs(compared: Comparison) -> CaseRuns[Variant]:
    """Return the runs that a comparison needs."""
    document = read_document(compared.path, compared.overrides)
    return CaseRuns(
        cases=compared.variants,
        seeds=compared.seeds,
        document=partial(variant_document, document),
        name=attrgetter("name"),
        working_dir=compared.working_dir,
    )


def evaluation_of(compared: Comparison, by_variant: Sequence[tuple[RunFigures, ...]]) -> Evaluation:
    """Return the evaluation of runs, with the oracle's bounds.

    Args:
        compared: The policies and the scenario.
        by_variant: The runs of each policy and baseline.
    """
    policies = tuple(
        PolicyRuns(variant.name, variant.twin, runs)
        for variant, runs in zip(compared.variants, by_variant, strict=True)
    )
    bounds: dict[int, Bound] = {}
    for run in policies[0].runs:
        plan = variant_plan(compared, compared.variants[0], run.seed)
        bounds[run.seed] = oracle(plan, run.facility_kwh)
    document = read_document(compared.path, compared.overrides)
    return Evaluation(
        name=compared.name,
        seeds=compared.seeds,
        policies=policies,
        bounds=bounds,
        rows=tuple(rows(policies, bounds)),
        scenario=validate_document(document, Scenario).model_dump(mode="json", exclude_none=True),
        versions=versions(plan),
    )
