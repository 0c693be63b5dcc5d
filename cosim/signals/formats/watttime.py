"""WattTime, version 3 of its API: its answers in JSON, and the CSV file that its client writes.

The history of forecasts has many for each time: the newest made by then counts, or made `lead`
before. The stamp, ``point_time``, is the start of the interval. MOER is the marginal rate of
operating emissions, AOER the average one; both in pounds a MWh.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import pandas as pd

from cosim.signals.faults import file_error, shown
from cosim.signals.formats.answer import Answer, Entry
from cosim.signals.formats.contract import SignalFormat
from cosim.signals.formats.forecasts import Issues, issues_of, newest
from cosim.signals.formats.source import ReadOptions, Source, only_area
from cosim.signals.intervals import parse_numbers, regular_series, scaled_values
from cosim.signals.series import Series
from cosim.signals.stamps import parse_iso

G_PER_KWH = 0.45359237
"""A pound a MWh [g/kWh], by the definition of the pound."""
_UNIT = "lbs_co2_per_mwh"
_FORM = "{point_time, value}, as WattTime has it"
_HISTORY = {"generated_at", "forecast"}
"""Keys of an entry in a history of forecasts."""
_KINDS: dict[str, Literal["average", "marginal"]] = {"co2_moer": "marginal", "co2_aoer": "average"}


def matches(source: Source) -> bool:
    """Return whether a file looks like one."""
    if "point_time" in source.names:
        return True
    document = source.json
    if not isinstance(document, dict):
        return False
    meta, data = document.get("meta"), document.get("data")
    first = data[0] if isinstance(data, list) and data else None
    return (isinstance(meta, dict) and "signal_type" in meta) or (
        isinstance(first, dict) and ("point_time" in first or first.keys() >= _HISTORY)
    )


def has_forecasts(source: Source) -> bool:
    """Return whether a file is a history of forecasts."""
    document = source.json
    data = document.get("data") if isinstance(document, dict) else None
    first = data[0] if isinstance(data, list) and data else None
    return isinstance(first, dict) and first.keys() >= _HISTORY


def read_issues(source: Source, options: ReadOptions) -> Issues:
    """Return all forecasts of a history [g/kWh].

    Raises:
        SignalError: If the file is not as it should be.
    """
    source.checked(_check_meta, source.json)
    _check_region(source, options)
    data: list[Any] = source.json["data"]
    issued = source.entry_table("data", data, ("generated_at", "forecast"))
    points: list[Any] = []
    for row, issue in enumerate(data):
        if not isinstance(issue["forecast"], list):
            message = f"data[{row}].forecast: expected a list (got {shown(issue['forecast'])})"
            raise file_error(source.path, None, message)
        for point in issue["forecast"]:
            whole = isinstance(point, dict)
            points.append({**point, "issue": row} if whole else point)
    table = source.entry_table("forecast", points, ("point_time", "value", "issue"))
    issued_texts = issued.texts(0).iloc[table.rows[2].astype(int)].reset_index(drop=True)
    rows = pd.concat([issued_texts, table.rows[0], table.rows[1]], axis=1, ignore_index=True)
    whole_table = replace(
        table, rows=rows, lines=np.array([int(row) for row in table.rows[2]]), entries="data"
    )
    return issues_of(whole_table, (0, 1, 2), options, factor=G_PER_KWH, signed=False)


def read(source: Source, options: ReadOptions) -> Series:
    """Return the intensity [g/kWh], of the kind that its signal type tells.

    Raises:
        SignalError: If the file is not as it should be.
    """
    if source.json is None:
        return _read_csv(source, options)
    if not has_forecasts(source):
        return _read_json(source, options)
    series = newest(source, read_issues(source, options), options)
    return replace(series, kind=source.checked(_check_meta, source.json))


def _read_csv(source: Source, options: ReadOptions) -> Series:
    time, value = source.find("point_time"), source.find("value")
    table = only_area(source, source.table(), options, "region")
    faults, texts = table.faults(), table.texts(value)
    kind = _KINDS["co2_moer"]
    if "signal_type" in source.names:
        types = table.texts(source.find("signal_type"))
        kind = source.checked(_kind, types.iloc[0])
        faults.add((types != types.iloc[0]).to_numpy(bool), "expected one signal_type", types)
    if "units" in source.names:
        units = table.texts(source.find("units"))
        faults.add((units != _UNIT).to_numpy(bool), f"expected the unit {_UNIT}", units)
    values = parse_numbers(texts, faults, blank=options.fill is not None)
    values = scaled_values(values, G_PER_KWH, texts, faults, signed=False)
    times_us = parse_iso(table.texts(time), options.timezone, faults)
    return replace(regular_series(times_us, values, faults, fill=options.fill), kind=kind)


def _read_json(source: Source, options: ReadOptions) -> Series:
    found = source.answer(answer)
    _check_region(source, options)
    faults, texts = source.entries("data", found.entries), found.texts("value")
    values = parse_numbers(texts, faults, blank=options.fill is not None)
    values = scaled_values(values, found.g_per_kwh, texts, faults, signed=False)
    times_us = parse_iso(found.starts, options.timezone, faults)
    return replace(regular_series(times_us, values, faults, fill=options.fill), kind=found.kind)


def _check_region(source: Source, options: ReadOptions) -> None:
    region = source.json["meta"].get("region")
    if options.area not in (None, region):
        message = f"area: the file is of region {shown(region)} (got {shown(options.area)})"
        raise file_error(source.path, None, message)


def answer(document: Any) -> Answer:
    """Return the points of a document.

    Raises:
        ValueError: If it is of another shape, or of another signal or unit.
    """
    kind = _check_meta(document)
    return Answer([_entry(item) for item in document["data"]], kind, G_PER_KWH, _FORM)


def _check_meta(document: Any) -> Literal["average", "marginal"]:
    """Return the kind of an intensity, by the head of a document.

    Raises:
        ValueError: If it is of another shape, or of another signal or unit.
    """
    meta = document.get("meta") if isinstance(document, dict) else None
    data = document.get("data") if isinstance(document, dict) else None
    if not isinstance(meta, dict) or not isinstance(data, list):
        raise ValueError('expected {"meta": {...}, "data": [...]}')
    if meta.get("units") != _UNIT:
        raise ValueError(f"meta.units: expected {_UNIT} (got {shown(meta.get('units'))})")
    return _kind(meta.get("signal_type"))


def _entry(item: Any) -> Entry:
    if not isinstance(item, dict) or "value" not in item:
        return Entry(item.get("point_time") if isinstance(item, dict) else None)
    return Entry(item.get("point_time"), values={"value": item["value"]})


def _kind(signal_type: object) -> Literal["average", "marginal"]:
    """Return the kind of a signal type.

    Raises:
        ValueError: If it is not an intensity.
    """
    if not isinstance(signal_type, str) or signal_type not in _KINDS:
        raise ValueError(f"signal_type: expected one of {[*_KINDS]} (got {shown(signal_type)})")
    return _KINDS[signal_type]


FORMAT = SignalFormat(
    name="watttime",
    about="WattTime v3, JSON or the CSV of its client",
    quantity="carbon intensity",
    unit="g/kWh",
    matches=matches,
    read=read,
    areas=True,
    forecasts=True,
)
