"""Carbon intensity of Great Britain, from NESO's API: periods of half an hour, with both ends.

An entry has a forecast and, once the period is over, an actual intensity; that may be null.
"""

from __future__ import annotations

from typing import Any

from cosim.signals.faults import shown
from cosim.signals.formats.answer import Answer, Entry
from cosim.signals.formats.source import ReadOptions, Source
from cosim.signals.intervals import parse_numbers, regular_series, scaled_values
from cosim.signals.series import Series
from cosim.signals.stamps import parse_iso

COLUMNS = ("actual", "forecast")
_FORM = "{from, to, intensity: {actual, forecast}}, as NESO has it"


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
    found = source.answer(answer)
    column = options.column or COLUMNS[0]
    faults, texts = source.entries("data", found.entries), found.texts(column)
    values = parse_numbers(
        texts, faults, blank=options.fill is not None, what=f"intensity.{column}"
    )
    values = scaled_values(values, found.g_per_kwh, texts, faults, signed=False)
    starts, ends = found.starts, found.ends
    starts_us = parse_iso(starts, options.timezone, faults)
    ends_us = parse_iso(ends, options.timezone, faults)
    lengths_us = None
    if starts_us is not None and ends_us is not None:
        lengths_us = ends_us - starts_us
        text = "expected 'to' after 'from', by as much in every entry"
        wrong = (lengths_us != lengths_us[0]) | (lengths_us <= 0)
        if faults.add(wrong, text, (starts + " to " + ends).tolist()):
            faults.stop()
    return regular_series(
        starts_us if ends_us is not None else None,
        values,
        faults,
        lengths_us=lengths_us,
        fill=options.fill,
    )


def answer(document: Any) -> Answer:
    """Return the half-hours of a document.

    Raises:
        ValueError: If it is of another shape.
    """
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(data, list):
        raise ValueError(f'expected {{"data": [...]}} (got {shown(document)})')
    return Answer([_entry(item) for item in data], "average", 1.0, _FORM)


def _entry(item: Any) -> Entry:
    intensity = item.get("intensity") if isinstance(item, dict) else None
    if not isinstance(intensity, dict):
        return Entry()
    values = {column: intensity.get(column) for column in COLUMNS}
    return Entry(item.get("from"), item.get("to"), values)
