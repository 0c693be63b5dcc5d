"""A mean over seeds, and how sure it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class Interval:
    """A mean with its 95 % interval (Student's).

    Attributes:
        mean: The mean over the seeds.
        half_width: Half the width of the interval; infinite with one seed.
    """

    mean: float
    half_width: float

    @property
    def is_zero(self) -> bool:
        """Whether zero may lie within; so it may where the mean is not known."""
        return not abs(self.mean) > self.half_width

    @classmethod
    def of(cls, values: Sequence[float]) -> Interval:
        """Return the interval of independent values, at least one.

        With one value, or values that are all the same, the spread is not known or zero.
        """
        from scipy.special import stdtrit

        count = len(values)
        mean = math.fsum(values) / count
        if count == 1:
            return cls(mean, math.inf)
        deviation = float(np.std(values, ddof=1))
        quantile = float(stdtrit(count - 1, (1 + CONFIDENCE) / 2))
        return cls(mean, quantile * deviation / math.sqrt(count))


def interval(value: Interval, factor: float, digits: int, *, star: bool = False) -> str:
    """Return a mean and half its interval; a star where zero lies outside it, if asked for.

    A mean that is written as zero has no star.
    """
    if math.isnan(value.mean):
        return "-"
    mean = round(value.mean * factor, digits) + 0.0  # and no zero below zero
    text = f"{mean:,.{digits}f}"
    if math.isfinite(value.half_width):
        text += f" ± {value.half_width * factor:,.{digits}f}"
        text += "*" if star and mean and not value.is_zero else ""
    return text
