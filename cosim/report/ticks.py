"""Positions and labels of the ticks of an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from cosim.accounting.words import number

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_TIME_STEPS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(_MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * count for count in (1, 2, 3, 6, 12)),
    *(_DAY * count for count in (1, 2, 7, 14)),
)
_MONTHS = (1, 2, 3, 6, 12, 24, 60)
_LEAST_SPAN = 1e-300  # far above the smallest floats, whose parts are zero


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and its label."""

    at: float
    label: str


def linear_ticks(low: float, high: float, most: int) -> list[Tick]:
    """Return at most about `most` ticks at 1, 2 or 5 times a power of ten within [low, high]."""
    span = high - low
    if not _LEAST_SPAN < span < math.inf:
        return [Tick(low, number(low))]
    step = next(size for size in _sizes(span / most) if span / size <= most + 0.5)
    first = math.ceil(low / step - 1e-9)
    last = math.floor(high / step + 1e-9)
    return [Tick(index * step, number(_rounded(index * step))) for index in range(first, last + 1)]


def log_ticks(low: float, high: float, most: int) -> list[Tick]:
    """Return ticks at powers of ten within [low, high], and between them if there is room.

    Where these are too few within a decade they stand as on a linear axis.
    """
    first, last = math.floor(math.log10(low)), math.ceil(math.log10(high))
    for digits in ((1, 2, 5), (1, 3), (1,)):
        values = [
            digit * 10.0**power
            for power in range(first, last + 1)
            for digit in digits
            if low <= digit * 10.0**power * (1 + 1e-9) and digit * 10.0**power <= high * (1 + 1e-9)
        ]
        if len(values) <= most:
            break
    if len(values) < 3 and high < 10 * low:
        return linear_ticks(low, high, most)
    values = values[:: max(1, -(-len(values) // most))]
    return [Tick(value, number(_rounded(value))) for value in values]


def time_ticks(start: datetime, duration_s: float, most: int) -> list[Tick]:
    """Return ticks at round UTC times; places are seconds since `start`."""
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    for step_s in _TIME_STEPS_S:
        if duration_s / step_s <= most:
            past_s = (start - midnight).total_seconds()
            first = math.ceil(past_s / step_s)
            ticks = []
            while (at := first * step_s - past_s) <= duration_s:
                ticks.append(Tick(at, _time_label(start + timedelta(seconds=at), step_s)))
                first += 1
            return ticks
    return _month_ticks(midnight, start, duration_s, most)


def _month_ticks(midnight: datetime, start: datetime, duration_s: float, most: int) -> list[Tick]:
    months = duration_s / (30 * _DAY)
    step = next((count for count in _MONTHS if months / count <= most), _MONTHS[-1])
    ticks: list[Tick] = []
    month = midnight.year * 12
    while True:
        then = midnight.replace(year=month // 12, month=month % 12 + 1, day=1)
        at = (then - start).total_seconds()
        if at > duration_s:
            return ticks
        if at >= 0:
            ticks.append(Tick(at, f"{then:%b %Y}" if then.month == 1 else f"{then:%b}"))
        month += step


def _time_label(then: datetime, step_s: int) -> str:
    if then.hour == then.minute == then.second == 0:
        return f"{then.day} {then:%b}"
    return f"{then:%H:%M:%S}" if step_s < _MINUTE else f"{then:%H:%M}"


def domain(values: Sequence[float], *, zero: bool) -> tuple[float, float]:
    """Return an axis that holds the finite ones of `values`, with a little room above."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        margin = abs(low) * 0.1 or 1.0
        return (low if zero and low >= 0 else low - margin), high + margin
    room = (high - low) * 0.05
    return (low if zero and low == 0 else low - room), (high if zero and high == 0 else high + room)


def _sizes(at_least: float) -> list[float]:
    power = 10.0 ** math.floor(math.log10(at_least))
    return [digit * power for digit in (1, 2, 5, 10, 20)]


def _rounded(value: float) -> float:
    return float(f"{value:.10g}")
