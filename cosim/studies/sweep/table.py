"""A sweep as tables: for people, and for other programs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import pandas as pd

from cosim.studies.frame.table import TextTable
from cosim.studies.sweep.columns import FIGURES, RUN_COLUMNS
from cosim.studies.sweep.headline import headline
from cosim.studies.sweep.measures import MEASURES, Measure, in_unit, texts
from cosim.studies.sweep.rows import CaseRow, Choice, rows
from cosim.studies.sweep.sweep import Sweep

SHORT = {
    "total_g": "carbon",
    "per_1k_tokens_g": "carbon",
    "import_kwh": "grid",
    "self_sufficiency": "self-\nsuff. %",
    "cost": "cost",
    "ttft_p99_s": "TTFT\np99 s",
    "tpot_p99_s": "TPOT\np99 ms",
    "attainment": "SLO\n%",
    "late": "late",
}
"""Figures of the printed table, and their titles."""


def short_table(sweep: Sweep, every: Sequence[CaseRow], choice: Choice) -> TextTable:
    """Return the printed table: the axes, and the figures that matter most.

    The carbon of the best case has a star.
    """
    titles = {
        figure: title
        for figure, title in SHORT.items()
        if _is_known(figure, every)
        and (figure == choice.figure or figure not in ("total_g", "per_1k_tokens_g"))
    }
    measures = {figure: MEASURES[figure] for figure in titles}
    for figure in {"total_g", "per_1k_tokens_g", "import_kwh"} & titles.keys():
        measures[figure] = in_unit(MEASURES[figure], every)
        unit = measures[figure].unit
        titles[figure] = (
            f"{unit} per 1k\ntokens" if figure == "per_1k_tokens_g" else f"{titles[figure]}\n{unit}"
        )
    if "cost" in titles and (unit := currency(every)):
        titles["cost"] = f"cost\n{unit}"
    heads = [axis.title.replace(" [", "\n[") for axis in sweep.axes]
    return _table(sweep, every, choice, heads, titles, measures)


def full_table(sweep: Sweep, every: Sequence[CaseRow], choice: Choice) -> TextTable:
    """Return a table of all figures that there are."""
    measures = {
        figure: in_unit(measure, every)
        for figure, measure in MEASURES.items()
        if _is_known(figure, every)
    }
    titles = {figure: measure.title for figure, measure in measures.items()}
    if "cost" in titles and (unit := currency(every)):
        titles["cost"] += f" [{unit}]"
    for figure in ("backlog", "rejected"):  # in the last column
        titles.pop(figure, None)
    return _table(sweep, every, choice, [axis.title for axis in sweep.axes], titles, measures)


def _table(
    sweep: Sweep,
    every: Sequence[CaseRow],
    choice: Choice,
    heads: Sequence[str],
    titles: Mapping[str, str],
    measures: Mapping[str, Measure],
) -> TextTable:
    columns = [[row.values[k].text for row in every] for k in range(len(sweep.axes))]
    for figure in titles:
        cells = texts(measures[figure], every)
        if figure == choice.figure and choice.best is not None:
            cells = [
                f"{cell}{'*' if row is choice.best else ''}"
                for cell, row in zip(cells, every, strict=True)
            ]
        columns.append(cells)
    names = [*heads, *titles.values()]
    if any(row.left or row.failures or not row.whole for row in every):
        names.append("left")
        columns.append([left_text(row) for row in every])
    return TextTable(
        names,
        list(zip(*columns, strict=True)),
        names=len(heads),
        left=[k for k, axis in enumerate(sweep.axes) if axis.numbers is None],
        pale=[not row.whole for row in every],
    )


def _is_known(figure: str, every: Sequence[CaseRow]) -> bool:
    """Return whether any case has a figure; counts of nothing are none."""
    values = [row.mean(figure) for row in every]
    if all(map(math.isnan, values)):
        return False
    return figure not in ("late", "solar_kwh", "export_kwh", "embodied_g") or any(values)


def left_text(row: CaseRow) -> str:
    """Return how many requests a case left; a ! where it did not do its work."""
    failed = f", {row.failures} failed" if row.failures else ""
    return f"{row.left:,.0f}{'' if row.whole else ' !'}{failed}"


def currency(every: Sequence[CaseRow]) -> str:
    """Return the currency of the costs; empty if there is none, or several."""
    currencies = {run.currency for row in every for run in row.runs if run.cost is not None}
    return currencies.pop() if len(currencies) == 1 else ""


def notes(sweep: Sweep, every: Sequence[CaseRow], choice: Choice) -> Iterator[str]:
    """Yield the headline, and how to read the table."""
    yield from headline(sweep.axes, every, choice)
    yield from reading(sweep, choice)


def reading(sweep: Sweep, choice: Choice) -> Iterator[str]:
    """Yield how to read the table."""
    count = len(sweep.seeds)
    seeds = (
        f"{count} seeds, the same for all cases: means, with 95 % intervals (Student's t)."
        if count > 1
        else "One seed: no intervals."
    )
    star = "" if choice.best is None else "* lowest carbon of the cases that completed their work. "
    yield (
        f"{star}{seeds} Carbon is that of grid imports and embodied in the GPUs, corrected for the "
        "change of the batteries' charge (valued at the mean intensity); carbon embodied in "
        "batteries and panels is not included. TTFT and TPOT are of requests that may not be "
        "deferred."
    )


def runs_frame(sweep: Sweep) -> pd.DataFrame:
    """Return a row for each run: the values of its case, its seed, and its figures."""
    frame = pd.DataFrame(
        [
            {"case_number": number, **_on_axes(sweep, row), **run.columns(RUN_COLUMNS)}
            for number, row in enumerate(rows(sweep))
            for run in row.runs
        ]
    )
    unknown = [name for name in FIGURES if frame[name].dtype == "object"]  # None in every run
    return frame.astype(dict.fromkeys(unknown, "float64"))


def cases_frame(sweep: Sweep) -> pd.DataFrame:
    """Return a row for each case: mean and half the 95 % interval of each figure, NaN for none."""
    lines = []
    for number, row in enumerate(rows(sweep)):
        line = {"case_number": number, **_on_axes(sweep, row)}
        for name in FIGURES:
            line[name] = row.mean(name)
            half = row.figures[name].half_width if name in row.figures else math.nan
            line[f"{name}_half_width"] = half if math.isfinite(half) else math.nan
        lines.append(line | {"whole": row.whole, "failures": row.failures})
    return pd.DataFrame(lines)


def _on_axes(sweep: Sweep, row: CaseRow) -> dict[str, float | str]:
    """Return the values of a case by the labels of the axes: numbers where they are."""
    values: dict[str, float | str] = {}
    for axis, value in zip(sweep.axes, row.values, strict=True):
        if axis.numbers is None:
            values[axis.title] = value.text
        else:
            values[axis.title] = axis.numbers[axis.values.index(value)]
    return values
