"""An evaluation: every policy with every seed, on all cores, kept as it goes, and what comes of it.

What it comes to does not depend on the number of workers. A run that was made before, with the same
scenario, files and version, is not made again, so that an evaluation that was stopped goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from cosim.results.folder import versions
from cosim.scenario.loading import read_document, validate_document
from cosim.scenario.scenario import Scenario
from cosim.studies.evaluate.measure import RunFigures, measure_kept
from cosim.studies.evaluate.oracle import Bound, oracle
from cosim.studies.evaluate.statistics import PolicyRow, rows
from cosim.studies.evaluate.variants import Comparison, Variant, variant_plan
from cosim.studies.runs.pool import on_all_cores


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of an evaluation.

    Attributes:
        name: Name of the scenario.
        seeds: The seeds, the same for all policies.
        runs: The figures of all runs, by policy and seed in their order; of what does nothing
            first.
        bounds: The oracle's bound by seed.
        rows: A row for each policy.
        scenario: The scenario with what it compares, and every default.
        versions: What it was made with.
    """

    name: str
    seeds: tuple[int, ...]
    runs: tuple[RunFigures, ...]
    bounds: dict[int, Bound]
    rows: tuple[PolicyRow, ...]
    scenario: Mapping[str, Any]
    versions: Mapping[str, str]


def evaluate(
    compared: Comparison,
    folder: Path,
    *,
    workers: int | None = None,
    on_run: Callable[[RunFigures], None] = lambda run: None,
) -> Evaluation:
    """Run what is compared, or take what was kept of it, and compare.

    Args:
        compared: What is compared.
        folder: Where the figures of each run are kept.
        workers: Runs at once; as many as there are cores by default.
        on_run: Called with each run as it ends, in no certain order.
    """
    do = partial(_measure, compared, folder.resolve())
    jobs = [(variant, seed) for seed in compared.seeds for variant in compared.variants]
    found: dict[tuple[str, bool, int], RunFigures] = {}
    for run in on_all_cores(do, jobs, working_dir=compared.working_dir, workers=workers):
        found[run.policy, run.twin, run.seed] = run
        on_run(run)
    runs = tuple(
        found[variant.name, variant.twin, seed]
        for variant in compared.variants
        for seed in compared.seeds
    )
    noop = compared.variants[0]
    bounds: dict[int, Bound] = {}
    for seed in compared.seeds:
        plan = variant_plan(compared, noop, seed)
        bounds[seed] = oracle(plan, found[noop.name, False, seed].facility_kwh)
    document = read_document(compared.path, compared.overrides)
    return Evaluation(
        name=compared.name,
        seeds=compared.seeds,
        runs=runs,
        bounds=bounds,
        rows=tuple(rows(runs, bounds)),
        scenario=validate_document(document, Scenario).model_dump(mode="json", exclude_none=True),
        versions=versions(plan),
    )


def _measure(compared: Comparison, folder: Path, job: tuple[Variant, int]) -> RunFigures:
    return measure_kept(compared, *job, folder)
