"""How many requests came when: counted in bounded memory, at any length of the trace."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from inference_sim.arrays import FloatArray

_DAY_MS = 86_400_000
_FINEST_MS = (
    *(1, 10, 100, 1000, 10_000, 60_000, 600_000, 3_600_000),
    *(_DAY_MS * 10**power for power in range(8)),
)
"""Widths of the bins that are kept; each divides the next."""
_READABLE_MS = (
    *(step * 10**power for power in range(4) for step in (1, 2, 5)),
    *(10_000, 15_000, 30_000),
    *(60_000 * minutes for minutes in (1, 2, 5, 10, 15, 30)),
    *(3_600_000 * hours for hours in (1, 2, 3, 6, 12)),
    *(_DAY_MS * step * 10**power for power in range(8) for step in (1, 2, 5)),
)
"""Widths of the bins that are shown."""
_MOST_BINS = 100_000


@dataclass(frozen=True, slots=True)
class Rate:
    """Rates of arrival in intervals of equal width, of which the last may be cut short.

    Attributes:
        width_s: Width of an interval [s].
        per_s: Mean rate in each [requests/s], shape (n,).
        span_s: Time from the first arrival to the last [s].
    """

    width_s: float
    per_s: FloatArray
    span_s: float


class ArrivalCounts:
    """Counts of arrivals, in bins that widen when there are too many."""

    def __init__(self) -> None:
        self._finest = 0
        self._counts = np.zeros(0, dtype=np.int64)

    def add(self, times_s: FloatArray) -> None:
        """Add arrivals, in seconds from the first one, in ascending order."""
        latest_ms = float(times_s[-1]) * 1000
        while latest_ms / _FINEST_MS[self._finest] >= _MOST_BINS and self._can_widen:
            self._widen()
        bins = (times_s * 1000 // _FINEST_MS[self._finest]).astype(np.int64)
        added = np.bincount(bins)
        if len(added) > len(self._counts):
            self._counts.resize(len(added), refcheck=False)
        self._counts[: len(added)] += added

    def rate(self, span_s: float, most: int) -> Rate:
        """Return the rates over `span_s`, in at most `most` intervals of a readable width.

        A last interval of which less than a quarter is covered is taken with the one before.
        """
        finest_ms = _FINEST_MS[self._finest]
        width_ms = next(
            (
                width
                for width in _READABLE_MS
                if width % finest_ms == 0 and span_s * 1000 < width * most
            ),
            finest_ms * math.ceil(len(self._counts) / most),
        )
        first_bins = np.arange(0, len(self._counts), width_ms // finest_ms)
        counts = np.add.reduceat(self._counts, first_bins)
        width_s = width_ms / 1000
        starts = np.arange(len(counts)) * width_s
        if len(counts) > 1 and span_s - starts[-1] < width_s / 4:
            counts[-2] += counts[-1]
            counts, starts = counts[:-1], starts[:-1]
        ends = np.append(starts[1:], span_s)
        covered = np.maximum(ends - starts, 1e-3)  # a trace of one moment
        return Rate(width_s, counts / covered, span_s)

    @property
    def _can_widen(self) -> bool:
        return self._finest + 1 < len(_FINEST_MS)

    def _widen(self) -> None:
        factor = _FINEST_MS[self._finest + 1] // _FINEST_MS[self._finest]
        self._finest += 1
        if len(self._counts):
            self._counts = np.add.reduceat(self._counts, np.arange(0, len(self._counts), factor))
