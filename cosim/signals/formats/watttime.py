"""WattTime, version 3 of its API: the JSON answer, and the CSV file that its client writes.

The stamp, ``point_time``, is the start of the interval. MOER is the marginal rate of operating
emissions, AOER the average one; both in pounds a MWh.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import pandas as pd

from cosim.signals.faults import file_error, shown
from cosim.signals.formats.source import ReadOptions, Source, only_area
from cosim.signals.intervals import parse_numbers, regular_series, scaled_values
from cosim.signals.series import Series
from cosim.signals.stamps import parse_iso

G_PER_KWH = 0.45359237
"""A pound a MWh [g/kWh], by the definition of the pound."""
_UNIT = "lbs_co2_per_mwh"
_KINDS: dict[str, Literal["average", "marginal"]] = {"co2_moer": "marginal", "co2_aoer": "average"}


def matches(source: Source) -> bool:
    """Whether a file looks like one."""
    if "point_time" in source.names:
        return True
    document = source.json
    if not isinstance(document, dict):
        return False
    meta, data = document.get("meta"), document.get("data")
    first = data[0] if isinstance(data, list) and data else None
    return (isinstance(meta, dict) and "signal_type" in meta) or (
        isinstance(first, dict) and "point_time" in first
    )


def read(source: Source, options: ReadOptions) -> Series:
    """Return the intensity [g/kWh], of the kind that its signal type tells.

    Raises:
        SignalError: If the file is not as it should be.
    """
    return _read_csv(source, options) if source.json is None else _read_json(source, options)


def _read_csv(source: Source, options: ReadOptions) -> Series:
    time, value = source.find("point_time"), source.find("value")
    table = only_area(source, source.table(), options, "region")
    faults, texts = table.faults(), table.texts(value)
    kind = _KINDS["co2_moer"]
    if "signal_type" in source.names:
        types = table.texts(source.find("signal_type"))
        kind = _kind(source, types.iloc[0])
        faults.add((types != types.iloc[0]).to_numpy(bool), "expected one signal_type", types)
    if "units" in source.names:
        units = table.texts(source.find("units"))
        faults.add((units != _UNIT).to_numpy(bool), f"expected the unit {_UNIT}", units)
    values = parse_numbers(texts, faults, blank=options.fill is not None)
    values = scaled_values(values, G_PER_KWH, texts, faults, signed=False)
    times_us = parse_iso(table.texts(time), options.timezone, faults)
    return replace(regular_series(times_us, values, faults, fill=options.fill), kind=kind)


def _read_json(source: Source, options: ReadOptions) -> Series:
    document = source.json
    meta = document.get("meta") if isinstance(document, dict) else None
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(meta, dict) or not isinstance(data, list):
        raise file_error(source.path, None, 'expected {"meta": {...}, "data": [...]}')
    if meta.get("units") != _UNIT:
        raise file_error(
            source.path, None, f"meta.units: expected {_UNIT} (got {shown(meta.get('units'))})"
        )
    kind = _kind(source, meta.get("signal_type"))
    if options.area not in (None, meta.get("region")):
        raise file_error(
            source.path,
            None,
            f"area: the file is of region {shown(meta.get('region'))} (got {options.area!r})",
        )
    faults = source.entries("data", data)
    texts = pd.Series([_text(entry, "value") for entry in data], dtype="str")
    values = parse_numbers(texts, faults, blank=options.fill is not None)
    values = scaled_values(values, G_PER_KWH, texts, faults, signed=False)
    stamps = pd.Series([_text(entry, "point_time") for entry in data], dtype="str")
    times_us = parse_iso(stamps, options.timezone, faults)
    return replace(regular_series(times_us, values, faults, fill=options.fill), kind=kind)


def _text(entry: Any, key: str) -> str:
    """Return an item of an entry as text: numbers as they are, all else only if it is text."""
    item = entry.get(key) if isinstance(entry, dict) else None
    return "" if item is None else item if isinstance(item, str) else repr(item)


def _kind(source: Source, signal_type: object) -> Literal["average", "marginal"]:
    if not isinstance(signal_type, str) or signal_type not in _KINDS:
        raise file_error(
            source.path,
            None,
            f"signal_type: expected one of {[*_KINDS]} (got {shown(signal_type)})",
        )
    return _KINDS[signal_type]
