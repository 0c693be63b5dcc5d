"""The policies of an evaluation as one table with bars and their intervals."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

from cosim.report.bar_table import BarCell, BarColumn, NameColumn, bar_table
from cosim.studies.evaluate.statistics import PolicyRow
from cosim.studies.evaluate.table import HEADER, TableUnits, cells
from cosim.studies.runs.interval import Interval

_NONE = Interval(math.nan, math.nan)


def policy_table(rows: Sequence[PolicyRow], best: PolicyRow) -> str:
    """Return the table as a block of a page: figures that there are, the most important first.

    Args:
        rows: The policies and baselines; the one that does nothing first.
        best: The one that emits least, of those that did their work.
    """
    units = TableUnits.of(rows)
    header, lines = units.header(), [cells(row, units) for row in rows]
    columns: list[BarColumn] = []
    for name, figure in _figures(units).items():
        place = HEADER.index(name)
        shown = [
            _cell(lines[number][place], figure(row), row is rows[0] and not columns)
            for number, row in enumerate(rows)
        ]
        if any(math.isfinite(cell.value) for cell in shown[name not in _OF_ALL :]):
            columns.append(BarColumn(header[place], shown, 0))
    names = NameColumn(header[0], [row.variant.label for row in rows])
    return bar_table([names], columns, kinds=[_kind(row, rows[0], best) for row in rows])


_OF_ALL = ("carbon {mass}", "SLO %", "wait h", "TTFT p99 s", "energy {energy}")
"""Figures that the policy that does nothing has as well."""


def _figures(units: TableUnits) -> dict[str, Callable[[PolicyRow], Interval | None]]:
    """Return the figures that have a column, by its title, in the unit of the table."""

    def beyond(share: Callable[[PolicyRow], Interval | None]) -> Callable[[PolicyRow], Interval]:
        return lambda row: _NONE if row.no_saving else _scaled(share(row), 100.0)

    return {
        "carbon {mass}": lambda row: _scaled(row.carbon_g, 1 / units.mass.size),
        "saving %": beyond(lambda row: row.saving),
        "against blind %": beyond(lambda row: row.against_blind),
        "by timing %": beyond(lambda row: row.timing),
        "of bound %": beyond(lambda row: row.of_bound),
        "SLO %": lambda row: _plain(row.attainment, 100.0),
        "wait h": lambda row: _plain(row.wait_s, 1 / 3600),
        "TTFT p99 s": lambda row: _plain(row.ttft_p99_s, 1.0),
        "energy {energy}": lambda row: _scaled(row.facility_kwh, 1 / units.energy.size),
    }


def _scaled(figure: Interval | None, factor: float) -> Interval:
    if figure is None:
        return _NONE
    return Interval(figure.mean * factor, figure.half_width * factor)


def _plain(value: float | None, factor: float) -> Interval:
    return _NONE if value is None else Interval(value * factor, math.nan)


def _cell(text: str, figure: Interval | None, is_baseline: bool) -> BarCell:
    figure = figure or _NONE
    return BarCell(text, figure.mean, figure.half_width, "baseline" if is_baseline and text else "")


def _kind(row: PolicyRow, noop: PolicyRow, best: PolicyRow) -> str:
    kinds = {
        "baseline": row is noop,
        "best": row is best and row is not noop,
        "pale": bool(row.no_saving) and row is not noop,
    }
    return " ".join(name for name, holds in kinds.items() if holds)
