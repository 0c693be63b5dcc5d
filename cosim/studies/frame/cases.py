"""The runs of a study: every case with every seed, on all cores, kept as they end.

The figures do not depend on the number of workers. A run whose scenario, files and version have not
changed is not made again, so that a study that was stopped, or got more cases, goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from cosim.studies.frame.kept import kept_or_made, lost_run
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.pool import DIED, on_all_cores
from cosim.world.plan import Plan

C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRuns(Generic[C]):
    """The runs that a study needs, which other processes may make.

    Attributes:
        cases: The cases.
        seeds: The seeds, the same for all cases.
        plan: Returns the plan of a case with a seed; a function of a module, or a `partial` of one.
        name: Returns a case in words; likewise.
        working_dir: Where relative paths start from.
    """

    cases: Sequence[C]
    seeds: Sequence[int]
    plan: Callable[[C, int], Plan]
    name: Callable[[C], str]
    working_dir: Path

    def __len__(self) -> int:
        """Return the number of runs."""
        return len(self.cases) * len(self.seeds)


@dataclass(frozen=True, slots=True)
class EndedRun:
    """A run that has ended.

    Attributes:
        case: Its case in words.
        figures: Its figures.
        made: Whether it was made now, not kept from before.
    """

    case: str
    figures: RunFigures
    made: bool


def run_cases(
    runs: CaseRuns[C],
    folder: Path,
    *,
    workers: int | None = None,
    on_run: Callable[[EndedRun], None] = lambda run: None,
) -> list[tuple[RunFigures, ...]]:
    """Execute the runs of a study, or reuse kept ones.

    Args:
        runs: The runs.
        folder: Where the figures of each run are kept.
        workers: Runs at once; as many as there are cores by default.
        on_run: Called with each run as it ends, in no certain order.

    Returns:
        The figures of each case, in the order of the seeds. A run whose process died, twice, broke
        off.

    Raises:
        ScenarioError: If a case cannot be planned.
    """
    jobs = [(number, seed) for seed in runs.seeds for number in range(len(runs.cases))]
    make = _Maker(runs, folder.resolve())
    ended: dict[tuple[int, int], RunFigures] = {}
    outcomes = on_all_cores(
        make, jobs, lost=make.lost, working_dir=runs.working_dir, workers=workers
    )
    with closing(outcomes):  # so that an interrupt ends the runs that are under way
        for job, run in outcomes:
            ended[job] = run.figures
            on_run(run)
    return [tuple(ended[number, seed] for seed in runs.seeds) for number in range(len(runs.cases))]


@dataclass(frozen=True, slots=True)
class _Maker(Generic[C]):
    """A function that makes one run of a study, in whatever process."""

    runs: CaseRuns[C]
    folder: Path

    def __call__(self, job: tuple[int, int]) -> tuple[tuple[int, int], EndedRun]:
        number, seed = job
        case = self.runs.cases[number]
        name = self.runs.name(case)
        figures, executed = kept_or_made(self.runs.plan(case, seed), name, self.folder)
        return job, EndedRun(name, figures, executed)

    def lost(self, job: tuple[int, int]) -> tuple[tuple[int, int], EndedRun]:
        """Return the run whose process died, as one that broke off."""
        number, seed = job
        case = self.runs.cases[number]
        name = self.runs.name(case)
        figures = lost_run(self.runs.plan(case, seed), name, self.folder, DIED)
        return job, EndedRun(name, figures, made=True)
