"""The charts of a sweep: each figure over the varied values, and carbon against latency.

Over the first axis of numbers, with a line for each value of the next axis and a panel for each
combination of the others. Where nothing that varies is a number, the table of cases says it all.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product

import numpy as np

from cosim.accounting.words import percent
from cosim.report.charts import Chart, Point, ScatterChart, scatter_chart
from cosim.report.lines import Axis as LineAxis
from cosim.report.lines import ChartLine, LineChart, Panel
from cosim.report.palette import series_color, series_dash
from cosim.studies.sweep.axes import Axis, AxisValue
from cosim.studies.sweep.cases import case_name
from cosim.studies.sweep.headline import is_same
from cosim.studies.sweep.measures import MEASURES, Measure, differs, in_unit
from cosim.studies.sweep.rows import LEAST_FASTER, CaseRow, Choice

_NAMED = 12  # most points that all have names; of more the front and the baseline
_LOG_FROM = 30.0  # times that the largest value on the axis is of the least
_ROOM = 0.02  # beside the first and the last place, as a share of the axis
_LATENCY = "ttft_p99_s"
_ONE = Axis("", (AxisValue(""),))  # in place of the axis of the lines where there is none
_LEFT_OUT = "Cases that left work behind are not shown: work not done is not a saving."
_HOLLOW = "Open circles: cases that left work behind."
_BAND = "Bands: 95 % intervals over the seeds."


def measure_charts(
    axes: Sequence[Axis], every: Sequence[CaseRow], measures: Sequence[Measure]
) -> list[Chart]:
    """Return a chart of each measure that differs along an axis of numbers."""
    charts: list[Chart] = []
    for measure in (in_unit(measure, every) for measure in measures):
        if not differs(measure.figure, every):
            continue
        varied = [axis for axis in axes if _matters(axis, measure, axes, every)]
        across = next((axis for axis in varied if axis.numbers is not None), None)
        if across is not None:
            others = [axis for axis in varied if axis is not across]
            charts.append(_lines(measure, axes, across, others, every))
    return charts


def _matters(axis: Axis, measure: Measure, axes: Sequence[Axis], every: Sequence[CaseRow]) -> bool:
    """Return whether a measure, or whether the work was done, differs along an axis."""
    place = axes.index(axis)
    groups: dict[tuple[str, ...], list[CaseRow]] = {}
    for row in every:
        others = (*row.values[:place], *row.values[place + 1 :])
        groups.setdefault(tuple(value.text for value in others), []).append(row)
    for group in groups.values():
        means = [row.mean(measure.figure) for row in group]
        known = [value for value in means if not math.isnan(value)]
        if known and (len(known) < len(means) or not is_same(known)):
            return True
        if known and len({row.whole for row in group}) > 1:
            return True
    return False


def _alike(axes: Sequence[Axis], shown: Sequence[Axis]) -> str:
    """Return along which axes a chart would be the same."""
    names = [axis.label for axis in axes if len(axis.values) > 1 and axis not in shown]
    return f"The same for every {' and '.join(names)}." if names else ""


def _lines(
    measure: Measure,
    axes: Sequence[Axis],
    across: Axis,
    others: Sequence[Axis],
    every: Sequence[CaseRow],
) -> LineChart:
    placed = sorted(
        zip(across.numbers or (), across.values, strict=True), key=lambda place: place[0]
    )
    at = np.array([number for number, _ in placed])
    lines, *further = others or [_ONE]
    panels = []
    for chosen in product(*(axis.values for axis in further)):
        fixed = dict(zip((axis.label for axis in further), chosen, strict=True))
        names = [axis.name(value) for axis, value in zip(further, chosen, strict=True)]
        series: list[ChartLine] = []
        for k, value in enumerate(lines.values):
            own = fixed | {lines.label: value}
            rows = [_row(axes, every, own | {across.label: place}) for _, place in placed]
            name = lines.name(value) if lines is not _ONE else measure.label
            series += _series(name, measure, rows, k)
        label = ", ".join([measure.label, *names])
        height = 160 if further else 240
        panels.append(
            Panel(label, measure.unit, series, height=height, zero=_zero(series), as_given=True)
        )
    notes = [
        _alike(axes, [across, *others]),
        _BAND if len(every[0].runs) > 1 else "",
        "" if all(row.whole for row in every) else _HOLLOW,
    ]
    low, high = float(at[0]), float(at[-1])
    if low > 0 and high / low >= _LOG_FROM:
        room = (high / low) ** _ROOM
        axis = LineAxis("log", across.title, low / room, high * room, as_given=True)
    else:
        room = (high - low) * _ROOM
        whole = bool((at == np.round(at)).all())
        axis = LineAxis("linear", across.title, low - room, high + room, whole=whole, as_given=True)
    title = f"{_capital(measure.label)} by {across.label}"
    return LineChart(
        measure.figure, title, axis, at, panels, " ".join(filter(None, notes)), dots=True
    )


def _series(name: str, measure: Measure, rows: Sequence[CaseRow], k: int) -> list[ChartLine]:
    """Return the line of some cases, and circles for those that left work behind."""
    mean = np.array([row.mean(measure.figure) for row in rows]) * measure.factor
    half = np.array(
        [
            row.figures[measure.figure].half_width if measure.figure in row.figures else math.nan
            for row in rows
        ]
    )
    half = np.where(np.isfinite(half), half, 0.0) * measure.factor
    whole = np.array([row.whole for row in rows])
    line = np.where(whole, mean, np.nan)
    low, high = (line - half, line + half) if half.any() else (None, None)
    if low is not None and not measure.figure.endswith("_g"):
        low = np.maximum(low, 0.0)  # there is no less than none
    series = []
    if np.isfinite(line).any():
        series.append(
            ChartLine(name, series_color(k), line, low=low, high=high, dash=series_dash(k))
        )
    behind = np.where(whole, np.nan, mean)
    if np.isfinite(behind).any():
        series.append(ChartLine(f"{name}, left work", series_color(k), behind, shape="points"))
    return series


def _zero(series: Sequence[ChartLine]) -> bool:
    """Return whether 0 belongs on an axis: not where it would flatten the differences."""
    values = np.concatenate([np.empty(0), *(line.y for line in series)])
    values = values[np.isfinite(values)]
    return not len(values) or bool(abs(values).min() < 0.5 * abs(values).max())


def _row(axes: Sequence[Axis], every: Sequence[CaseRow], chosen: dict[str, AxisValue]) -> CaseRow:
    """Return the case with values on some axes, and the only one on the others."""
    number = 0
    for axis in axes:
        value = chosen.get(axis.label, axis.values[0])
        number = number * len(axis.values) + axis.values.index(value)
    return every[number]


def pareto_chart(
    axes: Sequence[Axis], every: Sequence[CaseRow], choice: Choice
) -> ScatterChart | None:
    """Return carbon against the time to the first token; None where there is nothing to choose.

    Cases that left work behind are not in it.
    """
    measure, latency = (in_unit(MEASURES[name], every) for name in (choice.figure, _LATENCY))
    shown = [row for row in every if row.whole and {_LATENCY, choice.figure} <= row.figures.keys()]
    if len(shown) < 2:
        return None
    latencies = [row.mean(_LATENCY) * latency.factor for row in shown]
    points = []
    for row, at in zip(shown, latencies, strict=True):
        in_front = any(row is best for best in choice.front)
        name = case_name(axes, row.values)
        is_named = in_front or row is choice.baseline or len(shown) <= _NAMED
        color = "vermilion" if in_front else "blue" if row is choice.baseline else "grey"
        label = f"{name} (baseline)" if row is choice.baseline else name
        grams = row.mean(choice.figure) * measure.factor
        points.append(Point(name, at, grams, color, label if is_named else ""))
    blue = " In blue: the baseline." if any(point.color == "blue" for point in points) else ""
    left_out = f" {_LEFT_OUT}" if len(shown) < len(every) else ""
    return scatter_chart(
        "pareto",
        "Carbon against the time to the first token",
        points,
        x_label=latency.title,
        y_label=_capital(measure.label),
        unit=measure.unit,
        log_x=min(latencies) > 0 and max(latencies) / min(latencies) >= _LOG_FROM,
        note=f"Better is lower and further left. In orange: {_front(choice)}.{blue} Latency is "
        f"that of requests that may not be deferred.{left_out}",
        as_given=True,
    )


def _front(choice: Choice) -> str:
    """Return what the points of the front are."""
    if len(choice.front) < 2:
        return "the case that emits least, and none is faster"
    return f"the Pareto front, of which each case is faster by more than {percent(LEAST_FASTER)}"


def _capital(text: str) -> str:
    return text[0].upper() + text[1:]
