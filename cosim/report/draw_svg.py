"""Charts drawn as SVG: wide for a screen or a page, narrow for a phone, alone for a file."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

import numpy as np

from cosim.report.charts import BarChart, Chart, LineChart, Panel, ScatterChart
from cosim.report.scales import Scale, panel_scale, x_scale
from cosim.report.svg import (
    CHAR_WIDTH,
    area_path,
    color_rules,
    element,
    line_path,
    text,
    titled,
)
from cosim.report.ticks import Tick, domain, linear_ticks, number


@dataclass(frozen=True, slots=True)
class Size:
    """How wide a chart is drawn.

    Attributes:
        name: Its class in the page.
        width: Width [px].
        font: Size of the font [px].
        ticks: Most ticks of the horizontal axis.
    """

    name: str
    width: int
    font: int
    ticks: int

    def text_width(self, content: str) -> float:
        """Return about how wide a text is [px]."""
        return len(content) * self.font * CHAR_WIDTH


WIDE = Size("wide", 860, 12, 9)
NARROW = Size("narrow", 360, 11, 4)
_RIGHT, _GAP, _SWATCH = 16, 14, 20
_MARK_DISTANCE = 5.0


def to_svg(chart: Chart, size: Size = WIDE, *, alone: bool = False) -> str:
    """Return a chart as an SVG element.

    Args:
        chart: What is drawn.
        size: How wide.
        alone: Whether it stands alone in a file, and so has to bring its title and colours.
    """
    top = size.font * 2.2 if alone else 4.0
    if isinstance(chart, LineChart):
        body, height, data = _lines(chart, size, top, linked=not alone)
    elif isinstance(chart, BarChart):
        body, height, data = _bars(chart, size, top)
    else:
        body, height, data = _scatter(chart, size, top)
    content = ""
    if alone:
        content += element("style", escape(color_rules(plain=True), quote=False))
        content += element("rect", width="100%", height="100%", fill="#ffffff")
        content += text(chart.title, 8, size.font * 1.4, size.font + 2, class_="strong")
        for note in _wrapped(chart.note, size):
            height += size.font * 1.4
            content += text(note, 8, height - size.font * 0.6, size.font - 1, class_="quiet")
    frame: dict[str, str | float] = {
        "class_": f"chart {size.name}",
        "viewBox": f"0 0 {size.width} {math.ceil(height)}",
        "role": "group" if isinstance(chart, LineChart) else "img",  # marks are links
        "aria-label": chart.title,
    }
    if alone:
        frame |= {"xmlns": "http://www.w3.org/2000/svg"}
        frame |= {"width": size.width, "height": math.ceil(height)}
    return element("svg", content + "".join(body), **frame, **data)


Drawn = tuple[list[str], float, dict[str, str | float]]


def _lines(chart: LineChart, size: Size, top: float, *, linked: bool) -> Drawn:
    scales = [panel_scale(panel) for panel in chart.panels]
    labels = [tick.label for one in scales for tick in one.ticks]
    left = max(size.text_width(label) for label in labels) + 12
    right = size.width - _RIGHT
    across = x_scale(chart.axis, size.ticks).to(left, right)
    body: list[str] = []
    y = top
    for index, (panel, scale) in enumerate(zip(chart.panels, scales, strict=True)):
        legend, y = _heading(panel, size, y)
        body += legend
        down = scale.to(y + panel.height, y)
        last = index == len(chart.panels) - 1
        inner = [*_grid(across, down, last, size), *_curves(chart, panel, across, down, right)]
        inner += _marks(panel, across, down, linked)
        place = {"data_top": y, "data_bottom": y + panel.height}
        body.append(element("g", "".join(inner), class_="panel", **place))
        y += panel.height + (size.font * 1.6 if last else _GAP)
    y += size.font * 1.3
    body.append(text(chart.axis.label, right, y - 4, size.font, text_anchor="end", class_="quiet"))
    low, high = across.low, across.high
    data: dict[str, str | float] = {
        "data_chart": chart.key,
        "data_left": left,
        "data_right": right,
        "data_low": repr(low),
        "data_high": repr(high),
        "data_kind": chart.axis.kind,
    }
    return body, y + 4, data


def _heading(panel: Panel, size: Size, y: float) -> tuple[list[str], float]:
    """Return the title of a panel with its legend, and where the plot begins."""
    row = size.font * 1.45
    y += row
    body = [text(panel.title, 4, y - 4, size.font, class_="strong")]
    if len(panel.series) > 1:
        x = size.text_width(panel.title) * 1.08 + 18
        for one in panel.series:
            needed = _SWATCH + 5 + size.text_width(one.name) + 12
            if x + needed > size.width and x > 4:
                x, y = 4.0, y + row
            middle = y - 4 - size.font * 0.35
            body.append(
                element(
                    "path",
                    d=f"M{x:.1f} {middle:.1f}h{_SWATCH}",
                    class_=f"line {one.color}",
                    stroke_dasharray=one.dash,
                )
            )
            body.append(text(one.name, x + _SWATCH + 5, y - 4, size.font))
            x += needed
    return body, y + 8


def _grid(across: Scale, down: Scale, last: bool, size: Size) -> Iterator[str]:
    left, right, bottom = across.pixel(across.low), across.pixel(across.high), down.pixel(down.low)
    top = down.pixel(down.high)
    for tick in down.ticks:
        y = down.pixel(tick.at)
        kind = "axis" if tick.at == 0 else "grid"
        yield element("path", d=f"M{left:.1f} {y:.1f}H{right:.1f}", class_=kind)
        yield text(tick.label, left - 6, y + size.font * 0.35, size.font, text_anchor="end")
    for tick in across.ticks:
        x = across.pixel(tick.at)
        yield element("path", d=f"M{x:.1f} {top:.1f}V{bottom:.1f}", class_="grid")
        if last:
            anchor = _anchor(tick, x, left, right, size)
            yield text(tick.label, x, bottom + size.font * 1.3, size.font, text_anchor=anchor)
    yield element("path", d=f"M{left:.1f} {bottom:.1f}H{right:.1f}", class_="axis")


def _anchor(tick: Tick, x: float, left: float, right: float, size: Size) -> str:
    half = size.text_width(tick.label) / 2
    if x - half < left - 20:
        return "start"
    return "end" if x + half > right + _RIGHT - 2 else "middle"


def _curves(
    chart: LineChart, panel: Panel, across: Scale, down: Scale, right: float
) -> Iterator[str]:
    for one in panel.series:
        along_y = chart.along == "y"
        places = one.x if one.x is not None else chart.at
        x, y = across.pixels(places), down.pixels(one.y)
        end = min(across.pixel(float(places[-1]) + chart.width), right) if len(places) else right
        held = chart.held and not along_y
        if one.filled:
            floor = np.full_like(y, down.pixel(max(0.0, down.low)))
            d = area_path(x, y, np.where(np.isnan(y), np.nan, floor), end, held=held)
            yield element("path", d=d, class_=f"solid area {one.color}")
        if one.low is not None and one.high is not None:
            d = area_path(x, down.pixels(one.high), down.pixels(one.low), end, held=held)
            yield element("path", d=d, class_=f"solid band {one.color}")
        d = line_path(x, y, end, held=held)
        if d:
            yield element("path", d=d, class_=f"line {one.color}", stroke_dasharray=one.dash)
        if chart.dots:
            for a, b in zip(x.tolist(), y.tolist(), strict=True):
                if not math.isnan(b):
                    yield element("circle", cx=a, cy=b, r=3, class_=f"solid {one.color}")


def _marks(panel: Panel, across: Scale, down: Scale, linked: bool) -> Iterator[str]:
    """Yield the marks; those too near to be told apart are one, which leads to the first."""
    groups: list[list[int]] = []
    for index, mark in enumerate(panel.marks):
        x = across.pixel(mark.at)
        if groups and x - across.pixel(panel.marks[groups[-1][0]].at) < _MARK_DISTANCE:
            groups[-1].append(index)
        else:
            groups.append([index])
    for group in groups:
        mark = panel.marks[group[0]]
        x, y = across.pixel(mark.at), down.pixel(mark.y)
        d = f"M{x:.1f} {y - 5:.1f}l4.5 8h-9z" if mark.up else f"M{x:.1f} {y + 5:.1f}l4.5 -8h-9z"
        told = mark.text if len(group) == 1 else f"{len(group)} changes; the first: {mark.text}"
        shape = element("path", titled(told), d=d, class_="solid ink mark")
        yield element("a", shape, href=f"#{mark.target}") if linked and mark.target else shape


def _bars(chart: BarChart, size: Size, top: float) -> Drawn:
    body: list[str] = []
    row = size.font * 1.45
    y = top + row
    body.append(text(f"{chart.label} [{chart.unit}]", 4, y - 4, size.font, class_="strong"))
    if len(chart.groups) > 1:
        x = size.text_width(f"{chart.label} [{chart.unit}]") * 1.08 + 18
        for group in chart.groups:
            needed = 17 + size.text_width(group.name) + 12
            if x + needed > size.width:
                x, y = 4.0, y + row
            swatch = element(
                "rect", x=x, y=y - 4 - 10, width=11, height=11, class_=f"solid {group.color}"
            )
            body += [swatch, text(group.name, x + 17, y - 4, size.font)]
            x += needed
    values = [float(v) for group in chart.groups for v in group.values if math.isfinite(v)]
    low, high = min([0.0, *values]), max([0.0, *values])
    longest = max((size.text_width(number(v)) for v in values), default=0.0) + 12
    across = Scale("linear", low, high or 1.0, ()).to(4 + (longest if low < 0 else 0), 0)
    across = across.to(across.start, size.width - longest - 4)
    thick = 16 if len(chart.groups) == 1 else 12
    y += 6
    for k, category in enumerate(chart.categories):
        y += row
        body.append(text(category, 4, y - 4, size.font))
        y += 2
        bars_top = y
        for group in chart.groups:
            value = float(group.values[k])
            if not math.isnan(value):
                told = f"{category}, {group.name}: {value!r} {chart.unit}"
                body += _bar(across, y, thick, size, value, told, group.color)
            y += thick + 2
        zero = across.pixel(0.0)
        body.append(element("path", d=f"M{zero:.1f} {bars_top - 2:.1f}V{y:.1f}", class_="axis"))
        y += 4
    return body, y + 4, {"data_bars": chart.key}


def _bar(
    across: Scale, y: float, thick: int, size: Size, value: float, told: str, color: str
) -> list[str]:
    """Return a bar and its value beside it; `told` is shown where the pointer rests."""
    zero, x = across.pixel(0.0), across.pixel(value)
    rect = element(
        "rect",
        titled(told),
        x=min(zero, x),
        y=y,
        width=max(abs(x - zero), 1.0),
        height=thick,
        class_=f"solid {color}",
        data_value=repr(value),
    )
    place, anchor = (x - 5, "end") if value < 0 else (x + 5, "start")
    return [rect, text(number(value), place, y + thick - 3, size.font, text_anchor=anchor)]


def _scatter(chart: ScatterChart, size: Size, top: float) -> Drawn:
    low, high = domain([point.y for point in chart.points], zero=chart.zero)
    ticks = tuple(linear_ticks(low, high, 6))
    left = max(size.text_width(tick.label) for tick in ticks) + 12
    right = size.width - _RIGHT
    across = x_scale(chart.axis, size.ticks).to(left, right)
    title = f"{chart.label} [{chart.unit}]" if chart.unit else chart.label
    y = top + size.font * 1.45
    body = [text(title, 4, y - 4, size.font, class_="strong")]
    height = 280
    down = Scale("linear", low, high, ticks).to(y + 4 + height, y + 4)
    body += _grid(across, down, True, size)
    taken: list[tuple[float, float, float]] = []
    for point in sorted(chart.points, key=lambda one: (one.x, one.y)):
        px, py = across.pixel(point.x), down.pixel(point.y)
        told = f"{point.name}: {chart.axis.label} {point.x!r}, {chart.label} {point.y!r}"
        dot = element("circle", titled(told), cx=px, cy=py, r=5, class_=f"solid {point.color}")
        width = size.text_width(point.name)
        before = px + 9 + width > size.width
        x0 = px - 9 - width if before else px + 9
        at = py + size.font * 0.35
        while any(x0 < b and a < x0 + width and abs(at - c) < size.font for a, b, c in taken):
            at += size.font
        taken.append((x0, x0 + width, at))
        anchor = ("end", px - 9) if before else ("start", x0)
        body += [dot, text(point.name, anchor[1], at, size.font, text_anchor=anchor[0])]
    y += 4 + height + size.font * 2.9
    body.append(text(chart.axis.label, right, y - 4, size.font, text_anchor="end", class_="quiet"))
    return body, y + 4, {"data_scatter": chart.key}


def _wrapped(note: str, size: Size) -> Sequence[str]:
    import textwrap

    return textwrap.wrap(note, int((size.width - 16) / (size.font - 1) / CHAR_WIDTH))
