"""Parts that the commands of studies share: options, and the way from runs to a folder."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer

if TYPE_CHECKING:
    from cosim.studies.frame.cases import CaseRuns, EndedRun
    from cosim.studies.frame.study import StudyFrame
    from cosim.studies.frame.table import TextTable
    from cosim.studies.runs.figures import RunFigures

C = TypeVar("C")
O = TypeVar("O")

Workers = Annotated[
    int | None, typer.Option(min=1, help="Runs at once [default: the cores there are].")
]


def _known(text: str) -> str:
    """Refuse an executor that there is not, or whose library is missing, before anything else."""
    from cosim.studies.runs.executor import Executor

    Executor.parse(text)
    return text


ExecutorName = Annotated[
    str,
    typer.Option(
        metavar="NAME",
        callback=_known,
        help="Where runs are made: processes, dask, dask://HOST:PORT, ray or ray://HOST:PORT.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as JSON.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")]


def carry_out(
    study: StudyFrame[O],
    needed: CaseRuns[C],
    outcome_of: Callable[[Sequence[tuple[RunFigures, ...]]], O],
    shown: Callable[[O], tuple[TextTable, Iterable[str]]],
    folder: Path,
    *,
    workers: int | None,
    executor: str,
    as_json: bool,
    quiet: bool,
    announcement: str = "",
    wide: bool = True,
) -> None:
    """Execute the runs of a study with a progress bar, write its folder and print its table.

    Args:
        study: The study.
        needed: Its runs.
        outcome_of: Returns the outcome of the figures of each case.
        shown: Returns the table to print of an outcome, and its notes.
        folder: The result folder.
        workers: Runs at once; None for as many as there are cores, or as a cluster can make.
        executor: Where they are made; see :class:`~cosim.studies.runs.executor.Executor`.
        as_json: Whether to print the content of its JSON file in place of the table.
        quiet: Whether to print nothing but errors.
        announcement: A line to print before the first run; the number of runs that were kept
            follows at the end. Empty for neither.
        wide: Whether to print columns that do not fit too.

    Raises:
        Stopped: If Ctrl-C or SIGTERM ends it before the last run.
        typer.Exit: With code 1, if runs broke off.
    """
    from cosim.commands.printing.study import print_study
    from cosim.studies.runs.interrupt import stopping

    def announce(text: str) -> None:
        if announcement and not quiet:
            print(text, file=sys.stderr, flush=True)

    announce(announcement)
    title = study.kind.command.removeprefix("cosim ")
    made = make_runs(title, needed, folder, workers=workers, executor=executor, quiet=quiet)
    with stopping(_kept(folder)):
        outcome = outcome_of(made.figures)
    if made.executed < len(needed):
        announce(f"{len(needed) - made.executed:,} of them were reused from before")
    study.write(outcome, folder)
    if as_json:
        print((folder / study.kind.marker).read_text(encoding="utf-8"), end="")
    elif not quiet:
        print_study(*shown(outcome), folder, wide=wide)
    if any(run.failure for runs in made.figures for run in runs):
        print("error: some runs failed; the files under runs/ say why", file=sys.stderr)
        raise typer.Exit(1)


@dataclass(frozen=True, slots=True)
class MadeRuns:
    """The runs of a study that have ended.

    Attributes:
        figures: The figures of each case.
        executed: How many were made now, not kept from before.
    """

    figures: Sequence[tuple[RunFigures, ...]]
    executed: int


def make_runs(
    title: str,
    needed: CaseRuns[C],
    folder: Path,
    *,
    workers: int | None,
    executor: str,
    quiet: bool,
) -> MadeRuns:
    """Execute runs, report their progress, and keep their figures in a result folder.

    Raises:
        Stopped: If Ctrl-C or SIGTERM ends it before the last run.
    """
    from cosim.commands.bars import run_bar
    from cosim.studies.frame.cases import run_cases
    from cosim.studies.runs.executor import Executor
    from cosim.studies.runs.interrupt import stopping

    executed = 0
    with stopping(_kept(folder)), run_bar(title, len(needed), quiet=quiet) as advance:

        def on_run(run: EndedRun) -> None:
            nonlocal executed
            executed += run.made
            advance(run)

        with Executor.parse(executor).opened(workers) as pool:
            figures = run_cases(needed, folder / "runs", pool=pool, on_run=on_run)
    return MadeRuns(figures, executed)


def _kept(folder: Path) -> str:
    kept = folder / "runs"
    return f"the runs that ended are kept in '{kept}'; the same command goes on from there"
