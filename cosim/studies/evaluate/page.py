"""The page of an evaluation: headline, trade-off, table."""

from __future__ import annotations

import math
from collections.abc import Sequence

from cosim.accounting.words import mass
from cosim.report.charts import BarChart, Point, ScatterChart, bar_chart, scatter_chart
from cosim.report.page import Page, Section, cards, paragraph, preformatted, table
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.notes import notes
from cosim.studies.evaluate.statistics import PolicyRow
from cosim.studies.evaluate.table import TableUnits, evaluation_table
from cosim.studies.runs.interval import interval
from inference_sim.files.yaml_text import write_yaml

_DECOYS = (
    "The same policies, shown a carbon signal that tells nothing of the grid, and accounted by the "
    "true one. What they save comes from larger batches and sleeping replicas, not from timing."
)
_SCENARIO = (
    "With every default written out, and the `until` of deferrable requests that `drain` sets. "
    "Each policy's controllers take the place of the scenario's."
)


def evaluation_page(evaluation: Evaluation) -> Page:
    """Return the page of an evaluation."""
    description = " ".join(str(evaluation.scenario.get("description", "")).split())
    return Page(
        f"{evaluation.name}: policies compared",
        [*_charts(evaluation), *_about(evaluation)],
        subtitle=f"{_counted(evaluation)}. {description}".strip(),
        lead=[cards(_cards(evaluation)), paragraph(_sentence(evaluation))],
    )


def _counted(evaluation: Evaluation) -> str:
    policies = sum(row.variant.kind == "policy" for row in evaluation.rows)
    seeds, weeks = len(evaluation.seeds), len(evaluation.weeks)
    over = f"{weeks} parts of a year, " if weeks else ""
    return (
        f"{policies} polic{'y' if policies == 1 else 'ies'} against doing nothing, {over}"
        f"{seeds} seed{'' if seeds == 1 else 's'}"
    )


def _known(evaluation: Evaluation) -> list[PolicyRow]:
    """Return the rows of policies and baselines that served anything."""
    return [
        row
        for row in evaluation.rows
        if row.variant.kind in ("policy", "baseline") and not math.isnan(row.carbon_g.mean)
    ]


def _charts(evaluation: Evaluation) -> list[Section]:
    rows = _known(evaluation)
    pareto = _pareto(rows)
    return [
        *([Section("waiting", "Carbon against latency", [pareto])] if pareto else []),
        Section("savings", "Savings by policy", [_savings(rows, evaluation.rows)]),
    ]


def _about(evaluation: Evaluation) -> list[Section]:
    figures = evaluation_table(evaluation).html()
    remarks = [paragraph(note, kind="note") for note in notes(evaluation)]
    written = write_yaml(evaluation.scenario)
    seeds = [("seeds", ", ".join(map(str, evaluation.seeds)))]
    weeks = [("parts of the year", ", ".join(evaluation.weeks))] if evaluation.weeks else []
    decoys = [row for row in evaluation.rows if row.variant.kind == "decoy"]
    return [
        Section("figures", "All figures", [figures, *remarks]),
        *([Section("decoys", "Decoys", _decoys(decoys))] if decoys else []),
        Section("scenario", "Scenario", [paragraph(_SCENARIO, kind="note"), preformatted(written)]),
        Section(
            "versions",
            "Versions and seeds",
            [table((), [*seeds, *weeks, *evaluation.versions.items()])],
        ),
    ]


def _decoys(rows: Sequence[PolicyRow]) -> list[str]:
    """Return the table of the policies that were shown a decoy."""
    units = TableUnits.of(rows)
    lines = [
        (
            row.variant.label,
            interval(row.carbon_g, 1 / units.mass.size, 3),
            row.no_saving or interval(row.saving, 100.0, 1, star=row.saving_sure),
            f"{row.backlog:,.0f}",
        )
        for row in rows
    ]
    head = (
        "policy, and the signal that it was shown",
        f"carbon {units.mass.name}",
        "saving %",
        "left",
    )
    return [
        paragraph(_DECOYS, kind="note"),
        table(head, lines, numbers=(1, 2, 3), named=True),
    ]


def _best(evaluation: Evaluation) -> PolicyRow:
    """Return the policy that emits least, of those that did their work and end as they began."""
    own = [row for row in _known(evaluation) if not row.failures and not row.no_saving]
    return min(own or evaluation.rows[:1], key=lambda row: row.carbon_g.mean)


def _cards(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    best, noop = _best(evaluation), evaluation.rows[0]
    shown = [
        ("Doing nothing", _mass(noop), "CO2e from grid imports"),
        ("Least", _mass(best), best.variant.label),
    ]
    if not math.isnan(best.saving.mean):
        shown.append(("Saved", _share(best.saving.mean, 1), "of the emissions of doing nothing"))
    if best.timing is not None:
        shown.append(("By timing", _share(best.timing.mean, 1), "beyond the same at other hours"))
    if best.of_bound is not None:
        shown.append(
            ("Of the bound", _share(best.of_bound.mean, 0), "of the most that is possible")
        )
    if best.attainment is not None:
        shown.append(
            ("SLO attainment", _share(best.attainment, 2), "of the requests met their SLOs")
        )
    return shown


def _mass(row: PolicyRow) -> str:
    return "-" if math.isnan(row.carbon_g.mean) else mass(row.carbon_g.mean)


def _share(share: float, digits: int) -> str:
    return f"{share * 100:.{digits}f} %"


def _sentence(evaluation: Evaluation) -> str:
    best, noop = _best(evaluation), evaluation.rows[0]
    if best.carbon_g.mean >= noop.carbon_g.mean or math.isnan(best.saving.mean):
        return "No policy emits less than doing nothing."
    sure = "significantly " if best.saving_sure and math.isfinite(best.saving.half_width) else ""
    text = (
        f"{best.variant.label} emits {sure}less than doing nothing: "
        f"{_share(best.saving.mean, 1)} less from grid imports, for the same work."
    )
    if best.variant.kind == "baseline":
        text += " It does not look at the carbon intensity: no policy that does emits less."
    elif best.against_blind is not None:
        against = _share(best.against_blind.mean, 1)
        text += f" Against the best baseline that is blind to carbon it saves {against}."
    if best.timing is not None:
        text += (
            f" {_share(best.timing.mean, 1)} of the emissions of doing nothing are due to timing: "
            "it saves that much more than when it is shown the signal of other hours."
        )
    return text


def _pareto(rows: list[PolicyRow]) -> ScatterChart | None:
    """Return carbon against latency; None where no request had to be served at once.

    Of points close together the first is named, or the lowest.
    """
    shown = [
        (row.ttft_p99_s, row.carbon_g.mean / 1000, row.variant.name)
        for row in (*rows[:1], *sorted(rows[1:], key=lambda row: row.carbon_g.mean))
        if row.ttft_p99_s is not None
    ]
    if not shown:
        return None
    carbon_kg = [place[1] for place in shown]
    spread_kg = max(carbon_kg) - min(carbon_kg)
    groups: list[list[tuple[float, float, str]]] = []
    for place in shown:
        near = next((group for group in groups if _is_near(group[0], place, spread_kg)), None)
        if near is None:
            groups.append([place])
        else:
            near.append(place)
    points = []
    for (x, y, name), *others in groups:
        points.append(Point(name, x, y, label=f"{name} + {len(others)}" if others else name))
        points += [Point(name, x, y, label="") for x, y, name in others]
    return scatter_chart(
        "pareto",
        "Carbon against the time to the first token",
        points,
        x_label="time to the first token, p99 [s]",
        y_label="Emissions from grid imports",
        unit="kg",
        log_x=True,
        note="Better is lower and further left. Only requests that may not be deferred count: the "
        "delay of the others is not included. Of points close together, one is named.",
    )


def _is_near(
    place: tuple[float, float, str], other: tuple[float, float, str], spread_kg: float
) -> bool:
    """Return whether the names of two points would stand in each other's way."""
    return abs(place[1] - other[1]) <= 0.05 * spread_kg and 0.85 < place[0] / other[0] < 1.18


def _savings(rows: Sequence[PolicyRow], everything: Sequence[PolicyRow]) -> BarChart:
    """Return the savings of the policies that have one, and what they save at other hours."""
    ordered = sorted((row for row in rows if not row.no_saving), key=lambda row: row.carbon_g.mean)
    moved = {
        row.variant.name: math.fsum(other.saving.mean for other in others) / len(others)
        for row in ordered
        if (others := _moved(row, everything))
    }
    return bar_chart(
        "savings",
        "Saving against doing nothing",
        [row.variant.name for row in ordered],
        {
            "the policy": [_percent(row.saving.mean) for row in ordered],
            "shown the signal of other hours": [
                _percent(moved[row.variant.name]) if row.variant.name in moved else math.nan
                for row in ordered
            ],
        },
        label="Emissions saved",
        unit="%",
        note="Savings beyond those at other hours are due to timing. Rows without a saving, which "
        "left work or filled a battery, are not drawn.",
    )


def _moved(row: PolicyRow, everything: Sequence[PolicyRow]) -> list[PolicyRow]:
    """Return the decoys of a policy that are moved in time."""
    if row.timing is None:
        return []
    return [
        other
        for other in everything
        if other.variant.name == row.variant.name
        and other.variant.decoy is not None
        and other.variant.decoy.kind == "moved"
    ]


def _percent(share: float) -> float:
    """Return a share to a tenth [%], and no zero below zero."""
    return round(share * 100, 1) + 0.0
