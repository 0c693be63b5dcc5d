"""``cosim reproduce``."""

from __future__ import annotations

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from cosim.commands.study import ExecutorName


class Experiment(StrEnum):
    """An experiment that can be reproduced."""

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
        Experiment, typer.Argument(help="all: the paper's experiments, all but exp1b.")
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
    executor: ExecutorName = "processes",
    figures: Annotated[
        bool, typer.Option("--figures/--no-figures", help="Draw the paper's figures into DIR.")
    ] = True,
) -> None:
    """Run the paper's experiments: published values, ours by its definitions, corrected ones.

    docs/errata.md lists the corrections and their reasons.
    """
    from rich.console import Console

    from cosim.commands.bars import share_bar
    from cosim.commands.printing.reproduction import LEAST_WIDTH, print_rows
    from cosim.results.partial_folder import PartialFolder
    from cosim.studies.reproduce.cases import SERVING, SHOWN
    from cosim.studies.reproduce.outcome import (
        REPRODUCTION,
        check_folder,
        is_reproduction,
        rows_json,
        versions,
    )
    from cosim.studies.reproduce.rows import Reproduction, Row, row_of
    from cosim.studies.reproduce.runner import run_cases
    from cosim.studies.reproduce.selection import select
    from cosim.studies.reproduce.table2 import CaseStudy, run_table2
    from cosim.studies.runs.executor import Executor
    from cosim.studies.runs.interrupt import stopping

    chosen = SHOWN if experiment is Experiment.ALL else (experiment.value,)
    cases = select([exp for exp in chosen if exp in SERVING], only or [], max_requests)
    draws = out is not None and figures
    if out is not None:
        check_folder(out)
    if draws:
        from cosim.studies.reproduce.figures import draw, need_matplotlib

        need_matplotlib()
    study: CaseStudy | None = None
    rows: list[Row] = []
    remarks: list[str] = []
    with stopping("nothing was written"):
        if "table2" in chosen and not only:
            study = run_table2(data)
            rows += study.rows
            remarks.append(f"Table 2 with {study.signals}.")
        with share_bar(f"{len(cases)} cases") as advance:
            figures_of = run_cases(cases, workers, advance, Executor.parse(executor))
    serving = [row_of(case, measured) for case, measured in zip(cases, figures_of, strict=True)]
    rows += sorted(serving, key=lambda row: chosen.index(row.exp))
    if max_requests is not None:
        remarks.append(
            f"At most {max_requests} requests: published values only where that is the number."
        )
    reproduction = Reproduction(rows, remarks, versions(), None if study is None else study.modes)
    if as_json:
        print(rows_json(rows))
        for remark in remarks:
            print(remark, file=sys.stderr)
    else:
        console = Console(highlight=False)
        console.width = max(console.width, LEAST_WIDTH)
        for group in reproduction.experiments:
            print_rows(console, group)
        for remark in remarks:
            console.print(remark)
    if out is not None:
        with PartialFolder(out, may_replace=is_reproduction) as folder:
            REPRODUCTION.write(reproduction, folder.hidden)
            if draws:
                draw(folder.hidden, serving, study)
            written = folder.put()
        print(f"Written to {written}", file=sys.stderr)
