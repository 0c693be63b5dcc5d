"""A page in one file: its text, its charts, and the values under the pointer.

It is HTML that loads nothing else, which its content policy also forbids. Charts stand in it
twice, drawn for a screen and for a phone; a rule of the style sheet shows the one that fits.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import cosim
from cosim.accounting.words import Unit
from cosim.report.charts import Chart
from cosim.report.draw_svg import to_svg
from cosim.report.heat_map import HeatMap
from cosim.report.lines import LineChart
from cosim.report.size import NARROW, WIDE
from cosim.report.svg import color_rules, variables
from cosim.results.files import REPORT, put_text
from inference_sim.arrays import FloatArray

_SHORT = 24  # letters of a name that is not wrapped
_CODE = re.compile(r"`([^`]+)`")
_PRINTED = 60
"""Most rows of a table that are printed, and that are all in sight on a page."""
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'; img-src data:"


@dataclass(frozen=True, slots=True)
class Section:
    """A part of a page with its heading.

    Attributes:
        key: Its identifier, to link to.
        title: Its heading.
        blocks: Its content: charts, and markup from the functions of this module.
    """

    key: str
    title: str
    blocks: Sequence[Chart | str]


@dataclass(frozen=True, slots=True)
class Page:
    """A page: ``Page("A run", [Section("power", "Power", [chart])]).write(folder)``.

    Attributes:
        title: Its heading.
        sections: Its parts; each is linked to from the top.
        subtitle: A line below the heading.
        lead: Markup at the top, before the first part: the headline.
        bar: Markup between the top and the first part, which may stay in sight.
        style, script: Further rules and a further script, for what this page alone can do.
    """

    title: str
    sections: Sequence[Section]
    subtitle: str = ""
    lead: Sequence[str] = ()
    bar: str = ""
    style: str = ""
    script: str = ""

    @property
    def charts(self) -> list[Chart]:
        """All charts, in the order of the page."""
        blocks = (block for section in self.sections for block in section.blocks)
        return [block for block in blocks if not isinstance(block, str)]

    def html(self) -> str:
        """Return the page as HTML."""
        values: dict[str, Any] = {}
        for chart in self.charts:
            if isinstance(chart, LineChart):
                values[chart.key] = _data(chart)
            elif isinstance(chart, HeatMap):
                values[chart.key] = _heat_data(chart)
        links = "".join(
            f'<a href="#{section.key}">{escape(section.title)}</a>' for section in self.sections
        )
        body = [
            "<header>",
            f"<h1>{escape(self.title)}</h1>",
            paragraph(self.subtitle, kind="quiet") if self.subtitle else "",
            *self.lead,
            f"<nav>{links}</nav>",
            "</header>",
            self.bar,
            "<main>",
            *(_section(section) for section in self.sections),
            "</main>",
            f"<footer>Written by cosim {escape(cosim.__version__)}. Times are UTC "
            "where no other zone is named.</footer>",
        ]
        data = json.dumps(values, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
        return (
            '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
            f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">\n'
            '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
            '<meta name="color-scheme" content="light dark">\n<link rel="icon" href="data:,">\n'
            f"<title>{escape(self.title)}</title>\n<style>\n{_style()}{self.style}</style>\n</head>\n<body>\n"
            + "\n".join(filter(None, body))
            + f'\n<script type="application/json" id="chart-data">{data}</script>\n'
            f"<script>\n{_resource('page.js')}{self.script}</script>\n</body>\n</html>\n"
        )

    def write(self, folder: Path) -> Path:
        """Write the page into a folder of results, whole or not at all, and return its file."""
        path = folder / REPORT
        put_text(path, self.html())
        return path


def paragraph(text: str, *, kind: str = "") -> str:
    """Return a paragraph of plain text; names between backticks are set as code."""
    inner = _CODE.sub(r"<code>\1</code>", escape(text))
    return f"<p{_class(kind)}>{inner}</p>"


def alarm(head: str, *texts: str) -> str:
    """Return a conspicuous box."""
    inner = "".join(paragraph(text) for text in texts)
    return f'<div class="alarm" role="alert"><strong>{escape(head)}</strong>{inner}</div>'


def cards(items: Iterable[tuple[str, str, str]]) -> str:
    """Return figures in large type: name, value and remark."""
    shown = "".join(
        f'<div class="card"><span>{escape(name)}</span><b>{escape(value)}</b>'
        f"<span>{escape(remark)}</span></div>"
        for name, value, remark in items
    )
    return f'<div class="cards">{shown}</div>'


def subheading(text: str) -> str:
    """Return a heading within a section."""
    return f"<h3>{escape(text)}</h3>"


def table(
    head: Sequence[str],
    rows: Iterable[Sequence[str]],
    *,
    numbers: Sequence[int] = (),
    wide: Sequence[int] = (),
    keys: Sequence[str] = (),
    named: bool = False,
    whole: bool = False,
) -> str:
    """Return a table of plain text.

    Args:
        head: Titles of the columns; empty for none.
        rows: The rows.
        numbers: Columns that are set to the right.
        wide: Columns of running text, which keep a readable width.
        keys: Identifiers of the rows, to link to.
        named: Whether the first column names the rows, and stays in sight.
        whole: Whether all rows are in sight, close together; otherwise a table of many rows scrolls
            within its box, which is said below it.

    Of a long one the first rows are printed, which is said there.
    """
    cells_of = list(rows)
    kinds = {**dict.fromkeys(wide, "reason"), **dict.fromkeys(numbers, "number")}
    top = "".join(
        f'<th scope="col"{_class(kinds.get(k, ""))}>{escape(name)}</th>'
        for k, name in enumerate(head)
    )
    lines = []
    for index, row in enumerate(cells_of):
        name, *rest = row if named else ("", *row)
        cells = f'<th scope="row">{escape(name)}</th>' if named else ""
        cells += "".join(
            f"<td{_class(kinds.get(k, ''))}>{escape(cell)}</td>"
            for k, cell in enumerate(rest, start=int(named))
        )
        key = f' id="{escape(keys[index])}"' if keys else ""
        lines.append(f"<tr{key}>{cells}</tr>")
    header = f"<thead><tr>{top}</tr></thead>" if head else ""
    body = f"<tbody>{''.join(lines[:_PRINTED])}</tbody>"
    note = ""
    if len(lines) > _PRINTED:
        body += f'<tbody class="unprinted">{"".join(lines[_PRINTED:])}</tbody>'
        note = paragraph(
            f"The first {_PRINTED} of {len(lines):,} rows; the page has all.", kind="note printed"
        )
    kind = "wide-table" if head else "wide-table pairs"
    kind += " whole" if whole else long_kind(len(lines))
    if head:
        kind += short_kind(cell for row in cells_of for k, cell in enumerate(row) if k not in kinds)
    hint = "" if whole else long_hint(len(lines))
    return f'<div class="{kind}" tabindex="0"><table>{header}{body}</table></div>{hint}{note}'


def long_kind(rows: int) -> str:
    """Return the class of a box whose table has so many rows that it scrolls; empty for others."""
    return " long" if rows > _PRINTED else ""


def long_hint(rows: int) -> str:
    """Return a note that a table scrolls within its box; empty where all rows are in sight."""
    if rows <= _PRINTED:
        return ""
    return paragraph(f"{rows:,} rows: scroll within the table.", kind="note unprinted")


def short_kind(texts: Iterable[str]) -> str:
    """Return the class of a table whose names stay on a line each; empty where one is long."""
    return " short" if all(len(text) <= _SHORT for text in texts) else ""


def preformatted(text: str) -> str:
    """Return a text as it is."""
    return f'<pre tabindex="0">{escape(text)}</pre>'


def _section(section: Section) -> str:
    blocks = "\n".join(
        block if isinstance(block, str) else _figure(block) for block in section.blocks
    )
    heading = f"<h2>{escape(section.title)}</h2>"
    return f'<section id="{escape(section.key)}">\n{heading}\n{blocks}\n</section>'


def _figure(chart: Chart) -> str:
    note = paragraph(chart.note, kind="note") if chart.note else ""
    return (
        f'<figure id="chart-{escape(chart.key)}"><figcaption>{escape(chart.title)}</figcaption>'
        f"{note}{to_svg(chart, WIDE)}{to_svg(chart, NARROW)}"
        '<div class="tip" hidden></div></figure>'
    )


def _data(chart: LineChart) -> dict[str, Any]:
    """Return the values of a chart for the script, as exactly as they are known."""
    along_y = chart.along == "y"
    data: dict[str, Any] = {
        "at": chart.at.tolist(),
        "along": chart.along,
        "held": chart.held,
        "label": chart.axis.quantity,
        "width": chart.width,
        "end": chart.axis.high,
    }
    if chart.axis.unit:
        data["unit"], data["per"] = chart.axis.shown.name, chart.axis.shown.size
    if chart.axis.origin is not None:
        data["origin"] = chart.axis.origin.timestamp()
        data["bucket"] = any(
            line.low is not None for panel in chart.panels for line in panel.series
        )
        if not chart.axis.clock.is_utc:
            data["zone"] = chart.axis.clock.name
            data["offsets"] = chart.axis.clock.offsets(chart.axis.origin, chart.at)
        data["seconds"] = bool(chart.width % 60)
    data["series"] = []
    for panel in chart.panels:
        unit = Unit(panel.unit, 1.0) if along_y else panel.shown
        for line in panel.series:
            shown = line.x if along_y and line.x is not None else line.y
            entry: dict[str, Any] = {"name": line.name, "color": line.color, "unit": unit.name}
            if unit.size != 1:
                entry["per"] = unit.size
            entry["column"] = line.column
            entry["mean"] = _plain(shown)
            if "inf" in entry["mean"]:
                entry["infinite"] = panel.infinite
            if line.low is not None and line.high is not None:
                entry |= {"low": _plain(line.low), "high": _plain(line.high)}
            data["series"].append(entry)
    return data


def _heat_data(chart: HeatMap) -> dict[str, Any]:
    """Return the values of a heat map for the script, to five digits, day after day."""
    unit = chart.shown
    cells = [None if math.isnan(v) else float(f"{v:.5g}") for v in chart.cells.ravel().tolist()]
    return {
        "first": chart.midnight.timestamp(),
        "days": len(chart.cells),
        "zone": chart.clock.name,
        "label": chart.label,
        "unit": unit.name,
        "per": unit.size,
        "cells": cells,
    }


def _plain(values: FloatArray) -> list[float | str | None]:
    return [
        value if math.isfinite(value) else (None if math.isnan(value) else "inf")
        for value in values.tolist()
    ]


def _style() -> str:
    light, dark = variables(dark=False), variables(dark=True)
    return (
        f":root{{color-scheme:light dark;{light}}}\n"
        f"@media (prefers-color-scheme:dark){{@media screen{{:root{{{dark}}}}}}}\n"
        + color_rules()
        + _resource("page.css")
    )


def _resource(name: str) -> str:
    return files("cosim.report").joinpath(name).read_text(encoding="utf-8")


def _class(kind: str) -> str:
    return f' class="{kind}"' if kind else ""
