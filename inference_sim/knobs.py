"""Knobs: values that may be set on a cluster or a pool while it runs, and their bounds."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from inference_sim.errors import InferenceSimError

Check = Callable[[float], bool]
Range = tuple[str, Check]
"""Requirement on a value, in words, and a test of it."""

AT_LEAST_0: Range = ("at least 0", lambda value: value >= 0)
POSITIVE: Range = ("above 0", lambda value: value > 0)
SHARE: Range = ("above 0 and at most 1", lambda value: 0 < value <= 1)
WHOLE: Range = ("a whole number from 1", lambda value: value >= 1 and value % 1 == 0)


@dataclass(frozen=True, slots=True)
class Knob:
    """A value that may be set while the simulator runs.

    Example::

        cluster.knobs["admission_rate"].set(2.0)  # [requests/s]
        cluster.pools["main"].knobs["batch_cap"].set(64)

    Attributes:
        name: Its name.
        get: Returns the value in force.
        put: Puts a valid value in force.
        range: Requirement on a value.
    """

    name: str
    get: Callable[[], float]
    put: Callable[[float], None]
    range: Range

    def set(self, value: float) -> None:
        """Put a value in force.

        Raises:
            InferenceSimError: If it is out of range.
        """
        expected, holds = self.range
        if not holds(value):
            raise InferenceSimError(f"{self.name} must be {expected} (got {value:g})")
        if value != self.get():
            self.put(value)
