"""An evaluation as a table for people."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from cosim.accounting.words import Unit, unit_for
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.statistics import PolicyRow
from cosim.studies.frame.table import TextTable
from cosim.studies.runs.interval import Interval, interval

HEADER = (
    "policy", "carbon {mass}", "saving %", "against blind %", "by timing %", "of bound %",
    "at the ends %", "depends on", "SLO %", "quality",
    "late", "left", "wait h", "TTFT p99 s", "TPOT p99 ms", "energy {energy}",
    "by the day %", "marginal %", "cost", "peak {power}", "import {mass}", "battery {mass}",
    "guard h", "mattered h",
)  # fmt: skip
"""Titles of the columns, the most important first; a narrow terminal shows as many as fit."""
_WORDS = ("policy", "depends on")


@dataclass(frozen=True, slots=True)
class TableUnits:
    """Units of a table, by the size of what is in it."""

    mass: Unit
    energy: Unit
    power: Unit

    @classmethod
    def of(cls, rows: Sequence[PolicyRow]) -> TableUnits:
        """Return the units that suit rows; never less than kg, kWh and kW."""
        return cls(
            unit_for("g", _largest([row.carbon_g.mean for row in rows], 1e3)),
            unit_for("kWh", _largest([row.facility_kwh.mean for row in rows], 1.0)),
            unit_for("W", _largest([row.peak_import_w for row in rows], 1e3)),
        )

    def header(self) -> list[str]:
        """Return the titles of the columns."""
        names = {"mass": self.mass.name, "energy": self.energy.name, "power": self.power.name}
        return [title.format(**names) for title in HEADER]


def _largest(values: Sequence[float | None], least: float) -> float:
    known = (abs(value) for value in values if value is not None and math.isfinite(value))
    return max([least, *known])


def evaluation_table(evaluation: Evaluation) -> TextTable:
    """Return the table of an evaluation; baselines are paler, decoys have no row.

    Columns that nothing is in are left out: savings beyond decoys where there are none, emissions
    by a marginal intensity that is not given, and so on.
    """
    rows = [row for row in evaluation.rows if row.variant.kind != "decoy"]
    units = TableUnits.of(rows)
    header = units.header()
    lines = [cells(row, units) for row in rows]
    used = [number for number, texts in enumerate(zip(*lines, strict=True)) if _says(texts)]
    return TextTable(
        [header[number] for number in used],
        [[line[number] for number in used] for line in lines],
        left=[place for place, number in enumerate(used) if HEADER[number] in _WORDS],
        pale=[row.variant.kind != "policy" for row in rows],
    )


def _says(texts: tuple[str, ...]) -> bool:
    return any(text not in ("", "-") for text in texts)


def cells(row: PolicyRow, units: TableUnits) -> tuple[str, ...]:
    """Return a row as text, in the order of `HEADER`."""
    per_g = 1 / units.mass.size
    return (
        row.variant.label,
        interval(row.carbon_g, per_g, 3),
        row.no_saving or _share(row.saving, sure=row.saving_sure),
        _beyond(row, row.against_blind),
        _beyond(row, row.timing),
        "" if row.of_bound is None or row.no_saving else interval(row.of_bound, 100.0, 0),
        _at_ends(row),
        "nothing" if row.depends_on == "" else row.depends_on or "",
        _attainment(row),
        ", ".join(f"{name} {score:.4g}" for name, score in row.quality.items()),
        f"{row.late:,.0f}",
        f"{row.backlog:,.0f}" + (f", {row.failures} failed" if row.failures else ""),
        number(row.wait_s, 1 / 3600, 2),
        number(row.ttft_p99_s, 1.0, 3),
        number(row.tpot_p99_s, 1e3, 1),
        interval(row.facility_kwh, 1 / units.energy.size, 1),
        _beyond(row, row.by_day),
        _beyond(row, row.marginal_saving),
        number(row.cost, 1.0, 2),
        number(row.peak_import_w, 1 / units.power.size, 2),
        interval(row.import_g, per_g, 3),
        interval(row.stored_g, per_g, 3) if row.stored_g.mean else "",
        f"{row.guard_s / 3600:,.1f}",
        _mattered(row),
    )


def _beyond(row: PolicyRow, saving: Interval | None) -> str:
    return "" if saving is None or row.no_saving else _share(saving, sure=not saving.is_zero)


def _at_ends(row: PolicyRow) -> str:
    """Return the least and the most that a policy saves at the ends of coefficients."""
    if row.least_saving is None or row.most_saving is None:
        return ""
    return f"{100 * row.least_saving:z.1f} to {100 * row.most_saving:z.1f}"


def _share(saving: Interval, *, sure: bool) -> str:
    """Return a share; a star where it is sure to differ from zero."""
    return interval(saving, 100.0, 1, star=sure)


def _attainment(row: PolicyRow) -> str:
    """Return the share of the requests that met their SLOs; by class where there are several."""
    if len(row.attainment_by_class) < 2:
        return number(row.attainment, 100.0, 2)
    return ", ".join(f"{name} {100 * met:.2f}" for name, met in row.attainment_by_class.items())


def _mattered(row: PolicyRow) -> str:
    """Return how long settings mattered; by actuator where there are several."""
    if len(row.mattered_s_by_actuator) < 2:
        return f"{row.mattered_s / 3600:.1f}"
    return ", ".join(
        f"{name} {seconds / 3600:.1f}" for name, seconds in row.mattered_s_by_actuator.items()
    )


def number(value: float | None, factor: float, digits: int) -> str:
    """Return a number, or a dash for none."""
    return "-" if value is None else f"{value * factor:,.{digits}f}"
