"""Charts drawn as PDF by Matplotlib: the same lines, bars and points as on the page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from cosim.accounting.words import Unit
from cosim.report.charts import BarChart, Bars, Chart, ScatterChart
from cosim.report.heat_map import HeatMap
from cosim.report.lines import Axis, ChartLine, LineChart, Panel
from cosim.report.local_hours import DAY_S, HOURS
from cosim.report.palette import HEAT, LIGHT
from cosim.report.scales import panel_scale, x_scale
from cosim.report.ticks import domain, linear_ticks, time_ticks

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_WIDTH_IN = 7.2
_PX_PER_IN = 120
_TICKS = 8
_LINE_CHARS, _SWATCH_CHARS = 110, 7  # of the line above a panel, and of a line's sample
_MOST_WITHIN = 4


def write_pdf(chart: Chart, path: Path) -> None:
    """Write a chart as PDF; the same chart gives the same bytes."""
    import matplotlib as mpl

    with mpl.rc_context({"font.size": 8, "pdf.fonttype": 42, "legend.frameon": False}):
        if isinstance(chart, LineChart):
            figure = _lines(chart)
        elif isinstance(chart, BarChart):
            figure = _bars(chart)
        elif isinstance(chart, HeatMap):
            figure = _heat(chart)
        else:
            figure = _scatter(chart)
        figure.savefig(path, metadata={"CreationDate": None})


def _figure(height_px: float, rows: int, heights: list[float]) -> tuple[Figure, list[Any]]:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(_WIDTH_IN, height_px / _PX_PER_IN), layout="constrained")
    grid = figure.add_gridspec(rows, 1, height_ratios=heights)
    first = figure.add_subplot(grid[0])
    others = [figure.add_subplot(grid[k], sharex=first) for k in range(1, rows)]
    return figure, [first, *others]


def _lines(chart: LineChart) -> Figure:
    heights = [float(panel.height) for panel in chart.panels]
    figure, axes = _figure(sum(heights) + 45 * len(heights) + 40, len(heights), heights)
    figure.suptitle(chart.title, fontsize=9, x=0.01, ha="left")
    for panel, ax in zip(chart.panels, axes, strict=True):
        _panel(chart, panel, ax)
        ax.tick_params(labelbottom=panel is chart.panels[-1])
    _x_axis(axes[-1], chart.axis)
    return figure


def _panel(chart: LineChart, panel: Panel, ax: Any) -> None:
    scale = panel_scale(panel)
    held = chart.held and chart.along == "x"
    for line in panel.series:
        x, y = _extended(chart, line, line.y, held)
        y = np.where(np.isposinf(y), scale.high, y)
        style: dict[str, Any] = {"color": LIGHT[line.color], "lw": 1.0, "label": line.name}
        style["ls"] = (0, tuple(float(n) for n in line.dash.split())) if line.dash else "-"
        if held:
            style["drawstyle"] = "steps-post"
        if line.shape == "points":
            ax.plot(x, y, **(style | {"ls": "", "marker": "o", "ms": 7, "mfc": "none"}))
        else:
            ax.plot(
                x, y, marker="o" if chart.dots and line.shape == "line" else None, ms=3, **style
            )
        step = "post" if held else None
        if panel.banded and line.low is not None and line.high is not None:
            low, high = (_extended(chart, line, edge, held)[1] for edge in (line.low, line.high))
            high = np.where(np.isposinf(high), scale.high, high)
            ax.fill_between(x, low, high, color=LIGHT[line.color], alpha=0.22, lw=0, step=step)
        if line.filled:
            ax.fill_between(x, 0, y, color=LIGHT[line.color], alpha=0.16, lw=0, step=step)
    for mark in panel.marks:
        at = min(mark.y, scale.high)
        ax.plot(mark.at, at, "^" if mark.up else "v", color=LIGHT["ink"], ms=3, clip_on=False)
    if panel.log:
        ax.set_yscale("log")
        ax.minorticks_off()
    ax.set_ylim(scale.low, scale.high)
    ax.set_yticks([tick.at for tick in scale.ticks], [tick.label for tick in scale.ticks])
    ax.set_title(panel.title, fontsize=8, loc="left")
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    if len(panel.series) > 1:
        _legend(panel, ax)


def _legend(panel: Panel, ax: Any) -> None:
    """Place the legend beside the title if it fits there, else where it hides least."""
    names = [line.name for line in panel.series]
    taken = len(panel.title) + sum(len(name) + _SWATCH_CHARS for name in names)
    if taken <= _LINE_CHARS:
        ax.legend(loc="lower right", bbox_to_anchor=(1, 0.98), ncols=len(names), fontsize=7)
    elif len(names) <= _MOST_WITHIN:
        ax.legend(loc="best", fontsize=7)
    else:
        ax.legend(loc="center left", bbox_to_anchor=(1, 0.5), fontsize=7)


def _extended(chart: LineChart, line: ChartLine, values: Any, held: bool) -> tuple[Any, Any]:
    """Return the points of a line; one that holds its values ends where the last one does."""
    x = chart.at if line.x is None else line.x
    if not held or not len(x):
        return x, values
    end = min(float(x[-1]) + chart.width, chart.axis.high)
    return np.append(x, end), np.append(values, values[-1])


def _x_axis(ax: Any, axis: Axis) -> None:
    scale = x_scale(axis, _TICKS)
    if axis.kind == "log":
        ax.set_xscale("log")
        ax.minorticks_off()
    ax.set_xlim(axis.low, axis.high)
    ax.set_xticks([tick.at for tick in scale.ticks], [tick.label for tick in scale.ticks])
    ax.set_xlabel(scale.label)


def _bars(chart: BarChart) -> Figure:
    count, groups = len(chart.categories), len(chart.groups)
    figure, (ax,) = _figure(90 + count * (14 + 16 * groups), 1, [1.0])
    thick = 0.8 / groups
    places = np.arange(count)
    unit = chart.shown
    for k, group in enumerate(chart.groups):
        drawn = ax.barh(
            places + (k - (groups - 1) / 2) * thick,
            group.values / unit.size,
            thick,
            color=LIGHT[group.color],
            label=group.name,
            xerr=_errors(group, unit),
            error_kw={"lw": 0.8, "capsize": 2},
        )
        ax.bar_label(drawn, fmt="{:,.4g}", padding=3, fontsize=7)
    ax.set_yticks(places, chart.categories)
    ax.invert_yaxis()
    ax.margins(x=0.12)
    ax.axvline(0, color=LIGHT["grey"], lw=0.8)
    ax.spines[["top", "right"]].set_visible(False)
    ax.set_xlabel(f"{chart.label} [{unit.name}]" if unit.name else chart.label)
    ax.set_title(chart.title, fontsize=9, loc="left")
    if groups > 1:
        ax.legend(fontsize=7)
    return figure


def _errors(group: Bars, unit: Unit) -> Any:
    """Return the lengths of error bars to both sides, 0 for a bar without; None for none."""
    if group.low is None or group.high is None:
        return None
    lengths = np.array([group.values - group.low, group.high - group.values]) / unit.size
    return np.where(np.isfinite(lengths), np.maximum(lengths, 0.0), 0.0)


def _heat(chart: HeatMap) -> Figure:
    from matplotlib.colors import LinearSegmentedColormap

    figure, (ax,) = _figure(260, 1, [1.0])
    days = len(chart.cells)
    low, high = (bound / chart.shown.size for bound in chart.bounds)
    colors = LinearSegmentedColormap.from_list("heat", HEAT)
    shown = np.ma.masked_invalid(chart.cells.T / chart.shown.size)
    frame = (0, days, HOURS, 0)
    drawn = ax.imshow(shown, colors, aspect="auto", vmin=low, vmax=high, extent=frame)
    figure.colorbar(drawn, ax=ax, label=chart.heading)
    ticks = time_ticks(chart.midnight, days * DAY_S, _TICKS)
    ax.set_xticks([tick.at / DAY_S for tick in ticks], [tick.label for tick in ticks])
    ax.set_yticks(range(0, HOURS + 1, 6), [f"{hour:02d}:00" for hour in range(0, HOURS + 1, 6)])
    ax.set_xlabel(chart.clock.axis_label)
    ax.set_title(chart.title, fontsize=9, loc="left")
    return figure


def _scatter(chart: ScatterChart) -> Figure:
    figure, (ax,) = _figure(380, 1, [1.0])
    for point in chart.points:
        ax.plot(point.x, point.y, "o", color=LIGHT[point.color], ms=5)
        whiskers = {"color": LIGHT["ink"], "lw": 0.8, "zorder": 1}
        if point.x_interval is not None:
            ax.plot(point.x_interval, (point.y, point.y), **whiskers)
        if point.y_interval is not None:
            ax.plot((point.x, point.x), point.y_interval, **whiskers)
        label = point.name if point.label is None else point.label
        ax.annotate(
            label, (point.x, point.y), xytext=(5, 3), textcoords="offset points", fontsize=7
        )
    _x_axis(ax, chart.axis)
    low, high = domain(chart.heights, zero=chart.zero)
    ticks = linear_ticks(low, high, _TICKS, chart.shown.size)
    ax.set_ylim(low, high)
    ax.set_yticks([tick.at for tick in ticks], [tick.label for tick in ticks])
    unit = chart.shown.name
    ax.set_ylabel(f"{chart.label} [{unit}]" if unit else chart.label)
    ax.set_title(chart.title, fontsize=9, loc="left")
    ax.grid(alpha=0.3)
    ax.spines[["top", "right"]].set_visible(False)
    return figure
