"""Solcast: irradiance and temperature of a place, stamped with the end of each period.

A row is the mean over its period, whose length stands in a column of its own, as an ISO 8601
duration. Names are those of both forms, ``PeriodEnd`` and ``period_end``.
"""

from __future__ import annotations

import re

import numpy as np

from cosim.signals.formats.contract import SignalFormat
from cosim.signals.formats.source import ReadOptions, Source
from cosim.signals.intervals import parse_numbers, regular_series, scaled_values
from cosim.signals.series import Series
from cosim.signals.stamps import parse_iso

COLUMNS = ("ghi", "dni", "dhi", "air_temp")
"""Global horizontal, direct normal and diffuse horizontal irradiance [W/m2]; air [°C]."""
_PERIOD = re.compile(r"PT(?:(?P<hours>\d{1,2})H)?(?:(?P<minutes>\d{1,4})M)?")


def matches(source: Source) -> bool:
    """Return whether a file looks like one."""
    return bool({"periodend", "period_end"} & set(source.names))


def columns(source: Source) -> list[str]:
    """Return which of `COLUMNS` a file has."""
    names = {name.replace("_", "") for name in source.names}
    return [column for column in COLUMNS if column.replace("_", "") in names]


def read(source: Source, options: ReadOptions) -> Series:
    """Return one of the columns, ``ghi`` by default [W/m2 or °C].

    Raises:
        SignalError: If the file is not as it should be.
    """
    column = options.column or COLUMNS[0]
    title = {"air_temp": "AirTemp"}.get(column, column.capitalize())
    time = source.find("PeriodEnd", "period_end")
    period, value = source.find("Period"), source.find(title, column)
    table = source.table()
    faults, texts = table.faults(), table.texts(value)
    values = parse_numbers(texts, faults, blank=options.fill is not None)
    values = scaled_values(values, 1.0, texts, faults, signed=column == "air_temp")
    periods = table.texts(period)
    match = _PERIOD.fullmatch(periods.iloc[0])
    minutes = 60 * int(match["hours"] or 0) + int(match["minutes"] or 0) if match else 0
    like = "expected a period such as PT30M"
    if not minutes:
        faults.add((periods == periods.iloc[0]).to_numpy(bool), like, periods)
        faults.stop()
    other = (periods != periods.iloc[0]).to_numpy(dtype=bool)
    faults.add(other, f"expected the period {periods.iloc[0]} as in the first row", periods)
    times_us = parse_iso(table.texts(time), options.timezone, faults)
    return regular_series(
        times_us,
        values,
        faults,
        stamp="end",
        lengths_us=np.full(len(values), minutes * 60_000_000),
        fill=options.fill,
    )


FORMAT = SignalFormat(
    name="solcast",
    about="Solcast, irradiance and temperature",
    quantity="weather",
    unit="W/m2",
    matches=matches,
    read=read,
    columns=COLUMNS,
)
