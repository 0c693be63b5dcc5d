"""Signals in plain CSV files: one row per interval.

Faults are reported with the file and the line, as many as possible at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

from cosim.errors import did_you_mean
from cosim.signals.dialect import PLAIN, Dialect
from cosim.signals.faults import file_error, shown, shown_names
from cosim.signals.gaps import Fill
from cosim.signals.intervals import parse_numbers, regular_series, scaled_values
from cosim.signals.series import Series
from cosim.signals.stamps import counts_from_zero, parse_iso, parse_seconds
from cosim.signals.text_file import read_table


def read_csv(
    path: Path,
    *,
    column: str | None = None,
    time_column: str | None = None,
    stamp: Literal["start", "end"] = "start",
    timezone: str | None = None,
    factor: float = 1.0,
    signed: bool = False,
    fill: Fill | None = None,
    dialect: Dialect = PLAIN,
) -> Series:
    """Read a signal from a table of text.

    Args:
        path: The file; UTF-8, its first line names the columns.
        column: Column of the values; the only one beside the stamps by default.
        time_column: Column of the stamps, in ISO 8601, or in seconds from 0 on; the first one by
            default.
        stamp: Whether a stamp is the start or the end of its interval.
        timezone: IANA time zone of stamps that carry none.
        factor: Factor of each value.
        signed: Whether values may be negative.
        fill: How gaps are filled; they are errors by default.
        dialect: How the table is written.

    Raises:
        SignalError: If the file cannot be read, lacks the columns, has missing, non-finite or
            unwanted negative values, or stamps that leave gaps.
    """
    table = read_table(path, dialect).require_rows()
    time_index, value_index = _find_columns(path, table.header, time_column, column)
    faults, texts = table.faults(), table.texts(value_index)
    values = parse_numbers(texts, faults, blank=fill is not None, dialect=dialect)
    values = scaled_values(values, factor, texts, faults, signed=signed)
    stamps = table.texts(time_index)
    times_us = parse_seconds(stamps, faults) if counts_from_zero(stamps) else None
    if times_us is None:
        times_us = parse_iso(stamps, timezone, faults)
    return regular_series(times_us, values, faults, stamp=stamp, fill=fill)


def _find_columns(
    path: Path, header: Sequence[str], time_column: str | None, column: str | None
) -> tuple[int, int]:
    """Return the positions of the stamps and of the values."""
    if len(header) < 2:
        raise file_error(
            path,
            1,
            f"expected a column of stamps and one of values, with a comma (got "
            f"{shown(list(header))}){_separator_hint(header)}",
        )
    time_index = 0 if time_column is None else _find(path, header, "time_column", time_column)
    others = [index for index in range(len(header)) if index != time_index]
    if column is None and len(others) > 1:
        names = [header[index] for index in others]
        raise file_error(
            path, 1, f"several columns of values: set 'column' to one (got {shown_names(names)})"
        )
    value_index = others[0] if column is None else _find(path, header, "column", column)
    if value_index == time_index:
        raise file_error(
            path, 1, f"column and time_column are the same (got {shown(header[time_index])})"
        )
    return time_index, value_index


def _find(path: Path, header: Sequence[str], key: str, name: str) -> int:
    count = header.count(name)
    if count != 1:
        what = "more than one such column" if count else "no such column"
        hint = "" if count else did_you_mean(name, header)
        raise file_error(
            path,
            1,
            f"{key}: {what} (got {shown(name)}, expected one of {shown_names(header)}{hint})",
        )
    return header.index(name)


def _separator_hint(header: Sequence[str]) -> str:
    """Return advice where another character seems to separate the fields."""
    text = "".join(header)
    if text.startswith("#"):
        return '; `comment: "#"` leaves such lines out'
    other = next((mark for mark in (";", "\t", "|") if mark in text), None)
    name = "tab" if other == "\t" else other
    return f'; `separator: "{name}"` if that separates the fields' if name else ""
