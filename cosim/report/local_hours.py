"""Steps of a run by the hour, the day and the month that they fall in at a place."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime, timedelta

import numpy as np
from numpy.typing import NDArray

from cosim.report.clock import Clock
from inference_sim.arrays import FloatArray

HOUR_S, DAY_S, HOURS = 3600, 86400, 24
_EPOCH = date(1970, 1, 1)


@dataclass(frozen=True, slots=True)
class LocalHours:
    """Hour and day of each step by the clock of its site; a step counts where it begins.

    Attributes:
        first_day: Day of the first step.
        days: Days that the run touches.
        hour: Hour of the day of each step, shape (steps,).
        day: Days since the first one, shape (steps,).
    """

    first_day: date
    days: int
    hour: NDArray[np.int64]
    day: NDArray[np.int64]

    @classmethod
    def of(cls, start: datetime, step_s: float, count: int, clock: Clock) -> LocalHours:
        """Return those of `count` steps of `step_s` from `start` on."""
        days, seconds = np.divmod(clock.wall_s(start, np.arange(float(count)) * step_s), DAY_S)
        first = int(days[0])
        first_day = _EPOCH + timedelta(days=first)
        return cls(first_day, int(days[-1]) - first + 1, seconds // HOUR_S, days - first)

    def cells(self, values: FloatArray) -> FloatArray:
        """Return the mean of each hour of each day, shape (days, 24); NaN where there is none."""
        means = _means(values, self.day * HOURS + self.hour, self.days * HOURS)
        return means.reshape(self.days, HOURS)

    def by_hour(self, values: FloatArray) -> FloatArray:
        """Return the mean of each hour of the day, shape (24,); NaN where there is none."""
        return _means(values, self.hour, HOURS)

    @property
    def months(self) -> list[date]:
        """First days of the months that the run touches."""
        last = self.first_day + timedelta(days=self.days - 1)
        span = range(_month(self.first_day), _month(last) + 1)
        return [date(number // 12, number % 12 + 1, 1) for number in span]

    @property
    def month(self) -> NDArray[np.int64]:
        """Month of each step, as its place among the months, shape (steps,)."""
        first = _month(self.first_day)
        days = [self.first_day + timedelta(days=day) for day in range(self.days)]
        return np.array([_month(day) - first for day in days])[self.day]

    def by_month(self, values: FloatArray) -> FloatArray:
        """Return the mean of each month, shape (months,)."""
        return _means(values, self.month, len(self.months))

    def sums_by_month(self, values: FloatArray) -> FloatArray:
        """Return the sum of each month, shape (months,)."""
        return _sums(values, self.month, len(self.months))


def _month(day: date) -> int:
    """Return a month as a number that counts on over the years."""
    return day.year * 12 + day.month - 1


def _sums(values: FloatArray, group: NDArray[np.int64], count: int) -> FloatArray:
    sums: FloatArray = np.bincount(group, np.nan_to_num(values), count).astype(np.float64)
    return sums


def _means(values: FloatArray, group: NDArray[np.int64], count: int) -> FloatArray:
    known = ~np.isnan(values)
    counts = np.bincount(group[known], minlength=count)
    sums = np.bincount(group[known], values[known], count).astype(np.float64)
    means: FloatArray = np.divide(sums, counts, out=np.full(count, np.nan), where=counts > 0)
    return means
