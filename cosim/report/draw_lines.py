"""A line chart drawn as SVG, with its grid, legend and marks."""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from cosim.report.lines import ChartLine, LineChart, Panel
from cosim.report.scales import Scale, panel_scale, x_scale
from cosim.report.size import RIGHT, Drawn, Size
from cosim.report.svg import area_path, element, line_path, text, titled
from cosim.report.ticks import Tick
from inference_sim.arrays import FloatArray

_GAP, _SWATCH, _POINT = 14, 20, 5
_MARK_DISTANCE = 5.0


def draw_lines(chart: LineChart, size: Size, top: float, *, linked: bool) -> Drawn:
    """Return the elements of a line chart that begins at `top` [px], with its marks as links."""
    scales = [panel_scale(panel) for panel in chart.panels]
    labels = [tick.label for scale in scales for tick in scale.ticks]
    left = max(size.text_width(label) for label in labels) + 12
    right = size.width - RIGHT
    across = x_scale(chart.axis, size.ticks).to(left, right)
    body: list[str] = []
    y = top
    for index, (panel, scale) in enumerate(zip(chart.panels, scales, strict=True)):
        legend, y = _heading(panel, size, y)
        body += legend
        down = scale.to(y + panel.height, y)
        last = index == len(chart.panels) - 1
        inner = [*grid(across, down, last, size), *_curves(chart, panel, across, down, right)]
        inner += _marks(panel, across, down, linked)
        place = {"data_top": y, "data_bottom": y + panel.height}
        body.append(element("g", "".join(inner), class_="panel", **place))
        y += panel.height + (size.font * 1.6 if last else _GAP)
    y += size.font * 1.3
    body.append(text(across.label, right, y - 4, size.font, text_anchor="end", class_="quiet"))
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
    body, y, x = heading(panel.title, size, y)
    if len(panel.series) > 1:
        for line in panel.series:
            needed = _SWATCH + 5 + size.text_width(line.name) + 12
            if x + needed > size.width and x > 4:
                x, y = 4.0, y + row
            body.append(_swatch(line, x, y - 4 - size.font * 0.35))
            body.append(text(line.name, x + _SWATCH + 5, y - 4, size.font))
            x += needed
    return body, y + 8


def heading(title: str, size: Size, y: float) -> tuple[list[str], float, float]:
    """Return a title in bold type, the foot of its last line, and where a legend may begin [px]."""
    lines = size.lines(title, size.width - 8, bold=True)
    body = []
    for line in lines:
        y += size.font * 1.45
        body.append(text(line, 4, y - 4, size.font, class_="strong"))
    return body, y, size.bold_width(lines[-1]) + 18


def _swatch(line: ChartLine, x: float, y: float) -> str:
    kind = f"line {line.color}"
    if line.shape == "points":
        return element("circle", cx=x + _SWATCH / 2, cy=y, r=_POINT, class_=kind)
    d = f"M{x:.1f} {y:.1f}h{_SWATCH}"
    return element("path", d=d, class_=kind, stroke_dasharray=line.dash)


def grid(across: Scale, down: Scale, last: bool, size: Size) -> Iterator[str]:
    """Yield ticks and lines of a plot; the labels of the horizontal axis below the last one."""
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
    return "end" if x + half > right + RIGHT - 2 else "middle"


def _curves(
    chart: LineChart, panel: Panel, across: Scale, down: Scale, right: float
) -> Iterator[str]:
    for line in panel.series:
        along_y = chart.along == "y"
        places = line.x if line.x is not None else chart.at
        x, y = across.pixels(places), down.pixels(line.y)
        end = min(across.pixel(float(places[-1]) + chart.width), right) if len(places) else right
        held = chart.held and not along_y
        if line.filled:
            floor = np.full_like(y, down.pixel(max(0.0, down.low)))
            d = area_path(x, y, np.where(np.isnan(y), np.nan, floor), end, held=held)
            yield element("path", d=d, class_=f"solid area {line.color}")
        if panel.banded and line.low is not None and line.high is not None:
            d = area_path(x, down.pixels(line.high), down.pixels(line.low), end, held=held)
            yield element("path", d=d, class_=f"solid band {line.color}")
        if line.shape == "points":
            for a, b in _there(x, y):
                yield element("circle", cx=a, cy=b, r=_POINT, class_=f"line {line.color}")
            continue
        d = line_path(x, y, end, held=held)
        if d:
            yield element("path", d=d, class_=f"line {line.color}", stroke_dasharray=line.dash)
        if chart.dots and line.shape == "line":
            for a, b in _there(x, y):
                yield element("circle", cx=a, cy=b, r=3, class_=f"solid {line.color}")


def _there(x: FloatArray, y: FloatArray) -> Iterator[tuple[float, float]]:
    """Yield the places that have a value."""
    for a, b in zip(x.tolist(), y.tolist(), strict=True):
        if not math.isnan(b):
            yield a, b


def _marks(panel: Panel, across: Scale, down: Scale, linked: bool) -> Iterator[str]:
    """Yield the marks; those too near to be distinguished are one, which leads to the first."""
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
        hint = mark.text if len(group) == 1 else f"{len(group)} changes; the first: {mark.text}"
        shape = element("path", titled(hint), d=d, class_="solid ink mark")
        yield element("a", shape, href=f"#{mark.target}") if linked and mark.target else shape
