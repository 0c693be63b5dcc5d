"""The content of a heat map: the hours of many days, a column for each day."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime

import numpy as np

from cosim.accounting.words import Unit, unit_for
from cosim.report.clock import Clock
from inference_sim.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class HeatMap:
    """Hours of the day over days, in colours from the least to the greatest value.

    Attributes:
        key, title, note: As of a `LineChart`.
        label, unit: Quantity of the colours, and its unit.
        first_day: Day of the first column.
        cells: Values, shape (days, 24); NaN for hours without one.
        clock: Clock that hours and days are of.
        zero: Whether the colours begin at 0.
    """

    key: str
    title: str
    label: str
    unit: str
    first_day: date
    cells: FloatArray
    clock: Clock
    note: str = ""
    zero: bool = False

    @property
    def bounds(self) -> tuple[float, float]:
        """Values of the first and of the last colour."""
        known = self.cells[np.isfinite(self.cells)]
        low, high = (float(known.min()), float(known.max())) if len(known) else (0.0, 1.0)
        if self.zero:
            low, high = min(low, 0.0), max(high, 0.0)
        return low, high if high > low else low + (abs(low) or 1.0)

    @property
    def shown(self) -> Unit:
        """The unit in which values are written."""
        return unit_for(self.unit, max(map(abs, self.bounds)))

    @property
    def heading(self) -> str:
        """Label and unit."""
        return f"{self.label} [{self.shown.name}]" if self.shown.name else self.label

    @property
    def midnight(self) -> datetime:
        """Start of the first day, with local time written as if it were UTC."""
        return datetime(self.first_day.year, self.first_day.month, self.first_day.day, tzinfo=UTC)

    def shares(self) -> FloatArray:
        """Return the places of the values among the colours [0 to 1], shape (days, 24)."""
        low, high = self.bounds
        return np.clip((self.cells - low) / (high - low), 0.0, 1.0)


def varies(cells: FloatArray) -> bool:
    """Return whether values differ by enough to be told apart in colours."""
    known = cells[np.isfinite(cells)]
    return bool(len(known)) and float(np.ptp(known)) > 0.01 * float(np.abs(known).max())
