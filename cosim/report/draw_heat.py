"""A heat map drawn as SVG: hours from top to bottom, days from left to right, a colour bar."""

from __future__ import annotations

import numpy as np

from cosim.accounting.words import number
from cosim.report.heat_map import HeatMap
from cosim.report.local_hours import DAY_S, HOURS
from cosim.report.png import heat_address
from cosim.report.scales import Scale
from cosim.report.size import RIGHT, Drawn, Size
from cosim.report.svg import element, text
from cosim.report.ticks import time_ticks

_HEIGHT, _BAR_WIDTH, _BAR_HEIGHT, _BAR_COLORS = 132, 120, 9, 128
_LEAST_PX = 1.2  # of a day, below which neighbouring days are blended


def draw_heat(chart: HeatMap, size: Size, top: float) -> Drawn:
    """Return the elements of a heat map that begins at `top` [px]."""
    days = len(chart.cells)
    left, right = size.text_width("00:00") + 12, float(size.width - RIGHT)
    y = top + size.font * 1.45
    unit = chart.shown.name
    body = [text(unit, 4, y - 4, size.font, class_="strong")]
    body += _color_bar(chart, size, size.text_width(unit) * 1.08 + 16, y - 4)
    y += 8
    blended = "" if (right - left) / days >= _LEAST_PX else " blended"
    cells = element(
        "image",
        href=heat_address(chart.shares().T),
        x=left,
        y=y,
        width=right - left,
        height=_HEIGHT,
        preserveAspectRatio="none",
        class_=f"cells{blended}",
    )
    body.append(cells)
    for hour in (0, 6, 12, 18, HOURS):
        at = y + _HEIGHT * hour / HOURS
        body.append(element("path", d=f"M{left - 4:.1f} {at:.1f}h4", class_="axis"))
        label = f"{hour:02d}:00"
        middle = at + size.font * 0.35
        body.append(text(label, left - 6, middle, size.font, text_anchor="end"))
    bottom = y + _HEIGHT
    across = Scale("linear", 0.0, float(days * DAY_S), ()).to(left, right)
    for tick in time_ticks(chart.midnight, days * DAY_S, size.ticks):
        x = across.pixel(tick.at)
        half = size.text_width(tick.label) / 2
        anchor = "end" if x + half > size.width else "start" if x - half < 0 else "middle"
        body.append(element("path", d=f"M{x:.1f} {bottom:.1f}v4", class_="axis"))
        below = bottom + 4 + size.font * 1.1
        body.append(text(tick.label, x, below, size.font, text_anchor=anchor))
    frame = f"M{left:.1f} {y:.1f}H{right:.1f}V{bottom:.1f}H{left:.1f}Z"
    body.append(element("path", d=frame, class_="axis"))
    end = bottom + size.font * 3.2
    label = chart.clock.axis_label
    body.append(text(label, right, end - 4, size.font, text_anchor="end", class_="quiet"))
    data: dict[str, str | float] = {
        "data_heat": chart.key,
        "data_left": left,
        "data_right": right,
        "data_top": y,
        "data_bottom": bottom,
    }
    return body, end + 4, data


def _color_bar(chart: HeatMap, size: Size, left: float, base: float) -> list[str]:
    """Return the colours with the values of the first and the last of them, on one line."""
    low, high = (number(bound / chart.shown.size) for bound in chart.bounds)
    x = left + size.text_width(low) + 6
    bar = element(
        "image",
        href=heat_address(np.linspace(0, 1, _BAR_COLORS)[None, :]),
        x=x,
        y=base - _BAR_HEIGHT,
        width=_BAR_WIDTH,
        height=_BAR_HEIGHT,
        preserveAspectRatio="none",
        class_="cells",
    )
    end = x + _BAR_WIDTH + 6
    return [
        text(low, x - 6, base, size.font, text_anchor="end"),
        bar,
        text(high, end, base, size.font),
    ]
