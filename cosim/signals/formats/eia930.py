"""Hourly generation by fuel of US balancing authorities, form EIA-930.

Two forms: the six-month balance files as EIA publishes them, with all authorities, and a plain mix
of one authority with a column for each of EIA's codes of fuels. The stamp is the end of the hour,
in UTC.
"""

from __future__ import annotations

import re

from cosim.signals.formats.generation import read_intensity
from cosim.signals.formats.source import ReadOptions, Source, only_area
from cosim.signals.intervals import regular_series
from cosim.signals.mix import STORAGE
from cosim.signals.series import Series
from cosim.signals.stamps import parse_as, parse_iso

_CODES = {
    "NG": "gas",
    "COL": "coal",
    "OIL": "oil",
    "OTH": "other",
    "SUN": "solar",
    "WAT": "hydro",
    "NUC": "nuclear",
    "WND": "wind",
    "GEO": "geothermal",
    "PS": STORAGE,
    "BAT": STORAGE,
}
"""Fuels by the codes that EIA uses; the order is that in which a mix is added up."""
_FUELS = {
    "coal": "coal",
    "natural gas": "gas",
    "nuclear": "nuclear",
    "all petroleum products": "oil",
    "hydropower and pumped storage": "hydro",
    "hydropower excluding pumped storage": "hydro",
    "pumped storage": STORAGE,
    "solar": "solar",
    "solar without integrated battery storage": "solar",
    "solar with integrated battery storage": "solar",
    "wind": "wind",
    "wind without integrated battery storage": "wind",
    "wind with integrated battery storage": "wind",
    "battery storage": STORAGE,
    "other energy storage": STORAGE,
    "unknown energy storage": STORAGE,
    "geothermal": "geothermal",
    "other fuel sources": "other",
    "unknown fuel sources": "other",
}
"""Fuels by the names in the balance files; those changed in 2024."""
_GENERATION = re.compile(
    r"net generation \((?P<unit>\w+)\) from (?P<fuel>.*?)(?: \((?P<how>imputed|adjusted)\))?"
)
_STAMP = "%m/%d/%Y %I:%M:%S %p"


def matches(source: Source) -> bool:
    """Whether a file looks like one of the two."""
    if any(name.startswith("net generation (") for name in source.names):
        return True
    return len(set(source.header) & set(_CODES)) >= 2


def read(source: Source, options: ReadOptions) -> Series:
    """Return the average intensity of the mix [g/kWh].

    Raises:
        SignalError: If the file is not as it should be.
    """
    if set(source.header) & set(_CODES):
        return _read_plain(source, options)
    return _read_balance(source, options)


def _read_plain(source: Source, options: ReadOptions) -> Series:
    time = source.find("timestamp")
    columns = {source.find(code): fuel for code, fuel in _CODES.items() if code in source.header}
    table = only_area(source, source.table(), options)
    faults = table.faults()
    values = read_intensity(table, columns, faults, options)
    times_us = parse_iso(table.texts(time), options.timezone, faults)
    return regular_series(times_us, values, faults, stamp="end", fill=options.fill)


def _read_balance(source: Source, options: ReadOptions) -> Series:
    time = source.find("UTC Time at End of Hour")
    source.find("Balancing Authority")
    columns = _fuel_columns(source)
    table = only_area(source, source.table(), options, "Balancing Authority")
    faults = table.faults()
    values = read_intensity(table, columns, faults, options)
    times_us = parse_as(table.texts(time), _STAMP, "1/31/2022 8:00:00 AM", faults)
    return regular_series(times_us, values, faults, stamp="end", fill=options.fill)


def _fuel_columns(source: Source) -> dict[int, str]:
    """Return the fuels by their columns; of one that is reported and adjusted, the adjusted."""
    found: dict[str, dict[str, int]] = {}
    for index, name in enumerate(source.names):
        if (match := _GENERATION.fullmatch(name)) is None:
            continue
        if match["unit"] != "mw":
            raise source.error(f"expected generation in MW (got {source.header[index]!r})")
        if match["fuel"] not in _FUELS:
            raise source.error(
                f"no factor is known for this fuel (got {source.header[index]!r}, expected one of "
                f"{[*_FUELS]})"
            )
        forms = found.setdefault(match["fuel"], {})
        if (match["how"] or "") in forms:
            raise source.error(f"more than one column {source.header[index]!r}")
        forms[match["how"] or ""] = index
    if not found:
        raise source.error("there is no column 'Net Generation (MW) from ...'")
    return {
        forms["adjusted" if "adjusted" in forms else ""]: _FUELS[fuel]
        for fuel, forms in found.items()
        if "adjusted" in forms or "" in forms
    }
