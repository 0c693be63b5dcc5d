"""Quantiles of a stream of values in bounded memory: exact at first, then a sketch.

Up to ``EXACT_VALUES`` are kept. Beyond, they are counted in bins whose bounds grow by a constant
factor (DDSketch: Masson, Rim and Lee, VLDB 2019). With the bounds ``g**i``, where
``g = (1 + a) / (1 - a)``, the estimate ``2 g**i / (g + 1)`` of a value in ``(g**(i-1), g**i]`` is
within the fraction ``a`` of it, and so is an interpolation between two such values.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable, Sequence
from typing import Self

import numpy as np
from numpy.typing import NDArray

from inference_sim.arrays import FloatArray

Counts = NDArray[np.int64]

EXACT_VALUES = 200_000
"""Most values that are kept one by one."""
RELATIVE_ERROR = 0.001
"""Bound of the error of a sketched quantile, as a fraction of it."""
LEAST = 1e-9
"""Smaller values count as 0."""

_LOG_GROWTH = math.log((1 + RELATIVE_ERROR) / (1 - RELATIVE_ERROR))


class Quantiles:
    """Values of at least 0: their number, mean and quantiles.

    Attributes:
        count: How many there are.
    """

    def __init__(self) -> None:
        self.count = 0
        self._values = array("d")  # all of them while exact; empty afterwards
        self._bins: _Bins | None = None

    @classmethod
    def pooled(cls, parts: Iterable[Quantiles]) -> Self:
        """Return those of all values together; exact if all parts are."""
        pool = cls()
        for part in parts:
            pool.count += part.count
            pool._values.extend(part._values)
            if part._bins is not None:
                pool._bins = pool._bins or _Bins()
                pool._bins.add_bins(part._bins)
        if pool._bins is not None:
            pool._fold()
        return pool

    @property
    def exact(self) -> bool:
        """Whether the quantiles are exact."""
        return self._bins is None

    def add(self, values: FloatArray) -> None:
        """Add values, shape (n,).

        Raises:
            ValueError: If a value is below 0 or NaN, once there are too many to be kept.
        """
        self.count += len(values)
        self._values.frombytes(np.ascontiguousarray(values, dtype=np.float64).tobytes())
        # Beyond the exact ones, folded a good number at a time.
        if len(self._values) > (EXACT_VALUES if self._bins is None else EXACT_VALUES // 10):
            self._fold()

    def mean(self) -> float:
        """Return the mean, exact up to rounding; NaN without values."""
        if not self.count:
            return math.nan
        if self._bins is None:
            return float(np.frombuffer(self._values).mean())
        self._fold()
        return self._bins.total / self.count

    def quantiles(self, probabilities: Sequence[float]) -> list[float]:
        """Return quantiles, linear between values as :func:`numpy.quantile` has it.

        Raises:
            ValueError: Without values.
        """
        if not self.count:
            raise ValueError("no values have quantiles")
        if self._bins is None:
            values: list[float] = np.quantile(np.frombuffer(self._values), probabilities).tolist()
            return values
        rank = np.asarray(probabilities) * (self.count - 1)
        low, high = (self.ordered(rounded) for rounded in (np.floor(rank), np.ceil(rank)))
        interpolated: list[float] = (low + (high - low) * (rank - np.floor(rank))).tolist()
        return interpolated

    def ordered(self, ranks: FloatArray) -> FloatArray:
        """Return the values at ranks in ascending order, counted from 0."""
        if self._bins is None:
            return np.sort(np.frombuffer(self._values))[ranks.astype(np.int64)]
        self._fold()
        return self._bins.ordered(ranks)

    def how(self) -> str:
        """Return how the quantiles are found, in a few words."""
        return "exact" if self.exact else f"sketch, relative error at most {RELATIVE_ERROR:g}"

    def _fold(self) -> None:
        """Count the values that are kept, instead."""
        self._bins = self._bins or _Bins()
        self._bins.add(np.frombuffer(self._values))
        self._values = array("d")


class _Bins:
    """Values counted in logarithmic bins, with their exact sum and extremes.

    At most 709,000 bins would hold every positive float: 5.7 MB. Latencies from a microsecond to a
    day take 13,000.
    """

    def __init__(self) -> None:
        self.total, self._zeros = 0.0, 0
        self._first = 0  # index of the first bin
        self._counts: Counts = np.zeros(0, dtype=np.int64)
        self._least, self._most = math.inf, -math.inf

    def add(self, values: FloatArray) -> None:
        if not len(values):
            return
        if not values.min() >= -LEAST:
            raise ValueError(f"quantiles are of values of at least 0 (got {values.min()})")
        self._note(float(values.sum()), float(values.min()), float(values.max()))
        positive = values[values >= LEAST]
        self._zeros += len(values) - len(positive)
        if len(positive):
            index = np.ceil(np.log(positive) / _LOG_GROWTH).astype(np.int64)
            first = int(index.min())
            self._add_counts(first, np.bincount(index - first))

    def add_bins(self, other: _Bins) -> None:
        self._note(other.total, other._least, other._most)
        self._zeros += other._zeros
        self._add_counts(other._first, other._counts)

    def ordered(self, ranks: FloatArray) -> FloatArray:
        ends = self._zeros + np.cumsum(self._counts)
        bins = np.searchsorted(ends, ranks, side="right") + self._first
        growth = math.exp(_LOG_GROWTH)
        values = np.where(ranks < self._zeros, 0.0, 2 / (growth + 1) * np.exp(bins * _LOG_GROWTH))
        last = self._zeros + int(self._counts.sum()) - 1
        values = np.where(ranks <= 0, self._least, np.where(ranks >= last, self._most, values))
        return np.clip(values, self._least, self._most)

    def _note(self, total: float, least: float, most: float) -> None:
        self.total += total
        self._least, self._most = min(self._least, least), max(self._most, most)

    def _add_counts(self, first: int, counts: Counts) -> None:
        if not len(counts):
            return
        if not len(self._counts):
            self._first = first
        low = min(self._first, first)
        high = max(self._first + len(self._counts), first + len(counts))
        if high - low > len(self._counts):
            wider = np.zeros(high - low, dtype=np.int64)
            wider[self._first - low :][: len(self._counts)] = self._counts
            self._first, self._counts = low, wider
        self._counts[first - low :][: len(counts)] += counts
