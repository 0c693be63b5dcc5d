"""Rows of a title with its text, wrapped beside it."""

from __future__ import annotations

import os
import re
import textwrap

from rich.console import Console
from rich.text import Text

INDENT = 9
"""Characters that the titles of rows take."""

_WIDTH, _LEAST_WIDTH = 100, 20
_UNITS = re.compile(r"(?<=\d) (?=(?:[mk]?g|t|[kM]?W|[kM]?Wh|g/kWh|ms|s|min|h|days?|M)\b|%)")


def print_row(console: Console, title: str, text: str, style: str = "cyan") -> None:
    """Print a title and its text, wrapped beside it."""
    for index, line in enumerate(wrapped(console, text, INDENT)):
        head = title if index == 0 else ""
        console.print(Text.assemble((f"{head:<{INDENT}}", style), line))


def wrapped(console: Console, text: str, before: int) -> list[str]:
    """Return the lines of a text that has so many characters before it in each.

    A value stays with its unit.
    """
    room = max(line_width(console) - before, _LEAST_WIDTH)
    held = _UNITS.sub("\u00a0", text)
    lines = textwrap.wrap(held, width=room, break_on_hyphens=False)
    return [line.replace("\u00a0", " ") for line in lines] or [""]


def line_width(console: Console) -> int:
    """Return how many characters a line of text may have."""
    return min(console.width, _WIDTH) if has_edge(console) else _WIDTH


def has_edge(console: Console) -> bool:
    """Return whether lines must end somewhere: on a terminal, or where COLUMNS says so."""
    return console.is_terminal or os.environ.get("COLUMNS", "").isdecimal()
