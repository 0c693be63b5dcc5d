"""Actual generation per production type, as ENTSO-E's Transparency Platform exports it.

A market time unit, MTU, is written with both of its ends. Stamps are in UTC, or on the clocks of
Brussels (``CET/CEST``), where an hour comes twice in autumn. Columns of consumption, by pumps, are
left out.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from cosim.signals.faults import Faults, IntArray
from cosim.signals.formats.generation import read_intensity
from cosim.signals.formats.source import ReadOptions, Source, only_area
from cosim.signals.intervals import regular_series
from cosim.signals.mix import STORAGE
from cosim.signals.series import Series
from cosim.signals.spacing import FEWEST_EQUAL
from cosim.signals.stamps import from_clock, parse_as

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
_HALF = r"(\d\d[./]\d\d[./]\d{{4}} \d\d:\d\d)(?::00)?(?: \((?P<{}>UTC|CET|CEST|CET/CEST)\))?"
_MTU = re.compile(f"^{_HALF.format('start')} - {_HALF.format('end')}$")
_OFFSET_US = {"UTC": 0, "CET": 3600_000_000, "CEST": 7200_000_000}
_LOCAL = "CET/CEST"
_TIMEZONE = "Europe/Brussels"
_MINUTE_US = 60_000_000
_HOUR_US = 60 * _MINUTE_US


def matches(source: Source) -> bool:
    """Whether a file looks like one."""
    has_mtu = any(name == "mtu" or name.startswith("mtu (") for name in source.names)
    return has_mtu and any("actual aggregated" in name for name in source.names)


def read(source: Source, options: ReadOptions) -> Series:
    """Return the average intensity of the mix [g/kWh].

    Raises:
        SignalError: If the file is not as it should be.
    """
    time = source.find("MTU", "MTU (UTC)", "MTU (CET/CEST)")
    columns = _fuel_columns(source)
    table = only_area(source, source.table(), options, "Area")
    faults = table.faults()
    values = read_intensity(table, columns, faults, options)
    zone = re.search(r"\((.*)\)", source.header[time])
    starts_us, lengths_us = _parse_units(
        table.texts(time), zone[1].upper() if zone else None, options.timezone, faults
    )
    return regular_series(starts_us, values, faults, lengths_us=lengths_us, fill=options.fill)


def _fuel_columns(source: Source) -> dict[int, str]:
    """Return the fuels by the columns of their generation."""
    columns: dict[int, str] = {}
    for index, name in enumerate(source.names):
        if (match := _GENERATION.fullmatch(name)) is None:
            continue
        if match["unit"] != "mw":
            raise source.error(f"expected generation in MW (got {source.header[index]!r})")
        if match["type"] not in _FUELS:
            raise source.error(
                f"no factor is known for this production type (got {source.header[index]!r}, "
                f"expected one of {[*_FUELS]})"
            )
        if source.names.count(name) > 1:
            raise source.error(f"more than one column {source.header[index]!r}")
        columns[index] = _FUELS[match["type"]]
    if not columns:
        raise source.error("there is no column '... - Actual Aggregated [MW]'")
    return columns


def _parse_units(
    texts: pd.Series[str], zone: str | None, timezone: str | None, faults: Faults
) -> tuple[IntArray | None, IntArray | None]:
    """Return the starts of time units, and their lengths; None where there are faults [us].

    Args:
        texts: The units, as they are written.
        zone: Zone of all stamps, as the header tells it.
        timezone: IANA time zone of stamps without any.
        faults: Where to note what is wrong.
    """
    found = texts.str.extract(_MTU)
    like = "01.01.2016 00:00 - 01.01.2016 01:00 (UTC)"
    wrong = found[0].isna().to_numpy(dtype=bool)
    if faults.add(wrong, f"expected a time unit such as {like}", texts):
        return None, None
    clock: list[IntArray] = []
    for half in (found[0], found[2]):
        clock_us = parse_as(half.str.replace("/", "."), "%d.%m.%Y %H:%M", like, faults)
        if clock_us is None:
            return None, None
        clock.append(clock_us)
    end_zones = found["end"].fillna(zone or "")
    start_zones = found["start"].fillna(end_zones)
    zoneless = (start_zones == "").to_numpy(dtype=bool)
    text = "the stamp has no time zone; set 'timezone' to that of the file"
    if timezone is None and faults.add(zoneless, text, texts):
        return None, None

    starts_us = _in_utc(clock[0], start_zones, timezone, texts, faults)
    if starts_us is None:
        return None, None
    return starts_us, _unit_lengths(starts_us, clock, start_zones, end_zones, texts, faults)


def _in_utc(
    clock_us: IntArray,
    zones: pd.Series[str],
    timezone: str | None,
    texts: pd.Series[str],
    faults: Faults,
) -> IntArray | None:
    """Return clock times of several zones in UTC [us]; None where there are faults."""
    times_us: IntArray | None = clock_us - zones.map(_OFFSET_US).fillna(0).to_numpy(dtype=np.int64)
    for name, zone in ((_LOCAL, _TIMEZONE), ("", timezone)):
        rows = (zones == name).to_numpy(dtype=bool)
        if rows.any() and times_us is not None and zone is not None:
            times_us = from_clock(times_us, rows, zone, texts, faults)
    return times_us


def _unit_lengths(
    starts_us: IntArray,
    clock: list[IntArray],
    start_zones: pd.Series[str],
    end_zones: pd.Series[str],
    texts: pd.Series[str],
    faults: Faults,
) -> IntArray | None:
    """Return the lengths of time units; one that stands alone is a fault [us]."""
    offsets_us = [
        zones.map(_OFFSET_US).fillna(0).to_numpy(dtype=np.int64)
        for zones in (start_zones, end_zones)
    ]
    lengths_us = (clock[1] - offsets_us[1]) - (clock[0] - offsets_us[0])
    # On a local clock the unit in which it changes looks an hour longer or shorter.
    local = start_zones.isin((_LOCAL, "")).to_numpy(dtype=bool)
    each_us, counts = np.unique(lengths_us, return_counts=True)
    unit_us = int(each_us[counts.argmax()])
    if unit_us <= 0:
        faults.add(lengths_us <= 0, "expected the end of the time unit after its start", texts)
        return None
    steps_us = np.append(np.diff(starts_us), unit_us)
    changed = local & (lengths_us != steps_us) & (np.abs(lengths_us - steps_us) == _HOUR_US)
    lengths_us = np.where(changed, steps_us, lengths_us)
    # A length is one of the file's if it comes several times in succession.
    known = {unit_us, *_lasting(lengths_us)}
    wrong = ~np.isin(lengths_us, [*known]) | (lengths_us <= 0)
    text = f"expected a time unit of {unit_us / _MINUTE_US:g} min as in the other rows"
    return None if faults.add(wrong, text, texts) else lengths_us


def _lasting(lengths_us: IntArray) -> list[int]:
    """Return the lengths that hold for some rows in succession [us]."""
    edges = np.concatenate([[0], np.flatnonzero(np.diff(lengths_us)) + 1, [len(lengths_us)]])
    rows = np.diff(edges)
    return [int(lengths_us[edge]) for edge in edges[:-1][rows >= FEWEST_EQUAL]]
