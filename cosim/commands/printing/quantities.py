"""Numbers in words: each in a unit that suits it."""

from __future__ import annotations

import math


def duration(seconds: float) -> str:
    """Return a duration in its unit."""
    unit, size = duration_unit(seconds)
    return f"{seconds / size:.4g} {unit}"


def duration_unit(seconds: float) -> tuple[str, int]:
    """Return the largest unit that there are at least two of, or a whole number, and its size."""
    for unit, size in (("d", 86400), ("h", 3600), ("min", 60)):
        if seconds >= 2 * size or (seconds and seconds % size == 0):
            return unit, size
    return "s", 1


def latency_text(seconds: float) -> str:
    """Return a waiting time to three digits."""
    if seconds < 1:
        return f"{seconds * 1000:.3g} ms"
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"


def energy_text(kwh: float) -> str:
    """Return an energy given in kWh."""
    return f"{kwh:.2f} kWh" if abs(kwh) >= 1 else f"{kwh * 1000:.1f} Wh"


def power_text(watts: float) -> str:
    """Return a power given in W."""
    return f"{watts / 1000:.2f} kW" if watts >= 1000 else f"{watts:.0f} W"


def mass(grams: float) -> str:
    """Return a mass in a unit that suits it."""
    if grams >= 1000:
        return f"{grams / 1000:.2f} kg"
    return f"{grams:.3g} g" if grams >= 1 or not grams else f"{grams * 1000:.3g} mg"


def setting_text(value: float) -> str:
    """Return a value of an actuator."""
    return "unlimited" if math.isinf(value) else f"{value:.4g}"


def count_text(number: float) -> str:
    """Return a number of things, in millions if there are so many."""
    return f"{number / 1e6:.1f} M" if number >= 1e6 else f"{number:,}"


def plural(count: int, noun: str) -> str:
    """Return a number of things with their name."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"
