"""Recorded forecasts: the time of issue, the time forecast, and the value of each.

The series has, for each time, the value of the newest forecast that was made by then, or so long
before as is asked for. The unit is not in the file.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from cosim.signals.faults import Faults, IntArray
from cosim.signals.formats.contract import SignalFormat
from cosim.signals.formats.source import ReadOptions, Source
from cosim.signals.intervals import parse_numbers, regular_series, scaled_values
from cosim.signals.series import Series
from cosim.signals.stamps import parse_iso
from cosim.signals.text_file import Table
from inference_sim.arrays import FloatArray


def matches(source: Source) -> bool:
    """Return whether a file looks like one."""
    return {"request_time", "forecast_time"} <= set(source.names)


@dataclass(frozen=True, slots=True, eq=False)
class Issues:
    """Rows of a file of forecasts, as they stand, shape (n,) each.

    Attributes:
        made_us: When each was made [µs since 1970].
        times_us: Times forecast [µs since 1970].
        values: The values, in the unit of the file; NaN where blank ones may be filled.
        lines: Lines of the file, from 1; or indices in the list `entries`, from 0.
        entries: Name of the list that they are entries of; empty if they are lines.
    """

    made_us: IntArray
    times_us: IntArray
    values: FloatArray
    lines: IntArray
    entries: str = ""


def read_issues(source: Source, options: ReadOptions) -> Issues:
    """Return all forecasts of a file, no time forecast twice at once.

    Raises:
        SignalError: If the file is not as it should be.
    """
    places = [source.find(name) for name in ("request_time", "forecast_time", "value")]
    return issues_of(source.table(), places, options, factor=1.0)


def issues_of(
    table: Table, places: Sequence[int], options: ReadOptions, *, factor: float, signed: bool = True
) -> Issues:
    """Return the forecasts of a table.

    Args:
        table: Its rows.
        places: Positions of the time of issue, the time forecast, and the value.
        options: The time zone of stamps without one, and whether values may be missing.
        factor: Factor of each value.
        signed: Whether values may be negative.

    Raises:
        SignalError: If the rows are not as they should be.
    """
    faults = table.faults()
    requested, wanted, texts = (table.texts(place) for place in places)
    values = parse_numbers(texts, faults, blank=options.fill is not None)
    values = scaled_values(values, factor, texts, faults, signed=signed)
    made_us = parse_iso(requested, options.timezone, faults)
    times_us = parse_iso(wanted, options.timezone, faults)
    if made_us is None or times_us is None:
        faults.stop()
    pairs = np.stack([times_us, made_us])
    order = np.lexsort((np.arange(len(values)), made_us, times_us))
    again = np.zeros(len(values), dtype=bool)
    again[order[1:]] = (np.diff(pairs[:, order]) == 0).all(axis=0)
    text = "expected one row per request_time and forecast_time; this one repeats another"
    faults.add(again, text, (requested + " for " + wanted).tolist())
    if faults.problems:
        faults.stop()
    return Issues(made_us, times_us, values, table.lines, table.entries)


def read(source: Source, options: ReadOptions) -> Series:
    """Return the newest forecasts, in the unit of the file.

    Raises:
        SignalError: If the file is not as it should be.
    """
    return newest(source, read_issues(source, options), options)


def newest(source: Source, issues: Issues, options: ReadOptions) -> Series:
    """Return for each time the newest forecast made by then, or `lead` before.

    Raises:
        SignalError: If there are less than two.
    """
    made_us, times_us, values = issues.made_us, issues.times_us, issues.values
    order = np.lexsort((np.arange(len(values)), made_us, times_us))
    in_time = order[made_us[order] <= times_us[order] - round(options.lead_s * 1e6)]
    last = in_time[np.append(np.diff(times_us[in_time]) > 0, True)[: len(in_time)]]
    if len(last) < 2:
        raise source.error(
            f"expected forecasts of two times or more, made {options.lead_s / 3600:g} h before or "
            f"earlier (got {len(last)})"
        )
    rows = Faults(source.path, issues.lines[last], issues.entries)
    return regular_series(times_us[last], values[last], rows, fill=options.fill)


FORMAT = SignalFormat(
    name="forecasts",
    about="recorded forecasts",
    quantity="any",
    unit="",
    matches=matches,
    read=read,
    forecasts=True,
)
