"""The difference between two values, in words."""

from __future__ import annotations

from dataclasses import dataclass

_LEAST_PERCENT = 0.05


@dataclass(frozen=True, slots=True)
class Difference:
    """Difference of a value from an older one, in percent of the latter.

    >>> Difference(90, 100).lower()
    '10.0 % lower'
    >>> Difference(90, 100).less_than("base")
    '10.0 % less than base'

    Attributes:
        new, old: The values, in the same unit.
    """

    new: float
    old: float

    def lower(self) -> str:
        """Return it as of a level: "10.0 % lower", "3.0 % higher", "the same"."""
        if not self._differs:
            return f"the same{self._within}"
        if not self.old:
            return f"{self._direction} from 0"
        return f"{self._size} {'lower' if self.new < self.old else 'higher'}"

    def less_than(self, name: str) -> str:
        """Return it as of an amount, against `name`: "10.0 % less than base"."""
        if not self._differs:
            return f"the same as {name}{self._within}"
        if not self.old:
            return f"{self._direction} from 0 in {name}"
        return f"{self._size} {'less' if self.new < self.old else 'more'} than {name}"

    @property
    def _percent(self) -> float:
        return (self.new - self.old) / abs(self.old) * 100

    @property
    def _differs(self) -> bool:
        """Whether it is large enough to be reported."""
        return self.new != self.old and not (self.old and abs(self._percent) < _LEAST_PERCENT)

    @property
    def _within(self) -> str:
        return "" if self.new == self.old else f" within {_LEAST_PERCENT:g} %"

    @property
    def _size(self) -> str:
        return f"{abs(self._percent):.1f} %"

    @property
    def _direction(self) -> str:
        return "up" if self.new > self.old else "down"


def points(new: float, old: float, name: str) -> str:
    """Return how a share differs from that of `name`, in percentage points."""
    difference = (new - old) * 100
    if abs(difference) < _LEAST_PERCENT:
        return f"as in {name}"
    return f"{abs(difference):.1f} points {'above' if difference > 0 else 'below'} {name}"
