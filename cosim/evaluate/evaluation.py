"""An evaluation: every policy with every seed, on all cores, kept as it goes, and what comes of it.

What it comes to does not depend on the number of workers. A run that was made before, with the same
scenario, files and version, is not made again, so that an evaluation that was stopped goes on.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cosim.evaluate.measure import RunFigures, measure_kept
from cosim.evaluate.oracle import Bound, oracle
from cosim.evaluate.statistics import PolicyRow, rows
from cosim.evaluate.variants import Comparison, Variant, variant_plan
from cosim.runs.pool import on_all_cores


@dataclass(frozen=True, slots=True)
class Evaluation:
    """What came of an evaluation.

    Attributes:
        compared: What was compared.
        runs: The figures of all runs, by policy and seed in their order.
        bounds: The oracle's bound by seed.
        rows: A row for each policy.
    """

    compared: Comparison
    runs: tuple[RunFigures, ...]
    bounds: dict[int, Bound]
    rows: tuple[PolicyRow, ...]


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
    bounds = {
        seed: oracle(variant_plan(compared, noop, seed), found[noop.name, False, seed].facility_kwh)
        for seed in compared.seeds
    }
    return Evaluation(compared, runs, bounds, tuple(rows(runs, bounds)))


def _measure(compared: Comparison, folder: Path, job: tuple[Variant, int]) -> RunFigures:
    return measure_kept(compared, *job, folder)
