"""A CSV file of measurements, read column by column; every fault is noted with line and column.

Faults are collected rather than raised, so that a user sees all of them at once:
:meth:`Table.check` raises them.
"""

from __future__ import annotations

import csv
import difflib
import math
from collections.abc import Callable, Collection, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from cosim.errors import CalibrationError, Problem
from inference_sim.arrays import FloatArray
from inference_sim.files.regular import NOT_REGULAR, is_irregular

MAX_BYTES = 20_000_000
_LARGEST = 1e12  # beyond it, a number is not a measurement, and its square may overflow


class Table:
    """The rows of a file, as text.

    Attributes:
        path: The file.
        header: Names of its columns.
        lines: Line of each row, from 1.
        problems: Faults so far.
        ignored: Columns that nothing asks for.
    """

    def __init__(self, path: Path, known: Collection[str]) -> None:
        """Read a file.

        Args:
            path: UTF-8 text with commas; its first line names the columns.
            known: Columns that may be asked for; a misspelt one is a fault, others are ignored.

        Raises:
            CalibrationError: If it is not such a file, or has no rows.
        """
        self.path = path
        self.problems: list[Problem] = []
        self.header, self._rows, self.lines = self._read()
        self.ignored: list[str] = []
        for name in self.header:
            if name in known:
                if self.header.count(name) > 1:
                    self.fault_in_header(f"column '{name}' is there more than once")
            elif near := difflib.get_close_matches(name, known, n=1, cutoff=0.8):
                self.fault_in_header(f"unknown column '{name}'; did you mean '{near[0]}'?")
            else:
                self.ignored.append(name)
        self.problems = list(dict.fromkeys(self.problems))
        self.check()

    def __len__(self) -> int:
        return len(self._rows)

    def has(self, *names: str) -> bool:
        """Return whether all these columns exist."""
        return all(name in self.header for name in names)

    def keep(self, chosen: Sequence[bool]) -> None:
        """Keep the rows that are chosen."""
        self._rows = [row for row, keep in zip(self._rows, chosen, strict=True) if keep]
        self.lines = [line for line, keep in zip(self.lines, chosen, strict=True) if keep]

    def texts(self, name: str) -> list[str]:
        """Return a column as text; an empty field is a fault."""
        index = self.header.index(name)
        values = [row[index].strip() for row in self._rows]
        self.fault([not value for value in values], name, "the value is missing", values)
        return values

    def numbers(
        self,
        name: str,
        *,
        default: float | None = None,
        expected: str = "a number that is not negative",
        holds: Callable[[float], bool] = lambda value: value >= 0,
        whole: bool = False,
        hint: str = "",
    ) -> FloatArray:
        """Return a column as numbers, shape (rows,); NaN where there is a fault.

        Args:
            name: The column.
            default: Value of a missing column; None if the column is required.
            expected: Requirement that `holds` checks, in words.
            holds: Whether a number is possible.
            whole: Whether only whole numbers are possible.
            hint: Advice for an impossible value.
        """
        if name not in self.header:
            if default is None:
                self.fault_in_header(f"no column '{name}' (the columns are {self._columns()})")
            return np.full(len(self), math.nan if default is None else default)
        texts = self.texts(name)
        values = np.array([_number(text) for text in texts])
        with np.errstate(invalid="ignore"):
            given = np.array([bool(text) for text in texts], dtype=bool)
            finite = np.abs(values) < _LARGEST
        possible = np.array(
            [bool(holds(v)) and not (whole and v % 1) for v in np.where(finite, values, math.nan)],
            dtype=bool,
        )
        self.fault(given & ~finite, name, "expected a number", texts)
        advice = f"; {hint}" if hint else ""
        self.fault(finite & ~possible, name, f"expected {expected}{advice}", texts)
        return np.where(finite & possible, values, math.nan)

    def fault(
        self, wrong: Sequence[bool] | NDArray[np.bool_], name: str, message: str, got: Sequence[str]
    ) -> None:
        """Note the first row that is `wrong`, if any is, and how many there are."""
        rows = np.flatnonzero(np.asarray(wrong, dtype=bool))
        if len(rows):
            more = f"; the first of {len(rows)} such rows" if len(rows) > 1 else ""
            row = int(rows[0])
            self.problems.append(
                Problem(
                    f"{message} (got {got[row]!r}{more})",
                    path=f"column '{name}'",
                    where=f"{self.path}:{self.lines[row]}",
                )
            )

    def fault_in_header(self, message: str) -> None:
        """Note a fault of the columns."""
        self.problems.append(Problem(message, where=f"{self.path}:1"))

    def fault_in_file(self, message: str, name: str = "") -> None:
        """Note a fault of all rows together, or of one of their columns."""
        path = f"column '{name}'" if name else ""
        self.problems.append(Problem(message, path=path, where=str(self.path)))

    def check(self) -> None:
        """Raise the faults found.

        Raises:
            CalibrationError: With every problem found so far, if there is one.
        """
        if self.problems:
            raise CalibrationError(self.problems)

    def _columns(self) -> str:
        return ", ".join(self.header)

    def _read(self) -> tuple[list[str], list[list[str]], list[int]]:
        if is_irregular(self.path):
            raise self._unreadable(NOT_REGULAR)
        try:
            if self.path.stat().st_size > MAX_BYTES:
                raise self._unreadable(f"is larger than {MAX_BYTES // 1_000_000} MB")
            text = self.path.read_text(encoding="utf-8-sig")
        except OSError as error:
            raise self._unreadable(f"cannot be read: {error.strerror}") from None
        except UnicodeDecodeError as error:
            raise self._unreadable(f"is not text in UTF-8 (byte {error.start})") from None
        rows: list[list[str]] = []
        lines: list[int] = []
        reader = csv.reader(text.splitlines(), strict=True)
        try:
            for row in reader:
                if any(field.strip() for field in row):
                    rows.append(row)
                    lines.append(reader.line_num)
        except csv.Error as error:
            where = f"{self.path}:{reader.line_num}"
            raise CalibrationError(Problem(f"not comma-separated: {error}", where=where)) from None
        if len(rows) < 2:
            raise self._unreadable("has no rows: expected a line of column names, then rows")
        header = [name.strip() for name in rows[0]]
        for row, line in zip(rows[1:], lines[1:], strict=True):
            if len(row) != len(header):
                self.problems.append(
                    Problem(
                        f"expected {len(header)} fields, as in the header (got {len(row)})",
                        where=f"{self.path}:{line}",
                    )
                )
        self.check()
        return header, rows[1:], lines[1:]

    def _unreadable(self, message: str) -> CalibrationError:
        return CalibrationError(f"'{self.path}' {message}")


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return math.nan
