"""Hourly generation by fuel of US balancing authorities, form EIA-930.

Three forms: the six-month balance files as EIA publishes them, with all authorities; the answers of
EIA's API, as JSON or CSV, with a row for each hour and fuel; and a plain mix of one authority with
a column for each of EIA's codes of fuels. The stamp is the end of the hour, in UTC.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from cosim.signals.faults import Faults, shown
from cosim.signals.formats.contract import SignalFormat
from cosim.signals.formats.generation import FuelColumn, read_intensity
from cosim.signals.formats.long_table import pivoted
from cosim.signals.formats.source import ReadOptions, Source, only_area
from cosim.signals.intervals import is_missing, regular_series
from cosim.signals.mix import STORAGE, emission_factors
from cosim.signals.series import Series
from cosim.signals.stamps import parse_as, parse_iso
from cosim.signals.text_file import Table

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
    "SNB": "solar",
    "WNB": "wind",
    "OES": STORAGE,
    "UES": STORAGE,
    "UNK": "other",
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
_MISSPELT = {"solar witho integrated battery storage": "solar with integrated battery storage"}
"""Names as EIA's files have them since July 2024, and their meanings."""
_GENERATION = re.compile(
    r"net generation \((?P<unit>\w+)\) from (?P<fuel>.*?)(?: \((?P<how>imputed|adjusted)\))?"
)
_FORMS = ("adjusted", "", "imputed")
"""Of a fuel in a balance file, in the order in which they count."""
_STAMP = "%m/%d/%Y %I:%M:%S %p"
_API = ("period", "respondent", "fueltype", "value")
_CALIFORNIA = "CISO"


def matches(source: Source) -> bool:
    """Return whether a file looks like one of the three."""
    if any(name.startswith("net generation (") for name in source.names):
        return True
    first = next(iter(_api_entries(source)), None)
    if {*source.names} >= {*_API} or (isinstance(first, dict) and first.keys() >= {*_API}):
        return True
    return len(set(source.header) & set(_CODES)) >= 2


def read(source: Source, options: ReadOptions) -> Series:
    """Return the average intensity of the mix [g/kWh].

    Raises:
        SignalError: If the file is not as it should be.
    """
    if _api_entries(source) or {*source.names} >= {*_API}:
        return _read_api(source, options)
    if set(source.header) & set(_CODES):
        return _read_plain(source, options)
    return _read_balance(source, options)


def _read_plain(source: Source, options: ReadOptions) -> Series:
    time = source.find("timestamp")
    columns = [
        FuelColumn(fuel, code, (source.find(code),))
        for code, fuel in _CODES.items()
        if code in source.header
    ]
    table = only_area(source, source.table(), options)
    faults = table.faults()
    values = read_intensity(table, columns, faults, options)
    times_us = parse_iso(table.texts(time), options.timezone, faults)
    return regular_series(times_us, values, faults, stamp="end", fill=options.fill)


def _read_balance(source: Source, options: ReadOptions) -> Series:
    time = source.find("UTC Time at End of Hour")
    area = source.find("Balancing Authority")
    columns = _fuel_columns(source)
    table = only_area(source, source.table(), options, "Balancing Authority")
    faults = table.faults()
    values = read_intensity(table, columns, faults, options)
    if table.texts(area).iloc[0] == _CALIFORNIA:
        _note_california(table, columns, faults, options)
    times_us = parse_as(table.texts(time), _STAMP, "1/31/2022 8:00:00 AM", faults)
    return regular_series(times_us, values, faults, stamp="end", fill=options.fill)


def _fuel_columns(source: Source) -> list[FuelColumn]:
    """Return the fuels of a balance file; of each, the adjusted values come first."""
    by_fuel: dict[str, dict[str, int]] = {}
    for index, name in enumerate(source.names):
        if (match := _GENERATION.fullmatch(name)) is None:
            continue
        if match["unit"] != "mw":
            raise source.error(f"expected generation in MW (got {shown(source.header[index])})")
        forms = by_fuel.setdefault(_MISSPELT.get(match["fuel"], match["fuel"]), {})
        if (match["how"] or "") in forms:
            raise source.error(f"more than one column {shown(source.header[index])}")
        forms[match["how"] or ""] = index
    if not by_fuel:
        raise source.error("there is no column 'Net Generation (MW) from ...'")
    return [
        FuelColumn(_FUELS.get(fuel), fuel, tuple(forms[how] for how in _FORMS if how in forms))
        for fuel, forms in by_fuel.items()
    ]


def _api_entries(source: Source) -> list[Any]:
    """Return the rows of an answer of the API in JSON; none of another document."""
    document = source.json
    for key in ("response", "data"):
        document = document.get(key) if isinstance(document, dict) else None
    return document if isinstance(document, list) else []


def _read_api(source: Source, options: ReadOptions) -> Series:
    entries = _api_entries(source)
    table = source.entry_table("response.data", entries, _API) if entries else source.table()
    time, area, kind, value = ([*map(str.lower, table.header)].index(name) for name in _API)
    table = only_area(source, table, options, "respondent")
    wide, columns = pivoted(table, time, kind, value, lambda code: _CODES.get(code.upper()))
    faults = wide.faults()
    values = read_intensity(wide, columns, faults, options)
    if table.texts(area).iloc[0] == _CALIFORNIA:
        _note_california(wide, columns, faults, options)
    times_us = parse_iso(wide.texts(0), options.timezone or "UTC", faults)
    return regular_series(times_us, values, faults, stamp="end", fill=options.fill)


def _note_california(
    table: Table, columns: Sequence[FuelColumn], faults: Faults, options: ReadOptions
) -> None:
    """Note that California's batteries are among its other fuels, where they are not shown apart.

    In the hours of 2022 ``Other`` gives 3 MW in the mean at 11 in the morning and 1,378 MW at 7 in
    the evening, Pacific time, and is never negative: batteries, shown as they discharge.
    """
    if "other" in (*options.leave_out, *options.factors):
        return
    batteries = any(
        "bat" in column.name.lower() for column in _with_values(table, columns, STORAGE)
    )
    other = _with_values(table, columns, "other")
    if other and not batteries:
        grams = emission_factors()["other"].g_per_kwh
        faults.notes.append(
            f"{shown(other[0].name)} of California includes the discharge of batteries, counted "
            f"with {grams:g} g/kWh; `leave_out: [other]` leaves it out"
        )


def _with_values(table: Table, columns: Sequence[FuelColumn], fuel: str) -> list[FuelColumn]:
    """Return the columns of a fuel that have a value other than 0."""
    return [
        column
        for column in columns
        if column.fuel == fuel
        and any(
            (~is_missing(texts) & (texts != "0").to_numpy(dtype=bool)).any()
            for texts in map(table.texts, column.places)
        )
    ]


FORMAT = SignalFormat(
    name="eia930",
    about="EIA-930, generation by fuel of US balancing authorities",
    quantity="carbon intensity",
    unit="g/kWh",
    matches=matches,
    read=read,
    kind="average",
    areas=True,
    mix=True,
)
