"""The charts that a page can have, and lines, bars and points made of plain numbers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from cosim.report.lines import Axis, ChartLine, LineChart, Panel
from cosim.report.palette import series_color, series_dash
from inference_sim.arrays import FloatArray


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars of one colour, one a category; NaN leaves one out."""

    name: str
    color: str
    values: FloatArray


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


@dataclass(frozen=True, slots=True)
class Point:
    """A point with its name.

    Attributes:
        name: Its name, shown where the pointer rests.
        x, y: Its place.
        color: A name of the palette.
        label: Text beside it; its name if None, empty for no text.
    """

    name: str
    x: float
    y: float
    color: str = "blue"
    label: str | None = None


@dataclass(frozen=True, slots=True)
class ScatterChart:
    """Points in a plane, such as carbon against latency.

    Attributes:
        key, title, note: As of a `LineChart`.
        axis: The horizontal axis.
        label, unit: Quantity on the vertical axis, and its unit.
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
        title: Its title.
        points: The points, at least one.
        x_label: Quantity on the horizontal axis, with its unit.
        y_label: Quantity on the vertical axis.
        unit: Unit of the vertical axis.
        log_x: Whether the horizontal axis is logarithmic.
        note: Explanation beside the chart.

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
