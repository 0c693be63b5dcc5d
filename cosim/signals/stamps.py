"""Stamps of rows: ISO 8601 and others, in UTC or on the clocks of a time zone."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cosim.signals.faults import BoolArray, Faults, IntArray

_ISO_STAMP = (
    r"\d{4}-\d\d-\d\d"  # a date,
    r"(?:[T ]\d\d(?::\d\d(?::\d\d(?:\.\d+)?)?)?"  # perhaps a time of day, if only the hour,
    r"\s?(Z|UTC|[+-]\d\d(?::?\d\d)?)?)?"  # perhaps with a zone
)
_HOUR_ONLY = r"^(\d{4}-\d\d-\d\d[T ]\d\d)(?![\d:])"
_COMPACT = r"^(\d{4})(\d\d)(\d\d):(\d\d)(\d\d)$"  # as PVGIS has it
_NUMBER = r"\d{1,12}(?:\.\d+)?"
SECONDS_NOTE = "its stamps are seconds from the start of the file"
"""Note of a file without dates; only ``align: start`` gives it a place in time."""
_NO_TIME = np.iinfo(np.int64).min


def parse_iso(texts: pd.Series[str], timezone: str | None, faults: Faults) -> IntArray | None:
    """Return stamps in ISO 8601 as microseconds since the Unix epoch; None where there are faults.

    Args:
        texts: The stamps.
        timezone: IANA time zone of those that carry none; it is a fault if this is None.
        faults: Collector of faults.
    """
    written, texts = texts, texts.str.replace(_COMPACT, r"\1-\2-\3 \4:\5", regex=True)
    is_iso = texts.str.fullmatch(_ISO_STAMP).to_numpy(dtype=bool)
    times = pd.to_datetime(
        texts.where(is_iso)
        .str.replace(_HOUR_ONLY, r"\1:00", regex=True)
        .str.replace(r"\s?UTC$", "Z", regex=True),
        format="ISO8601",
        errors="coerce",
        utc=True,
    )
    wrong = times.isna().to_numpy(dtype=bool)
    if faults.add(wrong, "expected an ISO 8601 stamp such as 2023-06-08T00:00:00Z", written):
        return None
    times_us = times.dt.tz_localize(None).to_numpy(dtype="datetime64[us]").astype(np.int64)

    zoneless = texts.str.extract(f"^{_ISO_STAMP}$", expand=False).isna().to_numpy(dtype=bool)
    if timezone is None:
        text = "the stamp has no time zone; give it one, or set 'timezone' to that of the file"
        if faults.add(zoneless, text, written):
            return None
    elif zoneless.any():
        # utc=True above took these clock times for UTC: read them again as those of the zone.
        return from_clock(times_us, zoneless, timezone, written, faults)
    return times_us


def counts_from_zero(texts: pd.Series[str]) -> bool:
    """Return whether stamps are numbers from 0 on: seconds since the start of the file."""
    return bool(texts.iloc[:2].str.fullmatch(_NUMBER).all()) and float(texts.iloc[0]) == 0


def parse_seconds(texts: pd.Series[str], faults: Faults) -> IntArray | None:
    """Return stamps in seconds as microseconds since the Unix epoch; None where there are faults.

    Args:
        texts: The stamps.
        faults: Collector of faults, and of the note that stamps count from the start.
    """
    wrong = ~texts.str.fullmatch(_NUMBER).to_numpy(dtype=bool)
    if faults.add(wrong, "expected seconds since the start, as in the first row", texts):
        return None
    faults.notes.append(SECONDS_NOTE)
    return np.rint(texts.to_numpy(dtype=object).astype(np.float64) * 1e6).astype(np.int64)


def parse_as(texts: pd.Series[str], pattern: str, like: str, faults: Faults) -> IntArray | None:
    """Return the clock times of stamps in another form, as microseconds; None where faults are.

    Args:
        texts: The stamps.
        pattern: How they are written, as :meth:`datetime.datetime.strptime` has it.
        like: An example, for the error.
        faults: Collector of faults.
    """
    times = pd.to_datetime(texts, format=pattern, errors="coerce", exact=True)
    if faults.add(times.isna().to_numpy(dtype=bool), f"expected a stamp such as {like}", texts):
        return None
    return times.to_numpy(dtype="datetime64[us]").astype(np.int64)


def from_clock(
    clock_us: IntArray, rows: BoolArray, timezone: str, texts: pd.Series[str], faults: Faults
) -> IntArray | None:
    """Return times on the clocks of a zone as microseconds since the Unix epoch in UTC.

    In autumn an hour comes twice. Where its rows do, one run after the other, the first are those
    of daylight saving; a single row in that hour is a fault, for it may be either.

    Args:
        clock_us: Microseconds of the clock, as if it were UTC.
        rows: Which rows are such times; the others are left as they are.
        timezone: IANA name of the zone.
        texts: The stamps as they are written, for the error.
        faults: Collector of faults.
    """
    clock = pd.Series(clock_us[rows].astype("datetime64[us]"))
    summer, winter = (
        _to_utc_us(clock, timezone, np.full(len(clock), is_summer)) for is_summer in (True, False)
    )
    utc_us = summer.copy()
    twice = np.flatnonzero((summer != winter) & (summer != _NO_TIME))
    for run in np.split(twice, np.flatnonzero(np.diff(twice) > 1) + 1):
        back = np.flatnonzero(np.diff(clock_us[rows][run]) <= 0)
        if len(back) == 1:
            second = run[back[0] + 1 :]
            utc_us[second] = winter[second]
        else:
            utc_us[run] = _NO_TIME
    wrong = np.zeros(len(texts), dtype=bool)
    wrong[rows] = utc_us == _NO_TIME
    text = (
        f"the clocks of {timezone} change there, and the stamp stands for no time or for two; "
        "give the stamps in UTC or with their offset"
    )
    if faults.add(wrong, text, texts):
        return None
    result = clock_us.copy()
    result[rows] = utc_us
    return result


def _to_utc_us(clock: pd.Series[pd.Timestamp], timezone: str, summer: BoolArray) -> IntArray:
    """Return UTC [us], with `_NO_TIME` where the clock never shows that time."""
    local = clock.dt.tz_localize(timezone, ambiguous=summer, nonexistent="NaT")
    utc = local.dt.tz_convert("UTC").dt.tz_localize(None)
    return utc.to_numpy(dtype="datetime64[us]").astype(np.int64)
