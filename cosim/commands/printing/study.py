"""The table of a study on the terminal, and how to read it."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from cosim.commands.printing.tables import TableConsole
from cosim.studies.frame.table import TextTable


def print_study(table: TextTable, notes: Iterable[str], folder: Path) -> None:
    """Print the table of a study, its notes, and where its results are."""
    console = TableConsole()
    console.table(table)
    console.notes(notes)
    console.line(f"Results  {folder}")
