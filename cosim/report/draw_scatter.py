"""A scatter chart drawn as SVG: points in a plane, each with its name."""

from __future__ import annotations

from cosim.report.charts import ScatterChart
from cosim.report.draw_lines import grid
from cosim.report.scales import Scale, x_scale
from cosim.report.size import RIGHT, Drawn, Size
from cosim.report.svg import element, text, titled
from cosim.report.ticks import domain, linear_ticks


def draw_scatter(chart: ScatterChart, size: Size, top: float) -> Drawn:
    """Return the elements of a scatter chart that begins at `top` [px]."""
    low, high = domain([point.y for point in chart.points], zero=chart.zero)
    ticks = tuple(linear_ticks(low, high, 6))
    left = max(size.text_width(tick.label) for tick in ticks) + 12
    right = size.width - RIGHT
    across = x_scale(chart.axis, size.ticks).to(left, right)
    title = f"{chart.label} [{chart.unit}]" if chart.unit else chart.label
    y = top + size.font * 1.45
    body = [text(title, 4, y - 4, size.font, class_="strong")]
    height = 280
    down = Scale("linear", low, high, ticks).to(y + 4 + height, y + 4)
    body += grid(across, down, True, size)
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
