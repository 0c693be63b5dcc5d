"""``cosim report``: the report of a result folder, and its charts as files."""

from __future__ import annotations

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
        typer.Option(help="Result folder of the run to compare a run with.", metavar="DIR"),
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
    from cosim.studies.kinds import RUN, kind_of

    if figures is not None:
        check_figures(figures)
    kind = kind_of(folder)
    if tables is not None and kind is not RUN:
        raise ScenarioError(
            f"--tables goes with the report of a run; this folder is of {kind.command}"
        )
    page = kind.page(folder, baseline)
    print(page.write(folder))
    if figures is not None:
        for path in write_figures(folder, figures, page.charts):
            print(path)
    if tables is not None:
        from cosim.report.run_data import RunData
        from cosim.report.run_tables import write_tables

        for path in write_tables(RunData.load(folder), folder):
            print(path)
