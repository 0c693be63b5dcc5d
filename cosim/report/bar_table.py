"""A table with a bar in each cell: many cases and figures to be read at one glance.

A click on a head sorts by it; without a script the rows stand as they were given.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files

from cosim.report.page import long_hint, long_kind, short_kind

_NEAR = 0.5
_LEAST_REACH = 0.05
NUMBER = ' class="number"'
_THICK = 8  # of a bar, of which the line of an interval takes the middle


@dataclass(frozen=True, slots=True)
class NameColumn:
    """A column that names the rows.

    Attributes:
        title: Its head.
        texts: The names, one a row.
        numbers: Numbers to sort by and to set to the right; None for text.
    """

    title: str
    texts: Sequence[str]
    numbers: Sequence[float] | None = None


@dataclass(frozen=True, slots=True)
class BarCell:
    """A figure of a row.

    Attributes:
        text: The figure in words.
        value: The same as a number; NaN for none, which has no bar.
        half_width: Half its 95 % interval; not finite where there is none.
        remark: A word on it, such as its difference from the baseline.
    """

    text: str
    value: float
    half_width: float = math.nan
    remark: str = ""

    @property
    def spread(self) -> float:
        """Half the interval, 0 for none."""
        return self.half_width if math.isfinite(self.half_width) else 0.0


@dataclass(frozen=True, slots=True)
class BarColumn:
    """A column of figures, whose bars have one scale.

    Attributes:
        title: Its head.
        cells: The figures, one a row.
        baseline: Row that the others are compared with; None for none.
    """

    title: str
    cells: Sequence[BarCell]
    baseline: int | None = None


@dataclass(frozen=True, slots=True)
class BarScale:
    """The scale of the bars of a column.

    Attributes:
        origin: Value at which they begin: 0, or the baseline where the figures lie so near each
            other that bars from 0 would be alike.
        low, high: Values at the two edges of the cell.
    """

    origin: float
    low: float
    high: float

    @classmethod
    def of(cls, column: BarColumn) -> BarScale:
        """Return the scale that suits a column."""
        known = [cell for cell in column.cells if math.isfinite(cell.value)]
        values = [cell.value for cell in known]
        edges = [cell.value + sign * cell.spread for cell in known for sign in (-1, 1)]
        base = math.nan if column.baseline is None else column.cells[column.baseline].value
        sizes = [abs(value) for value in values]
        near = math.isfinite(base) and min(values) * max(values) > 0
        if near and min(sizes) > _NEAR * max(sizes):
            # So that a difference of nothing does not fill the cell.
            reach = max(_LEAST_REACH * abs(base), max(edges) - base, base - min(edges))
            below, above = min(edges) < base, max(edges) > base
            return cls(base, base - reach * below, base + reach * (above or not below))
        low, high = min([0.0, *edges]), max([0.0, *edges])
        return cls(0.0, low, high if high > low else low + 1.0)

    def share(self, value: float) -> float:
        """Return the place of a value across the cell, in percent."""
        place = (value - self.low) / (self.high - self.low)
        return round(100 * min(max(place, 0.0), 1.0), 2)


def bar_table(
    names: Sequence[NameColumn],
    columns: Sequence[BarColumn],
    *,
    kinds: Sequence[str] = (),
) -> str:
    """Return the table as a block of a page.

    Args:
        names: Columns that name the rows, at least one.
        columns: Columns of figures.
        kinds: Of each row: ``baseline``, ``best``, ``pale`` or several of these with blanks
            between; none by default.
    """
    scales = [BarScale.of(column) for column in columns]
    short = short_kind(text for name in names for text in name.texts)
    head = "".join(
        f'<th scope="col"{NUMBER if name.numbers is not None else ""}>{escape(name.title)}</th>'
        for name in names
    ) + "".join(f'<th scope="col" class="number">{escape(column.title)}</th>' for column in columns)
    rows = []
    for number in range(len(names[0].texts)):
        kind = f' class="{kinds[number]}"' if kinds and kinds[number] else ""
        cells = [_name(name, number, first=name is names[0]) for name in names]
        cells += [
            _cell(column.cells[number], scale)
            for column, scale in zip(columns, scales, strict=True)
        ]
        rows.append(f"<tr{kind}>{''.join(cells)}</tr>")
    return (
        f'<div class="wide-table bars{long_kind(len(rows))}{short}" tabindex="0">'
        f'<table class="sortable"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(rows)}</tbody></table></div>{long_hint(len(rows))}"
    )


def style() -> str:
    """Return the rules that a page with such a table needs."""
    return _resource("bar_table.css")


def script() -> str:
    """Return the script that sorts."""
    return _resource("sort.js")


def _resource(name: str) -> str:
    return files("cosim.report").joinpath(name).read_text(encoding="utf-8")


def _name(column: NameColumn, number: int, *, first: bool) -> str:
    text, kind = column.texts[number], ""
    if column.numbers is not None:
        kind = f' class="number" data-sort="{column.numbers[number]!r}"'
    tag, scope = ("th", ' scope="row"') if first else ("td", "")
    return f"<{tag}{scope}{kind}>{escape(text)}</{tag}>"


def _cell(cell: BarCell, scale: BarScale) -> str:
    if not math.isfinite(cell.value):
        return f'<td class="number">{escape(cell.text)}</td>'
    remark = f" <small>{escape(cell.remark)}</small>" if cell.remark else ""
    return (
        f'<td class="number" data-sort="{cell.value + 0.0!r}">{escape(cell.text)}{remark}'
        f'<svg class="bar" viewBox="0 0 100 {_THICK}" preserveAspectRatio="none" '
        f'aria-hidden="true">{"".join(_drawn(cell, scale))}</svg></td>'
    )


def _drawn(cell: BarCell, scale: BarScale) -> Iterator[str]:
    """Yield the bar from the origin to the value, the origin, and the interval."""
    origin, value = scale.share(scale.origin), scale.share(cell.value)
    left, width = min(origin, value), abs(value - origin)
    yield f'<rect class="value" x="{left:g}" y="0" width="{width:g}" height="{_THICK}"/>'
    if scale.origin:
        place = min(max(origin - 0.5, 0.0), 99.0)
        yield f'<rect class="origin" x="{place:g}" y="0" width="1" height="{_THICK}"/>'
    if cell.spread:
        low, high = scale.share(cell.value - cell.spread), scale.share(cell.value + cell.spread)
        width = max(high - low, 0.5)
        yield (
            f'<rect class="interval" x="{low:g}" y="{_THICK * 0.375:g}" width="{width:g}" '
            f'height="{_THICK * 0.25:g}"/>'
        )
