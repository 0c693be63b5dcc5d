"""``cosim compare``: result folders of runs side by side."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from cosim.results.files import COMPARISON, put_text


def compare(
    folders: Annotated[
        list[Path],
        typer.Argument(
            help="Result folders of cosim run, two or more.", metavar="DIR...", show_default=False
        ),
    ],
    baseline: Annotated[
        Path | None,
        typer.Option(
            help="The one that the others are compared with [default: the first].", metavar="DIR"
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--out",
            help=f"The page to write [default: {COMPARISON} beside the first folder].",
            metavar="FILE",
        ),
    ] = None,
    csv: Annotated[
        Path | None,
        typer.Option("--csv", help="Write the figures as a table too.", metavar="FILE"),
    ] = None,
    brief: Annotated[
        bool, typer.Option("--brief", help="Print the main figures and warnings only.")
    ] = False,
    wide: Annotated[
        bool,
        typer.Option(
            "--wide",
            help="Print all runs beside each other in a pipe too; else those beyond 120 characters "
            "stand below the others.",
        ),
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print the comparison as JSON; a page only with -o.")
    ] = False,
) -> None:
    """Print runs side by side, and write a page to look at."""
    from cosim.commands.printing.compare import print_comparison
    from cosim.results.folder import to_json
    from cosim.studies.compare.compare import MOST_ON_A_PAGE, compare_folders

    comparison = compare_folders(folders, baseline)
    if as_json:
        print(to_json(comparison.to_dict()))
    else:
        print_comparison(comparison, brief=brief, wide=wide)
    page = out
    if page is None and not as_json:
        first = folders[0] if folders[0].name else folders[0].resolve()
        page = first.parent / COMPARISON
    if csv is not None:
        put_text(csv, comparison.table.to_csv())
    if page is not None and len(comparison.runs) > MOST_ON_A_PAGE:
        note = f"No page: one shows at most {MOST_ON_A_PAGE} runs; the table has them all"
        print(note, file=sys.stderr)
    elif page is not None:
        put_text(page, comparison.page().html())
        if not as_json:
            print(f"Page     {page}")
