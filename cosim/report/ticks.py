"""Positions and labels of the ticks of an axis."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal

from cosim.accounting.words import latency, number

_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_TIME_STEPS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(_MINUTE * count for count in (1, 2, 5, 10, 15, 30)),
    *(_HOUR * count for count in (1, 2, 3, 6, 12)),
    *(_DAY * count for count in (1, 2, 7, 14)),
)
_MONTHS = (1, 2, 3, 6, 12, 24, 60)
_LEAST_SPAN = 1e-300  # far above the smallest floats, whose parts are zero
_PLAIN_BELOW, _PLAIN_POWER = 1e7, -6  # numbers beyond have an exponent
_LEAST_SHARE = 0.01
"""Least span of an axis, of its largest value: smaller differences are not blown up to fill it."""
_DURATIONS_S = (
    (1e-3, 1e-2, 0.1, 1, 10, 60, 600, 3600, 36_000, 86_400, 864_000, 8_640_000),
    (2e-3, 5e-3, 0.02, 0.05, 0.2, 0.5, 2, 5, 30, 120, 300, 1800, 7200, 21_600, 172_800, 432_000),
)
"""Round durations, and those between them."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A place on an axis and its label."""

    at: float
    label: str


def linear_ticks(
    low: float, high: float, most: int, size: float = 1.0, *, whole: bool = False
) -> list[Tick]:
    """Return at most about `most` ticks at 1, 2 or 5 times a power of ten within [low, high].

    Labels have the decimals of the step between them, so that no two are equal.

    Args:
        low, high: Ends of the axis.
        most: About how many there may be.
        size: Size of the unit that labels are in.
        whole: Whether only whole numbers are values, as of things that are counted.
    """
    span = (high - low) / size
    if span <= _LEAST_SPAN or not all(map(math.isfinite, (span, low / size, high / size))):
        return [Tick(low, number(low / size))]
    least = max(span / most, 1.0) if whole else span / most
    digit, power = next(step for step in _steps(least) if span / _size(step) <= most + 0.5)
    step = _size((digit, power))
    first = math.ceil(low / size / step - 1e-9)
    last = math.floor(high / size / step + 1e-9)
    plain = max(abs(low), abs(high)) / size < _PLAIN_BELOW and power >= _PLAIN_POWER
    return [
        Tick(index * step * size, _label(Decimal(index * digit).scaleb(power), plain=plain))
        for index in range(first, last + 1)
    ]


def _label(value: Decimal, *, plain: bool) -> str:
    """Return a multiple of a step, with all decimals of the step."""
    if not value:
        return "0"
    if plain:
        return f"{value:,f}"
    return f"{value:e}".replace("e+", "e")


def log_ticks(low: float, high: float, most: int, size: float = 1.0) -> list[Tick]:
    """Return ticks at powers of ten within [low, high], and between them if there is room.

    Where these are too few within a decade they stand as on a linear axis.

    Args:
        low, high: Ends of the axis, above 0.
        most: How many there may be.
        size: Size of the unit that labels are in.
    """
    low, high = low / size, high / size
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
        return linear_ticks(low * size, high * size, most, size)
    values = values[:: max(1, -(-len(values) // most))]
    return [Tick(value * size, number(_rounded(value))) for value in values]


def duration_ticks(low_s: float, high_s: float, most: int) -> list[Tick]:
    """Return ticks of a logarithmic axis of durations, each in its own unit: 100 ms, 1 min, 1 h.

    There are none if the axis is too short for three round ones.
    """
    coarse = [at for at in _DURATIONS_S[0] if low_s <= at * (1 + 1e-9) and at <= high_s]
    between = [at for at in _DURATIONS_S[1] if low_s <= at * (1 + 1e-9) and at <= high_s]
    values = sorted(coarse + between) if len(coarse) + len(between) <= most else coarse
    values = values[:: max(1, -(-len(values) // most))]
    if len(values) < 3:
        return []
    return [Tick(at, _round_duration(at)) for at in values]


def _round_duration(seconds: float) -> str:
    for unit, size in (("d", _DAY), ("h", _HOUR), ("min", _MINUTE)):
        if seconds >= size:
            return f"{number(seconds / size)} {unit}"
    return latency(seconds)


def time_ticks(start: datetime, duration_s: float, most: int) -> list[Tick]:
    """Return ticks at round times of the zone of `start`; places are seconds since `start`."""
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0, tzinfo=None)
    for step_s in _TIME_STEPS_S:
        if duration_s / step_s <= most:
            past_s = (start.replace(tzinfo=None) - midnight).total_seconds()
            index = math.ceil(past_s / step_s) - 1
            ticks: list[Tick] = []
            while True:
                index += 1
                wall = midnight + timedelta(seconds=index * step_s)
                at = _place_s(wall, start)
                if at is None:
                    continue
                if at > duration_s:
                    return ticks
                if at >= 0:
                    ticks.append(Tick(at, _time_label(wall, step_s)))
    return _month_ticks(midnight, start, duration_s, most)


def _place_s(wall: datetime, start: datetime) -> float | None:
    """Return the seconds from `start` until clocks of its zone show a time; None if they skip it.

    A time that they show twice counts when it is first shown.
    """
    then = wall.replace(tzinfo=start.tzinfo).astimezone(UTC)
    if then.astimezone(start.tzinfo).replace(tzinfo=None) != wall:
        return None
    return (then - start.astimezone(UTC)).total_seconds()


def _month_ticks(midnight: datetime, start: datetime, duration_s: float, most: int) -> list[Tick]:
    months = duration_s / (30 * _DAY)
    step = next((count for count in _MONTHS if months / count <= most), _MONTHS[-1])
    ticks: list[Tick] = []
    month = midnight.year * 12
    while True:
        wall = midnight.replace(year=month // 12, month=month % 12 + 1, day=1)
        at = _place_s(wall, start)
        if at is not None and at > duration_s:
            return ticks
        if at is not None and at >= 0:
            ticks.append(Tick(at, f"{wall:%b %Y}" if wall.month == 1 else f"{wall:%b}"))
        month += step


def _time_label(then: datetime, step_s: int) -> str:
    if then.hour == then.minute == then.second == 0:
        return f"{then.day} {then:%b}"
    return f"{then:%H:%M:%S}" if step_s < _MINUTE else f"{then:%H:%M}"


def domain(values: Sequence[float], *, zero: bool) -> tuple[float, float]:
    """Return an axis that holds the finite ones of `values`, with a little room above.

    Values that are nearly equal stay near each other: the axis spans a hundredth of their size.
    """
    finite = [value for value in values if math.isfinite(value)]
    low, high = (min(finite), max(finite)) if finite else (0.0, 1.0)
    if zero:
        low, high = min(low, 0.0), max(high, 0.0)
    if low == high:
        margin = abs(low) * 0.1 or 1.0
        return (low if zero and low >= 0 else low - margin), high + margin
    room = max(high - low, _LEAST_SHARE * max(abs(low), abs(high))) * 0.55 - (high - low) * 0.5
    return (low if zero and low == 0 else low - room), (high if zero and high == 0 else high + room)


def _steps(at_least: float) -> list[tuple[int, int]]:
    """Return steps of a digit and a power of ten, from about `at_least` on."""
    power = math.floor(math.log10(at_least))
    return [(1, power), (2, power), (5, power), (1, power + 1), (2, power + 1)]


def _size(step: tuple[int, int]) -> float:
    """Return the size of a step."""
    return float(Decimal(step[0]).scaleb(step[1]))


def _rounded(value: float) -> float:
    return float(f"{value:.10g}")
