"""A sweep: every case with every seed, on all cores, kept as it goes, and what came of it.

What it comes to does not depend on the number of workers. A run whose scenario, files and version
have not changed is not made again, so that a sweep that was stopped, or got more values, goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cosim.results.folder import versions
from cosim.studies.runs.kept import kept_or_made, plan_key
from cosim.studies.runs.pool import on_all_cores
from cosim.studies.sweep.axes import Axis
from cosim.studies.sweep.cases import Case, case_plan, cases
from cosim.studies.sweep.figures import RunFigures, measure
from cosim.studies.sweep.study import Study


@dataclass(frozen=True, slots=True)
class Sweep:
    """What came of a study.

    Attributes:
        name, description: Of the study.
        axes: What was varied.
        seeds: The seeds, the same for all cases.
        runs: The figures of each case with each seed, in their order.
        settings: What the command line set.
        text: The study's file.
        versions: What it was made with.
    """

    name: str
    description: str
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    runs: tuple[tuple[RunFigures, ...], ...]
    settings: tuple[str, ...]
    text: str
    versions: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Ended:
    """A run that has ended.

    Attributes:
        case: Which case it is of.
        figures: Its figures.
        made: Whether it was made now, or kept from before.
    """

    case: Case
    figures: RunFigures
    made: bool


def sweep(
    study: Study,
    seed: int,
    folder: Path,
    *,
    settings: tuple[str, ...] = (),
    workers: int | None = None,
    on_run: Callable[[Ended], None] = lambda run: None,
) -> Sweep:
    """Make the runs of a study, or take what was kept of them.

    Args:
        study: The study; see :func:`cosim.studies.sweep.cases.first_seed`, which checks it.
        seed: The first seed.
        folder: Where the figures of each run are kept.
        settings: What the command line set, to be told.
        workers: Runs at once; as many as there are cores by default.
        on_run: Called with each run as it ends, in no certain order.
    """
    every = cases(study.axes)
    seeds = tuple(range(seed, seed + study.seeds))
    jobs = [(case, one) for one in seeds for case in every]
    do = partial(_make, study, folder.resolve())
    found: dict[tuple[int, int], RunFigures] = {}
    for ended in on_all_cores(do, jobs, working_dir=study.working_dir, workers=workers):
        found[ended.case.number, ended.figures.seed] = ended.figures
        on_run(ended)
    return Sweep(
        name=study.name,
        description=study.description,
        axes=study.axes,
        seeds=seeds,
        runs=tuple(tuple(found[case.number, one] for one in seeds) for case in every),
        settings=settings,
        text=study.text,
        versions=versions(case_plan(study, every[0], seed)),
    )


def _make(study: Study, folder: Path, job: tuple[Case, int]) -> Ended:
    case, seed = job
    plan = case_plan(study, case, seed)
    key = plan_key(plan)
    figures, made = kept_or_made(folder / f"{key}.json", key, RunFigures, lambda: measure(plan))
    return Ended(case, figures, made)
