"""The content of a line chart, apart from its drawing: series on panels over one axis."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

import numpy as np

from cosim.accounting.words import UNLIMITED, Unit, unit_for
from cosim.report.clock import UTC_CLOCK, Clock
from inference_sim.arrays import FloatArray

Kind = Literal["time", "linear", "log"]
Shape = Literal["line", "points", "guide"]

_BRACKETED = re.compile(r"(.+) \[(.+)\]")


@dataclass(frozen=True, slots=True)
class Axis:
    """The horizontal axis of a chart.

    Attributes:
        kind: ``time`` (seconds since `origin`), ``linear`` or ``log``.
        label: Its quantity, and its unit in brackets: ``capacity [Wh]``.
        low, high: Its ends.
        origin: UTC time of 0, of a time axis.
        clock: Clock by which a time axis is labelled.
        whole: Whether places are whole numbers, which ticks between them would belie.
        as_given: Whether places are written in the unit of the label, not in the one that suits.
    """

    kind: Kind
    label: str
    low: float
    high: float
    origin: datetime | None = None
    clock: Clock = UTC_CLOCK
    whole: bool = False
    as_given: bool = False

    @property
    def quantity(self) -> str:
        """The label without the unit."""
        parts = _BRACKETED.fullmatch(self.label)
        return parts[1] if parts else self.label

    @property
    def unit(self) -> str:
        """The unit of places on it; empty for none."""
        parts = _BRACKETED.fullmatch(self.label)
        return parts[2] if parts else ""

    @property
    def shown(self) -> Unit:
        """The unit in which places are written."""
        if self.as_given:
            return Unit(self.unit, 1.0)
        ends = (self.low, self.high)
        return unit_for(self.unit, _middle(*ends) if self.kind == "log" else max(map(abs, ends)))


@dataclass(frozen=True, slots=True)
class ChartLine:
    """A line, with a band from the least to the greatest value where it was thinned.

    Attributes:
        name: Its name in the legend.
        color: A name of the palette.
        y: Its values, shape (n,); NaN leaves a gap, infinity stands at the upper edge.
        x: Its places, if not those of the chart.
        low, high: The band; None without one.
        column: Column of the record that it shows; empty for none.
        dash: Dashes of the line, as SVG has them.
        filled: Whether the area down to 0 is tinted.
        shape: ``line``; ``points``, circles without a line, such as values from elsewhere; or
            ``guide``, a line to compare with, which has no dots.
    """

    name: str
    color: str
    y: FloatArray
    x: FloatArray | None = None
    low: FloatArray | None = None
    high: FloatArray | None = None
    column: str = ""
    dash: str = ""
    filled: bool = False
    shape: Shape = "line"


@dataclass(frozen=True, slots=True)
class Mark:
    """An event on the axis: a triangle that links to its row.

    Attributes:
        at: Where, on the horizontal axis.
        y: Where, on the vertical axis.
        text: Description of the event.
        target: Identifier of the element of the page that says more; empty for none.
        up: Whether the triangle points up.
    """

    at: float
    y: float
    text: str
    target: str = ""
    up: bool = True


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines that share a vertical axis.

    Attributes:
        label: Quantity on the axis, without the unit.
        unit: The unit of all values; empty for a bare number.
        series: The lines.
        marks: Events to mark.
        height: Height of the plot [px].
        zero: Whether 0 is always shown.
        percent: Whether fractions are written as percentages at the ticks.
        infinite: Meaning of an infinite value.
        log: Whether the axis is logarithmic; values that are not above 0 stand at its foot.
        banded: Whether the bands of lines are drawn; else they are only under the pointer.
        as_given: Whether values are written in `unit` itself, not in the one that suits them.
    """

    label: str
    unit: str
    series: Sequence[ChartLine]
    marks: Sequence[Mark] = ()
    height: int = 120
    zero: bool = True
    percent: bool = False
    infinite: str = UNLIMITED
    log: bool = False
    banded: bool = True
    as_given: bool = False

    @property
    def shown(self) -> Unit:
        """The unit in which values are written, by the largest of them."""
        if self.percent:
            return Unit("%", 0.01)
        if self.as_given:
            return Unit(self.unit, 1.0)
        least, largest = _bounds(
            values
            for line in self.series
            for values in (line.y, *((line.low, line.high) if self.banded else ()))
            if values is not None
        )
        return unit_for(self.unit, _middle(least, largest) if self.log else largest)

    @property
    def title(self) -> str:
        """Label and unit."""
        shown = self.shown.name
        return f"{self.label} [{shown}]" if shown not in ("", self.label) else self.label


def _middle(low: float, high: float) -> float:
    """Return the middle of a logarithmic axis."""
    return math.sqrt(low) * math.sqrt(high)


def _bounds(arrays: Iterable[FloatArray]) -> tuple[float, float]:
    """Return the least and the largest size of the finite values but 0; zeros for none."""
    sizes = np.abs(np.concatenate([np.empty(0), *arrays]))
    sizes = sizes[np.isfinite(sizes) & (sizes > 0)]
    return (float(sizes.min()), float(sizes.max())) if len(sizes) else (0.0, 0.0)


@dataclass(frozen=True, slots=True)
class LineChart:
    """Panels over one horizontal axis.

    Attributes:
        key: Its identifier, and the stem of its file.
        title: Its title.
        axis: The horizontal axis.
        at: Places that have values, ascending, shape (n,): on the horizontal axis, or on the
            vertical one if the chart is read `along` it.
        panels: From top to bottom.
        note: Explanation beside the chart.
        held: Whether a value holds until the next place (a step of a run), or is of its place only.
        width: How long each value holds, on the axis; 0 for values of a place.
        along: The axis along which values are looked up.
        dots: Whether values are marked by dots.
    """

    key: str
    title: str
    axis: Axis
    at: FloatArray
    panels: Sequence[Panel]
    note: str = ""
    held: bool = False
    width: float = 0.0
    along: Literal["x", "y"] = "x"
    dots: bool = False
