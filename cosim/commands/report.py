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
) -> None:
    """Write the report of a result folder: one HTML file with headline, charts and versions."""
    from cosim.report.figures import check_figures, write_figures
    from cosim.studies.kinds import kind_of

    if figures is not None:
        check_figures(figures)
    page = kind_of(folder).page(folder, baseline)
    print(page.write(folder))
    if figures is not None:
        for path in write_figures(folder, figures, page.charts):
            print(path)
