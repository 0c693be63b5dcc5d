"""The charts that a page can have, and lines, bars and points made of plain numbers."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cosim.accounting.words import Unit, unit_for
from cosim.report.heat_map import HeatMap
from cosim.report.lines import Axis, ChartLine, LineChart, Panel
from cosim.report.palette import series_color, series_dash
from cosim.report.ticks import domain
from inference_sim.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one colour, one a category.

    Attributes:
        name: Their name.
        color: A name of the palette.
        values: Their values, shape (categories,); NaN leaves one out.
        low, high: Ends of the interval of each, drawn as error bars; NaN for one without, None
            for none.
    """

    name: str
    color: str
    values: FloatArray
    low: FloatArray | None = None
    high: FloatArray | None = None

    def interval(self, index: int) -> tuple[float, float] | None:
        """Return the interval of a bar; None without one."""
        if self.low is None or self.high is None:
            return None
        ends = (float(self.low[index]), float(self.high[index]))
        return ends if math.isfinite(ends[0]) and math.isfinite(ends[1]) else None


@dataclass(frozen=True, slots=True)
class BarChart:
    """Horizontal bars by category, beside each other where there are several groups.

    Attributes:
        key, title, note: As of a `LineChart`.
        label, unit: Quantity of the bars, and its unit.
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

    @property
    def shown(self) -> Unit:
        """The unit in which values are written, by the largest of them."""
        values = [abs(float(value)) for group in self.groups for value in group.values]
        return unit_for(self.unit, max(filter(math.isfinite, values), default=0.0))


@dataclass(frozen=True, slots=True)
class Point:
    """A point with its name.

    Attributes:
        name: Its name, shown where the pointer rests.
        x, y: Its place.
        color: A name of the palette.
        label: Text beside it; its name if None, empty for no text.
        x_interval, y_interval: Intervals of `x` and `y`, drawn as error bars; None for none.
    """

    name: str
    x: float
    y: float
    color: str = "blue"
    label: str | None = None
    x_interval: tuple[float, float] | None = None
    y_interval: tuple[float, float] | None = None


@dataclass(frozen=True, slots=True)
class ScatterChart:
    """Points in a plane, such as carbon against latency.

    Attributes:
        key, title, note: As of a `LineChart`.
        axis: The horizontal axis.
        label, unit: Quantity on the vertical axis, and its unit.
        points: The points.
        zero: Whether 0 is always on the vertical axis.
        as_given: Whether heights are written in `unit` itself, not in the one that suits them.
    """

    key: str
    title: str
    axis: Axis
    label: str
    unit: str
    points: Sequence[Point] = field(default_factory=tuple)
    note: str = ""
    zero: bool = False
    as_given: bool = False

    @property
    def shown(self) -> Unit:
        """The unit in which values are written on the vertical axis, by the largest of them."""
        if self.as_given:
            return Unit(self.unit, 1.0)
        return unit_for(self.unit, max(abs(point.y) for point in self.points))

    @property
    def heights(self) -> list[float]:
        """All that the vertical axis must hold: the points and their intervals."""
        return [y for point in self.points for y in (point.y, *(point.y_interval or ()))]


Chart = LineChart | BarChart | ScatterChart | HeatMap


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
        title: Its title.
        x: Ascending places, shape (n,).
        lines: Values by name, shape (n,) each; NaN leaves a gap.
        x_label: Quantity on the horizontal axis, with its unit.
        y_label: Quantity on the vertical axis.
        unit: Unit of the values.
        log_x: Whether the horizontal axis is logarithmic.
        zero: Whether 0 is always on the vertical axis.
        note: Explanation beside the chart.

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
        ChartLine(name, series_color(k), np.asarray(y, np.float64), dash=series_dash(k))
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
    intervals: Mapping[str, tuple[Sequence[float], Sequence[float]]] | None = None,
) -> BarChart:
    """Return bars by category.

    Args:
        key: Its identifier, and the stem of its file.
        title: Its title.
        categories: Names, from top to bottom.
        groups: Values by name of the group, one a category.
        label: Quantity of the bars.
        unit: Unit of the values.
        note: Explanation beside the chart.
        intervals: Lower and upper ends of the error bars by name of the group; NaN for none.

    Raises:
        ValueError: If a group has not one value, or one interval, a category.
    """
    ends = intervals or {}
    for name, values in groups.items():
        for numbers in (values, *ends.get(name, ())):
            if len(numbers) != len(categories):
                raise ValueError(
                    f"'{name}' must have {len(categories)} values (got {len(numbers)})"
                )
    bars = [
        Bars(
            name,
            series_color(k),
            np.asarray(values, np.float64),
            *(np.asarray(end, np.float64) for end in ends.get(name, ())),
        )
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
    as_given: bool = False,
) -> ScatterChart:
    """Return points in a plane.

    Args:
        key: Its identifier, and the stem of its file.
        title: Its title.
        points: The points, at least one.
        x_label: Quantity on the horizontal axis, with its unit.
        y_label: Quantity on the vertical axis.
        unit: Unit of the vertical axis.
        log_x: Whether the horizontal axis is logarithmic.
        note: Explanation beside the chart.
        as_given: Whether both axes are written in their own units, not in those that suit them.

    Raises:
        ValueError: If there are no points.
    """
    if not points:
        raise ValueError("a scatter chart needs at least one point (got none)")
    places = [x for point in points for x in (point.x, *(point.x_interval or ()))]
    if log_x:
        above = [place for place in places if place > 0]
        axis = Axis("log", x_label, min(above) / 1.3, max(above) * 1.3, as_given=as_given)
    else:
        low, high = domain(places, zero=False)
        room = (high - low) * 0.03  # for the names beside the points
        axis = Axis("linear", x_label, low - room, high + room, as_given=as_given)
    return ScatterChart(key, title, axis, y_label, unit, list(points), note, as_given=as_given)
