"""Quantities in words: a value reads the same on the terminal, in reports and in traces.

Each is in the unit that suits it, rounded before its sign is written, so that zero never has one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from controllers.actuators import ACTUATORS

UNLIMITED = "unlimited"
"""Word for an infinite value."""


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit in which values are shown: ``Unit("kW", 1000.0)`` for values in W.

    Attributes:
        name: Its name.
        size: How many of the unit of the values it is.
    """

    name: str
    size: float


_LADDERS: Mapping[str, Sequence[tuple[str, float, float]]] = {
    "W": (("W", 1, 0), ("kW", 1e3, 1e3), ("MW", 1e6, 1e6), ("GW", 1e9, 1e9)),
    "Wh": (("Wh", 1, 0), ("kWh", 1e3, 1e3), ("MWh", 1e6, 1e7), ("GWh", 1e9, 1e10)),
    "kWh": (("Wh", 1e-3, 0), ("kWh", 1, 1), ("MWh", 1e3, 1e4), ("GWh", 1e6, 1e7)),
    "g": (("mg", 1e-3, 0), ("g", 1, 1), ("kg", 1e3, 1e3), ("t", 1e6, 1e6), ("kt", 1e9, 1e9)),
    "kg": (("g", 1e-3, 0), ("kg", 1, 1), ("t", 1e3, 1e3), ("kt", 1e6, 1e6)),
    "s": (("ms", 1e-3, 0), ("s", 1, 1), ("min", 60, 120), ("h", 3600, 7200)),
}
"""Units by the one that values are in: name, size, and the least value that is shown in it."""

_HEAD = re.compile(r"(\w+)((?:/h| (?:CO2e|per) ?.*)?)")  # a unit, and of or per what it is


def unit_for(unit: str, largest: float) -> Unit:
    """Return the unit that suits values of up to `largest` in size.

    >>> unit_for("W", 70_000)
    Unit(name='kW', size=1000.0)
    >>> unit_for("g CO2e", 1.8e8)
    Unit(name='t CO2e', size=1000000.0)

    Args:
        unit: The unit that the values are in; one that has no others stays.
        largest: The largest of their absolute values.
    """
    parts = _HEAD.fullmatch(unit)
    if parts is None or parts[1] not in _LADDERS or not 0 < largest < math.inf:
        return Unit(unit, 1.0)
    fitting = [step for step in _LADDERS[parts[1]] if largest >= step[2] * (1 - 1e-9)]
    name, size, _ = fitting[-1]
    return Unit(name + parts[2], float(size))


def number(value: float) -> str:
    """Return a number to four significant digits, thousands marked; a dash for NaN."""
    if math.isnan(value):
        return "–"
    if math.isinf(value):
        return UNLIMITED if value > 0 else f"-{UNLIMITED}"
    if value == 0:
        return "0"
    if not 1e-3 <= abs(value) < 1e7:
        return f"{value:.3g}".replace("e-0", "e-").replace("e+0", "e")
    decimals = max(0, 3 - math.floor(math.log10(abs(value))))
    text = f"{value:,.{decimals}f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def aligned(values: Iterable[float], *, whole: bool = False) -> list[str]:
    """Return numbers of a column: as many decimals in each as the largest has by :func:`number`.

    Args:
        values: The numbers; a dash for NaN.
        whole: Whether they are counts, without decimals.
    """
    numbers = list(values)
    largest = max((abs(value) for value in numbers if math.isfinite(value)), default=0.0)
    decimals = 0 if whole or not largest else min(6, max(0, 3 - math.floor(math.log10(largest))))
    return [
        f"{value:z,.{decimals}f}" if math.isfinite(value) else number(value) for value in numbers
    ]


def mass(grams: float) -> str:
    """Return a mass."""
    if round(abs(grams) / 1e3, 2) >= 1000:
        return f"{grams / 1e6:z,.2f} t"
    if abs(grams) >= 999.5:
        return f"{grams / 1e3:z.2f} kg"
    return f"{grams:z.3g} g" if abs(grams) >= 0.9995 or not grams else f"{grams * 1e3:z.3g} mg"


def energy(kwh: float) -> str:
    """Return an energy given in kWh."""
    if abs(kwh) >= 10_000:
        return f"{kwh / 1000:z,.1f} MWh"
    if round(abs(kwh) * 1000, 1) >= 1000:
        return f"{kwh:z,.2f} kWh"
    return f"{kwh * 1000:z.1f} Wh"


def span(unit: str, low: float, high: float) -> str:
    """Return the ends of a band to three significant digits, in the unit that suits the larger one.

    >>> span("kWh", 26.212, 34.8)
    '26.2 to 34.8 kWh'
    """
    shown = unit_for(unit, max(abs(low), abs(high)))
    first, last = (number(float(f"{value / shown.size:.3g}")) for value in (low, high))
    return f"{first} to {last} {shown.name}"


def power(watts: float) -> str:
    """Return a power given in W."""
    if round(abs(watts) / 1e3, 2) >= 1000:
        return f"{watts / 1e6:z,.2f} MW"
    return f"{watts / 1e3:z.2f} kW" if abs(watts) >= 999.5 else f"{watts:z.0f} W"


def duration_unit(seconds: float) -> tuple[str, int]:
    """Return the largest unit of which a duration has two or more, or a whole number; its size."""
    for unit, size in (("days", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (seconds and seconds % size == 0):
            return unit, size
    return "s", 1


def duration(seconds: float) -> str:
    """Return a duration."""
    unit, size = duration_unit(seconds)
    text = f"{number(seconds / size)} {unit}"
    return "1 day" if text == "1 days" else text


def latency(seconds: float) -> str:
    """Return a waiting time to three significant digits."""
    if seconds < 0.9995:
        return f"{seconds * 1000:z.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    value, unit = (seconds / 60, "min") if seconds < 7200 else (seconds / 3600, "h")
    return f"{value:.3g} {unit}" if value < 999.5 else f"{value:,.0f} {unit}"


def percent(share: float, digits: int = 0) -> str:
    """Return a share in percent."""
    return f"{share * 100:z.{digits}f} %"


def exact_percent(share: float) -> str:
    """Return a share in percent; 100 % and 0 % only if it is just that."""
    text = percent(share, 1)
    if text == "100.0 %" and share < 1:
        return "over 99.9 %"
    return "under 0.1 %" if text == "0.0 %" and share > 0 else text


def infinite(actuator: str) -> str:
    """Return the word for an infinite value of an actuator."""
    return ACTUATORS[actuator].infinite if actuator in ACTUATORS else UNLIMITED


def setting(actuator: str, value: float) -> str:
    """Return a value of an actuator."""
    return infinite(actuator) if math.isinf(value) else number(value)


def count(amount: int) -> str:
    """Return a number of things, in millions if there are so many."""
    return f"{amount / 1e6:.1f} M" if amount >= 1_000_000 else f"{amount:,}"


def plural(amount: int, noun: str) -> str:
    """Return a number of things with their name."""
    return f"{amount:,} {noun}{'' if amount == 1 else 's'}"
