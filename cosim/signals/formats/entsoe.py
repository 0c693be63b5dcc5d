"""Actual generation per production type, of ENTSO-E's Transparency Platform.

Three forms: exports of its pages, with a market time unit (MTU) written with both of its ends; the
files of its file library; and tables of the client entsoe-py, written by pandas. Columns of
consumption, by pumps, are left out.
"""

from __future__ import annotations

import re

import numpy as np

from cosim.signals.faults import shown
from cosim.signals.formats.contract import SignalFormat
from cosim.signals.formats.generation import FuelColumn, read_intensity
from cosim.signals.formats.long_table import pivoted
from cosim.signals.formats.source import ReadOptions, Source, only_area
from cosim.signals.formats.time_units import library_area, parse_units, resolutions, zone_of
from cosim.signals.intervals import regular_series
from cosim.signals.mix import STORAGE
from cosim.signals.series import Series
from cosim.signals.stamps import parse_iso

_FUELS = {
    "biomass": "biomass",
    "energy storage": STORAGE,
    "fossil brown coal/lignite": "coal",
    "fossil coal-derived gas": "gas",
    "fossil gas": "gas",
    "fossil hard coal": "coal",
    "fossil oil": "oil",
    "fossil oil shale": "coal",
    "fossil peat": "coal",
    "geothermal": "geothermal",
    "hydro pumped storage": STORAGE,
    "hydro run-of-river and poundage": "hydro",
    "hydro water reservoir": "hydro",
    "marine": "marine",
    "nuclear": "nuclear",
    "other": "other",
    "other renewable": "other",
    "solar": "solar",
    "waste": "other",
    "wind offshore": "wind",
    "wind onshore": "wind",
}
"""Fuels by production type."""
_GENERATION = re.compile(r"(?P<type>.*?) ?- actual aggregated \[(?P<unit>\w+)\]")
_LIBRARY = ("datetime(utc)", "productiontype", "actualgenerationoutput[mw]")
_CLIENT_COLUMNS = ("actual aggregated", "actual consumption")
"""Possible second lines of entsoe-py's names."""


def matches(source: Source) -> bool:
    """Return whether a file looks like one of the three."""
    if {*_LIBRARY} <= {*source.names}:
        return True
    if source.names[:1] == ("",) and {*source.names} & {*_FUELS} >= {*source.names[1:]} != set():
        return True
    has_mtu = any(name == "mtu" or name.startswith("mtu (") for name in source.names)
    return has_mtu and any("actual aggregated" in name for name in source.names)


def read(source: Source, options: ReadOptions) -> Series:
    """Return the average intensity of the mix [g/kWh].

    Raises:
        SignalError: If the file is not as it should be.
    """
    if {*_LIBRARY} <= {*source.names}:
        return _read_library(source, options)
    if source.names[:1] == ("",):
        return _read_client(source, options)
    time = source.find("MTU", "MTU (UTC)", "MTU (CET/CEST)")
    columns = _fuel_columns(source)
    table = only_area(source, source.table(), options, "Area")
    faults = table.faults()
    values = read_intensity(table, columns, faults, options)
    starts_us, lengths_us = parse_units(
        table.texts(time), zone_of(source.header[time]), options.timezone, faults
    )
    return regular_series(starts_us, values, faults, lengths_us=lengths_us, fill=options.fill)


def _fuel_columns(source: Source) -> list[FuelColumn]:
    """Return the columns of generation."""
    columns = []
    for index, name in enumerate(source.names):
        if (match := _GENERATION.fullmatch(name)) is None:
            continue
        if match["unit"] != "mw":
            raise source.error(f"expected generation in MW (got {shown(source.header[index])})")
        if source.names.count(name) > 1:
            raise source.error(f"more than one column {shown(source.header[index])}")
        columns.append(FuelColumn(_FUELS.get(match["type"]), match["type"], (index,)))
    if not columns:
        raise source.error("there is no column '... - Actual Aggregated [MW]'")
    return columns


def _read_library(source: Source, options: ReadOptions) -> Series:
    """Read a file of the file library: tabs, and a row for each time and production type."""
    time, kind, value = (source.find(name) for name in _LIBRARY)
    table = library_area(source, source.table(), options)
    wide, columns = pivoted(table, time, kind, value, lambda name: _FUELS.get(name.lower()))
    faults = wide.faults()
    values = read_intensity(wide, columns, faults, options)
    starts_us = parse_iso(wide.texts(0), "UTC", faults)
    first = table.rows[time].str.strip().drop_duplicates().sort_values().index
    lengths_us = resolutions(table.texts(source.find("ResolutionCode")).loc[first], faults)
    if lengths_us is None:
        faults.stop()
    return regular_series(starts_us, values, faults, lengths_us=lengths_us, fill=options.fill)


def _read_client(source: Source, options: ReadOptions) -> Series:
    """Read a table of the client entsoe-py, as pandas writes it: one line of names, or two."""
    table = only_area(source, source.table(), options)
    second = [table.texts(place).iloc[0].lower() for place in range(len(table.header))]
    two_lines = not second[0] and {*second[1:]} <= {*_CLIENT_COLUMNS}
    places = [
        place
        for place in range(1, len(second))
        if not two_lines or second[place] == _CLIENT_COLUMNS[0]
    ]
    if two_lines:
        table = table.only(np.arange(len(table.rows)) > 0).require_rows()
    columns = [
        FuelColumn(_FUELS.get(source.names[place]), source.names[place], (place,))
        for place in places
    ]
    faults = table.faults()
    values = read_intensity(table, columns, faults, options)
    starts_us = parse_iso(table.texts(0), options.timezone, faults)
    return regular_series(starts_us, values, faults, fill=options.fill)


FORMAT = SignalFormat(
    name="entsoe",
    about="ENTSO-E, generation by production type of a European area",
    quantity="carbon intensity",
    unit="g/kWh",
    matches=matches,
    read=read,
    kind="average",
    areas=True,
    mix=True,
)
