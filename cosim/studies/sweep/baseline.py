"""The case of a study that the others are compared with."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from cosim.errors import Problem, did_you_mean
from cosim.scenario.loading import Document, problem_at
from cosim.scenario.study import VariedKeys

CASE = "case"


def baseline_number(keys: VariedKeys) -> int:
    """Return the number of the baseline among the cases; the last axis varies fastest."""
    given = _given(keys)
    number = 0
    for name, values in _axes(keys).items():
        position = _position(values, given[name]) if name in given else 0
        number = number * len(values) + (position or 0)
    return number


def baseline_problems(document: Document, keys: VariedKeys) -> Iterator[Problem]:
    """Yield the problems of a baseline that is not among the cases."""
    axes = _axes(keys)
    for name, value in _given(keys).items():
        named = isinstance(keys.baseline, dict)
        place = ("baseline", name) if named else ("baseline",)
        if name not in axes:
            what = "there are no `cases` to name one of" if name == CASE else "this is not varied"
            message = f"{what}; expected {' or '.join(axes)}{did_you_mean(name, axes)}"
            yield problem_at(document, place, message, key=named)
        elif _position(axes[name], value) is None:
            known = ", ".join(map(str, axes[name]))
            yield problem_at(document, place, f"not among the values {known} (got {value!r})")


def _given(keys: VariedKeys) -> dict[str, Any]:
    if isinstance(keys.baseline, str):
        return {CASE: keys.baseline}
    return keys.baseline or {}


def _axes(keys: VariedKeys) -> dict[str, Sequence[Any]]:
    """Return the values that are varied, by path, in the order of the axes."""
    axes: dict[str, Sequence[Any]] = {}
    if keys.cases:
        axes[CASE] = [case.name for case in keys.cases]
    for path, values in keys.grid.items():
        axes[path] = values if isinstance(values, list) else values.values
    return axes


def _position(values: Sequence[Any], value: Any) -> int | None:
    """Return where a value stands; None if it does not. `1` is not `true`, but it is `1.0`."""
    for position, other in enumerate(values):
        if other == value and isinstance(other, bool) == isinstance(value, bool):
            return position
    return None
