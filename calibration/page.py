"""The page of results: scripts print the sections between its markers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from cosim.calibrate.fitting import bias, mape

__all__ = ["bias", "mape", "section", "table", "write_section"]

PAGE = Path(__file__).resolve().parents[1] / "docs" / "validation.md"


def table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    """Return a Markdown table; numbers are given with one decimal, whole ones with none."""
    lines = [list(header), *([_cell(cell) for cell in row] for row in rows)]
    text = ["| " + " | ".join(line) + " |" for line in lines]
    text.insert(1, "|" + "---|" * len(header))
    return "\n".join(text)


def _cell(value: object) -> str:
    if isinstance(value, float):
        return "–" if np.isnan(value) else f"{value:.1f}"
    return str(value)


def section(name: str, page: Path = PAGE) -> str:
    """Return the text between the markers of `name`.

    Raises:
        ValueError: If the page lacks them.
    """
    text = page.read_text(encoding="utf-8")
    begin, end = _markers(name)
    return text[text.index(begin) + len(begin) : text.index(end)].strip()


def write_section(name: str, content: str, page: Path = PAGE) -> None:
    """Replace the text between the markers of `name`."""
    text = page.read_text(encoding="utf-8")
    begin, end = _markers(name)
    before, after = text[: text.index(begin) + len(begin)], text[text.index(end) :]
    page.write_text(f"{before}\n\n{content.strip()}\n\n{after}", encoding="utf-8")


def _markers(name: str) -> tuple[str, str]:
    return f"<!-- {name}: begin -->", f"<!-- {name}: end -->"
