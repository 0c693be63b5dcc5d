"""One year standing in for others: each moment gets the value of the same date and time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cosim.errors import Problem, SignalError
from cosim.signals.even import even
from cosim.signals.faults import IntArray
from cosim.signals.series import Series, utc_stamp

_DAY_US = 86_400_000_000
_PAST_US = 7 * _DAY_US


def repeated_year(series: Series, start_s: float, end_s: float) -> Series:
    """Return the values of `series` by their dates, over a span and up to 7 days before it.

    Values that the series covers stay. Others are those of the same date and time, in UTC,
    of the latest year that has it; on 29 February, where a year has none, that of the 28th.

    Args:
        series: Rows whose lengths divide a day, or are whole days.
        start_s: Start of the span, in seconds since the Unix epoch.
        end_s: End of the span, in seconds since the Unix epoch.

    Raises:
        SignalError: If a date of the span is in no year of the series.
        ValueError: If the distance of the rows does not divide a day.
    """
    series = even(series)
    first_us, last_us = (round(time_s * 1e6) for time_s in (series.starts_s[0], series.end_s))
    step_us = (last_us - first_us) // len(series)
    if _DAY_US % step_us:
        raise ValueError(
            f"repeat_year needs rows whose distance divides a day (got {step_us / 1e6:g} s)"
        )
    start_us, end_us = round(start_s * 1e6), round(end_s * 1e6)
    phase_us = first_us % step_us
    start = (start_us - _PAST_US - phase_us) // step_us
    stop = -((phase_us - end_us) // step_us)
    times_us = np.arange(start, stop, dtype=np.int64) * step_us + phase_us

    rows = np.full(len(times_us), -1, dtype=np.int64)
    years = np.array([first_us, last_us - 1]).astype("datetime64[us]").astype("datetime64[Y]")
    for year in range(int(years[0].astype(np.int64)), int(years[1].astype(np.int64)) + 1):
        _take(rows, _in_year(times_us, year), first_us, step_us, len(series))
    _take(rows, times_us, first_us, step_us, len(series))

    missing = rows < 0
    needed = times_us + step_us > start_us
    if (missing & needed).any():
        moment = utc_stamp(float(times_us[(missing & needed).argmax()]) / 1e6)
        raise SignalError(
            Problem(
                f"no year of the file has a value for {moment[5:]} (it covers "
                f"{utc_stamp(float(series.starts_s[0]))} to {utc_stamp(series.end_s)}), which "
                f"repeat_year needs for {moment}",
                where=series.source,
            )
        )
    kept = slice(int(np.flatnonzero(missing)[-1]) + 1 if missing.any() else 0, None)
    return replace(
        series,
        starts_s=times_us[kept] / 1e6,
        end_s=(times_us[-1] + step_us) / 1e6,
        values=series.values[rows[kept]],
    )


def _in_year(times_us: IntArray, year: int) -> IntArray:
    """Return the same dates and times of a year, as years since 1970 [us]."""
    times = times_us.astype("datetime64[us]")
    months = times.astype("datetime64[M]")
    month_of_year = months.astype(np.int64) % 12
    then = (month_of_year + 12 * year).astype("datetime64[M]")
    moved = then.astype("datetime64[us]") + (times - months.astype("datetime64[us]"))
    moved_us = moved.astype(np.int64)
    has_no_29th = moved.astype("datetime64[M]") != then
    result: IntArray = np.where(has_no_29th, moved_us - _DAY_US, moved_us)
    return result


def _take(rows: IntArray, times_us: IntArray, first_us: int, step_us: int, count: int) -> None:
    """Copy the rows at some times, where they exist."""
    at = (times_us - first_us) // step_us
    exists = (at >= 0) & (at < count)
    rows[exists] = at[exists]
