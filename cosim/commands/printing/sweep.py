"""What ``cosim sweep`` prints for people."""

from __future__ import annotations

from pathlib import Path

from cosim.commands.printing.tables import TableConsole
from cosim.studies.sweep.rows import choose, rows
from cosim.studies.sweep.study import Study
from cosim.studies.sweep.sweep import Sweep
from cosim.studies.sweep.table import notes, short_table


def planned(study: Study) -> str:
    """Return how many runs a study takes."""
    count = study.runs // study.seeds
    counted = f"{count:,} case{'' if count == 1 else 's'}"
    if study.seeds == 1:
        return f"{study.name}: {counted}, a run each"
    return f"{study.name}: {counted} x {study.seeds} seeds = {study.runs:,} runs"


def print_sweep(found: Sweep, folder: Path) -> None:
    """Print the table of a sweep, what it comes to, and how to read it."""
    every = rows(found)
    choice = choose(every)
    table = short_table(found, every, choice)
    console = TableConsole()
    left = [k for k, axis in enumerate(found.axes) if axis.numbers is None]
    console.table(
        table.head,
        table.lines,
        names=table.names,
        left=left,
        dim=[not row.whole for row in every],
    )
    console.notes(notes(found, every, choice))
    console.line(f"Results  {folder}")
