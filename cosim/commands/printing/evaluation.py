"""What ``cosim evaluate`` prints for people."""

from __future__ import annotations

from pathlib import Path

from cosim.commands.printing.tables import TableConsole
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.table import HEADER, cells, notes


def print_evaluation(found: Evaluation, folder: Path) -> None:
    """Print the table of an evaluation, and how to read it."""
    console = TableConsole()
    console.table(HEADER, [cells(row) for row in found.rows], dim=[row.twin for row in found.rows])
    console.notes(notes(found))
    console.line(f"Results  {folder}")
