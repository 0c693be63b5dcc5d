"""Dialects of tables of text: separators, comments, and the format of numbers."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pandas as pd

_LOOKS_WRITTEN = r"[+-]?\d[\d.,'’\s]*"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """The writing of a table.

    Attributes:
        separator: Separator of two fields.
        comment: Lines that begin with it are left out; None for no such lines.
        skip_rows: So many lines at the top are left out, before the one that names the columns.
        decimal: Decimal mark of numbers.
        thousands: Thousands separator; None for none.
    """

    separator: str = ","
    comment: str | None = None
    skip_rows: int = 0
    decimal: str = "."
    thousands: str | None = None

    @property
    def leaves_lines_out(self) -> bool:
        """Whether some lines of the file are not read."""
        return self.comment is not None or self.skip_rows > 0

    def is_comment(self, line: str) -> bool:
        """Return whether a line is left out because of its beginning."""
        return self.comment is not None and line.startswith(self.comment)

    def plain(self, texts: pd.Series[str]) -> pd.Series[str]:
        """Return numbers as Python writes them; other text stays invalid."""
        if self.thousands is not None:
            between = rf"(?<=\d){re.escape(self.thousands)}(?=\d{{3}}(?!\d))"
            texts = texts.str.replace(between, "", regex=True)
        if self.decimal != ".":
            texts = texts.str.replace(".", "?", regex=False)
            texts = texts.str.replace(self.decimal, ".", regex=False)
        return texts


PLAIN = Dialect()
"""Commas between the fields, and a point before fractions."""
THOUSANDS = Dialect(thousands=",")
"""As `PLAIN`, with commas within large numbers too."""


def written_otherwise(text: str) -> bool:
    """Return whether a text that is not a number may be one in another dialect."""
    return re.fullmatch(_LOOKS_WRITTEN, text.strip()) is not None
