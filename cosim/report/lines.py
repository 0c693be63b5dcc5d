"""The content of a line chart, apart from its drawing: series on panels over one axis."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from cosim.accounting.words import UNLIMITED
from inference_sim.arrays import FloatArray

Kind = Literal["time", "linear", "log"]
Shape = Literal["line", "points", "guide"]


@dataclass(frozen=True, slots=True)
class Axis:
    """The horizontal axis of a chart.

    Attributes:
        kind: ``time`` (seconds since `origin`), ``linear`` or ``log``.
        label: Its quantity and unit.
        low, high: Its ends.
        origin: UTC time of 0, of a time axis.
    """

    kind: Kind
    label: str
    low: float
    high: float
    origin: datetime | None = None


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

    @property
    def title(self) -> str:
        """Label and unit."""
        shown = "%" if self.percent else self.unit
        return f"{self.label} [{shown}]" if shown not in ("", self.label) else self.label


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
