"""``cosim reproduce``."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cosim.studies.reproduce.cases import Case


class Experiment(StrEnum):
    """What can be reproduced."""

    TABLE2 = "table2"
    EXP1 = "exp1"
    EXP1B = "exp1b"
    EXP2 = "exp2"
    EXP3 = "exp3"
    EXP4 = "exp4"
    EXP5 = "exp5"
    ALL = "all"


def reproduce(
    experiment: Annotated[
        Experiment, typer.Argument(help="all is what the paper shows: all but exp1b.")
    ] = Experiment.ALL,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", metavar="DIR", help="Write a report, rows, tables and figures there."
        ),
    ] = None,
    data: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder with the paper's solar and carbon data."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the rows as JSON.")] = False,
    only: Annotated[
        list[str] | None,
        typer.Option(
            "--case",
            metavar="KEY=VALUE",
            help="Only such cases, as qps=5 or model=phi-2. Repeatable.",
        ),
    ] = None,
    max_requests: Annotated[
        int | None,
        typer.Option(
            min=1,
            metavar="N",
            help="A quick look: no larger request counts in exp1, no more requests elsewhere.",
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, metavar="N", help="Processes [default: one per core].")
    ] = None,
    figures: Annotated[
        bool, typer.Option("--figures/--no-figures", help="Draw the paper's figures into DIR.")
    ] = True,
) -> None:
    """Run the paper's experiments: published values, ours by its definitions, corrected ones.

    docs/errata.md says what is corrected, and why.
    """
    from rich.console import Console

    from cosim.commands.printing.reproduction import LEAST_WIDTH, print_rows
    from cosim.studies.reproduce.cases import SERVING, SHOWN
    from cosim.studies.reproduce.folder import (
        check_folder,
        complete_folder,
        to_json,
        write_rows,
        write_steps,
    )
    from cosim.studies.reproduce.report import write_report
    from cosim.studies.reproduce.rows import Row, row_of
    from cosim.studies.reproduce.runner import run_cases
    from cosim.studies.reproduce.selection import select
    from cosim.studies.reproduce.table2 import CaseStudy, run_table2

    chosen = SHOWN if experiment is Experiment.ALL else (experiment.value,)
    cases = select([exp for exp in chosen if exp in SERVING], only or [], max_requests)
    draws = out is not None and figures
    if out is not None:
        check_folder(out)
    if draws:
        from cosim.studies.reproduce.figures import draw, need_matplotlib

        need_matplotlib()
    study: CaseStudy | None = None
    experiments: list[list[Row]] = []
    remarks: list[str] = []
    if "table2" in chosen and not only:
        study = run_table2(data)
        experiments.append(study.rows)
        remarks.append(f"Table 2 with {study.signals}.")
    with _progress(cases) as on_progress:
        measured = run_cases(cases, workers, on_progress)
    rows = [row_of(case, one) for case, one in zip(cases, measured, strict=True)]
    experiments += [group for exp in chosen if (group := [row for row in rows if row.exp == exp])]
    if max_requests is not None:
        remarks.append(
            f"At most {max_requests} requests: published values only where that is the number."
        )
    if as_json:
        print(to_json([row for group in experiments for row in group]))
        for remark in remarks:
            print(remark, file=sys.stderr)
    else:
        console = Console(highlight=False)
        console.width = max(console.width, LEAST_WIDTH)
        for group in experiments:
            print_rows(console, group)
        for remark in remarks:
            console.print(remark)
    if out is not None:
        with complete_folder(out) as folder:
            write_rows(folder, experiments, remarks)
            if study is not None:
                write_steps(folder, study.modes)
            if draws:
                draw(folder, rows, study)
            write_report(folder)
        print(f"Written to {out}", file=sys.stderr)


@contextmanager
def _progress(cases: list[Case]) -> Iterator[Callable[[float], None]]:
    """Give a callback for the share of the work done; shows one bar on standard error."""
    if not (cases and sys.stderr.isatty()):
        yield lambda share: None
        return
    from rich.console import Console
    from rich.progress import (
        BarColumn,
        Progress,
        TaskProgressColumn,
        TextColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(f"{len(cases)} cases", total=1.0)
        yield lambda share: bar.update(task, completed=share)
