"""Arrival processes: endless, in chunks of arrays."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
CHUNK = 4096


class Arrivals(Protocol):
    """An endless arrival process."""

    @property
    def peak_rate_per_s(self) -> float:
        """The highest mean rate it reaches [requests/s]."""
        ...

    def times_s(self, rng: np.random.Generator) -> Iterator[Array]:
        """Yield chunks of non-decreasing arrival times since the start of the run [s]."""
        ...


@dataclass(frozen=True, slots=True)
class PoissonArrivals:
    """A Poisson process of constant rate [requests/s]."""

    rate_per_s: float

    @property
    def peak_rate_per_s(self) -> float:
        """The rate [requests/s]."""
        return self.rate_per_s

    def times_s(self, rng: np.random.Generator) -> Iterator[Array]:
        """Yield chunks of arrival times [s]."""
        last = 0.0
        while True:
            times = last + np.cumsum(rng.exponential(1 / self.rate_per_s, CHUNK))
            last = float(times[-1])
            yield times


@dataclass(frozen=True, slots=True)
class StaticArrivals:
    """One request every ``1 / rate_per_s`` seconds, the first after one interval."""

    rate_per_s: float

    @property
    def peak_rate_per_s(self) -> float:
        """The rate [requests/s]."""
        return self.rate_per_s

    def times_s(self, rng: np.random.Generator) -> Iterator[Array]:
        """Yield chunks of arrival times [s]."""
        first = 1
        while True:
            yield np.arange(first, first + CHUNK) / self.rate_per_s
            first += CHUNK


@dataclass(frozen=True, slots=True)
class DailyArrivals:
    """A Poisson process whose rate follows the day: a cosine around its mean.

    ``rate(h) = mean (1 + (peak_to_mean - 1) cos(2 pi (h - peak_hour) / 24))``, by thinning a
    process of the peak rate (Lewis and Shedler, 1979).

    Attributes:
        mean_rate_per_s: Mean rate over a day [requests/s].
        peak_to_mean: Peak over mean rate, from 1 to 2.
        peak_hour: Hour of the day of the peak, on the clock of ``start_hour``.
        start_hour: Hour of the day at which the run starts.
    """

    mean_rate_per_s: float
    peak_to_mean: float
    peak_hour: float
    start_hour: float

    @property
    def peak_rate_per_s(self) -> float:
        """The rate at the peak hour [requests/s]."""
        return self.mean_rate_per_s * self.peak_to_mean

    def rate_per_s(self, time_s: Array) -> Array:
        """Return the mean rate at times since the start of the run [requests/s]."""
        hour = self.start_hour + np.asarray(time_s) / 3600
        swing = (self.peak_to_mean - 1) * np.cos(2 * np.pi * (hour - self.peak_hour) / 24)
        rate: Array = self.mean_rate_per_s * (1 + swing)
        return rate

    def times_s(self, rng: np.random.Generator) -> Iterator[Array]:
        """Yield chunks of arrival times [s]."""
        peak = self.peak_rate_per_s
        for candidates in PoissonArrivals(peak).times_s(rng):
            kept = rng.random(len(candidates)) * peak < self.rate_per_s(candidates)
            yield candidates[kept]
