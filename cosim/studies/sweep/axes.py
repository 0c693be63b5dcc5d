"""Axes of a sweep: the keys that are varied, how values are written, whether they are numbers."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from cosim.scenario.fields import parse_duration_s
from cosim.scenario.settings import Setting
from inference_sim.files.yaml_text import Node

CASE = "case"
"""Label of the axis that `cases` are."""
_LONGEST = 40
_UNIT = re.compile(r"(.+?) \[(.+)\]")
_UNITS_S = (("d", 86400.0), ("h", 3600.0), ("min", 60.0), ("s", 1.0))


@dataclass(frozen=True, slots=True)
class AxisValue:
    """A value on an axis.

    Attributes:
        text: How it is written in tables and charts; differs from that of the others.
        settings: The settings that it makes in the scenario.
        where: Its place in the study's file.
    """

    text: str
    settings: tuple[Setting, ...] = ()
    where: str = ""


@dataclass(frozen=True, slots=True)
class Axis:
    """A key that is varied, or the named cases of a study.

    Attributes:
        label: Its name, without the unit.
        values: Its values, in the order of the study.
        numbers: The same as numbers, if all of them are; of durations too.
        unit: Unit of the values; empty where the label says it, or there is none.
    """

    label: str
    values: tuple[AxisValue, ...]
    numbers: tuple[float, ...] | None = None
    unit: str = ""

    @property
    def title(self) -> str:
        """Label and unit."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label

    def name(self, value: AxisValue) -> str:
        """Return one of its values in words, such as ``battery 500 Wh``."""
        return (
            value.text if self.label == CASE else f"{self.label} {value.text} {self.unit}".rstrip()
        )


def case_axis(values: Sequence[AxisValue]) -> Axis:
    """Return the axis of cases that have names."""
    return Axis(CASE, tuple(values))


def axis_of(label: str, path: str, nodes: Sequence[Node]) -> Axis:
    """Return the axis of one key.

    Args:
        label: Its name; a unit in brackets at its end is that of the values.
        path: Its path in the scenario.
        nodes: Its values, with the places where they were written.
    """
    plain = [node.plain() for node in nodes]
    match = _UNIT.fullmatch(label)
    name, unit = (match[1], match[2]) if match else (label, "")
    numbers, texts = _numbers(plain), _texts(plain)
    if (durations := _durations(plain)) is not None:
        numbers, unit = durations
        texts = [_text(number) for number in numbers]
    values = tuple(
        AxisValue(text, (Setting(path, node),), node.mark)
        for text, node in zip(texts, nodes, strict=True)
    )
    return Axis(name, values, numbers, unit)


def _texts(values: Sequence[Any]) -> list[str]:
    """Return how values are written: mappings by their type, if those differ."""
    types = [str(value["type"]) for value in values if isinstance(value, dict) and "type" in value]
    by_type = len(set(types)) == len(types) == sum(isinstance(value, dict) for value in values)
    texts = [
        str(value["type"]) if isinstance(value, dict) and by_type else _text(value)
        for value in values
    ]
    if len(set(texts)) < len(texts):  # such as long ones that were cut, or 1 beside '1'
        texts = [f"{number}: {text}" for number, text in enumerate(texts, start=1)]
    return texts


def _text(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, float):
        return f"{value:.10g}"
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    text = text.replace('"', "")
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"


def _numbers(values: Sequence[Any]) -> tuple[float, ...] | None:
    """Return values as numbers; None if not all are, or not all differ."""
    if not all(isinstance(value, int | float) and not isinstance(value, bool) for value in values):
        return None
    numbers = tuple(float(value) for value in values)
    return numbers if len(set(numbers)) == len(numbers) else None


def _durations(values: Sequence[Any]) -> tuple[tuple[float, ...], str] | None:
    """Return durations such as ``90s`` as numbers, and the unit of these; None for other values."""
    if not all(isinstance(value, str) for value in values):
        return None
    try:
        seconds = [parse_duration_s(value) for value in values]
    except ValueError:
        return None
    if len(set(seconds)) < len(seconds):
        return None
    least_s = min((duration_s for duration_s in seconds if duration_s), default=1.0)
    unit, size_s = next((pair for pair in _UNITS_S if least_s >= pair[1]), _UNITS_S[-1])
    return tuple(duration_s / size_s for duration_s in seconds), unit
