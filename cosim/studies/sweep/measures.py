"""The figures of a sweep that are shown, with their units: in tables, and as charts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from cosim.accounting.words import unit_for
from cosim.studies.runs.interval import interval
from cosim.studies.sweep.rows import CaseRow


@dataclass(frozen=True, slots=True)
class Measure:
    """A figure as it is shown.

    Attributes:
        figure: Its name among the figures of a run.
        label: Its name in words.
        unit: Its unit; empty for a bare number.
        factor: From the figure to that unit.
        digits: Decimals in tables; None for as many as distinguish the cases.
        spread: Whether half the interval stands beside it.
    """

    figure: str
    label: str
    unit: str
    factor: float = 1.0
    digits: int | None = None
    spread: bool = False

    @property
    def title(self) -> str:
        """Label and unit."""
        return f"{self.label} [{self.unit}]" if self.unit else self.label


CARBON = (
    Measure("total_g", "total carbon", "kg", 1e-3, spread=True),
    Measure("per_1k_tokens_g", "carbon per 1,000 output tokens", "g", spread=True),
    Measure("import_g", "carbon from grid imports", "kg", 1e-3, spread=True),
    Measure("stored_g", "carbon of refilling the batteries", "kg", 1e-3),
    Measure("embodied_g", "embodied carbon", "kg", 1e-3),
    Measure("gross_g", "carbon without solar and battery", "kg", 1e-3),
)
ENERGY = (
    Measure("facility_kwh", "facility energy", "kWh"),
    Measure("import_kwh", "energy from the grid", "kWh"),
    Measure("solar_kwh", "solar energy", "kWh"),
    Measure("export_kwh", "exported energy", "kWh"),
    Measure("self_sufficiency", "self-sufficiency", "%", 100.0, 1),
    Measure("battery_cycles", "full cycles of the battery", "", 1.0, 2),
    Measure("j_per_token", "energy per output token", "J"),
    Measure("cost", "cost of grid imports", "", 1.0),
)
SERVICE = (
    Measure("ttft_p50_s", "time to the first token, median", "s"),
    Measure("ttft_p99_s", "time to the first token, p99", "s"),
    Measure("tpot_p50_s", "time per output token, median", "ms", 1e3),
    Measure("tpot_p99_s", "time per output token, p99", "ms", 1e3),
    Measure("attainment", "SLO attainment", "%", 100.0, 2),
    Measure("late", "late", "requests", 1.0, 0),
    Measure("completed", "completed", "requests", 1.0, 0),
    Measure("backlog", "left at the end", "requests", 1.0, 0),
    Measure("rejected", "rejected", "requests", 1.0, 0),
)
HARDWARE = (
    Measure("facility_power_w", "mean power", "W"),
    Measure("mfu", "MFU", "%", 100.0, 2),
)
MEASURES = {measure.figure: measure for measure in (*CARBON, *ENERGY, *SERVICE, *HARDWARE)}


_LEAST = {"kg": 0.1, "kWh": 1.0, "W": 1.0, "g": 1e-3, "s": 1e-3}
"""Units that go by the size of the figures, and the size below which they get no smaller."""
NOISE = 0.005
"""Figures that differ by no more than this share of the largest are as good as the same."""


def differs(figure: str, every: Sequence[CaseRow]) -> bool:
    """Return whether a figure differs between cases by more than noise."""
    values = [row.mean(figure) for row in every]
    known = [value for value in values if not math.isnan(value)]
    if not known or len(known) < len(values):
        return bool(known)
    return max(known) - min(known) > NOISE * max(map(abs, known))


def in_unit(measure: Measure, every: Sequence[CaseRow]) -> Measure:
    """Return a measure in the unit that suits the largest of the cases: g or t for kg, and so on.

    Tables and charts of all cases write it in this unit.
    """
    if measure.unit not in _LEAST:
        return measure
    values = [abs(row.mean(measure.figure)) * measure.factor for row in every]
    least = _LEAST[measure.unit]
    unit = unit_for(measure.unit, max([least, *filter(math.isfinite, values)]))
    return replace(measure, unit=unit.name, factor=measure.factor / unit.size)


def texts(measure: Measure, every: Sequence[CaseRow]) -> list[str]:
    """Return a measure of each case as text; a dash if there is none."""
    digits = decimals(measure, every)
    return [_text(measure, row, digits) for row in every]


def decimals(measure: Measure, every: Sequence[CaseRow]) -> int:
    """Return how many decimals a measure is written with: so that all cases have four digits."""
    if measure.digits is not None:
        return measure.digits
    values = [abs(row.mean(measure.figure)) * measure.factor for row in every]
    largest = max((value for value in values if math.isfinite(value)), default=0.0)
    return 3 if largest < 1e-6 else min(6, max(0, 3 - math.floor(math.log10(largest))))


def _text(measure: Measure, row: CaseRow, digits: int) -> str:
    figure = row.figures.get(measure.figure)
    if figure is None:
        return "-"
    if measure.spread:
        return interval(figure, measure.factor, digits)
    return f"{round(figure.mean * measure.factor, digits) + 0.0:,.{digits}f}"
