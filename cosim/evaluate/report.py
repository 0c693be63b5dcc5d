"""The page of an evaluation: the answer, the trade-off, the table."""

from __future__ import annotations

import math

from cosim.evaluate.evaluation import Evaluation
from cosim.evaluate.statistics import PolicyRow
from cosim.evaluate.table import HEADER, cells, label, notes
from cosim.report.charts import BarChart, Point, ScatterChart, bar_chart, scatter_chart
from cosim.report.page import Section, cards, page, paragraph, table


def evaluation_html(found: Evaluation) -> str:
    """Return the page of an evaluation, one file without anything from elsewhere."""
    rows = [row for row in found.rows if not math.isnan(row.carbon_g.mean)]
    blocks = [table(HEADER, [cells(row) for row in found.rows], numbers=range(1, len(HEADER)))]
    sections = [
        Section("waiting", "Carbon against waiting", [_pareto(rows)]),
        Section("savings", "What each policy saves", [_savings(rows)]),
        Section("figures", "All figures", [*blocks, *map(paragraph, notes(found))]),
    ]
    count = len(found.compared.seeds)
    return page(
        f"{found.compared.name}: policies compared",
        sections,
        subtitle=f"{len(rows)} rows, {count} seed{'s' if count > 1 else ''}",
        lead=[cards(_cards(found)), paragraph(_sentence(found))],
    )


def _best(found: Evaluation) -> PolicyRow:
    """Return the policy that emits least."""
    own = [row for row in found.rows if not row.twin and not math.isnan(row.carbon_g.mean)]
    return min(own, key=lambda row: row.carbon_g.mean)


def _cards(found: Evaluation) -> list[tuple[str, str, str]]:
    best, noop = _best(found), found.rows[0]
    shown = [
        ("Doing nothing", f"{noop.carbon_g.mean / 1000:.2f} kg", "CO2e of the import"),
        ("Least", f"{best.carbon_g.mean / 1000:.2f} kg", label(best)),
        ("Saved", f"{best.saving.mean:.0%}", "of the emissions of doing nothing"),
    ]
    if best.of_oracle is not None:
        shown.append(("Of the possible", f"{best.of_oracle.mean:.0%}", "of the oracle's saving"))
    if best.attainment is not None:
        shown.append(("Objectives", f"{best.attainment:.1%}", "of the requests meet theirs"))
    return shown


def _sentence(found: Evaluation) -> str:
    best, noop = _best(found), found.rows[0]
    if best is noop:
        return "No policy emits less than doing nothing."
    sure = "" if math.isinf(best.saving.half_width) or best.saving.is_zero else "significantly "
    text = (
        f"{label(best)} emits {sure}less than doing nothing: {best.saving.mean:.1%} of the "
        "emissions of the import, at the same work."
    )
    if best.timing is not None:
        text += (
            f" {best.timing.mean:.1%} is due to timing: against its twin, which does the same "
            "without seeing the intensity change."
        )
    return text


def _pareto(rows: list[PolicyRow]) -> ScatterChart:
    shown = sorted(
        (row for row in rows if row.ttft_p99_s is not None and not row.twin),
        key=lambda row: row.carbon_g.mean,
    )
    groups: list[list[PolicyRow]] = []
    spread_g = shown[-1].carbon_g.mean - shown[0].carbon_g.mean if shown else 0.0
    for row in shown:
        near = next((group for group in groups if _is_near(group[0], row, spread_g)), None)
        if near is None:
            groups.append([row])
        else:
            near.append(row)
    return scatter_chart(
        "pareto",
        "Carbon against the time to the first token",
        [
            Point(_names(group), group[0].ttft_p99_s or 0.0, group[0].carbon_g.mean / 1000)
            for group in groups
        ],
        x_label="99th percentile of the time to the first token [s], requests that may not wait",
        y_label="Emissions of the import",
        unit="kg",
        log_x=True,
        note="Better is lower and further left. Deferrable requests wait in front of the gateway; "
        "their waiting is not in here. Policies that can hardly be told apart share a point, that "
        "of the first one.",
    )


def _is_near(one: PolicyRow, other: PolicyRow, spread_g: float) -> bool:
    """Return whether two policies would stand in each other's way on the chart."""
    ratio = (one.ttft_p99_s or 1.0) / (other.ttft_p99_s or 1.0)
    close = abs(one.carbon_g.mean - other.carbon_g.mean) <= 0.05 * spread_g
    return close and 0.85 < ratio < 1.18


def _names(group: list[PolicyRow]) -> str:
    named = ", ".join(row.policy for row in group[:2])
    return named if len(group) < 3 else f"{named} and {len(group) - 2} more"


def _savings(rows: list[PolicyRow]) -> BarChart:
    ordered = sorted((row for row in rows if not row.twin), key=lambda row: -row.saving.mean)
    twins = {row.policy: row for row in rows if row.twin}
    return bar_chart(
        "savings",
        "Saving against doing nothing",
        [row.policy for row in ordered],
        {
            "the policy": [row.saving.mean * 100 for row in ordered],
            "its carbon-agnostic twin": [
                twins[row.policy].saving.mean * 100 if row.policy in twins else math.nan
                for row in ordered
            ],
        },
        label="Emissions saved",
        unit="%",
        note="What a policy saves beyond its twin, it saves by timing.",
    )
