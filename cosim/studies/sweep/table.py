"""A sweep as tables: for people, and for other programs."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass

import pandas as pd

from cosim.studies.sweep.answer import answer
from cosim.studies.sweep.figures import RunFigures
from cosim.studies.sweep.measures import MEASURES, in_unit, texts
from cosim.studies.sweep.rows import FIGURES, CaseRow, Choice, choose, rows
from cosim.studies.sweep.sweep import Sweep

SHORT = {
    "total_g": "carbon",
    "per_1k_tokens_g": "g per 1k\ntokens",
    "import_kwh": "grid\nkWh",
    "self_sufficiency": "self-\nsuff. %",
    "cost": "cost",
    "ttft_p99_s": "TTFT\np99 s",
    "tpot_p99_s": "TPOT\np99 ms",
    "attainment": "SLO\n%",
    "late": "late",
}
"""Figures of the printed table, and their titles."""


@dataclass(frozen=True, slots=True)
class Table:
    """A table as text.

    Attributes:
        head: Titles of the columns.
        lines: The rows.
        names: How many columns name the rows.
    """

    head: Sequence[str]
    lines: Sequence[Sequence[str]]
    names: int


def short_table(found: Sweep, every: Sequence[CaseRow], choice: Choice) -> Table:
    """Return the printed table: the axes, and the figures that matter most.

    The carbon of the best case has a star.
    """
    titles = {
        figure: title
        for figure, title in SHORT.items()
        if _is_there(figure, every)
        and (figure == choice.figure or figure not in ("total_g", "per_1k_tokens_g"))
    }
    if "total_g" in titles:
        titles["total_g"] += f"\n{in_unit(MEASURES['total_g'], every).unit}"
    if "cost" in titles and (currency := _currency(every)):
        titles["cost"] = f"cost\n{currency}"
    heads = [axis.title.replace(" [", "\n[") for axis in found.axes]
    return _table(found, every, choice, heads, titles)


def full_table(found: Sweep, every: Sequence[CaseRow], choice: Choice) -> Table:
    """Return a table of all figures that there are."""
    titles = {
        one.figure: in_unit(one, every).title
        for one in MEASURES.values()
        if _is_there(one.figure, every)
    }
    if "cost" in titles and (currency := _currency(every)):
        titles["cost"] += f" [{currency}]"
    for figure in ("backlog", "rejected"):  # in the last column
        titles.pop(figure, None)
    return _table(found, every, choice, [axis.title for axis in found.axes], titles)


def _table(
    found: Sweep,
    every: Sequence[CaseRow],
    choice: Choice,
    heads: Sequence[str],
    titles: dict[str, str],
) -> Table:
    columns = [[row.values[k].text for row in every] for k in range(len(found.axes))]
    for figure in titles:
        cells = texts(in_unit(MEASURES[figure], every), every)
        if figure == choice.figure and choice.best is not None:
            cells = [
                f"{cell}{'*' if row is choice.best else ''}"
                for cell, row in zip(cells, every, strict=True)
            ]
        columns.append(cells)
    names = [*heads, *titles.values()]
    if any(row.left or row.failures or not row.whole for row in every):
        names.append("left")
        columns.append([_left(row) for row in every])
    return Table(names, list(zip(*columns, strict=True)), len(heads))


def _is_there(figure: str, every: Sequence[CaseRow]) -> bool:
    """Return whether any case has a figure; counts of nothing are none."""
    values = [row.mean(figure) for row in every]
    if all(map(math.isnan, values)):
        return False
    return figure not in ("late", "solar_kwh", "export_kwh", "embodied_g") or any(values)


def _left(row: CaseRow) -> str:
    failed = f", {row.failures} failed" if row.failures else ""
    return f"{row.left:,.0f}{'' if row.whole else ' !'}{failed}"


def _currency(every: Sequence[CaseRow]) -> str:
    found = {one.currency for row in every for one in row.runs if one.cost is not None}
    return found.pop() if len(found) == 1 else ""


def notes(found: Sweep, every: Sequence[CaseRow], choice: Choice) -> Iterator[str]:
    """Yield the answer, and what has to be known to read the table."""
    yield from answer(found.axes, every, choice)
    yield from reading(found, choice)


def reading(found: Sweep, choice: Choice) -> Iterator[str]:
    """Yield what has to be known to read the table."""
    count = len(found.seeds)
    seeds = (
        f"{count} seeds, the same for all cases: means, with 95 % intervals (Student's t)."
        if count > 1
        else "One seed: no intervals."
    )
    star = "" if choice.best is None else "* the least, of the cases that did their work. "
    yield (
        f"{star}{seeds} Carbon is that of the import and embodied in the GPUs, with batteries as "
        "full at the end as at the start (the difference at the mean intensity); what the making "
        "of batteries and panels emits is not in it. TTFT and TPOT are of requests that may not "
        "be deferred."
    )


def markdown(found: Sweep) -> str:
    """Return a sweep as a page of Markdown."""
    every = rows(found)
    choice = choose(every)
    table = full_table(found, every, choice)
    lines = [f"# {found.name}", "", *([found.description, ""] if found.description else [])]
    lines += [_line(table.head), _line(["---"] * len(table.head)), *map(_line, table.lines)]
    for note in notes(found, every, choice):
        lines += ["", note]
    return "\n".join(lines) + "\n"


def _line(texts: Sequence[str]) -> str:
    return f"| {' | '.join(text.replace('|', chr(92) + '|') for text in texts)} |"


def runs_frame(found: Sweep) -> pd.DataFrame:
    """Return a row for each run: the values of its case, its seed, and all its figures."""
    frame = pd.DataFrame(
        [
            {"case_number": number, **_on_axes(found, row), **asdict(one)}
            for number, row in enumerate(rows(found))
            for one in row.runs
        ]
    )
    kinds = {name: one.type for name, one in RunFigures.__dataclass_fields__.items()}
    return frame.astype({name: "float64" for name, kind in kinds.items() if "float" in str(kind)})


def cases_frame(found: Sweep) -> pd.DataFrame:
    """Return a row for each case: mean and half the 95 % interval of each figure, NaN for none."""
    lines = []
    for number, row in enumerate(rows(found)):
        line = {"case_number": number, **_on_axes(found, row)}
        for name in FIGURES:
            line[name] = row.mean(name)
            half = row.figures[name].half_width if name in row.figures else math.nan
            line[f"{name}_half_width"] = half if math.isfinite(half) else math.nan
        lines.append(line | {"whole": row.whole, "failures": row.failures})
    return pd.DataFrame(lines)


def _on_axes(found: Sweep, row: CaseRow) -> dict[str, float | str]:
    """Return the values of a case by the labels of the axes: numbers where they are."""
    values: dict[str, float | str] = {}
    for axis, value in zip(found.axes, row.values, strict=True):
        if axis.numbers is None:
            values[axis.title] = value.text
        else:
            values[axis.title] = axis.numbers[axis.values.index(value)]
    return values
