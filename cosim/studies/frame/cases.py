"""The runs of a study: every case with every seed, on all cores or on a cluster, kept as they end.

The figures do not depend on where the runs are made. A run whose scenario, files and code have not
changed is not made again, so that a study that was stopped, or got more cases, goes on.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

from cosim.scenario.loading import Document
from cosim.studies.frame.kept import keep, kept
from cosim.studies.frame.spec import RunSpec, run_specs
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.measure import run_figures
from cosim.studies.runs.pool import DIED, Pool
from cosim.studies.runs.processes import Processes
from cosim.studies.runs.sent_file import unpacked

C = TypeVar("C")


@dataclass(frozen=True, slots=True, kw_only=True)
class CaseRuns(Generic[C]):
    """The runs that a study needs.

    Attributes:
        cases: The cases.
        seeds: The seeds, the same for all cases.
        shift: Returns a number that is added to the seeds of a case.
        document: Returns the scenario of a case, whatever its seed.
        name: Returns a case in words.
        working_dir: Where relative paths start from.
    """

    cases: Sequence[C]
    seeds: Sequence[int]
    document: Callable[[C], Document]
    name: Callable[[C], str]
    working_dir: Path
    shift: Callable[[C], int] = lambda case: 0

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
    pool: Pool | None = None,
    on_run: Callable[[EndedRun], None] = lambda run: None,
) -> list[tuple[RunFigures, ...]]:
    """Execute the runs of a study, or reuse kept ones.

    Args:
        runs: The runs.
        folder: Where the figures of each run are kept.
        pool: Makes the runs; None for processes on all cores.
        on_run: Called with each run as it ends, in no certain order.

    Returns:
        The figures of each case, in the order of the seeds. A run whose process died, twice, broke
        off.

    Raises:
        ScenarioError: If a case cannot be planned.
        CosimError: If the cluster cannot be reached, or its workers are not like this process.
    """
    figures: dict[str, RunFigures] = {}
    missing: dict[str, RunSpec] = {}
    names: dict[str, list[str]] = {}  # of the cases that are the same run
    specs = [
        run_specs(runs.document(case), [seed + runs.shift(case) for seed in runs.seeds])
        for case in runs.cases
    ]
    for of_seed in zip(*specs, strict=True):
        for case, spec in zip(runs.cases, of_seed, strict=True):
            before = kept(folder, spec.key)
            if before is None:
                missing.setdefault(spec.key, spec)
                names.setdefault(spec.key, []).append(runs.name(case))
            else:
                figures[spec.key] = before
                on_run(EndedRun(runs.name(case), before, made=False))
    outcomes = (pool or Processes()).outcomes(
        make_run,
        list(missing.values()),
        lost=_lost,
        working_dir=runs.working_dir,
        files=lambda spec: tuple(spec.files.values()),
    )
    with closing(outcomes):  # so that an interrupt ends the runs that are under way
        for key, ended in outcomes:
            first, *others = names[key]
            keep(folder, key, first, ended)
            figures[key] = ended
            on_run(EndedRun(first, ended, made=True))
            for name in others:
                on_run(EndedRun(name, ended, made=False))
    return [tuple(figures[spec.key] for spec in of_case) for of_case in specs]


def make_run(spec: RunSpec, *contents: bytes) -> tuple[str, RunFigures]:
    """Make a run, in whatever process.

    Args:
        spec: The run.
        contents: Contents of its files, where this process may not be able to read them.
    """
    if contents:
        pairs = zip(spec.files.values(), contents, strict=True)
        spec = spec.at([unpacked(file, content) for file, content in pairs])
    return spec.key, run_figures(spec.plan())


def _lost(spec: RunSpec) -> tuple[str, RunFigures]:
    """Return the run whose process died, as one that broke off."""
    return spec.key, RunFigures(seed=spec.document.data["seed"], failure=DIED)
