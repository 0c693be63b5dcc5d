"""Carbon intensity of Great Britain, from NESO's API: periods of half an hour, with both ends.

An entry has a forecast and, once the period is over, an actual intensity; that may be null.
"""

from __future__ import annotations

from typing import Any

import pandas as pd

from cosim.signals.faults import file_error, shown
from cosim.signals.formats.source import ReadOptions, Source
from cosim.signals.intervals import parse_numbers, regular_series, scaled_values
from cosim.signals.series import Series
from cosim.signals.stamps import parse_iso

COLUMNS = ("actual", "forecast")


def matches(source: Source) -> bool:
    """Whether a file looks like one."""
    document = source.json
    data = document.get("data") if isinstance(document, dict) else None
    first = data[0] if isinstance(data, list) and data else None
    return isinstance(first, dict) and "from" in first and ("intensity" in first or "to" in first)


def read(source: Source, options: ReadOptions) -> Series:
    """Return the average intensity [g/kWh]: the actual one, unless the forecast is wanted.

    Raises:
        SignalError: If the file is not as it should be.
    """
    document = source.json
    if document is None:
        raise source.error("expected JSON (got other text)")
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        raise file_error(source.path, None, f'expected {{"data": [...]}} (got {shown(document)})')
    column = options.column or COLUMNS[0]
    faults = source.entries("data", data)
    texts = pd.Series([_intensity(entry, column) for entry in data], dtype="str")
    values = parse_numbers(
        texts, faults, blank=options.fill is not None, what=f"intensity.{column}"
    )
    values = scaled_values(values, 1.0, texts, faults, signed=False)
    starts = pd.Series([_stamp(entry, "from") for entry in data], dtype="str")
    ends = pd.Series([_stamp(entry, "to") for entry in data], dtype="str")
    starts_us = parse_iso(starts, options.timezone, faults)
    ends_us = parse_iso(ends, options.timezone, faults)
    interval_us = None
    if starts_us is not None and ends_us is not None:
        lengths_us = ends_us - starts_us
        interval_us = int(lengths_us[0])
        text = "expected 'to' after 'from', by as much in every entry"
        wrong = (lengths_us != interval_us) | (lengths_us <= 0)
        if faults.add(wrong, text, (starts + " to " + ends).tolist()):
            faults.stop()
    return regular_series(
        starts_us if ends_us is not None else None,
        values,
        faults,
        interval_us=interval_us,
        fill=options.fill,
    )


def _stamp(entry: Any, key: str) -> str:
    item = entry.get(key) if isinstance(entry, dict) else None
    return "" if item is None else str(item)


def _intensity(entry: Any, column: str) -> str:
    """Return an intensity as text; empty if it is null or not there."""
    intensity = entry.get("intensity") if isinstance(entry, dict) else None
    item = intensity.get(column) if isinstance(intensity, dict) else None
    return "" if item is None else item if isinstance(item, str) else repr(item)
