"""The parameters of a policy that are searched: their ranges, and the values within.

Every parameter has an axis of the unit cube, from which samplers draw. A range from above zero that
spans two orders of magnitude is searched on a logarithmic scale.
"""

from __future__ import annotations

import math
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal

from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cosim.errors import ScenarioError, did_you_mean
from cosim.scenario.controllers import PLACE

Value = bool | int | float | str | None
Range = tuple[float, float]

_LOG_FROM = 100.0  # highest over lowest value
_UNSET = 0.2  # share of the axis on which a parameter that is unset by default stays so


@dataclass(frozen=True, slots=True, kw_only=True)
class Parameter:
    """A parameter that is searched.

    Attributes:
        name: Its name; after that of its controller and a dot where the policy has several.
        path: Its place in the scenario, such as ``evaluation.policies.1.controllers.0.quantile``.
        default: Its value in the policy as it is; None where it is unset, which trials may leave.
        low, high: Ends of its range.
        whole: Whether its values are whole numbers.
        choices: Its values, of one that has no range.
    """

    name: str
    path: str
    default: Value
    low: float = 0.0
    high: float = 0.0
    whole: bool = False
    choices: tuple[Value, ...] = ()

    @property
    def is_log(self) -> bool:
        """Whether it is searched on a logarithmic scale."""
        return not self.choices and self.low > 0 and self.high / self.low >= _LOG_FROM

    @property
    def extent(self) -> str:
        """Its range in words."""
        if self.choices:
            return f"{self.name} {', '.join(map(value_text, self.choices))}"
        kind = ", whole numbers" if self.whole else ""
        unset = " or unset" if self.default is None else ""
        scale = ", logarithmic" if self.is_log else ""
        return f"{self.name} {self.low:g} to {self.high:g}{kind}{scale}{unset}"

    def value(self, unit: float) -> Value:
        """Return the value at a place of its axis [0 to 1], to four significant digits."""
        if self.choices:
            return self.choices[min(int(unit * len(self.choices)), len(self.choices) - 1)]
        if self.default is None:
            if unit < _UNSET:
                return None
            unit = (unit - _UNSET) / (1 - _UNSET)
        if self.whole:
            return min(int(self.low) + int(unit * (self.high - self.low + 1)), int(self.high))
        if self.is_log:
            value = self.low * (self.high / self.low) ** unit
        else:
            value = self.low + (self.high - self.low) * unit
        return float(f"{value:.4g}")

    def unit(self, value: Value) -> float | None:
        """Return the place of a value on its axis; None for one that no trial has."""
        if self.choices:
            known = value in self.choices
            return (self.choices.index(value) + 0.5) / len(self.choices) if known else None
        if value is None:
            return _UNSET / 2 if self.default is None else None
        if isinstance(value, str) or not self.low <= value <= self.high:
            return None
        if self.whole:
            share = (value - self.low + 0.5) / (self.high - self.low + 1)
        elif self.is_log:
            share = math.log(value / self.low) / math.log(self.high / self.low)
        else:
            share = (value - self.low) / (self.high - self.low)
        return _UNSET + (1 - _UNSET) * share if self.default is None else share


@dataclass(frozen=True, slots=True)
class Entry:
    """A controller of the policy.

    Attributes:
        name: Its name, which no other controller of the policy has.
        path: Its place in the scenario.
        model: The model of its parameters.
        given: The keys that the policy gives it.
    """

    name: str
    path: str
    model: type[BaseModel]
    given: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Space:
    """All parameters of a policy.

    Attributes:
        parameters: Those that are searched.
        unsearched: Names of those without a range, with both ends, to search in.
    """

    parameters: tuple[Parameter, ...]
    unsearched: tuple[str, ...]

    def values(self, units: Sequence[float]) -> tuple[Value, ...]:
        """Return the values at a point of the unit cube."""
        return tuple(
            parameter.value(unit) for parameter, unit in zip(self.parameters, units, strict=True)
        )

    def units(self, values: Sequence[Value]) -> tuple[float, ...] | None:
        """Return the point of the unit cube of some values; None if no point has them."""
        units = [
            parameter.unit(value) for parameter, value in zip(self.parameters, values, strict=True)
        ]
        known = [unit for unit in units if unit is not None]
        return tuple(known) if len(known) == len(units) else None

    @property
    def defaults(self) -> tuple[Value, ...]:
        """The values of the policy as it is."""
        return tuple(parameter.default for parameter in self.parameters)


def value_text(value: Value) -> str:
    """Return a value as it stands in a scenario; a dash for one that is unset."""
    match value:
        case None:
            return "-"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
    return str(value)


def places(entries: Sequence[Entry]) -> dict[str, str]:
    """Return the place of every parameter, by its name."""
    return {name: f"{entry.path}.{key}" for name, entry, key in _each(entries)}


def space_of(entries: Sequence[Entry], ranges: Mapping[str, Range], fixed: Sequence[str]) -> Space:
    """Return the parameters of a policy that are searched.

    Args:
        entries: Its controllers.
        ranges: Ranges by name, in place of the declared ones.
        fixed: Names of parameters to leave as they are.

    Raises:
        ScenarioError: If a name or a range cannot be.
    """
    known = [name for name, _, _ in _each(entries)]
    for name in (*ranges, *fixed):
        if name not in known:
            raise ScenarioError(
                f"no parameter '{name}'{did_you_mean(name, known) or ':'} expected one of "
                f"{', '.join(known) or 'none'}"
            )
        if name in ranges and name in fixed:
            raise ScenarioError(f"'{name}' has both a --range and a value by --fix: choose one")
    parameters, unsearched = [], []
    for name, entry, key in _each(entries):
        if name in fixed:
            continue
        info = entry.model.model_fields[key]
        default = entry.given.get(key, None if info.is_required() else info.default)
        parameter = _parameter(name, f"{entry.path}.{key}", default, info, ranges.get(name))
        if parameter is None:
            unsearched.append(name)
        else:
            parameters.append(parameter)
    return Space(tuple(parameters), tuple(unsearched))


def _each(entries: Sequence[Entry]) -> list[tuple[str, Entry, str]]:
    """Return every parameter: its name, its controller, and its key there."""
    return [
        (key if len(entries) == 1 else f"{entry.name}.{key}", entry, key)
        for entry in entries
        for key in entry.model.model_fields
        if key not in PLACE
    ]


def _parameter(
    name: str, path: str, default: Value, info: FieldInfo, given: Range | None
) -> Parameter | None:
    """Return a parameter with its range; None if it has none."""
    kind, limits = _kind(info.annotation, info.metadata)
    choices = (False, True) if kind is bool else ()
    if typing.get_origin(kind) is Literal:
        choices = typing.get_args(kind)
    if choices and given is not None:
        raise ScenarioError(
            f"--range {name}: it has no range but the values {', '.join(map(value_text, choices))}"
        )
    if choices:
        return Parameter(name=name, path=path, default=default, choices=choices)
    low = max((limit for limit in _ends(limits, "ge", "gt")), default=-math.inf)
    high = min((limit for limit in _ends(limits, "le", "lt")), default=math.inf)
    if given is not None:
        if given[0] < low or given[1] > high:
            raise ScenarioError(
                f"--range {name}: must lie within {_limits(low, high)} "
                f"(got {given[0]:g} to {given[1]:g})"
            )
        low, high = given
    if not (math.isfinite(low) and math.isfinite(high)):
        return None
    return Parameter(name=name, path=path, default=default, low=low, high=high, whole=kind is int)


def _limits(low: float, high: float) -> str:
    """Return declared limits in words."""
    if math.isinf(high):
        return f"{low:g} and above"
    return f"{high:g} and below" if math.isinf(low) else f"{low:g} to {high:g}"


def _kind(annotation: Any, metadata: Sequence[Any]) -> tuple[Any, list[Any]]:
    """Return the type of a parameter, apart from None, and its limits."""
    limits = list(metadata)
    if typing.get_origin(annotation) in (typing.Union, types.UnionType):
        others = [part for part in typing.get_args(annotation) if part is not type(None)]
        annotation = others[0] if len(others) == 1 else Any
    if typing.get_origin(annotation) is Annotated:
        annotation, *more = typing.get_args(annotation)
        for part in more:
            limits += part.metadata if isinstance(part, FieldInfo) else [part]
    return annotation, limits


def _ends(limits: Sequence[Any], *names: str) -> list[float]:
    """Return the limits of some kinds."""
    return [
        float(getattr(limit, name)) for limit in limits for name in names if hasattr(limit, name)
    ]
