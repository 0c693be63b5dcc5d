"""Rows of several lengths brought to one, without a change of the signal."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cosim.errors import Problem, SignalError
from cosim.signals.faults import IntArray
from cosim.signals.series import Series

_MOST_ROWS = 10_000_000


def lengths_us_of(series: Series) -> IntArray:
    """Return the length of each interval [us]."""
    edges_us = np.rint(np.append(series.starts_s, series.end_s) * 1e6).astype(np.int64)
    return np.diff(edges_us)


def even(series: Series) -> Series:
    """Return the signal in rows of one length, the longest that divides all of them.

    Raises:
        SignalError: If that takes too many rows.
    """
    lengths_us = lengths_us_of(series)
    if len(series) < 2 or (lengths_us == lengths_us[0]).all():
        return series
    unit_us = int(np.gcd.reduce(lengths_us))
    counts = lengths_us // unit_us
    rows = int(counts.sum())
    if rows > _MOST_ROWS:
        raise SignalError(
            Problem(
                f"its rows have no length in common from {unit_us / 1e6:g} s on: that would be "
                f"{rows:,} rows",
                where=series.source,
            )
        )
    first_us = round(float(series.starts_s[0]) * 1e6)
    return replace(
        series,
        starts_s=(first_us + np.arange(rows) * unit_us) / 1e6,
        values=np.repeat(series.values, counts),
    )
