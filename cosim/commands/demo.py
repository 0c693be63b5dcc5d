"""``cosim demo``: what control is worth, in seconds."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated

import typer

from cosim.results.files import REPORT, put_text

_PICTURE = "picture"


def demo(
    out: Annotated[
        Path, typer.Option("-o", "--out", help="Folder of the results.", metavar="DIR")
    ] = Path("results/demo"),
    picture: Annotated[
        Path | None,
        typer.Option(help="Folder of the picture [default: that of the results].", metavar="DIR"),
    ] = None,
) -> None:
    """Simulate 44 hours without and with a controller, and show what it saves and costs."""
    print(
        "Simulates 44 hours of LLM serving twice, without and with a carbon-aware controller: "
        "about ten seconds on two cores.",
        file=sys.stderr,
        flush=True,
    )
    began_s = time.monotonic()
    from cosim.authoring.shipped import shipped_scenario
    from cosim.commands.printing.tables import TableConsole
    from cosim.studies.compare.demo import SCENARIO, demo_table, next_step, run_demo, sentences
    from cosim.studies.compare.picture import picture as drawn
    from cosim.studies.compare.picture import write_pictures

    comparison = run_demo(out)
    put_text(out / REPORT, comparison.page().html())
    chart = drawn(*(run.data for run in comparison.runs))
    light, _ = write_pictures(chart, picture or out, _PICTURE)
    console = TableConsole()
    print()
    console.table(demo_table(comparison))
    console.notes(sentences(comparison))
    console.line(f"Page     {out / REPORT}")
    console.line(f"Picture  {light}")
    console.line(f"Next     {next_step(shipped_scenario(SCENARIO))}")
    print(f"{time.monotonic() - began_s:.0f} s", file=sys.stderr)
