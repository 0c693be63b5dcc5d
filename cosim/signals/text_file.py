"""Reads text files of signals; rejects binary, oversized or malformed files before parsing."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, TextIO

import numpy as np
import pandas as pd

from cosim.errors import SignalError
from cosim.signals.dialect import PLAIN, Dialect
from cosim.signals.faults import BoolArray, Faults, IntArray, file_error
from inference_sim.files.regular import NOT_REGULAR, is_irregular

MAX_BYTES = 1_000_000_000
"""Larger files are refused: they are not signals."""
MAX_JSON_BYTES = 200_000_000
MAX_LINE_BYTES = 1_000_000
"""No line of comma-separated text is longer; one of a JSON file may be."""
_CHUNK_BYTES = 1 << 20
_MOST_COLUMNS = 10_000


@dataclass(frozen=True, slots=True)
class Table:
    """The fields of a table, as text.

    Attributes:
        path: The file.
        header: Names of the columns, without the spaces around them.
        rows: The rows that are not blank; their columns are named by position.
        lines: Line of each row, from 1.
        short: Which rows have fewer fields than the header.
        entries: Name of the list that the rows are entries of, from 0; empty if they are lines.
    """

    path: Path
    header: tuple[str, ...]
    rows: pd.DataFrame
    lines: IntArray
    short: BoolArray
    entries: str = ""

    def texts(self, column: int) -> pd.Series[str]:
        """Return the fields of a column, without the spaces around them."""
        return self.rows[column].str.strip()

    def faults(self) -> Faults:
        """Return an empty collector of faults of the rows."""
        return Faults(self.path, self.lines, self.entries)

    def require_rows(self, fewest: int = 2) -> Table:
        """Return the table.

        Raises:
            SignalError: If it has less rows than that.
        """
        if len(self.rows) < fewest:
            text = f"a signal needs two rows of data or more (got {len(self.rows)})"
            raise file_error(self.path, 1, text)
        return self

    def only(self, rows: BoolArray) -> Table:
        """Return the table of some of its rows."""
        return Table(
            self.path,
            self.header,
            self.rows[rows],
            self.lines[rows],
            self.short[rows],
            self.entries,
        )


def is_json(path: Path) -> bool:
    """Return whether the first character of a file is one that JSON files begin with.

    Raises:
        SignalError: If it cannot be read.
    """
    start = _first_bytes(path, 4096).removeprefix(b"\xef\xbb\xbf").lstrip()
    return start[:1] in (b"{", b"[")


def read_header(path: Path, dialect: Dialect = PLAIN) -> tuple[str, ...]:
    """Return the names of the columns of a table, without the spaces around them.

    Raises:
        SignalError: If it cannot be read, is binary or empty, or its first line is too long.
    """
    start = _first_bytes(path, MAX_LINE_BYTES + 1)
    if start.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise file_error(path, None, "expected UTF-8 text (got UTF-16; save the file as UTF-8)")
    if b"\0" in start:
        raise file_error(path, None, "expected comma-separated text (got a binary file)")
    lines = start.replace(b"\r\n", b"\n").replace(b"\r", b"\n").split(b"\n")
    if len(lines[0]) > MAX_LINE_BYTES:
        _refuse_line(path, 1)
    try:
        whole = lines[:-1] if len(lines) > 1 else lines  # the last may be cut within a character
        read = whole if dialect.leaves_lines_out else whole[:1]
        _, line = _header_line([text.decode("utf-8-sig") for text in read], dialect)
        header = next(csv.reader([line], delimiter=dialect.separator), [])
    except UnicodeDecodeError as error:
        raise file_error(path, None, f"expected UTF-8 text (got {error.reason})") from None
    except csv.Error as error:
        raise file_error(path, 1, f"the file is not comma-separated: {error}") from None
    if not line.strip():
        raise file_error(path, None, "the file is empty, or its first line is")
    if len(header) > _MOST_COLUMNS:
        raise file_error(path, 1, f"expected at most {_MOST_COLUMNS} columns (got {len(header)})")
    return tuple(name.strip() for name in header)


def read_table(path: Path, dialect: Dialect = PLAIN) -> Table:
    """Read a table in UTF-8, the first line of which names the columns.

    Raises:
        SignalError: If it cannot be read, is not such a file, or has no rows.
    """
    header = read_header(path, dialect)
    skipped = 0
    try:
        _check_lines(path)
        text, skipped = _used_lines(path, dialect) if dialect.leaves_lines_out else (None, 0)
        table = pd.read_csv(
            path if text is None else io.StringIO(text),
            header=None,
            dtype=str,
            na_filter=False,
            skip_blank_lines=False,
            encoding="utf-8-sig",
            engine="c",
            compression=None,
            sep=dialect.separator,
        )
    except pd.errors.EmptyDataError:
        raise file_error(path, None, "the file is empty, or its first line is") from None
    except pd.errors.ParserError as error:
        message = str(error).strip().removeprefix("Error tokenizing data. C error: ")
        line = re.search(r"in line (\d+)|at row (\d+)", message)
        number = None if line is None else int(line[1]) if line[1] else int(line[2]) + 1
        number = number + skipped if number is not None else None
        raise file_error(path, number, f"the file is not comma-separated: {message}") from None
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
    lines = rows.index.to_numpy(dtype=np.int64) + 1 + skipped
    ends_blank = bool((rows.iloc[:, -1] == "").any())
    short = (
        _short_rows(path, text, dialect, len(table), len(header))[data]
        if ends_blank
        else ~data[data]
    )
    whole = Table(path, header, rows, lines, short)
    return whole.only(~_footer(whole)) if dialect.leaves_lines_out else whole


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


def _header_line(lines: Sequence[str], dialect: Dialect) -> tuple[int, str]:
    """Return the position of the line that names the columns, and it; -1 if there is none."""
    if not dialect.leaves_lines_out:
        return (0, lines[0]) if lines else (-1, "")
    for number, line in enumerate(lines):
        if number >= dialect.skip_rows and line.strip() and not dialect.is_comment(line):
            return number, line
    return -1, ""


def _used_lines(path: Path, dialect: Dialect) -> tuple[str, int]:
    """Return the text from the header on, comments made blank, and how many lines came before."""
    lines = path.read_text(encoding="utf-8-sig").split("\n")
    skipped, _ = _header_line(lines, dialect)
    used = ["" if dialect.is_comment(line) else line for line in lines[skipped:]]
    return "\n".join(used), skipped


def _footer(table: Table) -> BoolArray:
    """Return which rows explain the file below its data: short ones after a blank line."""
    full = np.flatnonzero(~table.short)
    footer = np.zeros(len(table.lines), dtype=bool)
    if len(full) and (below := int(full[-1]) + 1) < len(table.lines):
        footer[below:] = table.lines[below] > table.lines[below - 1] + 1
    return footer


def _short_rows(
    path: Path, text: str | None, dialect: Dialect, rows: int, fields: int
) -> BoolArray:
    """Return which rows have fewer than so many fields; to pandas, the others are just empty."""
    try:
        if text is None:
            with path.open(encoding="utf-8-sig", newline="") as file:
                counts = _field_counts(file, dialect)
        else:
            counts = _field_counts(io.StringIO(text, newline=""), dialect)
    except csv.Error:  # a field that is too long
        return np.zeros(rows, dtype=bool)
    return counts < fields if len(counts) == rows else np.zeros(rows, dtype=bool)


def _field_counts(file: TextIO, dialect: Dialect) -> IntArray:
    reader = csv.reader(file, delimiter=dialect.separator)
    return np.array([len(row) for row in reader], dtype=np.int64)


def _refuse_line(path: Path, line: int) -> NoReturn:
    raise file_error(
        path, line, f"expected comma-separated text (got a line of over {MAX_LINE_BYTES:,} bytes)"
    )


def _unreadable(path: Path, error: OSError) -> SignalError:
    return file_error(path, None, f"the file cannot be read: {error.strerror or error}")
