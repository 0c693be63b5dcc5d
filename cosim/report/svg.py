"""SVG put together of elements, with the text and the numbers written safely."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html import escape

import numpy as np

from cosim.report.palette import DARK, LIGHT
from inference_sim.arrays import FloatArray

CHAR_WIDTH = 0.57
"""Width of a character on average, over the size of the font; labels are set by it."""

RULES = """
svg.chart text{fill:var(--text);font-family:system-ui,-apple-system,"Segoe UI",Roboto,sans-serif}
svg.chart .axis{stroke:var(--faint);stroke-width:1;fill:none}
svg.chart .grid{stroke:var(--grid);stroke-width:1;fill:none}
svg.chart .line{fill:none;stroke-width:1.6;stroke-linejoin:round}
svg.chart .band{opacity:.22;stroke:none}
svg.chart .area{opacity:.16;stroke:none}
svg.chart .quiet{fill:var(--quiet)}
svg.chart .strong{font-weight:600}
svg.chart .whisker{stroke:var(--text);stroke-width:1.2;fill:none}
svg.chart .cells{image-rendering:pixelated}
svg.chart .blended{image-rendering:auto}
svg.chart .guide{stroke:var(--faint);stroke-width:1;stroke-dasharray:2 3}
"""


def color_rules(*, plain: bool = False, dark: bool = False) -> str:
    """Return the rules that give lines and areas the colours of the palette.

    Args:
        plain: Whether the colours themselves stand in them, for readers of SVG that know no
            variables.
        dark: Whether these are for dark ground.
    """
    rules = (
        f"svg.chart .line.{name}{{stroke:var(--{name})}}"
        f"svg.chart .solid.{name}{{fill:var(--{name})}}"
        for name in LIGHT
    )
    sheet = RULES + "\n".join(rules) + "\n"
    if not plain:
        return sheet
    values = _values(dark=dark)
    return re.sub(r"var\(--([\w-]+)\)", lambda match: values[match[1]], sheet)


def variables(*, dark: bool) -> str:
    """Return the declarations of all colours, for light or for dark ground."""
    return "".join(f"--{name}:{value};" for name, value in _values(dark=dark).items())


def paper(*, dark: bool) -> str:
    """Return the colour of the ground."""
    return _values(dark=dark)["paper"]


def _values(*, dark: bool) -> dict[str, str]:
    own = {"text": "#1a1a1a", "quiet": "#5c5c5c", "faint": "#9a9a9a", "grid": "#e6e6e6"}
    own |= {"paper": "#ffffff", "card": "#f6f6f4", "edge": "#dcdcd8", "link": "#005a91"}
    own |= {"alarm": "#fbe3d6", "alarm-edge": "#D55E00", "shade": "#00000026"}
    if dark:
        own = {"text": "#ececec", "quiet": "#a8a8a8", "faint": "#6f6f6f", "grid": "#2d2d2d"}
        own |= {"paper": "#141414", "card": "#1f1f1f", "edge": "#383838", "link": "#7cc0f2"}
        own |= {"alarm": "#3a2013", "alarm-edge": "#D55E00", "shade": "#ffffff33"}
    return own | (DARK if dark else LIGHT)


def element(tag: str, content: str = "", /, **attributes: str | float) -> str:
    """Return an element; `content` is markup, attributes are escaped.

    An underscore at the end of a name is dropped, others become hyphens: ``class_``, ``data_low``.
    """
    given = "".join(
        f' {name.rstrip("_").replace("_", "-")}="{_attribute(value)}"'
        for name, value in attributes.items()
        if value != ""
    )
    return f"<{tag}{given}>{content}</{tag}>" if content else f"<{tag}{given}/>"


def text(content: str, x: float, y: float, size: float, **attributes: str | float) -> str:
    """Return a line of text."""
    return element("text", escape(content), x=x, y=y, font_size=size, **attributes)


def titled(content: str) -> str:
    """Return the text that a browser shows when the pointer rests on an element."""
    return element("title", escape(content))


def whisker(x0: float, y0: float, x1: float, y1: float) -> str:
    """Return an error bar between two places on a horizontal or a vertical."""
    cap = "m0 -3.5v7" if y0 == y1 else "m-3.5 0h7"
    d = f"M{_px(x0)} {_px(y0)}{cap}M{_px(x1)} {_px(y1)}{cap}M{_px(x0)} {_px(y0)}"
    return element("path", d=f"{d}L{_px(x1)} {_px(y1)}", class_="whisker")


def line_path(x: FloatArray, y: FloatArray, end: float, *, held: bool) -> str:
    """Return a path through the points; NaN in `y` breaks it.

    Args:
        x, y: Places in pixels, shape (n,).
        end: Where the last value ends, if values are held [px].
        held: Whether each value holds until the next place.
    """
    parts: list[str] = []
    for start, stop in _whole(y):
        edges = [*x[start:stop].tolist(), float(x[stop]) if stop < len(x) else end]
        values = y[start:stop].tolist()
        parts.append(f"M{_px(edges[0])} {_px(values[0])}")
        if held:
            parts.append(f"H{_px(edges[1])}")
            parts += [
                f"V{_px(value)}H{_px(edge)}"
                for value, edge in zip(values[1:], edges[2:], strict=True)
            ]
        else:
            parts += [f"L{_px(a)} {_px(b)}" for a, b in zip(edges[1:-1], values[1:], strict=True)]
    return "".join(parts)


def area_path(
    x: FloatArray, upper: FloatArray, lower: FloatArray, end: float, *, held: bool
) -> str:
    """Return the outline of what lies between two lines; see :func:`line_path`."""
    parts: list[str] = []
    for start, stop in _whole(upper + lower):
        edges = [*x[start:stop].tolist(), float(x[stop]) if stop < len(x) else end]
        over, under = upper[start:stop].tolist(), lower[start:stop].tolist()
        if held:
            forward = [f"V{_px(a)}H{_px(x1)}" for a, x1 in zip(over, edges[1:], strict=True)]
            back = [f"V{_px(b)}H{_px(x0)}" for b, x0 in zip(under, edges, strict=False)][::-1]
        else:
            forward = [f"L{_px(x0)} {_px(a)}" for a, x0 in zip(over, edges, strict=False)]
            back = [f"L{_px(x0)} {_px(b)}" for b, x0 in zip(under, edges, strict=False)][::-1]
        parts.append(f"M{_px(edges[0])} {_px(under[0])}{''.join(forward + back)}Z")
    return "".join(parts)


def _whole(values: FloatArray) -> Iterator[tuple[int, int]]:
    """Yield the bounds of the stretches without NaN."""
    known = np.concatenate([[False], ~np.isnan(values), [False]])
    edges = np.flatnonzero(known[1:] != known[:-1])
    yield from zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True)


def _attribute(value: str | float) -> str:
    return escape(value) if isinstance(value, str) else _px(value)


def _px(value: float) -> str:
    rounded = round(value, 1)
    return str(int(rounded)) if rounded == int(rounded) else str(rounded)
