"""A sweep: every case of a study with every seed, and its outcome."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from cosim.results.folder import versions
from cosim.studies.frame.cases import CaseRuns
from cosim.studies.runs.figures import RunFigures
from cosim.studies.sweep.axes import Axis
from cosim.studies.sweep.cases import Case, case_document, case_text, cases, first_seed
from cosim.studies.sweep.study import Study
from cosim.world.plan import plan_document


@dataclass(frozen=True, slots=True)
class Sweep:
    """The outcome of a study.

    Attributes:
        name, description: Of the study.
        axes: The axes that were varied.
        baseline: Number of the case that the others are compared with.
        seeds: The seeds, the same for all cases.
        runs: The figures of each case with each seed, in their order.
        settings: Settings of the command line.
        text: The study's file.
        versions: Versions of the libraries that it was made with.
    """

    name: str
    description: str
    axes: tuple[Axis, ...]
    baseline: int
    seeds: tuple[int, ...]
    runs: tuple[tuple[RunFigures, ...], ...]
    settings: tuple[str, ...]
    text: str
    versions: Mapping[str, str]


def needed_runs(study: Study) -> CaseRuns[Case]:
    """Return the runs of a study; every case is checked.

    Raises:
        ScenarioError: See :func:`cosim.studies.sweep.cases.first_seed`.
    """
    seed = first_seed(study)
    return CaseRuns(
        cases=cases(study.axes),
        seeds=range(seed, seed + study.seeds),
        document=partial(case_document, study),
        name=partial(case_text, study),
        working_dir=study.working_dir,
    )


def sweep_of(study: Study, by_case: Sequence[tuple[RunFigures, ...]]) -> Sweep:
    """Return the sweep of a study with the runs of each of its cases."""
    seeds = tuple(run.seed for run in by_case[0])
    return Sweep(
        name=study.name,
        description=study.description,
        axes=study.axes,
        baseline=study.baseline,
        seeds=seeds,
        runs=tuple(by_case),
        settings=study.overrides,
        text=study.text,
        versions=versions(plan_document(case_document(study, cases(study.axes)[0]))),
    )
