"""Long series made short honestly: the mean, the least and the greatest value of each bucket."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.report.lines import ChartLine
from inference_sim.arrays import FloatArray

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_LENGTHS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(_MINUTE * count for count in (1, 2, 3, 5, 10, 15, 30)),
    *(_HOUR * count for count in (1, 2, 3, 4, 6, 8, 12)),
    *(_DAY * count for count in (1, 7, 28)),
)


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
    """Consecutive steps put together, so many in each, but for the first and the last.

    Attributes:
        count: Steps there are.
        size: Steps of a bucket; 1 if nothing is put together.
        first: Steps before the first whole bucket, which they join, as those after the last one
            join that: a part of a day says little of it.
    """

    count: int
    size: int
    first: int = 0

    @classmethod
    def at_most(cls, count: int, most: int) -> Buckets:
        """Return the smallest buckets of which `most` hold `count` steps."""
        return cls(count, max(1, -(-count // most)))

    @classmethod
    def of_time(
        cls, count: int, most: int, step_s: float, past_midnight_s: float, least_s: float = 0.0
    ) -> Buckets:
        """Return the smallest buckets of a round length, about `most` of which hold all steps.

        The lengths divide a day or are whole days, and a bucket begins at midnight: others would
        beat with the daily cycle. Where no such length is a whole number of steps, it is
        :meth:`at_most`.

        Args:
            count: Steps there are.
            most: About how many buckets there may be; one more where the first is cut.
            step_s: Length of a step [s].
            past_midnight_s: Time of day at which the first step begins [s].
            least_s: Least length of a bucket [s].
        """
        if count <= most and step_s >= least_s:
            return cls(count, 1)
        for length_s in _LENGTHS_S:
            size, rest = divmod(length_s, step_s)
            if rest or length_s < least_s or count > most * size:
                continue
            return cls(count, int(size), round(-past_midnight_s % length_s / step_s) % int(size))
        return cls.at_most(count, most)

    @property
    def starts(self) -> NDArray[np.int64]:
        """First step of each bucket."""
        starts = np.arange(self.first, self.count, self.size)
        if self.first and len(starts) > 1 and self.count - starts[-1] < self.size:
            starts = starts[:-1]
        return np.concatenate([[0], starts[1:]]).astype(np.int64)

    def thin(self, values: FloatArray) -> Thin:
        """Return the buckets of `values`, shape (count,). NaN is a missing value."""
        if self.size == 1:
            return Thin(values, values, values)
        starts = self.starts
        known = ~np.isnan(values)
        counts = np.add.reduceat(known.astype(np.int64), starts)
        sums = np.add.reduceat(np.where(known, values, 0.0), starts)
        mean = np.divide(sums, counts, out=np.full(len(starts), np.nan), where=counts > 0)
        low, high = np.fmin.reduceat(values, starts), np.fmax.reduceat(values, starts)
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
