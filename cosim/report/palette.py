"""Colours that the colour-blind can tell apart, on light and on dark ground.

Source: M. Okabe and K. Ito, Color Universal Design (2008). On dark ground black becomes white, and
blue is lighter. Yellow is left out: on white it can hardly be seen.
"""

from __future__ import annotations

LIGHT = {
    "ink": "#1a1a1a",
    "orange": "#E69F00",
    "sky": "#56B4E9",
    "green": "#009E73",
    "blue": "#0072B2",
    "vermilion": "#D55E00",
    "purple": "#CC79A7",
    "grey": "#777777",
}
DARK = LIGHT | {"ink": "#f2f2f2", "blue": "#3D9BE0", "green": "#20B78C", "grey": "#9a9a9a"}

HEAT = (
    *("#00224e", "#1a386f", "#434e6c", "#61656f", "#7d7c78"),
    *("#9b9476", "#bcae6c", "#dec958", "#fee838"),
)
"""Colours of heat maps from the least to the greatest value, evenly spaced; between them they are
mixed. They get lighter evenly, also for the colour-blind, and read on light and on dark ground.
Source: cividis, J. R. Nunez, C. R. Anderton and R. S. Renslow, PLoS ONE 13, e0199239 (2018)."""

CYCLE = ("blue", "vermilion", "green", "orange", "purple", "ink", "sky", "grey")
"""Colours of series that have none of their own, in order."""
DASHES = ("", "6 3", "2 2", "8 3 2 3")
"""Dashes of lines that share a colour; also tell lines apart in black and white."""


def series_color(index: int) -> str:
    """Return the name of the colour of the series at an index."""
    return CYCLE[index % len(CYCLE)]


def series_dash(index: int) -> str:
    """Return the dashes of the series at an index: each round of colours has its own."""
    return DASHES[index // len(CYCLE) % len(DASHES)]
