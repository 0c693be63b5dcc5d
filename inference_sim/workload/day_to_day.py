"""Days that differ: a daily profile whose rate is another one every day."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from inference_sim.arrays import FloatArray
from inference_sim.workload.arrivals import CHUNK, DailyArrivals, HourlyArrivals

_DAY_S = 86400.0
_BUSY = 3.0
"""Standard deviations above the mean of a busy day: one day in 700 is busier."""
_PAST = 1
"""Keeps the draws of days before the run apart."""


@dataclass(frozen=True, slots=True)
class DayToDayArrivals:
    """A daily Poisson process whose rate is multiplied by a factor of each day.

    The factors are lognormal, with mean 1, and their logarithms a first-order autoregression from
    day to day. Saturdays and Sundays have a factor of their own beside, and other days one that
    keeps the mean of a week. A day begins at the quietest hour of the profile, where a jump of the
    rate matters least.

    Attributes:
        daily: The profile, of the mean day.
        std: Standard deviation of a day's factor.
        correlation_s: Time in which the autocorrelation of its logarithm falls to 1/e [s]; 0 for
            days that are independent.
        weekend: Rate on Saturdays and Sundays over that of the other days.
        start_weekday: Day of the week on which the run starts, from 0 for Monday, at the hour
            `daily.start_hour`.
        seed: Seed of the factors.
    """

    daily: DailyArrivals | HourlyArrivals
    std: float
    correlation_s: float
    weekend: float
    start_weekday: int
    seed: tuple[int, ...]

    @property
    def peak_rate_per_s(self) -> float:
        """The rate at the peak hour of a busy day, one in 700 [requests/s]."""
        sigma, week = self._sigma, max(self._week_factors())
        return self.daily.peak_rate_per_s * week * math.exp(_BUSY * sigma - sigma**2 / 2)

    @property
    def first_day_s(self) -> float:
        """Time from the start of the run to the end of its first day, up to 24 h [s]."""
        hours = (self.daily.quietest_hour - self.daily.start_hour) % 24
        return 3600.0 * (hours or 24.0)

    def factors(self, days: int, before: int = 0) -> FloatArray:
        """Return the factors of days, shape (before + days,).

        More days go on with the same factors, in both directions.

        Args:
            days: Days from the start of the run on; the first one ends after `first_day_s`.
            before: Days before it.
        """
        coming = self._remembered(None, days, *self.seed)
        past = self._remembered(float(coming[0]), before + 1, *self.seed, _PAST)
        normal = np.concatenate([past[:0:-1], coming])
        sigma = self._sigma
        # the middle of the first day may be on the day of the week before
        middle_h = self.daily.start_hour + (self.first_day_s - _DAY_S / 2) / 3600
        weekdays = self.start_weekday + math.floor(middle_h / 24) + np.arange(-before, days)
        week = np.array(self._week_factors())[weekdays % 7]
        factors: FloatArray = week * np.exp(sigma * normal - sigma**2 / 2)
        return factors

    def rate_per_s(self, time_s: FloatArray) -> FloatArray:
        """Return the mean rate at times since the start of the run, given its days [requests/s].

        Times before the start are those of the days before it.
        """
        times_s = np.asarray(time_s)
        days = np.floor((times_s - self.first_day_s) / _DAY_S).astype(np.int64) + 1
        before = max(0, -int(days.min(initial=0)))
        factors = self.factors(max(0, int(days.max(initial=0))) + 1, before)
        rates: FloatArray = self.daily.rate_per_s(times_s) * factors[days + before]
        return rates

    def times_s(self, rng: np.random.Generator) -> Iterator[FloatArray]:
        """Yield chunks of arrival times [s]: of pieces of a day, each thinned."""
        from_s, until_s, day = 0.0, self.first_day_s, 0
        while True:
            factor = float(self.factors(day + 1)[day])
            peak_per_s = self.daily.peak_rate_per_s * factor
            pieces = math.ceil((until_s - from_s) * peak_per_s / CHUNK)
            for low_s, high_s in _pieces(from_s, until_s, pieces):
                count = rng.poisson(peak_per_s * (high_s - low_s))
                candidates = np.sort(rng.uniform(low_s, high_s, count))
                keep = rng.random(count) * peak_per_s < factor * self.daily.rate_per_s(candidates)
                yield candidates[keep]
            from_s, until_s, day = until_s, until_s + _DAY_S, day + 1

    def _remembered(self, first: float | None, count: int, *seed: int) -> FloatArray:
        """Return normal numbers of which each remembers the one before, and begins with `first`."""
        normal = np.random.default_rng(seed).standard_normal(count)
        if first is not None:
            normal[0] = first
        kept = math.exp(-_DAY_S / self.correlation_s) if self.correlation_s else 0.0
        for day in range(1, count):
            normal[day] = kept * normal[day - 1] + math.sqrt(1 - kept**2) * normal[day]
        return normal

    @property
    def _sigma(self) -> float:
        return math.sqrt(math.log1p(self.std**2))

    def _week_factors(self) -> list[float]:
        """Return the factors of the days of the week, from Monday; their mean is 1."""
        workday = 7 / (5 + 2 * self.weekend)
        return [workday] * 5 + [workday * self.weekend] * 2


def _pieces(from_s: float, until_s: float, count: int) -> Iterator[tuple[float, float]]:
    """Yield the ends of equal pieces of a span."""
    yield from pairwise(np.linspace(from_s, until_s, max(1, count) + 1).tolist())
