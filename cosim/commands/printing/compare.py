"""Runs side by side on the terminal."""

from __future__ import annotations

from cosim.commands.printing.tables import TableConsole
from cosim.studies.compare.compare import Comparison
from cosim.studies.compare.table import figures_table, notes, settings_table


def print_comparison(comparison: Comparison) -> None:
    """Print the figures, the settings that differ, and the notes."""
    console = TableConsole()
    console.table(figures_table(comparison))
    if comparison.settings:
        console.table(settings_table(comparison))
    console.notes(notes(comparison))
