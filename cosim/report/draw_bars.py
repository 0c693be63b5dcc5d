"""A bar chart drawn as SVG: horizontal bars, by category and group."""

from __future__ import annotations

import math

from cosim.accounting.words import number
from cosim.report.charts import BarChart
from cosim.report.scales import Scale
from cosim.report.size import Drawn, Size
from cosim.report.svg import element, text, titled


def draw_bars(chart: BarChart, size: Size, top: float) -> Drawn:
    """Return the elements of a bar chart that begins at `top` [px]."""
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
            if math.isnan(value):
                continue  # and takes no room
            hint = f"{category}, {group.name}: {number(value)} {chart.unit}"
            body += _bar(across, y, thick, size, value, hint, group.color)
            y += thick + 2
        zero = across.pixel(0.0)
        body.append(element("path", d=f"M{zero:.1f} {bars_top - 2:.1f}V{y:.1f}", class_="axis"))
        y += 4
    return body, y + 4, {"data_bars": chart.key}


def _bar(
    across: Scale, y: float, thick: int, size: Size, value: float, hint: str, color: str
) -> list[str]:
    """Return a bar and its value beside it; `hint` is shown where the pointer rests."""
    zero, x = across.pixel(0.0), across.pixel(value)
    rect = element(
        "rect",
        titled(hint),
        x=min(zero, x),
        y=y,
        width=max(abs(x - zero), 1.0),
        height=thick,
        class_=f"solid {color}",
        data_value=repr(value + 0.0),
    )
    place, anchor = (x - 5, "end") if value < 0 else (x + 5, "start")
    return [rect, text(number(value), place, y + thick - 3, size.font, text_anchor=anchor)]
