"""Tables that keep to a width: that of the terminal, or of COLUMNS."""

from __future__ import annotations

import textwrap
from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from rich.console import Console
from rich.table import Table

from cosim.commands.printing.layout import has_edge
from cosim.studies.frame.table import TextTable

_WIDTH = 100
_NO_EDGE = 120
_ENDLESS = 2000
_BETWEEN = 2  # between two columns


class TableConsole:
    """Printer of tables and notes.

    A table that is too wide continues in a second one below, or leaves out its last columns. A pipe
    or a file has no edge to end at, unless COLUMNS sets one: tables keep to 120 characters there.

    Args:
        wide: Whether tables have all their columns beside each other where there is no edge.
    """

    def __init__(self, *, wide: bool = False) -> None:
        self._console = Console(highlight=False, soft_wrap=True, markup=False)
        no_edge = _ENDLESS if wide else _NO_EDGE
        self._width = self._console.width if has_edge(self._console) else no_edge
        self._console.width = _ENDLESS  # what does not fit is split here

    def table(self, table: TextTable, *, whole: bool = True) -> list[str]:
        """Print a table and an empty line; return the titles of columns that were left out.

        Args:
            table: The table; its columns of names stand in every part.
            whole: Whether columns that do not fit stand in further parts below; else the first ones
                stand alone.
        """
        parts = list(_split([table.head, *table.lines], self._width, table.names))
        for columns in parts if whole else parts[:1]:
            part = Table(box=None, pad_edge=False, header_style="bold")
            for index in columns:
                justify: Literal["left", "right"] = "left" if index in table.left else "right"
                part.add_column(table.head[index], justify=justify, no_wrap=True)
            for number, line in enumerate(table.lines):
                pale = bool(table.pale) and table.pale[number]
                part.add_row(*(line[index] for index in columns), style="dim" if pale else None)
            self._console.print(part)
            self._console.print()
        left_out = [] if whole else [index for part in parts[1:] for index in part[table.names :]]
        return [table.head[index].replace("\n", " ") for index in left_out]

    def notes(self, notes: Iterable[str]) -> None:
        """Print notes, each with an empty line after it."""
        for note in notes:
            self._console.print(textwrap.fill(note, min(self._width, _WIDTH)))
            self._console.print()

    def line(self, text: str) -> None:
        """Print a line as it is."""
        self._console.print(text)


def _split(lines: Sequence[Sequence[str]], width: int, names: int) -> Iterator[list[int]]:
    """Yield the columns of tables that fit into a width, those of the names in each.

    A column without a title stays beside the one that it belongs to, the one before.
    """
    widths = [max(map(_text_width, column)) for column in zip(*lines, strict=True)]
    named = list(range(names))
    room = sum(widths[:names]) + _BETWEEN * (names - 1)
    columns, used = named, room
    groups: list[list[int]] = []
    for index in range(names, len(widths)):
        if lines[0][index] or not groups:
            groups.append([])
        groups[-1].append(index)
    for group in groups:
        needed = sum(_BETWEEN + widths[index] for index in group)
        if used + needed > width and len(columns) > names:
            yield columns
            columns, used = named, room
        columns = [*columns, *group]
        used += needed
    yield columns


def _text_width(text: str) -> int:
    return max(map(len, text.split("\n")))
