"""Arrival processes: endless, in chunks of arrays."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from inference_sim.arrays import FloatArray

CHUNK = 4096
_STATES = 1024
"""States of a two-state process drawn at a time; even, so that the next ones go on in turn."""


class Arrivals(Protocol):
    """An endless arrival process."""

    @property
    def peak_rate_per_s(self) -> float:
        """The highest mean rate it reaches [requests/s]."""
        ...

    def times_s(self, rng: np.random.Generator) -> Iterator[FloatArray]:
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

    def times_s(self, rng: np.random.Generator) -> Iterator[FloatArray]:
        """Yield chunks of arrival times [s]."""
        last_s = 0.0
        while True:
            times_s = last_s + np.cumsum(rng.exponential(1 / self.rate_per_s, CHUNK))
            last_s = float(times_s[-1])
            yield times_s


@dataclass(frozen=True, slots=True)
class GammaArrivals:
    """Independent gamma-distributed gaps: more (cv > 1) or less (cv < 1) irregular than Poisson.

    Gaps have shape ``1 / cv^2`` and mean ``1 / rate``; cv = 1 is a Poisson process. BurstGPT (Wang
    et al., KDD 2025) models recorded LLM services this way.

    Attributes:
        rate_per_s: Mean rate [requests/s].
        cv: Coefficient of variation of the gaps: standard deviation over mean.
    """

    rate_per_s: float
    cv: float

    @property
    def peak_rate_per_s(self) -> float:
        """The rate [requests/s]."""
        return self.rate_per_s

    def times_s(self, rng: np.random.Generator) -> Iterator[FloatArray]:
        """Yield chunks of arrival times [s]."""
        variance = self.cv**2
        last_s = 0.0
        while True:
            times_s = last_s + np.cumsum(rng.gamma(1 / variance, variance / self.rate_per_s, CHUNK))
            last_s = float(times_s[-1])
            yield times_s


@dataclass(frozen=True, slots=True)
class StaticArrivals:
    """One request every ``1 / rate_per_s`` seconds, the first after one interval."""

    rate_per_s: float

    @property
    def peak_rate_per_s(self) -> float:
        """The rate [requests/s]."""
        return self.rate_per_s

    def times_s(self, rng: np.random.Generator) -> Iterator[FloatArray]:
        """Yield chunks of arrival times [s]."""
        number = 1
        while True:
            yield np.arange(number, number + CHUNK) / self.rate_per_s
            number += CHUNK


@dataclass(frozen=True, slots=True)
class BurstArrivals:
    """A Poisson process whose rate jumps between two values, for random times.

    The two-state Markov-modulated Poisson process (Fischer and Meier-Hellstern, Performance
    Evaluation 18, 1993): bursts and the gaps between them last exponentially distributed times.
    It starts in either state with the probability of that state, so its mean rate is the same at
    all times.

    Attributes:
        base_rate_per_s: Rate between bursts [requests/s].
        burst_rate_per_s: Rate in a burst [requests/s].
        mean_burst_s: Mean duration of a burst [s].
        mean_gap_s: Mean time from the end of a burst to the next [s].
    """

    base_rate_per_s: float
    burst_rate_per_s: float
    mean_burst_s: float
    mean_gap_s: float

    @property
    def burst_share(self) -> float:
        """Share of the time that is in a burst."""
        return self.mean_burst_s / (self.mean_burst_s + self.mean_gap_s)

    @property
    def mean_rate_per_s(self) -> float:
        """Mean rate over bursts and gaps [requests/s]."""
        share = self.burst_share
        return share * self.burst_rate_per_s + (1 - share) * self.base_rate_per_s

    @property
    def peak_rate_per_s(self) -> float:
        """The rate in a burst [requests/s]."""
        return max(self.burst_rate_per_s, self.base_rate_per_s)

    def times_s(self, rng: np.random.Generator) -> Iterator[FloatArray]:
        """Yield chunks of arrival times [s].

        They are those of a unit-rate Poisson process on the axis of expected arrivals, mapped back
        to time: that expectation grows linearly within a state, so the map is a linear
        interpolation.
        """
        rates = np.array([self.base_rate_per_s, self.burst_rate_per_s])
        mean_s = np.array([self.mean_gap_s, self.mean_burst_s])
        states = (int(rng.random() < self.burst_share) + np.arange(_STATES)) % 2
        start_s = 0.0
        while True:
            durations_s = rng.exponential(mean_s[states])
            nodes_s = start_s + np.cumsum(np.append(0.0, durations_s))
            expected = np.cumsum(np.append(0.0, durations_s * rates[states]))
            last = 0.0
            while last < expected[-1]:
                arrivals = last + np.cumsum(rng.exponential(size=CHUNK))
                last = float(arrivals[-1])
                yield np.interp(arrivals[arrivals < expected[-1]], expected, nodes_s)
            start_s = float(nodes_s[-1])  # arrivals beyond it have no memory: draw them anew


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

    @property
    def quietest_hour(self) -> float:
        """Hour of the day of the lowest rate."""
        return (self.peak_hour + 12) % 24

    def rate_per_s(self, time_s: FloatArray) -> FloatArray:
        """Return the mean rate at times since the start of the run [requests/s]."""
        hour = self.start_hour + np.asarray(time_s) / 3600
        swing = (self.peak_to_mean - 1) * np.cos(2 * np.pi * (hour - self.peak_hour) / 24)
        rate: FloatArray = self.mean_rate_per_s * (1 + swing)
        return rate

    def times_s(self, rng: np.random.Generator) -> Iterator[FloatArray]:
        """Yield chunks of arrival times [s]."""
        return _thinned_times_s(self.rate_per_s, self.peak_rate_per_s, rng)


@dataclass(frozen=True, slots=True)
class HourlyArrivals:
    """A Poisson process whose rate follows the day by weights at its 24 hours.

    The rate is ``mean * weight / mean weight`` on the hour, and linear in between, over midnight
    too; drawn by thinning (Lewis and Shedler, 1979).

    Attributes:
        mean_rate_per_s: Mean rate over a day [requests/s].
        weights: Relative rates at 0:00, 1:00, ... 23:00, not negative, on the clock of
            ``start_hour``.
        start_hour: Hour of the day at which the run starts.
    """

    mean_rate_per_s: float
    weights: tuple[float, ...]
    start_hour: float

    @property
    def peak_rate_per_s(self) -> float:
        """The rate at the busiest hour [requests/s]."""
        return self.mean_rate_per_s * max(self.weights) * 24 / sum(self.weights)

    @property
    def quietest_hour(self) -> float:
        """Hour of the day of the lowest rate, the first one of several."""
        return float(self.weights.index(min(self.weights)))

    def rate_per_s(self, time_s: FloatArray) -> FloatArray:
        """Return the mean rate at times since the start of the run [requests/s]."""
        hour = self.start_hour + np.asarray(time_s) / 3600
        rates = np.array(self.weights) * (self.peak_rate_per_s / max(self.weights))
        rate: FloatArray = np.interp(hour, np.arange(24), rates, period=24)
        return rate

    def times_s(self, rng: np.random.Generator) -> Iterator[FloatArray]:
        """Yield chunks of arrival times [s]."""
        return _thinned_times_s(self.rate_per_s, self.peak_rate_per_s, rng)


def _thinned_times_s(
    rate_per_s: Callable[[FloatArray], FloatArray], peak_rate_per_s: float, rng: np.random.Generator
) -> Iterator[FloatArray]:
    """Yield those times of a process of the peak rate that a process of the given rate keeps."""
    for candidates in PoissonArrivals(peak_rate_per_s).times_s(rng):
        keep = rng.random(len(candidates)) * peak_rate_per_s < rate_per_s(candidates)
        yield candidates[keep]
