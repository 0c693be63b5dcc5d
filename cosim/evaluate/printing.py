"""What ``cosim evaluate`` prints for people."""

from __future__ import annotations

from pathlib import Path

from cosim.evaluate.evaluation import Evaluation
from cosim.evaluate.table import HEADER, cells, notes
from cosim.runs.printing import TableConsole


def print_evaluation(found: Evaluation, folder: Path) -> None:
    """Print the table of an evaluation, and how to read it."""
    console = TableConsole()
    console.table(HEADER, [cells(row) for row in found.rows], dim=[row.twin for row in found.rows])
    console.notes(notes(found))
    console.line(f"Results  {folder}")
