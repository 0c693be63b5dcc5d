"""Docstrings kept to a width: sentences and entries are wrapped anew, formulas stay as they are."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from itertools import groupby


def fitted(text: str, width: int) -> str:
    """Return a docstring with no longer lines than `width`, as far as words allow.

    Lines that fit stay as they are, and so do literal blocks, which follow a ``::``.
    """
    lines: list[str] = []
    literal = False
    for blank, group in groupby(text.splitlines(), key=lambda line: not line.strip()):
        block = list(group)
        if blank:
            lines += block
            continue
        literal = block[0].startswith(" ") and (literal or _announces(lines))
        fits = all(len(line) <= width for line in block)
        lines += block if literal or fits else _wrapped(block, width)
    return "\n".join(lines)


def _announces(before: list[str]) -> bool:
    """Return whether the last line with text ends as one before a literal block does."""
    return next((line.endswith("::") for line in reversed(before) if line.strip()), False)


def _wrapped(block: list[str], width: int) -> Iterator[str]:
    """Yield the lines of a block, each of its entries wrapped."""
    for entry in _entries(block):
        first = _indent(entry[0])
        hanging = _indent(entry[1]) if len(entry) > 1 else first + 4 * (first > 0)
        yield from textwrap.wrap(
            " ".join(line.strip() for line in entry),
            width,
            initial_indent=" " * first,
            subsequent_indent=" " * hanging,
            break_long_words=False,
            break_on_hyphens=False,
        )


def _entries(block: list[str]) -> Iterator[list[str]]:
    """Yield the entries: paragraphs and headings at the margin; items with their hanging lines."""
    entry: list[str] = []
    for line in block:
        item = bool(entry) and entry[0].startswith("- ")
        goes_on = bool(entry) and (
            _indent(line) > _indent(entry[0])
            if _indent(entry[0]) or item
            else not _indent(line) and not line.startswith("- ")
        )
        if entry and not goes_on:
            yield entry
            entry = []
        entry.append(line)
    if entry:
        yield entry


def _indent(line: str) -> int:
    return len(line) - len(line.lstrip())
