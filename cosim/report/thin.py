"""Long series made short honestly: the mean, the least and the greatest value of each bucket."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.report.lines import ChartLine
from inference_sim.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Thin:
    """A series by bucket, arrays of shape (buckets,); NaN where a bucket has no value.

    Attributes:
        mean: Mean of the values that there are.
        low, high: Least and greatest of them.
    """

    mean: FloatArray
    low: FloatArray
    high: FloatArray


@dataclass(frozen=True, slots=True)
class Buckets:
    """Consecutive steps put together, so many in each but the last.

    Attributes:
        count: Steps there are.
        size: Steps of a bucket; 1 if nothing is put together.
    """

    count: int
    size: int

    @classmethod
    def at_most(cls, count: int, most: int) -> Buckets:
        """Return the smallest buckets of which `most` hold `count` steps."""
        return cls(count, max(1, -(-count // most)))

    @property
    def starts(self) -> NDArray[np.int64]:
        """First step of each bucket."""
        return np.arange(0, self.count, self.size)

    def thin(self, values: FloatArray) -> Thin:
        """Return the buckets of `values`, shape (count,). NaN is a missing value."""
        if self.size == 1:
            return Thin(values, values, values)
        whole = len(self.starts) * self.size
        padded = np.full(whole, np.nan)
        padded[: self.count] = values
        rows = padded.reshape(-1, self.size)
        known = ~np.isnan(rows)
        counts = known.sum(axis=1)
        sums = np.where(known, rows, 0.0).sum(axis=1)
        mean = np.divide(sums, counts, out=np.full(len(rows), np.nan), where=counts > 0)
        low, high = np.fmin.reduce(rows, axis=1), np.fmax.reduce(rows, axis=1)
        return Thin(np.clip(mean, low, high), low, high)  # a mean is rounded, its bounds are not

    def series(
        self,
        name: str,
        color: str,
        values: FloatArray,
        dash: str = "",
        *,
        column: str = "",
        filled: bool = False,
    ) -> ChartLine:
        """Return the line of `values`, with a band if there is more than a step in a bucket."""
        thin = self.thin(values)
        low, high = (thin.low, thin.high) if self.size > 1 else (None, None)
        return ChartLine(
            name, color, thin.mean, low=low, high=high, column=column, dash=dash, filled=filled
        )
