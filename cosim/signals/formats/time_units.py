"""Times as ENTSO-E writes them: market time units (MTU) with both ends, and codes of resolutions.

Stamps are in UTC, or on the clocks of Brussels (``CET/CEST``), where an hour comes twice in autumn.
"""

from __future__ import annotations

import re

import numpy as np
import pandas as pd

from cosim.errors import did_you_mean
from cosim.signals.faults import Faults, IntArray, shown, shown_names
from cosim.signals.formats.source import ReadOptions, Source
from cosim.signals.spacing import FEWEST_EQUAL
from cosim.signals.stamps import from_clock, parse_as
from cosim.signals.text_file import Table

_HALF = r"(\d\d[./]\d\d[./]\d{{4}} \d\d:\d\d)(?::00)?(?: \((?P<{}>UTC|CET|CEST|CET/CEST)\))?"
_MTU = re.compile(f"^{_HALF.format('start')} - {_HALF.format('end')}$")
_OFFSET_US = {"UTC": 0, "CET": 3600_000_000, "CEST": 7200_000_000}
_LOCAL = "CET/CEST"
_TIMEZONE = "Europe/Brussels"
_MINUTE_US = 60_000_000
_HOUR_US = 60 * _MINUTE_US
_RESOLUTION = r"PT(\d{1,4})M"


def zone_of(name: str) -> str | None:
    """Return the zone of the stamps that the name of their column states; None if it has none."""
    match = re.search(r"\((.*)\)", name)
    return match[1].upper() if match else None


def library_area(source: Source, table: Table, options: ReadOptions) -> Table:
    """Return the rows of one area of a file of the file library.

    An area is written as on the platform, such as ``BZN|DE-LU``: its type and its code. The code,
    the name or the EIC alone will do where only one type of area has it.

    Raises:
        SignalError: If there is no such area, or several and none is wanted.
    """
    code, name, eic = (
        table.texts(source.find(*names))
        for names in (("AreaMapCode", "MapCode"), ("AreaDisplayName",), ("AreaCode",))
    )
    areas = table.texts(source.find("AreaTypeCode")) + "|" + code
    if options.area is not None:
        written = [texts.to_numpy() for texts in (areas, code, name, eic)]
        named = np.logical_or.reduce([texts == options.area for texts in written])
        if not named.any():
            known = [*areas.unique()]
            raise source.error(
                f"area: no such area in the file (got {shown(options.area)}, expected one of "
                f"{shown_names(known)}{did_you_mean(options.area, known)})"
            )
        areas, table = areas.iloc[np.flatnonzero(named)], table.only(named)
    if areas.nunique() > 1:
        raise source.error(
            f"the file has {areas.nunique()} areas: set 'area' to one (got "
            f"{shown_names([*areas.unique()])})"
        )
    return table


def resolutions(codes: pd.Series[str], faults: Faults) -> IntArray | None:
    """Return lengths by their codes, such as ``PT15M`` [us]; None where there are faults."""
    minutes = codes.str.extract(f"^{_RESOLUTION}$", expand=False)
    wrong = minutes.isna().to_numpy(dtype=bool)
    if faults.add(wrong, "expected a resolution such as PT15M", codes):
        return None
    return minutes.to_numpy(dtype=object).astype(np.int64) * _MINUTE_US


def parse_units(
    texts: pd.Series[str], zone: str | None, timezone: str | None, faults: Faults
) -> tuple[IntArray | None, IntArray | None]:
    """Return the starts of time units, and their lengths; None where there are faults [us].

    Args:
        texts: The units, as they are written.
        zone: Zone of all stamps, from the header.
        timezone: IANA time zone of stamps without any.
        faults: Collector of faults.
    """
    parts = texts.str.extract(_MTU)
    like = "01.01.2016 00:00 - 01.01.2016 01:00 (UTC)"
    wrong = parts[0].isna().to_numpy(dtype=bool)
    if faults.add(wrong, f"expected a time unit such as {like}", texts):
        return None, None
    clock: list[IntArray] = []
    for half in (parts[0], parts[2]):
        clock_us = parse_as(half.str.replace("/", "."), "%d.%m.%Y %H:%M", like, faults)
        if clock_us is None:
            return None, None
        clock.append(clock_us)
    end_zones = parts["end"].fillna(zone or "")
    start_zones = parts["start"].fillna(end_zones)
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
