"""Widths of charts: for a screen or a page, and for a phone."""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

from cosim.report.svg import CHAR_WIDTH

Drawn = tuple[list[str], float, dict[str, str | float]]
"""Elements of a chart, its height [px], and data for the script."""


@dataclass(frozen=True, slots=True)
class Size:
    """Width of a drawn chart.

    Attributes:
        name: Its class in the page.
        width: Width [px].
        font: Size of the font [px].
        ticks: Most ticks of the horizontal axis.
    """

    name: str
    width: int
    font: int
    ticks: int

    def text_width(self, content: str) -> float:
        """Return about how wide a text is [px]."""
        return len(content) * self.font * CHAR_WIDTH

    def bold_width(self, content: str) -> float:
        """Return about how wide a text in bold type is [px]."""
        return self.text_width(content) * _BOLD

    def lines(self, content: str, room: float, *, bold: bool = False) -> list[str]:
        """Return a text as lines that are about as wide as the room there is [px], at most."""
        letters = int(room / (self.font * CHAR_WIDTH * (_BOLD if bold else 1.0)))
        return textwrap.wrap(content, max(letters, _LEAST_LETTERS)) or [""]


WIDE = Size("wide", 860, 12, 9)
NARROW = Size("narrow", 360, 11, 4)
RIGHT = 16
"""Room to the right of a plot [px]."""
_BOLD = 1.08  # width of bold type, over that of plain type
_LEAST_LETTERS = 8
