"""The tables of ``cosim reproduce`` on the terminal."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from typing import Literal

from rich.console import Console
from rich.table import Table

from cosim.studies.reproduce.rows import Row
from cosim.studies.reproduce.tables import flat_lines, notes, short_value, table_lines, title

LEAST_WIDTH = 80
"""Columns that every table fits; on a narrower terminal its lines wrap, and no figure is cut."""


def print_rows(console: Console, rows: Sequence[Row]) -> None:
    """Print the table of an experiment in `LEAST_WIDTH` columns, a part a model if it varies."""
    console.print(title(rows), style="bold")
    flat = rows[0].exp == "table2"
    head, lines = flat_lines(rows) if flat else table_lines(rows, without="model")
    labels = 1 if flat else head.index("") + 1
    widths = [max(map(len, column)) for column in zip(head, *lines, strict=True)]
    for model, part in groupby(rows, key=lambda row: row.case.get("model")):
        if model is not None:
            console.print(f"\n{short_value(model)}")
            lines = table_lines(list(part), without="model")[1]
        console.print(_table(head, lines, widths, labels))
    for note in notes(rows):
        console.print(note, style="dim")
    console.print()


def _table(
    head: Sequence[str], lines: Sequence[Sequence[str]], widths: Sequence[int], labels: int
) -> Table:
    """Return lines as a table of which the first columns, so many, are labels."""
    table = Table(box=None, pad_edge=False)
    for index, (name, width) in enumerate(zip(head, widths, strict=True)):
        justify: Literal["left", "right"] = "left" if index < labels else "right"
        table.add_column(name, justify=justify, no_wrap=True, min_width=width)
    for line in lines:
        table.add_row(*line, style="bold" if line[labels - 1] == "corrected" else None)
    return table
