"""The page of an evaluation: headline, trade-off, table."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from cosim.accounting.words import Unit, mass
from cosim.report import bar_table
from cosim.report.charts import BarChart, Point, ScatterChart, bar_chart, scatter_chart
from cosim.report.page import Page, Section, cards, paragraph, preformatted, table
from cosim.studies.evaluate.bars import policy_table
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.notes import notes
from cosim.studies.evaluate.statistics import PolicyRow
from cosim.studies.evaluate.table import TableUnits, evaluation_table
from cosim.studies.runs.interval import Interval, interval
from inference_sim.files.yaml_text import write_yaml

_NAMED = 12
"""Most points that all have their names; of more, those close together share one."""
_COLORS = {"baseline": "grey"}
_COUNTS = ("late", "left")
_DECOYS = (
    "The same policies, shown a carbon signal that tells nothing of the grid, and accounted by the "
    "true one. What they save comes from larger batches and sleeping replicas, not from timing."
)
_LINES = "Lines at the ends of bars: 95 % intervals."
_BARS = (
    "Bars begin at 0, or at doing nothing, the upright line, where all lie near it. * where zero "
    "lies outside the interval. A click on a head sorts; all columns are below."
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
        style=bar_table.style(),
        script=bar_table.script(),
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
    shown = [row for row in evaluation.rows if row.variant.kind != "decoy"]
    pareto = _pareto(rows, TableUnits.of(shown).mass)
    has_ends = any(math.isfinite(row.carbon_g.half_width) for row in shown)
    reading = f"{_LINES} {_BARS}" if has_ends else _BARS
    return [
        Section(
            "policies",
            "The policies",
            [policy_table(shown, _best(evaluation)), paragraph(reading, kind="note")],
        ),
        *([Section("waiting", "Carbon against latency", [pareto])] if pareto else []),
        Section("savings", "Savings by policy", [_savings(rows, evaluation.rows)]),
    ]


def _about(evaluation: Evaluation) -> list[Section]:
    count = len(evaluation.seeds) * max(len(evaluation.weeks), 1)
    whole = evaluation_table(evaluation)
    figures = replace(whole, head=[_of_runs(title, count) for title in whole.head]).html()
    remarks = [paragraph(note, kind="note") for note in notes(evaluation)]
    written = write_yaml(evaluation.scenario)
    seeds = [("seeds", ", ".join(map(str, evaluation.seeds)))]
    weeks = [("parts of the year", ", ".join(evaluation.weeks))] if evaluation.weeks else []
    decoys = [row for row in evaluation.rows if row.variant.kind == "decoy"]
    return [
        Section("figures", "All figures", [figures, *remarks]),
        *([Section("decoys", "Decoys", _decoys(decoys, count))] if decoys else []),
        Section("scenario", "Scenario", [paragraph(_SCENARIO, kind="note"), preformatted(written)]),
        Section(
            "versions",
            "Versions and seeds",
            [table((), [*seeds, *weeks, *evaluation.versions.items()])],
        ),
    ]


def _of_runs(title: str, count: int) -> str:
    """Return the title of a column, which says of counts that they are means of several runs."""
    return f"{title}, mean of {count:,} runs" if title in _COUNTS and count > 1 else title


def _decoys(rows: Sequence[PolicyRow], count: int) -> list[str]:
    """Return the table of the policies that were shown a decoy, each in so many runs."""
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
        _of_runs("left", count),
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
    if best.depends_on:
        text += f" That depends on: {best.depends_on}."
    if best.timing is not None:
        text += (
            f" {_share(best.timing.mean, 1)} of the emissions of doing nothing are due to timing: "
            "it saves that much more than when it is shown the signal of other hours."
        )
    return text


def _pareto(rows: list[PolicyRow], mass_unit: Unit) -> ScatterChart | None:
    """Return carbon against latency; None where no request had to be served at once.

    Of many points that lie close together the first is named, or the lowest.
    """
    shown = [
        Point(
            row.variant.name,
            row.ttft_p99_s,
            row.carbon_g.mean / mass_unit.size,
            color=_COLORS.get(row.variant.kind, "blue"),
            y_interval=_ends(row.carbon_g, 1 / mass_unit.size),
        )
        for row in (*rows[:1], *sorted(rows[1:], key=lambda row: row.carbon_g.mean))
        if row.ttft_p99_s is not None
    ]
    if not shown:
        return None
    points = shown if len(shown) <= _NAMED else _grouped(shown)
    has_grey = any(point.color == "grey" for point in points)
    return scatter_chart(
        "pareto",
        "Carbon against the time to the first token",
        points,
        x_label="time to the first token, p99 [s]",
        y_label="Emissions from grid imports",
        unit=mass_unit.name,
        log_x=True,
        as_given=True,
        note="Better is lower and further left. Only requests that may not be deferred count: the "
        "delay of the others is not included."
        + (" In grey: baselines that do not look at the carbon intensity." if has_grey else "")
        + (" Upright lines: 95 % intervals." if any(p.y_interval for p in points) else "")
        + (" Of points close together, one is named." if len(shown) > _NAMED else ""),
    )


def _ends(figure: Interval, factor: float) -> tuple[float, float] | None:
    """Return the ends of an interval; None without one."""
    if not math.isfinite(figure.half_width):
        return None
    return tuple(  # type: ignore[return-value]
        (figure.mean + sign * figure.half_width) * factor for sign in (-1, 1)
    )


def _grouped(points: Sequence[Point]) -> list[Point]:
    """Return points of which those close together have one name, with the number of the others."""
    heights = [point.y for point in points]
    spread = max(heights) - min(heights)
    groups: list[list[Point]] = []
    for point in points:
        near = next((group for group in groups if _is_near(group[0], point, spread)), None)
        if near is None:
            groups.append([point])
        else:
            near.append(point)
    named = []
    for first, *others in groups:
        label = f"{first.name} + {len(others)}" if others else first.name
        named.append(replace(first, label=label))
        named += [replace(point, label="") for point in others]
    return named


def _is_near(point: Point, other: Point, spread: float) -> bool:
    """Return whether the names of two points would stand in each other's way."""
    return abs(point.y - other.y) <= 0.05 * spread and 0.85 < point.x / other.x < 1.18


def _savings(rows: Sequence[PolicyRow], everything: Sequence[PolicyRow]) -> BarChart:
    """Return the savings of the policies that have one, and what they save at other hours."""
    ordered = sorted((row for row in rows if not row.no_saving), key=lambda row: row.carbon_g.mean)
    moved = {
        row.variant.name: math.fsum(other.saving.mean for other in others) / len(others)
        for row in ordered
        if (others := _moved(row, everything))
    }
    ends = [_ends(row.saving, 100.0) or (math.nan, math.nan) for row in ordered]
    has_ends = any(math.isfinite(low) for low, _ in ends)
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
        "left work or filled a battery, are not drawn."
        + (" Lines: 95 % intervals of the policies; those at other hours have none." * has_ends),
        intervals={"the policy": ([low for low, _ in ends], [high for _, high in ends])}
        if has_ends
        else None,
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
