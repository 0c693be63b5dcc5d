"""The page of an evaluation: headline, trade-off, table."""

from __future__ import annotations

import math

from cosim.accounting.words import mass
from cosim.report.charts import BarChart, Point, ScatterChart, bar_chart, scatter_chart
from cosim.report.page import Page, Section, cards, paragraph, preformatted, table
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.statistics import PolicyRow
from cosim.studies.evaluate.table import evaluation_table, label, notes
from inference_sim.files.yaml_text import write_yaml

_SCENARIO = (
    "With every default written out. Each policy's controllers take the place of the scenario's."
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
    policies = len({row.policy for row in evaluation.rows}) - 1
    seeds = len(evaluation.seeds)
    return (
        f"{policies} polic{'y' if policies == 1 else 'ies'} against doing nothing, "
        f"{seeds} seed{'' if seeds == 1 else 's'}"
    )


def _known(evaluation: Evaluation) -> list[PolicyRow]:
    """Return the rows of policies that served anything."""
    return [row for row in evaluation.rows if not math.isnan(row.carbon_g.mean)]


def _charts(evaluation: Evaluation) -> list[Section]:
    rows = _known(evaluation)
    pareto = _pareto(rows)
    return [
        *([Section("waiting", "Carbon against latency", [pareto])] if pareto else []),
        Section("savings", "Savings by policy", [_savings(rows)]),
    ]


def _about(evaluation: Evaluation) -> list[Section]:
    figures = evaluation_table(evaluation).html()
    remarks = [paragraph(note, kind="note") for note in notes(evaluation)]
    written = write_yaml(evaluation.scenario)
    made_with = [("seeds", ", ".join(map(str, evaluation.seeds))), *evaluation.versions.items()]
    return [
        Section("figures", "All figures", [figures, *remarks]),
        Section("scenario", "Scenario", [paragraph(_SCENARIO, kind="note"), preformatted(written)]),
        Section("versions", "Versions and seeds", [table((), made_with)]),
    ]


def _best(evaluation: Evaluation) -> PolicyRow:
    """Return the policy that emits least, of those that did their work and end as they began."""
    own = [row for row in evaluation.rows if not row.twin and not math.isnan(row.carbon_g.mean)]
    own = [row for row in own if not row.failures and not row.no_saving] or [evaluation.rows[0]]
    return min(own, key=lambda row: row.carbon_g.mean)


def _cards(evaluation: Evaluation) -> list[tuple[str, str, str]]:
    best, noop = _best(evaluation), evaluation.rows[0]
    shown = [
        ("Doing nothing", _mass(noop), "CO2e from grid imports"),
        ("Least", _mass(best), label(best)),
    ]
    if not math.isnan(best.saving.mean):
        shown.append(("Saved", _share(best.saving.mean, 1), "of the emissions of doing nothing"))
    if best.of_oracle is not None:
        shown.append(("Of the oracle", _share(best.of_oracle.mean, 0), "of the oracle's saving"))
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
    sure = "" if math.isinf(best.saving.half_width) or best.saving.is_zero else "significantly "
    text = (
        f"{label(best)} emits {sure}less than doing nothing: {_share(best.saving.mean, 1)} less "
        "from grid imports, for the same work."
    )
    if best.timing is not None:
        text += (
            f" {_share(best.timing.mean, 1)} is due to timing: it emits that much less than its "
            "carbon-agnostic baseline, which sees only the mean intensity."
        )
    return text


def _pareto(rows: list[PolicyRow]) -> ScatterChart | None:
    """Return carbon against latency; None where no request had to be served at once.

    Of points close together the first is named, or the lowest.
    """
    shown = [
        (row.ttft_p99_s, row.carbon_g.mean / 1000, row.policy)
        for row in (*rows[:1], *sorted(rows[1:], key=lambda row: row.carbon_g.mean))
        if row.ttft_p99_s is not None and not row.twin
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


def _savings(rows: list[PolicyRow]) -> BarChart:
    ordered = sorted((row for row in rows if not row.twin), key=lambda row: row.carbon_g.mean)
    twins = {row.policy: row for row in rows if row.twin}
    return bar_chart(
        "savings",
        "Saving against doing nothing",
        [row.policy for row in ordered],
        {
            "the policy": [_percent(row) for row in ordered],
            "its carbon-agnostic baseline": [
                _percent(twins[row.policy]) if row.policy in twins else math.nan for row in ordered
            ],
        },
        label="Emissions saved",
        unit="%",
        note="Savings beyond those of the carbon-agnostic baseline are due to timing.",
    )


def _percent(row: PolicyRow) -> float:
    """Return the saving of a policy to a tenth [%], and no zero below zero."""
    return round(row.saving.mean * 100, 1) + 0.0
