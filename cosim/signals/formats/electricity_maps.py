"""Electricity Maps: yearly, monthly, daily and hourly CSV files, as published from 2021 on.

The stamp is the start of the interval, in UTC. Headers changed over the years: names are matched
without case, and ``(LCA)``, ``(Life cycle)`` and ``(Life cycle assessment)`` are the same.
"""

from __future__ import annotations

import re

from cosim.signals.formats.source import ReadOptions, Source, only_area
from cosim.signals.intervals import parse_numbers, regular_series, scaled_values
from cosim.signals.series import Series
from cosim.signals.stamps import parse_iso

_INTENSITY = re.compile(
    r"carbon intensity (?P<unit>.*?) ?\((?:(?P<direct>direct)|lca|life cycle(?: assessment)?)\)"
)
_UNIT = "gco2eq/kwh"
COLUMNS = ("life_cycle", "direct")


def matches(source: Source) -> bool:
    """Whether a file looks like one."""
    intensities = any(name.startswith("carbon intensity") for name in source.names)
    return ("datetime (utc)" in source.names) and (intensities or "zone id" in source.names)


def read(source: Source, options: ReadOptions) -> Series:
    """Return the average intensity [g/kWh]: life-cycle, unless the direct one is wanted.

    Raises:
        SignalError: If the file is not as it should be.
    """
    time = source.find("Datetime (UTC)")
    value = _find_intensity(source, options.column or COLUMNS[0])
    table = only_area(source, source.table(), options, "Zone id", "Zone name")
    faults, texts = table.faults(), table.texts(value)
    values = parse_numbers(texts, faults, blank=options.fill is not None)
    values = scaled_values(values, 1.0, texts, faults, signed=False)
    times_us = parse_iso(table.texts(time), "UTC", faults)
    return regular_series(times_us, values, faults, fill=options.fill)


def _find_intensity(source: Source, wanted: str) -> int:
    """Return the position of the column of one of the two intensities."""
    found = []
    for index, name in enumerate(source.names):
        if (match := _INTENSITY.fullmatch(name)) is None:
            continue
        if match["unit"] != _UNIT:
            raise source.error(f"expected the unit gCO₂eq/kWh (got {source.header[index]!r})")
        if (wanted == "direct") == (match["direct"] is not None):
            found.append(index)
    if len(found) != 1:
        title = "direct" if wanted == "direct" else "Life cycle"
        return source.find(f"Carbon intensity gCO₂eq/kWh ({title})")
    return found[0]
