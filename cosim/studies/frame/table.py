"""Tables of text: the same one on a terminal, in a page and in a file of Markdown."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from cosim.report import page


@dataclass(frozen=True, slots=True)
class TextTable:
    """A table of text.

    Attributes:
        head: Titles of the columns, each of one line or several.
        lines: The rows.
        names: Number of columns at the left that name the rows.
        left: Columns that are set to the left; the others hold numbers.
        pale: Whether each row is to be paler; none by default.
    """

    head: Sequence[str]
    lines: Sequence[Sequence[str]]
    names: int = 1
    left: Sequence[int] = (0,)
    pale: Sequence[bool] = ()

    def html(self) -> str:
        """Return the table as a block of a page."""
        numbers = [column for column in range(len(self.head)) if column not in self.left]
        return page.table(self.head, self.lines, numbers=numbers, named=True)

    def markdown(self) -> list[str]:
        """Return the table as lines of Markdown."""
        return markdown_lines(self.head, self.lines)


def markdown_lines(head: Sequence[str], lines: Iterable[Sequence[str]]) -> list[str]:
    """Return head and rows of a table as lines of Markdown."""
    rows = [head, ["---"] * len(head), *lines]
    escaped = ([cell.replace("|", r"\|") for cell in row] for row in rows)
    return [f"| {' | '.join(row)} |" for row in escaped]


def markdown_page(title: str, table: TextTable, notes: Iterable[str], description: str = "") -> str:
    """Return a page of Markdown: a table, and the notes that it is read by.

    Args:
        title: Its heading.
        table: The table.
        notes: A paragraph each.
        description: A paragraph before the table; empty for none.
    """
    lines = [f"# {title}", "", *([description, ""] if description else []), *table.markdown()]
    for note in notes:
        lines += ["", note]
    return "\n".join(lines) + "\n"
