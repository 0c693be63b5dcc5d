"""``cosim report``: the report of a result folder, and its charts as files."""

from __future__ import annotations

from dataclasses import replace
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class Figures(StrEnum):
    """Kinds of files of charts."""

    SVG = "svg"
    PDF = "pdf"


class Tables(StrEnum):
    """Kinds of files of tables."""

    CSV = "csv"


def report(
    folder: Annotated[
        Path,
        typer.Argument(
            help="Result folder of cosim run, cosim evaluate, cosim tune, cosim sweep or cosim "
            "reproduce.",
            metavar="DIR",
            show_default=False,
        ),
    ],
    baseline: Annotated[
        Path | None,
        typer.Option(
            help="Result folder of a run: write a page of this run beside it too.", metavar="DIR"
        ),
    ] = None,
    figures: Annotated[
        Figures | None,
        typer.Option(help="Write its charts as files too, into DIR/figures."),
    ] = None,
    tables: Annotated[
        Tables | None,
        typer.Option(
            help="Write the tables of a run too, by hour of the day and by month: by_hour.csv and "
            "by_month.csv in DIR."
        ),
    ] = None,
) -> None:
    """Write the report of a result folder: one HTML file with headline, charts and versions."""
    from cosim.errors import ScenarioError
    from cosim.report.figures import check_figures, write_figures
    from cosim.results.files import COMPARISON, put_text
    from cosim.studies.compare.compare import compare_folders
    from cosim.studies.kinds import RUN, kind_of

    if figures is not None:
        check_figures(figures)
    kind = kind_of(folder)
    if tables is not None and kind is not RUN:
        raise ScenarioError(
            f"--tables goes with the report of a run; this folder is of {kind.command}"
        )
    beside = None
    if baseline is not None:
        kind.check_baseline()
        beside = compare_folders([baseline, folder]).page()
    page = kind.page(folder)
    print(page.write(folder))
    charts = list(page.charts)
    if beside is not None:
        put_text(folder / COMPARISON, beside.html())
        print(folder / COMPARISON)
        charts += [replace(chart, key=f"comparison-{chart.key}") for chart in beside.charts]
    if figures is not None:
        for path in write_figures(folder, figures, charts):
            print(path)
    if tables is not None:
        from cosim.report.run_data import RunData
        from cosim.report.run_tables import write_tables

        for path in write_tables(RunData.load(folder), folder):
            print(path)
