"""Electricity Maps: yearly, monthly, daily and hourly CSV files from 2021 on, and its API's JSON.

The stamp is the start of the interval, in UTC; a month and a year are those of the calendar.
Headers changed over the years: names are matched without case, and ``(LCA)``, ``(Life cycle)`` and
``(Life cycle assessment)`` are the same.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from cosim.signals.faults import file_error, shown
from cosim.signals.formats.answer import as_texts
from cosim.signals.formats.contract import SignalFormat
from cosim.signals.formats.source import ReadOptions, Source, only_area
from cosim.signals.intervals import parse_numbers, regular_series, scaled_values
from cosim.signals.series import Series
from cosim.signals.stamps import parse_iso

_INTENSITY = re.compile(
    r"carbon intensity (?P<unit>.*?) ?\((?:(?P<direct>direct)|lca|life cycle(?: assessment)?)\)"
)
_UNIT = "gco2eq/kwh"
COLUMNS = ("life_cycle", "direct")
_LISTS = ("history", "data", "forecast")
"""Names of the list of intensities in the answers of the API."""
_FACTORS = {"life_cycle": "lifecycle", "direct": "direct"}
"""Names of the columns in the answers of the API."""


def matches(source: Source) -> bool:
    """Return whether a file looks like one."""
    first = next(iter(_entries(source)[1]), None)
    if isinstance(first, dict) and {"carbonIntensity", "datetime"} <= first.keys():
        return True
    intensities = any(name.startswith("carbon intensity") for name in source.names)
    return ("datetime (utc)" in source.names) and (intensities or "zone id" in source.names)


def read(source: Source, options: ReadOptions) -> Series:
    """Return the average intensity [g/kWh]: life-cycle, unless the direct one is wanted.

    Raises:
        SignalError: If the file is not as it should be.
    """
    if _entries(source)[0]:
        return _read_json(source, options)
    time = source.find("Datetime (UTC)")
    value = _find_intensity(source, options.column or COLUMNS[0])
    table = only_area(source, source.table(fewest=1), options, "Zone id", "Zone name", fewest=1)
    faults, texts = table.faults(), table.texts(value)
    values = parse_numbers(texts, faults, blank=options.fill is not None)
    values = scaled_values(values, 1.0, texts, faults, signed=False)
    times_us = parse_iso(table.texts(time), "UTC", faults)
    lengths_us = None
    if len(values) == 1:
        if times_us is None:
            faults.stop()
        year = times_us.astype("datetime64[us]").astype("datetime64[Y]")
        if (year.astype("datetime64[us]").astype(np.int64) != times_us).any():
            table.require_rows()
        lengths_us = (year + 1).astype("datetime64[us]").astype(np.int64) - times_us
        faults.notes.append(
            f"a single row, of 1 January: its value is held over the year {year[0]}"
        )
    return regular_series(times_us, values, faults, lengths_us=lengths_us, fill=options.fill)


def _entries(source: Source) -> tuple[str, list[Any]]:
    """Return the list in an answer of the API, and its name; an empty one in another document."""
    document = source.json
    if isinstance(document, dict) and "zone" in document:
        for name in _LISTS:
            if isinstance(document.get(name), list):
                return name, document[name]
    return "", []


def _read_json(source: Source, options: ReadOptions) -> Series:
    name, entries = _entries(source)
    zone = source.json["zone"]
    if options.area not in (None, zone):
        message = f"area: the file is of zone {shown(zone)} (got {shown(options.area)})"
        raise file_error(source.path, None, message)
    wanted = _FACTORS[options.column or COLUMNS[0]]
    table = source.entry_table(name, entries, ("datetime", "carbonIntensity")).require_rows()
    faults, texts = table.faults(), table.texts(1)
    kinds = as_texts([entry.get("emissionFactorType") or wanted for entry in entries])
    other = (kinds != wanted).to_numpy(dtype=bool)
    faults.add(other, f"expected emissionFactorType {wanted!r}, or another `column`", kinds)
    values = parse_numbers(texts, faults, blank=options.fill is not None)
    values = scaled_values(values, 1.0, texts, faults, signed=False)
    times_us = parse_iso(table.texts(0), "UTC", faults)
    return regular_series(times_us, values, faults, fill=options.fill)


def _find_intensity(source: Source, wanted: str) -> int:
    """Return the position of the column of one of the two intensities."""
    indices = []
    for index, name in enumerate(source.names):
        if (match := _INTENSITY.fullmatch(name)) is None:
            continue
        if match["unit"] != _UNIT:
            raise source.error(f"expected the unit gCO₂eq/kWh (got {shown(source.header[index])})")
        if (wanted == "direct") == (match["direct"] is not None):
            indices.append(index)
    if len(indices) != 1:
        title = "direct" if wanted == "direct" else "Life cycle"
        return source.find(f"Carbon intensity gCO₂eq/kWh ({title})")
    return indices[0]


FORMAT = SignalFormat(
    name="electricity_maps",
    about="Electricity Maps, CSV files from 2021 on and JSON of its API",
    quantity="carbon intensity",
    unit="g/kWh",
    matches=matches,
    read=read,
    kind="average",
    columns=COLUMNS,
    areas=True,
)
