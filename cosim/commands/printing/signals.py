"""The printed output of ``cosim signals show``."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cosim.accounting.words import duration, unit_for
from cosim.commands.printing.traces import print_rows
from cosim.data_sets.signals.summary import SignalSummary
from cosim.data_sets.traces.chart import bar_lines
from cosim.signals.series import utc_stamp

_COLUMNS = 66  # of the chart
_COLUMNS_AN_HOUR = 2
_DATES_FROM_S = 2 * 86400.0  # under a chart; times of day below


def print_summaries(summaries: Sequence[SignalSummary], picture: Path | None) -> None:
    """Print the content of signals, each with charts of its mean day and its values over time."""
    console = Console(highlight=False)
    blocks = "utf" in console.encoding.lower()
    for index, summary in enumerate(summaries):
        if index:
            console.print()
        _print_summary(console, summary, blocks=blocks)
    if picture is not None:
        console.print()
        print_rows(console, {"Picture": str(picture)})


def _print_summary(console: Console, summary: SignalSummary, *, blocks: bool) -> None:
    series = summary.series
    start, end = utc_stamp(float(series.starts_s[0])), utc_stamp(series.end_s)
    shortest, longest = map(duration, summary.step_range_s)
    steps = shortest if shortest == longest else f"{shortest} to {longest}"
    rows = {
        "Signal": summary.title,
        "From": summary.how,
        "Span": f"{start} to {end}: {duration(summary.span_s)}",
        "Step": f"{steps}, {len(series):,} times",
    }
    if series.kind is not None:
        rows["Kind"] = series.kind
    rows["Notes"] = "; ".join(series.notes) or "none"
    print_rows(console, rows)

    shown_unit = unit_for(summary.unit, max(map(abs, summary.figures.values())))
    table = Table(shown_unit.name or "value", box=None, pad_edge=False)
    for name in summary.figures:
        table.add_column(name, justify="right")
    table.add_row("", *(f"{value / shown_unit.size:z,.4g}" for value in summary.figures.values()))
    console.print()
    console.print(table)

    unit = f"{shown_unit.name}, " if summary.unit else ""
    if (day := summary.mean_day()) is not None:
        console.print(f"\n{unit}mean by hour of the day in UTC")
        bars = np.repeat(day["mean"] / shown_unit.size, _COLUMNS_AN_HOUR)
        for line in bar_lines(bars, "0:00", "24:00", blocks=blocks):
            console.print(Text(line), soft_wrap=True)
    width_s, means = summary.over_time(_COLUMNS)
    console.print(f"\n{unit}mean in intervals of {duration(width_s)}")
    shown = 10 if summary.span_s >= _DATES_FROM_S else 16
    for line in bar_lines(means / shown_unit.size, start[:shown], end[:shown], blocks=blocks):
        console.print(Text(line), soft_wrap=True)
