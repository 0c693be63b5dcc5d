"""A sweep: every case of a study with every seed, and its outcome."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from cosim.results.folder import versions
from cosim.studies.frame.cases import CaseRuns, OnRun, run_cases
from cosim.studies.runs.figures import RunFigures
from cosim.studies.sweep.axes import Axis
from cosim.studies.sweep.cases import Case, case_plan, case_text, cases
from cosim.studies.sweep.study import Study


@dataclass(frozen=True, slots=True)
class Sweep:
    """The outcome of a study.

    Attributes:
        name, description: Of the study.
        axes: The axes that were varied.
        seeds: The seeds, the same for all cases.
        runs: The figures of each case with each seed, in their order.
        settings: Settings of the command line.
        text: The study's file.
        versions: Versions of the libraries that it was made with.
    """

    name: str
    description: str
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    runs: tuple[tuple[RunFigures, ...], ...]
    settings: tuple[str, ...]
    text: str
    versions: Mapping[str, str]


def needed_runs(study: Study, seed: int) -> CaseRuns[Case]:
    """Return the runs of a study.

    Args:
        study: The study; see :func:`cosim.studies.sweep.cases.first_seed`, which checks it.
        seed: The first seed.
    """
    return CaseRuns(
        cases=cases(study.axes),
        seeds=range(seed, seed + study.seeds),
        plan=partial(case_plan, study),
        name=partial(case_text, study),
        working_dir=study.working_dir,
    )


def sweep(
    study: Study,
    seed: int,
    folder: Path,
    *,
    settings: tuple[str, ...] = (),
    workers: int | None = None,
    on_run: OnRun = lambda run: None,
) -> Sweep:
    """Make the runs of a study, or take those that were kept.

    Args:
        study: The study; see :func:`cosim.studies.sweep.cases.first_seed`, which checks it.
        seed: The first seed.
        folder: Where the figures of each run are kept.
        settings: Settings of the command line, to be shown.
        workers: Runs at once; as many as there are cores by default.
        on_run: Called with each run as it ends, in no certain order.
    """
    needed = needed_runs(study, seed)
    return Sweep(
        name=study.name,
        description=study.description,
        axes=study.axes,
        seeds=tuple(needed.seeds),
        runs=tuple(run_cases(needed, folder, workers=workers, on_run=on_run)),
        settings=settings,
        text=study.text,
        versions=versions(case_plan(study, needed.cases[0], seed)),
    )
