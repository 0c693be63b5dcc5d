"""Runs side by side on the terminal."""

from __future__ import annotations

from cosim.commands.printing.tables import TableConsole
from cosim.studies.compare.compare import Comparison
from cosim.studies.compare.table import figures_table, notes, reading, settings_table


def print_comparison(comparison: Comparison, *, brief: bool = False, wide: bool = False) -> None:
    """Print the figures, the settings that differ, warnings, and how to read them.

    Args:
        comparison: The runs.
        brief: Whether to print the main figures and the warnings only.
        wide: Whether all runs stand beside each other where there is no edge.
    """
    console = TableConsole(wide=wide)
    console.table(figures_table(comparison, brief=brief))
    if comparison.settings and not brief:
        console.table(settings_table(comparison))
    console.notes(notes(comparison))
    if not brief:
        console.notes([reading(comparison)])
