"""Advice for a file of unknown format: the keys with which ``type: csv`` could read it."""

from __future__ import annotations

import re
from itertools import islice
from pathlib import Path

import numpy as np
import pandas as pd

from cosim.errors import SignalError
from cosim.signals.dialect import Dialect
from cosim.signals.faults import Faults, shown
from cosim.signals.formats.source import Source
from cosim.signals.stamps import counts_from_zero, parse_iso
from cosim.signals.text_file import Table, read_table

_SEPARATORS = (",", ";", "\t", "|")
_COMMENTS = ("#", "//", "%")
_MOST_SKIPPED = 40
_MOST_BYTES = 20_000_000
"""Larger files are not tried out."""
_ZONE = re.compile(r"(Z|UTC|[+-]\d\d(:?\d\d)?)$")


def csv_advice(source: Source) -> str:
    """Return the keys with which ``type: csv`` could read a file; or why it cannot."""
    if not source.header:
        return "; write it as CSV with a column of stamps in ISO 8601 and one of values"
    if source.path.stat().st_size > _MOST_BYTES:
        return "; type: csv reads tables of stamps and values"
    reasons = []
    for dialect in _dialects(source):
        try:
            table = read_table(source.path, dialect)
        except SignalError:
            continue
        if len(table.header) > 1 and len(table.rows) > 1:
            keys, reason = _needs(table, dialect)
            if not reason:
                return f"; read it with {', '.join(['type: csv', *keys])}"
            reasons.append(reason)
    reason = reasons[0] if reasons else "it is not a table with a line of names"
    return f"; type: csv cannot read it either: {reason}"


def _dialects(source: Source) -> list[Dialect]:
    """Return how the file may be written, the simplest first."""
    with source.path.open(encoding="utf-8-sig", errors="replace") as file:
        first = [line[:200] for line in islice(file, _MOST_SKIPPED)]
    comment = next((mark for mark in _COMMENTS if first[0].startswith(mark)), None)
    dialects = []
    for separator in _SEPARATORS:
        dialects.append(Dialect(separator=separator, comment=comment))
    widest = max(first, key=lambda line: max(line.count(mark) for mark in _SEPARATORS))
    separator = max(_SEPARATORS, key=widest.count)
    if comment is None and (skip := first.index(widest)):
        dialects.append(Dialect(separator=separator, skip_rows=skip))
    return dialects


def _needs(table: Table, dialect: Dialect) -> tuple[list[str], str]:
    """Return the keys with which ``type: csv`` reads a table; or none, and why it cannot."""
    stamps = {place: table.texts(place) for place in range(len(table.header))}
    times = [place for place, texts in stamps.items() if _are_stamps(texts)]
    if not times:
        first = shown(stamps[0].iloc[0])
        return [], f"no column has stamps in ISO 8601 (the first has {first})"
    values = [
        place
        for place, texts in stamps.items()
        if place != times[0]
        and re.search(r"\d", texts.iloc[0])
        and re.fullmatch(r"[+-]?[\d.,'\s]+(e[+-]?\d+)?", texts.iloc[0].lower())
    ]
    if not values:
        return [], "no column beside the stamps has numbers"
    keys = []
    if dialect.separator != ",":
        keys.append(f'separator: "{"tab" if dialect.separator == chr(9) else dialect.separator}"')
    if dialect.comment:
        keys.append(f'comment: "{dialect.comment}"')
    if dialect.skip_rows:
        keys.append(f"skip_rows: {dialect.skip_rows}")
    if times[0] > 0:
        keys.append(f"time_column: {shown(table.header[times[0]])}")
    if len(table.header) > 2:
        keys.append(f"column: {shown(table.header[values[0]])}")
    if not _ZONE.search(stamps[times[0]].iloc[0]) and not counts_from_zero(stamps[times[0]]):
        keys.append("timezone: UTC (or another)")
    if any("," in stamps[place].iloc[0] for place in values[:1]):
        keys.append('thousands: ","' if "." in stamps[values[0]].iloc[0] else 'decimal: ","')
    return keys, ""


def _are_stamps(texts: pd.Series[str]) -> bool:
    rows = texts.iloc[:2]
    faults = Faults(Path(), np.arange(len(rows)))
    return counts_from_zero(rows) or parse_iso(rows, "UTC", faults) is not None
