"""A scatter chart drawn as SVG: points in a plane, each with its name."""

from __future__ import annotations

from collections.abc import Sequence

from cosim.accounting.words import Unit, number
from cosim.report.charts import Point, ScatterChart
from cosim.report.draw_lines import grid, heading
from cosim.report.scales import Scale, x_scale
from cosim.report.size import RIGHT, Drawn, Size
from cosim.report.svg import element, text, titled, whisker
from cosim.report.ticks import domain, linear_ticks

_BESIDE = 9  # from the middle of a point to its label [px]


def draw_scatter(chart: ScatterChart, size: Size, top: float) -> Drawn:
    """Return the elements of a scatter chart that begins at `top` [px]."""
    low, high = domain(chart.heights, zero=chart.zero)
    unit = chart.shown
    ticks = tuple(linear_ticks(low, high, 6, unit.size))
    left = max(size.text_width(tick.label) for tick in ticks) + 12
    right = size.width - RIGHT
    across = x_scale(chart.axis, size.ticks).to(left, right)
    title = f"{chart.label} [{unit.name}]" if unit.name else chart.label
    body, y, _ = heading(title, size, top)
    height = 280
    down = Scale("linear", low, high, ticks).to(y + 4 + height, y + 4)
    body += grid(across, down, True, size)
    # What is grey is the background of the rest.
    points = sorted(chart.points, key=lambda point: (point.color != "grey", point.x, point.y))
    places = [(across.pixel(point.x), down.pixel(point.y)) for point in points]
    taken = [(px - 6, px + 6, py) for px, py in places]
    taken += [(0.0, left, down.pixel(tick.at)) for tick in ticks]
    for point, (px, py) in zip(points, places, strict=True):
        if point.x_interval is not None:
            x0, x1 = map(across.pixel, point.x_interval)
            body.append(whisker(x0, py, x1, py))
        if point.y_interval is not None:
            y0, y1 = map(down.pixel, point.y_interval)
            body.append(whisker(px, y0, px, y1))
    for point, (px, py) in zip(points, places, strict=True):
        hint = titled(f"{point.name}: {_hint(chart, point)}")
        dot = element("circle", hint, cx=px, cy=py, r=5, class_=f"solid {point.color}")
        body.append(dot)
        if label := point.name if point.label is None else point.label:
            lines = size.lines(label, max(px, size.width - px) - _BESIDE - 2)
            anchor, middles = _place(px, py, lines, size, taken, y + height)
            x = px + _BESIDE if anchor == "start" else px - _BESIDE
            for line, middle in zip(lines, middles, strict=True):
                at = middle + size.font * 0.35
                body.append(text(line, x, at, size.font, text_anchor=anchor))
    y += 4 + height + size.font * 2.9
    body.append(text(across.label, right, y - 4, size.font, text_anchor="end", class_="quiet"))
    return body, y + 4, {"data_scatter": chart.key}


def _hint(chart: ScatterChart, point: Point) -> str:
    """Return a point in words, with its intervals."""
    across, down = chart.axis.shown, chart.shown
    x = _in_words(point.x, point.x_interval, across)
    y = _in_words(point.y, point.y_interval, down)
    return f"{chart.axis.quantity} {x}, {chart.label} {y}"


def _in_words(value: float, interval: tuple[float, float] | None, unit: Unit) -> str:
    shown = f"{number(value / unit.size)} {unit.name}".rstrip()
    if interval is None:
        return shown
    low, high = (number(end / unit.size) for end in interval)
    return f"{shown} ({low} to {high})"


def _place(
    px: float,
    py: float,
    lines: Sequence[str],
    size: Size,
    taken: list[tuple[float, float, float]],
    bottom: float,
) -> tuple[str, list[float]]:
    """Return the side of a point on which its label stands, and the middles of its lines [px].

    That is the nearest place that is free of what is `taken` (from, to, middle), to which it is
    added: to the right or left, at the point's height, below or above; not below `bottom` as long
    as there is room above it.
    """
    width = max(map(size.text_width, lines))
    sides = {
        "start": (px + _BESIDE, px + _BESIDE + width),
        "end": (px - _BESIDE - width, px - _BESIDE),
    }
    held = {
        side: point for side, point in sides.items() if point[0] >= 0 and point[1] <= size.width
    }
    offsets = [(k - (len(lines) - 1) / 2) * size.font * 1.15 for k in range(len(lines))]
    shift = 0.0
    while True:
        for side, (a, b) in (held or sides).items():
            for middle in (py + shift, py - shift):
                middles = [middle + offset for offset in offsets]
                free = all(
                    b <= c or d <= a or abs(at - other) >= size.font
                    for c, d, other in taken
                    for at in middles
                )
                above = middles[0] > size.font * 2.5
                if free and above and (middles[-1] < bottom or shift > bottom):
                    taken.extend((a, b, at) for at in middles)
                    return side, middles
        shift += size.font / 2
