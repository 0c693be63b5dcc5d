"""The cases of a sweep as one table with bars: only what differs, against the baseline."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cosim.report.bar_table import BarCell, BarColumn, NameColumn, bar_table
from cosim.studies.sweep.axes import Axis
from cosim.studies.sweep.measures import CARBON, ENERGY, MEASURES, Measure, differs, in_unit, texts
from cosim.studies.sweep.rows import CaseRow, Choice
from cosim.studies.sweep.sweep import Sweep
from cosim.studies.sweep.table import left_text

SHOWN = (
    "total_g", "per_1k_tokens_g", "import_kwh", "self_sufficiency", "ttft_p99_s", "tpot_p99_s",
    "attainment", "late", "cost", "facility_kwh", "battery_cycles", "mfu",
)  # fmt: skip
"""Figures that have a column, if they differ between the cases; the most important first."""
MOST = 8
"""Most of them that have one: as many as a window of a laptop shows."""
_OF_WORK = {measure.figure for measure in (*CARBON, *ENERGY)}
_LEAST_SHARE = 0.0005  # of the baseline, that is written


def varied(axes: Sequence[Axis]) -> list[Axis]:
    """Return the axes along which cases differ; all of a sweep of one case."""
    return [axis for axis in axes if len(axis.values) > 1] or list(axes)


def shown_measures(every: Sequence[CaseRow], choice: Choice) -> list[Measure]:
    """Return the figures that have a column: that of the choice first, then those that differ."""
    other = "per_1k_tokens_g" if choice.figure == "total_g" else "total_g"
    names = [name for name in SHOWN if name not in (choice.figure, other)]
    alone = len(every) == 1
    measures = [MEASURES[name] for name in names if alone or differs(name, every)]
    known = [
        measure
        for measure in (MEASURES[choice.figure], *measures)
        if any(measure.figure in row.figures for row in every)
    ]
    return [in_unit(measure, every) for measure in known[:MOST]]


def case_table(sweep: Sweep, every: Sequence[CaseRow], choice: Choice, currency: str = "") -> str:
    """Return the table of the cases as a block of the page.

    Cases that left work behind have no bars of carbon and energy: work not done is not a saving.

    Args:
        sweep: The sweep.
        every: Its cases.
        choice: Which of them is best, and the baseline.
        currency: Currency of the costs; empty for none, or for several.
    """
    baseline = sweep.baseline if choice.baseline is not None else None
    names = []
    for axis in varied(sweep.axes):
        place = sweep.axes.index(axis)
        values = [row.values[place] for row in every]
        numbers = None
        if axis.numbers is not None:
            numbers = [axis.numbers[axis.values.index(value)] for value in values]
        names.append(NameColumn(axis.title, [value.text for value in values], numbers))
    columns = [
        BarColumn(
            f"{measure.label} [{currency}]"
            if measure.figure == "cost" and currency
            else measure.title,
            _cells(measure, every, choice, baseline),
            baseline,
        )
        for measure in shown_measures(every, choice)
    ]
    if any(row.left or row.failures or not row.whole for row in every):
        columns.append(BarColumn("left", [BarCell(left_text(row), math.nan) for row in every]))
    return bar_table(names, columns, kinds=[_kind(row, choice) for row in every])


def _cells(
    measure: Measure, every: Sequence[CaseRow], choice: Choice, baseline: int | None
) -> list[BarCell]:
    base = None if baseline is None else every[baseline].mean(measure.figure)
    cells = []
    of_work = measure.figure in _OF_WORK
    for row, text in zip(every, texts(measure, every), strict=True):
        figure = row.figures.get(measure.figure)
        star = "*" if measure.figure == choice.figure and row is choice.best else ""
        remark = ""
        if row is choice.baseline:
            remark = "baseline"
        elif figure is not None and base is not None and (row.whole or not of_work):
            remark = difference_text(measure, figure.mean, base)
        cells.append(
            BarCell(
                f"{text}{star}",
                math.nan
                if of_work and not row.whole
                else row.mean(measure.figure) * measure.factor,
                math.nan if figure is None else figure.half_width * measure.factor,
                remark,
            )
        )
    return cells


def difference_text(measure: Measure, value: float, base: float) -> str:
    """Return the difference from the baseline, in percent of it; in points for shares."""
    if math.isnan(base):
        return ""
    if measure.unit == "%":
        points = round((value - base) * measure.factor, 1)
        return f"{points:+.1f} points" if points else ""
    if not base or abs(value - base) < _LEAST_SHARE * abs(base):
        return ""
    percent = (value - base) / abs(base) * 100
    return f"{percent:+,.0f} %" if abs(percent) >= 10 else f"{percent:+.1f} %"


def _kind(row: CaseRow, choice: Choice) -> str:
    kinds = {
        "baseline": row is choice.baseline,
        "best": row is choice.best,
        "pale": not row.whole,
    }
    return " ".join(name for name, holds in kinds.items() if holds)
