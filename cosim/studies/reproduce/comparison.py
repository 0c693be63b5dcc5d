"""Published values, paper mode and corrected ones beside each other, for the experiments' page."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from cosim.accounting.words import number
from cosim.report.page import subheading, table
from cosim.studies.reproduce.rows import Row, difference_percent
from cosim.studies.reproduce.tables import (
    CASE_TITLES,
    TITLES,
    number_text,
    percent_text,
    shown_values,
)

NAMES = {
    "duration_s": "duration",
    "mfu_percent": "MFU",
    "power_w": "power",
    "energy_kwh": "energy",
}
_UNITS = {"batch_mean": "sequences", "batch_std": "sequences"}


@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement with the published values, and the effect of correcting them.

    Attributes:
        cases: Cases that were run.
        published: Those of which values were published.
        largest_percent: By quantity, the largest difference of paper mode from published values.
        energy_ratio: Least and greatest of the corrected energy over that of paper mode.
    """

    cases: int
    published: int
    largest_percent: dict[str, float]
    energy_ratio: tuple[float, float]


def agreement(rows: Sequence[Row]) -> Agreement:
    """Return how the experiments that serve requests compare; `rows` are theirs, at least one."""
    differences: dict[str, list[float]] = {name: [] for name in NAMES}
    for row in rows:
        for name, values in differences.items():
            by = difference_percent(row.paper_mode[name], row.published[name])
            if by is not None:
                values.append(abs(by))
    ratios = [
        right / paper
        for row in rows
        if (paper := row.paper_mode["energy_kwh"]) and (right := row.corrected["energy_kwh"])
    ]
    return Agreement(
        len(rows),
        sum(_published(row) for row in rows),
        {name: max(values) for name, values in differences.items() if values},
        (min(ratios), max(ratios)),
    )


def tables(rows: Sequence[Row]) -> list[str]:
    """Return the tables of an experiment: published values with ours beside, and the rest."""
    if rows[0].exp == "table2":
        return [_table(rows, ["row"], ["value"], published=True)]
    known = [row for row in rows if _published(row)]
    others = [row for row in rows if not _published(row)]
    keys, values = list(rows[0].case), shown_values(rows)
    blocks = []
    if known:
        blocks += [subheading("Beside published values"), _table(known, keys, values, True)]
    if others:
        title = "Cases of which no number was published" if known else "All cases"
        blocks += [subheading(title), _table(others, keys, values, False)]
    return blocks


def _table(
    rows: Sequence[Row], keys: Sequence[str], quantities: Sequence[str], published: bool
) -> str:
    flat = quantities == ["value"]
    head = [CASE_TITLES.get(key, key) for key in keys] + ([] if flat else ["quantity"])
    labels = len(head)
    head += [*(["published"] if published else []), "paper mode"]
    head += [*(["to published"] if published else []), "corrected"]
    head += ["to published" if published else "to paper mode"]
    lines = [
        line for row in rows for line in _lines(row, quantities, flat=flat, published=published)
    ]
    return table(head, lines, numbers=range(labels, len(head)))


def _lines(
    row: Row, quantities: Sequence[str], *, flat: bool, published: bool
) -> Iterator[list[str]]:
    names = [_name(value) for value in row.case.values()]
    for quantity in quantities:
        known, paper = row.published[quantity], row.paper_mode[quantity]
        right = row.corrected[quantity]
        line = [*names]
        if not flat:
            unit = _UNITS.get(quantity, TITLES.get(quantity, "").replace("MFU ", ""))
            line.append(f"{NAMES.get(quantity, quantity.replace('_', ' '))} [{unit}]")
        line += [number_text(known)] if published else []
        line.append(number_text(paper))
        line += [percent_text(difference_percent(paper, known))] if published else []
        line.append(number_text(right))
        line.append(percent_text(difference_percent(right, known if published else paper)))
        yield line
        names = [""] * len(names)


def _name(value: str | float) -> str:
    return value.rpartition("/")[2] if isinstance(value, str) else number(value)


def _published(row: Row) -> bool:
    return any(value is not None for value in row.published.values())
