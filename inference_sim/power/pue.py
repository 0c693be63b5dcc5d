"""Power usage effectiveness: the power of a facility around its IT equipment.

PUE is facility power over IT power (ISO/IEC 30134-2). A yearly mean hides that cooling and power
supplies have fixed losses, so that it rises at low load, and that cooling takes more when it is
warm outside.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Protocol

import numpy as np

from inference_sim.errors import InferenceSimError


class Pue(Protocol):
    """Facility power as a function of IT power."""

    def facility_w(self, it_w: float, temperature_c: float | None = None) -> float:
        """Return facility power [W].

        Args:
            it_w: IT power [W].
            temperature_c: Temperature outside [°C], where the PUE depends on it.
        """
        ...

    def least_w(self, it_w: float) -> float:
        """Return the lowest facility power at an IT power, whatever the temperature [W]."""
        ...

    def most_w(self, it_w: float) -> float:
        """Return the highest facility power at an IT power, whatever the temperature [W]."""
        ...

    def __str__(self) -> str:
        """Return the PUE in a word or two."""
        ...

    def __hash__(self) -> int: ...


class _AnyTemperature(ABC):
    """A PUE that does not depend on the temperature."""

    __slots__ = ()

    @abstractmethod
    def facility_w(self, it_w: float, temperature_c: float | None = None) -> float:
        """Return facility power [W]."""

    def least_w(self, it_w: float) -> float:
        """Return the facility power [W]."""
        return self.facility_w(it_w)

    def most_w(self, it_w: float) -> float:
        """Return the facility power [W]."""
        return self.facility_w(it_w)


@dataclass(frozen=True, slots=True)
class ConstantPue(_AnyTemperature):
    """The same PUE at all times.

    Raises:
        InferenceSimError: If it is below 1.
    """

    value: float

    def __post_init__(self) -> None:
        _from_1("a PUE", [self.value])

    def facility_w(self, it_w: float, temperature_c: float | None = None) -> float:
        """Return facility power [W]."""
        return it_w * self.value

    def __str__(self) -> str:
        return f"{self.value:g}"


@dataclass(frozen=True, slots=True)
class LinearPue(_AnyTemperature):
    """A fixed overhead and a proportional one: ``facility = proportional * it + fixed``.

    Raises:
        InferenceSimError: If `fixed_w` is negative or `proportional` below 1.
    """

    fixed_w: float
    proportional: float

    def __post_init__(self) -> None:
        _from_1("'proportional'", [self.proportional])
        if not self.fixed_w >= 0:
            raise InferenceSimError(f"'fixed_w' must be at least 0 (got {self.fixed_w:g})")

    def facility_w(self, it_w: float, temperature_c: float | None = None) -> float:
        """Return facility power [W]."""
        return self.proportional * it_w + self.fixed_w

    def __str__(self) -> str:
        return f"{self.proportional:g} and {self.fixed_w:g} W"


@dataclass(frozen=True, slots=True)
class LoadPue(_AnyTemperature):
    """PUE by IT load, linear between the points of a table and constant beyond them.

    Attributes:
        loads: IT power over `full_w`, rising [fraction].
        values: PUE at each.
        full_w: IT power at full load [W].

    Raises:
        InferenceSimError: If a PUE is below 1, loads do not rise, or facility power would fall
            under more load.
    """

    loads: tuple[float, ...]
    values: tuple[float, ...]
    full_w: float

    def __post_init__(self) -> None:
        _table("load", self.loads, self.values)
        points = zip(self.loads, self.values, strict=True)
        for (low, at_low), (high, at_high) in pairwise(points):
            slope = (at_high - at_low) / (high - low)
            if at_high + slope * high < 0:  # of load * PUE, at the upper end: its least
                raise InferenceSimError(
                    f"from load {low:g} to {high:g} the PUE falls so fast ({at_low:g} to "
                    f"{at_high:g}) that the facility would draw less under more load"
                )

    def facility_w(self, it_w: float, temperature_c: float | None = None) -> float:
        """Return facility power [W]."""
        return it_w * float(np.interp(it_w / self.full_w, self.loads, self.values))

    def __str__(self) -> str:
        return f"{min(self.values):g} to {max(self.values):g} by load"


@dataclass(frozen=True, slots=True)
class TemperaturePue:
    """PUE by the temperature outside, linear between the points of a table, constant beyond them.

    Attributes:
        temperatures_c: Rising [°C].
        values: PUE at each.

    Raises:
        InferenceSimError: If a PUE is below 1 or the temperatures do not rise.
    """

    temperatures_c: tuple[float, ...]
    values: tuple[float, ...]

    def __post_init__(self) -> None:
        _table("temperature", self.temperatures_c, self.values)

    def facility_w(self, it_w: float, temperature_c: float | None = None) -> float:
        """Return facility power [W].

        Raises:
            InferenceSimError: If no temperature is given.
        """
        if temperature_c is None:
            raise InferenceSimError("a PUE by temperature needs the temperature outside")
        return it_w * float(np.interp(temperature_c, self.temperatures_c, self.values))

    def least_w(self, it_w: float) -> float:
        """Return the lowest facility power at an IT power, whatever the temperature [W]."""
        return it_w * min(self.values)

    def most_w(self, it_w: float) -> float:
        """Return the highest facility power at an IT power, whatever the temperature [W]."""
        return it_w * max(self.values)

    def __str__(self) -> str:
        return f"{min(self.values):g} to {max(self.values):g} by temperature"


def _from_1(name: str, values: Sequence[float]) -> None:
    wrong = [value for value in values if not value >= 1]
    if wrong:
        raise InferenceSimError(f"{name} must be at least 1 (got {wrong[0]:g})")


def _table(kind: str, points: Sequence[float], values: Sequence[float]) -> None:
    if len(points) != len(values) or not points:
        raise InferenceSimError(
            f"a PUE by {kind} needs one PUE per {kind} (got {len(values)} for {len(points)})"
        )
    _from_1("a PUE", values)
    for low, high in pairwise(points):
        if not high > low:
            raise InferenceSimError(f"{kind}s must rise (got {high:g} after {low:g})")
