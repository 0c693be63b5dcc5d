"""Suggestions for an unknown name: never another model or GPU, and with the factor of its unit.

A number in the name of a model or a GPU is its version or its size. Another number means another
thing, however alike the names are: "llama-3.1-70b" is not Llama-2-70b, nor "h20" an H200.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable

_NUMBER = re.compile(r"\d+(?:\.\d+)*(?![\d.]*gb?\b)")
"""Memory in GB left out: it is a variant of the same board."""
_WORD = re.compile(r"[a-z]+")
_LEAST_WORD = 3
"""Letters of the shortest word that names a family."""
_UNITS = {
    "w": ("W", 1.0), "kw": ("kW", 1e3), "mw": ("MW", 1e6), "gw": ("GW", 1e9),
    "wh": ("Wh", 1.0), "kwh": ("kWh", 1e3), "mwh": ("MWh", 1e6), "gwh": ("GWh", 1e9),
    "mg": ("mg", 1e-3), "g": ("g", 1.0), "kg": ("kg", 1e3), "t": ("t", 1e6),
    "ms": ("ms", 1e-3), "s": ("s", 1.0), "min": ("min", 60.0), "h": ("h", 3600.0),
    "d": ("d", 86400.0),
    "mm": ("mm", 1e-3), "m": ("m", 1.0), "km": ("km", 1e3),
    "mib": ("MiB", 2.0**20), "gib": ("GiB", 2.0**30), "tib": ("TiB", 2.0**40),
    "mb": ("MB", 1e6), "gb": ("GB", 1e9), "tb": ("TB", 1e12),
}  # fmt: skip
_KINDS = (
    {"w", "kw", "mw", "gw"},
    {"wh", "kwh", "mwh", "gwh"},
    {"mg", "g", "kg", "t"},
    {"ms", "s", "min", "h", "d"},
    {"mm", "m", "km"},
    {"mib", "gib", "tib", "mb", "gb", "tb"},
)


def similar_name(name: str, known: Iterable[str]) -> str:
    """Return the nearest known name, of the same family and version; "" if there is none."""
    wanted = name.lower()
    candidates = {other.lower(): other for other in known if _same_thing(wanted, other.lower())}
    nearest = difflib.get_close_matches(wanted, candidates, n=1, cutoff=0.5)
    if not nearest:  # without the publisher before a model's name
        short = {other.rpartition("/")[2]: other for other in candidates}
        nearest = [short[other] for other in difflib.get_close_matches(wanted, short, 1, 0.5)]
    nearest += [other for other in candidates if wanted and other.startswith(wanted)]
    return candidates[nearest[0]] if nearest else ""


def _same_thing(wanted: str, other: str) -> bool:
    numbers = _numbers(other)
    if not numbers:
        return True
    if not _numbers(wanted) <= numbers:
        return False
    words = [word for word in _WORD.findall(wanted) if len(word) >= _LEAST_WORD]
    if not words:
        return True
    family = max(words, key=len)
    return bool(difflib.get_close_matches(family, _WORD.findall(other), n=1, cutoff=0.7))


def _numbers(name: str) -> set[str]:
    return {number.removeprefix("0.") for number in _NUMBER.findall(name)}


_LONGEST_NAME = 80
"""Longer texts are not names: nobody mistypes them, and an error should not show them."""


def did_you_mean(name: str, known: Iterable[str], value: object = None) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest of `known`, or an empty string.

    Where the nearest is in another unit, the suggestion gives the factor between the units, and
    `value` in the other one if it is a number.
    """
    names = [candidate for candidate in known if len(candidate) <= _LONGEST_NAME]
    nearest = difflib.get_close_matches(name[:_LONGEST_NAME], names, n=1, cutoff=0.6)
    return (
        f"; did you mean '{nearest[0]}'?{_conversion(name, nearest[0], value)}" if nearest else ""
    )


def _conversion(name: str, other: str, value: object) -> str:
    """Return ``" (1 kWh = 1000 Wh)"`` for a key in kWh and one in Wh; "" in the same unit."""
    units, other_units = _unit(name), _unit(other)
    if not units or not other_units or units == other_units:
        return ""
    if len(units) != len(other_units):
        return f" (in {_written(other_units)})"
    factor = 1.0
    for position, (unit, other_unit) in enumerate(zip(units, other_units, strict=True)):
        if unit == other_unit:
            continue
        if not any({unit, other_unit} <= kind for kind in _KINDS):
            return f" (in {_written(other_units)})"
        ratio = _UNITS[unit][1] / _UNITS[other_unit][1]
        factor = factor / ratio if position else factor * ratio
    number = isinstance(value, int | float) and not isinstance(value, bool)
    written = f": write {value * factor:.12g}" if number else ""  # type: ignore[operator]
    return f" (1 {_written(units)} = {factor:.12g} {_written(other_units)}{written})"


def _unit(key: str) -> tuple[str, ...]:
    """Return the units at the end of a key: one, or the one over and the one under "per"."""
    words = key.lower().split("_")
    if len(words) > 2 and words[-1] in _UNITS and words[-2] == "per":
        numerator = words[-3] if words[-3] in _UNITS else ""
        return (numerator, words[-1])
    return (words[-1],) if len(words) > 1 and words[-1] in _UNITS else ()


def _written(units: tuple[str, ...]) -> str:
    return "/".join(_UNITS[unit][0] if unit else "" for unit in units)
