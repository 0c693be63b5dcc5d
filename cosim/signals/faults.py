"""Faults of the rows of a signal file, gathered so that all are reported at once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from cosim.errors import Problem, SignalError

IntArray = NDArray[np.int64]
BoolArray = NDArray[np.bool_]
Texts: TypeAlias = "pd.Series[str] | Sequence[Any]"

_SHOWN_CHARACTERS = 80
_SHOWN_NAMES = 12


def file_error(path: Path, line: int | None, message: str) -> SignalError:
    """Return an error of a file, at a line if that is known."""
    return SignalError(Problem(message, where=str(path) if line is None else f"{path}:{line}"))


def shown(value: object) -> str:
    """Return a value as errors show it: quoted, in one line, and cut off where it is long."""
    text = repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else text[:_SHOWN_CHARACTERS] + "..."


def shown_names(names: Sequence[str]) -> str:
    """Return names as errors list them: the first dozen, each cut off where it is long."""
    listed = ", ".join(shown(name) for name in names[:_SHOWN_NAMES])
    more = len(names) - _SHOWN_NAMES
    return f"[{listed}, and {more} more]" if more > 0 else f"[{listed}]"


@dataclass
class Faults:
    """Faults of the rows of a file, and notes on corrections made to them.

    Attributes:
        path: The file.
        rows: Line of each row, from 1; or its index in the list `entries`, from 0.
        entries: Name of the list that the rows are entries of; empty if they are lines.
        problems: Faults so far.
        notes: Corrections to the rows that the user should know.
    """

    path: Path
    rows: IntArray
    entries: str = ""
    problems: list[Problem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def where(self, row: int) -> str:
        """Return where a row is, as errors say it."""
        at = self.rows[row]
        return f"{self.path}: {self.entries}[{at}]" if self.entries else f"{self.path}:{at}"

    def add(self, wrong: BoolArray, message: str, texts: Texts) -> bool:
        """Note the first row that is `wrong`, if any is, and return whether one is."""
        count = int(wrong.sum())
        if count:
            row = int(wrong.argmax())
            more = f"; the first of {count} such rows" if count > 1 else ""
            text = texts.iloc[row] if isinstance(texts, pd.Series) else texts[row]
            problem = Problem(f"{message} (got {shown(text)}{more})", where=self.where(row))
            if problem not in self.problems:  # such as of two columns with the same stamps
                self.problems.append(problem)
        return count > 0

    def stop(self) -> NoReturn:
        """Raise the faults found.

        Raises:
            SignalError: Always.
        """
        raise SignalError(self.problems)
