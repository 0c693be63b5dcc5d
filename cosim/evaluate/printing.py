"""What ``cosim evaluate`` prints for people."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cosim.evaluate.evaluation import Evaluation
from cosim.evaluate.measure import RunFigures
from cosim.evaluate.table import HEADER, cells, notes

_WIDTH = 100


@contextmanager
def run_progress(total: int, *, shown: bool) -> Iterator[Callable[[RunFigures], None]]:
    """Give a callback for runs that have ended; shows one bar on standard error."""
    if not shown:
        yield lambda run: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task("evaluate", total=total)

        def on_run(run: RunFigures) -> None:
            bar.update(task, advance=1, description=run.policy)

        yield on_run


def print_evaluation(found: Evaluation, folder: Path) -> None:
    """Print the table of an evaluation, and how to read it."""
    console = Console(highlight=False, soft_wrap=True)
    table = Table(box=None, pad_edge=False, header_style="bold")
    for index, name in enumerate(HEADER):
        table.add_column(name, justify="left" if index == 0 else "right", no_wrap=True)
    for row in found.rows:
        table.add_row(*cells(row), style="dim" if row.twin else None)
    if not console.is_terminal:
        console.width = 400  # a file has no edge to wrap at
    console.print(table)
    for note in notes(found):
        console.print()
        console.print(textwrap.fill(note, _WIDTH))
    console.print()
    console.print(f"Results  {folder}")
