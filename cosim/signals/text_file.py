"""Text files of signals, opened with care: what is no such file is refused before it is parsed."""

from __future__ import annotations

import csv
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pandas as pd

from cosim.errors import SignalError
from cosim.signals.faults import BoolArray, Faults, IntArray, file_error
from inference_sim.files.regular import NOT_REGULAR, is_irregular

MAX_BYTES = 1_000_000_000
"""Larger files are refused: they are no signals."""
MAX_JSON_BYTES = 200_000_000
MAX_LINE_BYTES = 1_000_000
"""No line of comma-separated text is longer; one of a JSON file may be."""
_CHUNK_BYTES = 1 << 20
_MOST_COLUMNS = 10_000


@dataclass(frozen=True, slots=True)
class Table:
    """The fields of a comma-separated file, as text.

    Attributes:
        path: The file.
        header: Names of the columns, without the spaces around them.
        rows: The rows that are not blank; their columns are named by position.
        lines: Line of each row, from 1.
        short: Which rows have fewer fields than the header.
    """

    path: Path
    header: tuple[str, ...]
    rows: pd.DataFrame
    lines: IntArray
    short: BoolArray

    def texts(self, column: int) -> pd.Series[str]:
        """Return the fields of a column, without the spaces around them."""
        return self.rows[column].str.strip()

    def faults(self) -> Faults:
        """Return an empty list of what is wrong with the rows."""
        return Faults(self.path, self.lines)

    def only(self, rows: BoolArray) -> Table:
        """Return the table of some of its rows."""
        return Table(self.path, self.header, self.rows[rows], self.lines[rows], self.short[rows])


def is_json(path: Path) -> bool:
    """Whether the first character of a file is one that JSON files begin with.

    Raises:
        SignalError: If it cannot be read.
    """
    start = _first_bytes(path, 4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return start[:1] in (b"{", b"[")


def read_header(path: Path) -> tuple[str, ...]:
    """Return the names of the columns of a comma-separated file, without the spaces around them.

    Raises:
        SignalError: If it cannot be read, is binary or empty, or its first line is too long.
    """
    start = _first_bytes(path, MAX_LINE_BYTES + 1)
    if b"\0" in start:
        raise file_error(path, None, "expected comma-separated text (got a binary file)")
    first, newline, _ = start.replace(b"\r", b"\n").partition(b"\n")
    if not newline and len(start) > MAX_LINE_BYTES:
        _refuse_line(path, 1)
    try:
        line = first.decode("utf-8-sig")
        header = next(csv.reader([line]), [])
    except UnicodeDecodeError as error:
        raise file_error(path, None, f"expected UTF-8 text (got {error.reason})") from None
    except csv.Error as error:
        raise file_error(path, 1, f"the file is not comma-separated: {error}") from None
    if not line.strip():
        raise file_error(path, None, "the file is empty, or its first line is")
    if len(header) > _MOST_COLUMNS:
        raise file_error(path, 1, f"expected at most {_MOST_COLUMNS} columns (got {len(header)})")
    return tuple(name.strip() for name in header)


def read_table(path: Path) -> Table:
    """Read a comma-separated file in UTF-8 whose first line names the columns.

    Raises:
        SignalError: If it cannot be read, is no such file, or has less than two rows.
    """
    header = read_header(path)
    try:
        _check_lines(path)
        table = pd.read_csv(
            path,
            header=None,
            dtype=str,
            na_filter=False,
            skip_blank_lines=False,
            encoding="utf-8-sig",
            engine="c",
            compression=None,
        )
    except pd.errors.EmptyDataError:
        raise file_error(path, None, "the file is empty, or its first line is") from None
    except pd.errors.ParserError as error:
        text = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        line = re.search(r"in line (\d+)|at row (\d+)", text)
        number = None if line is None else int(line[1]) if line[1] else int(line[2]) + 1
        raise file_error(path, number, f"the file is not comma-separated: {text}") from None
    except UnicodeDecodeError as error:
        raise file_error(path, None, f"expected UTF-8 text (got {error.reason})") from None
    except OSError as error:
        raise _unreadable(path, error) from None
    except ValueError as error:  # such as a first line that pandas takes for another
        raise file_error(path, 1, f"the file is not comma-separated: {error}") from None
    if table.shape[1] != len(header):  # such as quotes that are not closed
        raise file_error(path, 1, "the first line is not comma-separated names")
    table = table.fillna("")
    data = (table[0] != "").to_numpy(dtype=bool, copy=True)
    data[~data] = (table[~data] != "").any(axis=1)
    data[:1] = False  # the header
    rows = table[data]
    if len(rows) < 2:
        raise file_error(path, 1, f"a signal needs two rows of data or more (got {len(rows)})")
    lines = rows.index.to_numpy(dtype=np.int64) + 1
    ends_blank = bool((rows.iloc[:, -1] == "").any())
    short = _short_rows(path, len(table), len(header))[data] if ends_blank else ~data[data]
    return Table(path, header, rows, lines, short)


def read_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        SignalError: If it cannot be read, is too large or is not JSON.
    """
    _first_bytes(path, 0)
    try:
        size = path.stat().st_size
        if size > MAX_JSON_BYTES:
            raise file_error(
                path, 1, f"the file is too large for a signal in JSON (got {size / 1e9:.1f} GB)"
            )
        text = path.read_bytes().decode("utf-8-sig")
        return json.loads(text, parse_constant=_refuse_constant)
    except OSError as error:
        raise _unreadable(path, error) from None
    except UnicodeDecodeError as error:
        raise file_error(path, None, f"expected UTF-8 text (got {error.reason})") from None
    except json.JSONDecodeError as error:
        cut = "; is the file cut off?" if error.pos >= len(text.rstrip()) - 1 else ""
        raise file_error(
            path, error.lineno, f"the file is not JSON: {error.msg} (column {error.colno}){cut}"
        ) from None
    except RecursionError:
        raise file_error(path, None, "the file is not a signal: JSON too deep") from None
    except ValueError as error:
        raise file_error(path, None, f"the file is not JSON: {error}") from None


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"expected numbers (got {name})")


def _first_bytes(path: Path, count: int) -> bytes:
    if is_irregular(path):
        raise file_error(path, None, f"the path {NOT_REGULAR}")
    try:
        with path.open("rb") as file:
            return file.read(count)
    except OSError as error:
        raise _unreadable(path, error) from None


def _check_lines(path: Path) -> None:
    """Refuse a file that is too large, binary, or has an endless line."""
    line, length = 1, 0
    with path.open("rb") as file:
        size = path.stat().st_size
        while chunk := file.read(_CHUNK_BYTES):
            if b"\0" in chunk:
                raise file_error(path, None, "expected comma-separated text (got a binary file)")
            chunk = chunk.replace(b"\r", b"\n")
            first = chunk.find(b"\n")
            if length + (len(chunk) if first < 0 else first) > MAX_LINE_BYTES:
                _refuse_line(path, line)
            line += chunk.count(b"\n")
            length = length + len(chunk) if first < 0 else len(chunk) - 1 - chunk.rfind(b"\n")
            if length > MAX_LINE_BYTES:
                _refuse_line(path, line)
            if size > MAX_BYTES:
                raise file_error(
                    path, None, f"the file is too large for a signal (got {size / 1e9:.1f} GB)"
                )


def _short_rows(path: Path, rows: int, fields: int) -> BoolArray:
    """Return which rows have fewer than so many fields; to pandas, the others are just empty."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            counts = np.array([len(row) for row in csv.reader(file)])
    except csv.Error:  # a field that is too long
        return np.zeros(rows, dtype=bool)
    return counts < fields if len(counts) == rows else np.zeros(rows, dtype=bool)


def _refuse_line(path: Path, line: int) -> NoReturn:
    raise file_error(
        path, line, f"expected comma-separated text (got a line of over {MAX_LINE_BYTES:,} bytes)"
    )


def _unreadable(path: Path, error: OSError) -> SignalError:
    return file_error(path, None, f"the file cannot be read: {error.strerror or error}")
