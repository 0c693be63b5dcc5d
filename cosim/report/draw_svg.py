"""Charts drawn as SVG: wide for a screen or a page, narrow for a phone, alone for a file."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from html import escape

from cosim.report.charts import BarChart, Chart
from cosim.report.draw_bars import draw_bars
from cosim.report.draw_heat import draw_heat
from cosim.report.draw_lines import draw_lines
from cosim.report.draw_scatter import draw_scatter
from cosim.report.heat_map import HeatMap
from cosim.report.lines import LineChart
from cosim.report.size import WIDE, Size
from cosim.report.svg import CHAR_WIDTH, color_rules, element, paper, text


def to_svg(chart: Chart, size: Size = WIDE, *, alone: bool = False, dark: bool = False) -> str:
    """Return a chart as an SVG element.

    Args:
        chart: The chart.
        size: How wide.
        alone: Whether it stands alone in a file, and so has to bring its title and colours.
        dark: Whether it stands alone on dark ground.
    """
    top = size.font * 2.2 if alone else 4.0
    if isinstance(chart, LineChart):
        body, height, data = draw_lines(chart, size, top, linked=not alone)
    elif isinstance(chart, BarChart):
        body, height, data = draw_bars(chart, size, top)
    elif isinstance(chart, HeatMap):
        body, height, data = draw_heat(chart, size, top)
    else:
        body, height, data = draw_scatter(chart, size, top)
    content = ""
    if alone:
        content += element("style", escape(color_rules(plain=True, dark=dark), quote=False))
        content += element("rect", width="100%", height="100%", fill=paper(dark=dark))
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


def _wrapped(note: str, size: Size) -> Sequence[str]:
    return textwrap.wrap(note, int((size.width - 16) / (size.font - 1) / CHAR_WIDTH))
