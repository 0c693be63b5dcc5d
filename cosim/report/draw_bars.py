"""A bar chart drawn as SVG: horizontal bars, by category and group."""

from __future__ import annotations

import math

from cosim.accounting.words import Unit, number
from cosim.report.charts import BarChart, Bars
from cosim.report.draw_lines import heading
from cosim.report.scales import Scale
from cosim.report.size import Drawn, Size
from cosim.report.svg import element, text, titled, whisker


def draw_bars(chart: BarChart, size: Size, top: float) -> Drawn:
    """Return the elements of a bar chart that begins at `top` [px]."""
    row = size.font * 1.45
    unit = chart.shown
    title = f"{chart.label} [{unit.name}]" if unit.name else chart.label
    body, y, x = heading(title, size, top)
    if len(chart.groups) > 1:
        for group in chart.groups:
            needed = 17 + size.text_width(group.name) + 12
            if x + needed > size.width:
                x, y = 4.0, y + row
            swatch = element(
                "rect", x=x, y=y - 4 - 10, width=11, height=11, class_=f"solid {group.color}"
            )
            body += [swatch, text(group.name, x + 17, y - 4, size.font)]
            x += needed
    ends = [end for group in chart.groups for end in _ends(group)]
    low, high = min([0.0, *ends]), max([0.0, *ends])
    longest = max((size.text_width(_value(end, unit)) for end in ends), default=0.0) + 12
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
            if math.isnan(group.values[k]):
                continue  # and takes no room
            body += _bar(across, y, thick, size, group, k, unit, category)
            y += thick + 2
        zero = across.pixel(0.0)
        body.append(element("path", d=f"M{zero:.1f} {bars_top - 2:.1f}V{y:.1f}", class_="axis"))
        y += 4
    return body, y + 4, {"data_bars": chart.key}


def _ends(group: Bars) -> list[float]:
    """Return the ends of the bars, and of their intervals."""
    ends = [float(value) for value in group.values if math.isfinite(value)]
    for k in range(len(group.values)):
        ends += group.interval(k) or ()
    return ends


def _value(value: float, unit: Unit) -> str:
    return number(value / unit.size)


def _bar(
    across: Scale,
    y: float,
    thick: int,
    size: Size,
    group: Bars,
    index: int,
    unit: Unit,
    category: str,
) -> list[str]:
    """Return a bar, its error bar, and its value beside them."""
    value, interval = float(group.values[index]), group.interval(index)
    hint = f"{category}, {group.name}: {_value(value, unit)} {unit.name}".rstrip()
    if interval is not None:
        hint += f" ({_value(interval[0], unit)} to {_value(interval[1], unit)})"
    zero, x = across.pixel(0.0), across.pixel(value)
    parts = [
        element(
            "rect",
            titled(hint),
            x=min(zero, x),
            y=y,
            width=max(abs(x - zero), 1.0),
            height=thick,
            class_=f"solid {group.color}",
            data_value=repr(value + 0.0),
        )
    ]
    reach = [x]
    if interval is not None:
        reach += [across.pixel(end) for end in interval]
        parts.append(whisker(reach[1], y + thick / 2, reach[2], y + thick / 2))
    place, anchor = (min(reach) - 5, "end") if value < 0 else (max(reach) + 5, "start")
    shown = _value(value, unit)
    if "e-" in shown and abs(x - zero) < 1:  # the hint has it exactly
        shown = "< 0.001" if value > 0 else "> -0.001"
    return [*parts, text(shown, place, y + thick - 3, size.font, text_anchor=anchor)]
