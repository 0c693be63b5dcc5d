"""The bar that shows how many runs have ended, and tables that keep to the terminal's width."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

_WIDTH = 100
_ENDLESS = 400
_BETWEEN = 2  # between two columns


@contextmanager
def run_progress(title: str, total: int, *, shown: bool) -> Iterator[Callable[[str], None]]:
    """Give a callback for runs that have ended; shows one bar on standard error.

    Args:
        title: What is done.
        total: Number of runs.
        shown: Whether to show anything.

    Yields:
        To be called with the name of each run that has ended.
    """
    if not shown:
        yield lambda name: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("runs"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(title, total=total)
        yield lambda name: bar.update(task, advance=1, description=name)


class TableConsole:
    """Prints tables and notes: a table that is too wide goes on in a second one below.

    A file has no edge to wrap at.
    """

    def __init__(self) -> None:
        self._console = Console(highlight=False, soft_wrap=True, markup=False)
        self._width = self._console.width if self._console.is_terminal else _ENDLESS
        self._console.width = _ENDLESS  # what does not fit is split here

    def table(
        self,
        head: Sequence[str],
        lines: Sequence[Sequence[str]],
        *,
        names: int = 1,
        left: Collection[int] = (0,),
        dim: Sequence[bool] = (),
    ) -> None:
        """Print a table and an empty line.

        Args:
            head: Titles of the columns, each of one line or several.
            lines: The rows.
            names: The first columns, which name the rows and stand in every part.
            left: The columns that are set to the left.
            dim: Whether each row is to be paler; none by default.
        """
        for columns in _split([head, *lines], self._width, names):
            table = Table(box=None, pad_edge=False, header_style="bold")
            for index in columns:
                justify = "left" if index in left else "right"
                table.add_column(head[index], justify=justify, no_wrap=True)  # type: ignore[arg-type]
            for number, line in enumerate(lines):
                pale = bool(dim) and dim[number]
                table.add_row(*(line[index] for index in columns), style="dim" if pale else None)
            self._console.print(table)
            self._console.print()

    def notes(self, notes: Iterable[str]) -> None:
        """Print notes, each with an empty line after it."""
        for note in notes:
            self._console.print(textwrap.fill(note, min(self._width, _WIDTH)))
            self._console.print()

    def line(self, text: str) -> None:
        """Print a line as it is."""
        self._console.print(text)


def _split(lines: Sequence[Sequence[str]], width: int, names: int) -> Iterator[list[int]]:
    """Yield the columns of tables that fit into a width, those of the names in each."""
    widths = [max(map(_text_width, column)) for column in zip(*lines, strict=True)]
    named = list(range(names))
    room = sum(widths[:names]) + _BETWEEN * (names - 1)
    columns, used = named, room
    for index in range(names, len(widths)):
        needed = _BETWEEN + widths[index]
        if used + needed > width and len(columns) > names:
            yield columns
            columns, used = named, room
        columns = [*columns, index]
        used += needed
    yield columns


def _text_width(text: str) -> int:
    return max(map(len, text.split("\n")))
