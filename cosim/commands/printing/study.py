"""The table of a study on the terminal, and how to read it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cosim.commands.printing.tables import TableConsole
from cosim.studies.frame.table import TextTable


def print_study(table: TextTable, notes: Iterable[str], folder: Path, *, wide: bool = True) -> None:
    """Print the table of a study, its notes, and where its results are.

    Args:
        table: The table, its most important columns first.
        notes: A paragraph each.
        folder: The result folder.
        wide: Whether to print columns that do not fit too: below the others, or beside them where
            there is no edge.
    """
    console = TableConsole(wide=wide)
    if left_out := console.table(table, whole=wide):
        console.notes(
            [f"Not shown: {', '.join(left_out)}. --wide shows them, and so does the page."]
        )
    console.notes(notes)
    console.line(f"Results  {folder}")
