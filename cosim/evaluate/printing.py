"""What ``cosim evaluate`` prints for people."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from cosim.evaluate.evaluation import Evaluation
from cosim.evaluate.measure import RunFigures
from cosim.evaluate.table import HEADER, cells, notes

_WIDTH = 100
_ENDLESS = 400
_BETWEEN = 2  # between two columns


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
    """Print the table of an evaluation, and how to read it.

    On a terminal that is too narrow the columns go on in a second table below.
    """
    console = Console(highlight=False, soft_wrap=True)
    width = console.width if console.is_terminal else _ENDLESS  # a file has no edge to wrap at
    console.width = _ENDLESS  # what does not fit is split here
    lines = [cells(row) for row in found.rows]
    for columns in _split([HEADER, *lines], width):
        table = Table(box=None, pad_edge=False, header_style="bold")
        for index in columns:
            table.add_column(HEADER[index], justify="right" if index else "left", no_wrap=True)
        for row, line in zip(found.rows, lines, strict=True):
            table.add_row(*(line[index] for index in columns), style="dim" if row.twin else None)
        console.print(table)
        console.print()
    for note in notes(found):
        console.print(textwrap.fill(note, min(width, _WIDTH)))
        console.print()
    console.print(f"Results  {folder}")


def _split(lines: Sequence[Sequence[str]], width: int) -> Iterator[list[int]]:
    """Yield the columns of tables that fit into a width, the first column in each."""
    first, *widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    columns, used = [0], first
    for index, needed in enumerate(widths, start=1):
        if used + _BETWEEN + needed > width and len(columns) > 1:
            yield columns
            columns, used = [0], first
        columns.append(index)
        used += _BETWEEN + needed
    yield columns
