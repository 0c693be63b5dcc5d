"""What a chart shows, apart from how it is drawn: lines over panels, bars, points.

The three functions make charts of plain numbers; a run's own charts are put together of panels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from cosim.report.palette import series_color, series_dash

Array = NDArray[np.float64]
Kind = Literal["time", "linear", "log"]


@dataclass(frozen=True, slots=True)
class Axis:
    """The horizontal axis of a chart.

    Attributes:
        kind: ``time`` (seconds since `origin`), ``linear`` or ``log``.
        label: What it shows, with its unit.
        low, high: Its ends.
        origin: UTC time of 0, of a time axis.
    """

    kind: Kind
    label: str
    low: float
    high: float
    origin: datetime | None = None


@dataclass(frozen=True, slots=True)
class Series:
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
    """

    name: str
    color: str
    y: Array
    x: Array | None = None
    low: Array | None = None
    high: Array | None = None
    column: str = ""
    dash: str = ""
    filled: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that happened at a place: a triangle that leads to where it is told.

    Attributes:
        at: Where, on the horizontal axis.
        y: Where, on the vertical axis.
        text: What happened.
        target: Identifier of the element of the page that tells more; empty for none.
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
        label: What the axis shows, without the unit.
        unit: The unit of all values; empty for a bare number.
        series: The lines.
        marks: What is marked.
        height: Height of the plot [px].
        zero: Whether 0 is always shown.
        percent: Whether fractions are written as percentages at the ticks.
        infinite: What an infinite value means.
    """

    label: str
    unit: str
    series: Sequence[Series]
    marks: Sequence[Mark] = ()
    height: int = 120
    zero: bool = True
    percent: bool = False
    infinite: str = "no limit"

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
        title: What it shows.
        axis: The horizontal axis.
        at: Places that have values, ascending, shape (n,): on the horizontal axis, or on the
            vertical one if the chart is read `along` it.
        panels: From top to bottom.
        note: What has to be known to read it.
        held: Whether a value holds until the next place (a step of a run), or is of its place only.
        width: How long each value holds, on the axis; 0 for values of a place.
        along: The axis along which values are looked up.
        dots: Whether values are marked by dots.
    """

    key: str
    title: str
    axis: Axis
    at: Array
    panels: Sequence[Panel]
    note: str = ""
    held: bool = False
    width: float = 0.0
    along: Literal["x", "y"] = "x"
    dots: bool = False


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one colour, one a category; NaN leaves one out."""

    name: str
    color: str
    values: Array


@dataclass(frozen=True, slots=True)
class BarChart:
    """Horizontal bars by category, beside each other where there are several groups.

    Attributes:
        key, title, note: As of a `LineChart`.
        label, unit: What the bars show.
        categories: Names, from top to bottom.
        groups: The bars.
    """

    key: str
    title: str
    label: str
    unit: str
    categories: Sequence[str]
    groups: Sequence[Bars]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Point:
    """A point with its name.

    Attributes:
        name: Its name, written beside it.
        x, y: Its place.
        color: A name of the palette.
    """

    name: str
    x: float
    y: float
    color: str = "blue"


@dataclass(frozen=True, slots=True)
class ScatterChart:
    """Points in a plane, such as carbon against latency.

    Attributes:
        key, title, note: As of a `LineChart`.
        axis: The horizontal axis.
        label, unit: What the vertical axis shows.
        points: The points.
        zero: Whether 0 is always on the vertical axis.
    """

    key: str
    title: str
    axis: Axis
    label: str
    unit: str
    points: Sequence[Point] = field(default_factory=tuple)
    note: str = ""
    zero: bool = False


Chart = LineChart | BarChart | ScatterChart


def line_chart(
    key: str,
    title: str,
    x: Sequence[float],
    lines: Mapping[str, Sequence[float]],
    *,
    x_label: str,
    y_label: str,
    unit: str = "",
    log_x: bool = False,
    zero: bool = True,
    note: str = "",
) -> LineChart:
    """Return lines over shared places.

    Args:
        key: Its identifier, and the stem of its file.
        title: What it shows.
        x: Ascending places, shape (n,).
        lines: Values by name, shape (n,) each; NaN leaves a gap.
        x_label: What the horizontal axis shows, with its unit.
        y_label: What the vertical axis shows.
        unit: Unit of the values.
        log_x: Whether the horizontal axis is logarithmic.
        zero: Whether 0 is always on the vertical axis.
        note: What has to be known to read it.

    Raises:
        ValueError: If `x` is empty or not ascending, or a line has another length.
    """
    at = np.asarray(x, dtype=np.float64)
    if not len(at) or not (np.diff(at) > 0).all():
        raise ValueError(f"x must ascend and have a value (got {list(x)})")
    for name, values in lines.items():
        if len(values) != len(at):
            raise ValueError(f"'{name}' must have {len(at)} values (got {len(values)})")
    series = [
        Series(name, series_color(k), np.asarray(y, np.float64), dash=series_dash(k))
        for k, (name, y) in enumerate(lines.items())
    ]
    axis = Axis("log" if log_x else "linear", x_label, float(at[0]), float(at[-1]))
    panel = Panel(y_label, unit, series, height=240, zero=zero)
    return LineChart(key, title, axis, at, [panel], note, dots=True)


def bar_chart(
    key: str,
    title: str,
    categories: Sequence[str],
    groups: Mapping[str, Sequence[float]],
    *,
    label: str,
    unit: str,
    note: str = "",
) -> BarChart:
    """Return bars by category.

    Args:
        key: Its identifier, and the stem of its file.
        title: What it shows.
        categories: Names, from top to bottom.
        groups: Values by name of the group, one a category.
        label: What the bars show.
        unit: Unit of the values.
        note: What has to be known to read it.

    Raises:
        ValueError: If a group has not one value a category.
    """
    for name, values in groups.items():
        if len(values) != len(categories):
            raise ValueError(f"'{name}' must have {len(categories)} values (got {len(values)})")
    bars = [
        Bars(name, series_color(k), np.asarray(values, np.float64))
        for k, (name, values) in enumerate(groups.items())
    ]
    return BarChart(key, title, label, unit, list(categories), bars, note)


def scatter_chart(
    key: str,
    title: str,
    points: Sequence[Point],
    *,
    x_label: str,
    y_label: str,
    unit: str = "",
    log_x: bool = False,
    note: str = "",
) -> ScatterChart:
    """Return points in a plane.

    Args:
        key: Its identifier, and the stem of its file.
        title: What it shows.
        points: The points, at least one.
        x_label: What the horizontal axis shows, with its unit.
        y_label: What the vertical axis shows.
        unit: Unit of the vertical axis.
        log_x: Whether the horizontal axis is logarithmic.
        note: What has to be known to read it.

    Raises:
        ValueError: If there are no points.
    """
    if not points:
        raise ValueError("a scatter chart needs at least one point (got none)")
    places = [point.x for point in points]
    low, high = min(places), max(places)
    if log_x:
        axis = Axis("log", x_label, low / 1.3, high * 1.3)
    else:
        room = (high - low) * 0.08 or abs(low) * 0.1 or 1.0
        axis = Axis("linear", x_label, low - room, high + room)
    return ScatterChart(key, title, axis, y_label, unit, list(points), note)
