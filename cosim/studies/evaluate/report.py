"""The page of an evaluation: the answer, the trade-off, the table."""

from __future__ import annotations

import math
from pathlib import Path

from cosim.report.charts import BarChart, Chart, Point, ScatterChart, bar_chart, scatter_chart
from cosim.report.page import Section, cards, page, paragraph, preformatted, table, write_page
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.record import read_evaluation
from cosim.studies.evaluate.statistics import PolicyRow
from cosim.studies.evaluate.table import HEADER, cells, label, notes
from cosim.words import mass
from inference_sim.files.yaml_text import write_yaml

_SCENARIO = (
    "With every default written out. Each policy's controllers take the place of the scenario's."
)


def write_report(folder: Path) -> Path:
    """Write the page of a folder of ``cosim evaluate`` into it, in place of an earlier one.

    Raises:
        ScenarioError: If it is no such folder.
        CosimError: If a file in it is damaged.
    """
    return write_page(folder, evaluation_html(read_evaluation(folder)))


def folder_charts(folder: Path) -> list[Chart]:
    """Return all charts of the page; see :func:`write_report`."""
    return [
        block
        for part in _charts(read_evaluation(folder))
        for block in part.blocks
        if not isinstance(block, str)
    ]


def evaluation_html(found: Evaluation) -> str:
    """Return the page of an evaluation, one file without anything from elsewhere."""
    told = " ".join(str(found.scenario.get("description", "")).split())
    return page(
        f"{found.name}: policies compared",
        [*_charts(found), *_about(found)],
        subtitle=f"{_counted(found)}. {told}".strip(),
        lead=[cards(_cards(found)), paragraph(_sentence(found))],
    )


def _counted(found: Evaluation) -> str:
    policies = len({row.policy for row in found.rows}) - 1
    seeds = len(found.seeds)
    return (
        f"{policies} polic{'y' if policies == 1 else 'ies'} against doing nothing, "
        f"{seeds} seed{'' if seeds == 1 else 's'}"
    )


def _known(found: Evaluation) -> list[PolicyRow]:
    """Return the rows of what served anything."""
    return [row for row in found.rows if not math.isnan(row.carbon_g.mean)]


def _charts(found: Evaluation) -> list[Section]:
    rows = _known(found)
    pareto = _pareto(rows)
    return [
        *([Section("waiting", "Carbon against waiting", [pareto])] if pareto else []),
        Section("savings", "What each policy saves", [_savings(rows)]),
    ]


def _about(found: Evaluation) -> list[Section]:
    numbers = range(1, len(HEADER))
    lines = [cells(row) for row in found.rows]
    figures = table(HEADER, lines, numbers=numbers, named=True)
    told = [paragraph(one, kind="note") for one in notes(found)]
    written = write_yaml(found.scenario)
    made_with = [("seeds", ", ".join(map(str, found.seeds))), *found.versions.items()]
    return [
        Section("figures", "All figures", [figures, *told]),
        Section("scenario", "Scenario", [paragraph(_SCENARIO, kind="note"), preformatted(written)]),
        Section("versions", "Versions and seeds", [table((), made_with)]),
    ]


def _best(found: Evaluation) -> PolicyRow:
    """Return the policy that emits least, of those whose runs all came to their end."""
    own = [row for row in found.rows if not row.twin and not math.isnan(row.carbon_g.mean)]
    own = [row for row in own if not row.failures] or [found.rows[0]]
    return min(own, key=lambda row: row.carbon_g.mean)


def _cards(found: Evaluation) -> list[tuple[str, str, str]]:
    best, noop = _best(found), found.rows[0]
    shown = [
        ("Doing nothing", _mass(noop), "CO2e of the import"),
        ("Least", _mass(best), label(best)),
    ]
    if not math.isnan(best.saving.mean):
        shown.append(("Saved", _share(best.saving.mean, 1), "of the emissions of doing nothing"))
    if best.of_oracle is not None:
        shown.append(("Of the possible", _share(best.of_oracle.mean, 0), "of the oracle's saving"))
    if best.attainment is not None:
        shown.append(("Objectives", _share(best.attainment, 2), "of the requests meet theirs"))
    return shown


def _mass(row: PolicyRow) -> str:
    return "-" if math.isnan(row.carbon_g.mean) else mass(row.carbon_g.mean)


def _share(share: float, digits: int) -> str:
    return f"{share * 100:.{digits}f} %"


def _sentence(found: Evaluation) -> str:
    best, noop = _best(found), found.rows[0]
    if best.carbon_g.mean >= noop.carbon_g.mean or math.isnan(best.saving.mean):
        return "No policy emits less than doing nothing."
    sure = "" if math.isinf(best.saving.half_width) or best.saving.is_zero else "significantly "
    text = (
        f"{label(best)} emits {sure}less than doing nothing: {_share(best.saving.mean, 1)} less by "
        "the import, at the same work."
    )
    if best.timing is not None:
        text += (
            f" {_share(best.timing.mean, 1)} is due to timing: against its twin, which does "
            "the same without seeing the intensity change."
        )
    return text


def _pareto(rows: list[PolicyRow]) -> ScatterChart | None:
    """Return carbon against latency; None where no request had to be served at once.

    Of points close together the first is named, or the lowest.
    """
    shown = [
        (row.ttft_p99_s, row.carbon_g.mean / 1000, row.policy)
        for row in (*rows[:1], *sorted(rows[1:], key=lambda one: one.carbon_g.mean))
        if row.ttft_p99_s is not None and not row.twin
    ]
    if not shown:
        return None
    spread_kg = max(one[1] for one in shown) - min(one[1] for one in shown)
    groups: list[list[tuple[float, float, str]]] = []
    for one in shown:
        near = next((group for group in groups if _is_near(group[0], one, spread_kg)), None)
        if near is None:
            groups.append([one])
        else:
            near.append(one)
    points = []
    for (x, y, name), *others in groups:
        points.append(Point(name, x, y, label=f"{name} + {len(others)}" if others else name))
        points += [Point(name, x, y, label="") for x, y, name in others]
    return scatter_chart(
        "pareto",
        "Carbon against the time to the first token",
        points,
        x_label="time to the first token, p99 [s]",
        y_label="Emissions of the import",
        unit="kg",
        log_x=True,
        note="Better is lower and further left. Of requests that may not be deferred: the waiting "
        "of the others is not in here. Of points close together one is named.",
    )


def _is_near(
    one: tuple[float, float, str], other: tuple[float, float, str], spread_kg: float
) -> bool:
    """Return whether the names of two points would stand in each other's way."""
    return abs(one[1] - other[1]) <= 0.05 * spread_kg and 0.85 < one[0] / other[0] < 1.18


def _savings(rows: list[PolicyRow]) -> BarChart:
    ordered = sorted((row for row in rows if not row.twin), key=lambda row: row.carbon_g.mean)
    twins = {row.policy: row for row in rows if row.twin}
    return bar_chart(
        "savings",
        "Saving against doing nothing",
        [row.policy for row in ordered],
        {
            "the policy": [_percent(row) for row in ordered],
            "its carbon-agnostic twin": [
                _percent(twins[row.policy]) if row.policy in twins else math.nan for row in ordered
            ],
        },
        label="Emissions saved",
        unit="%",
        note="What a policy saves beyond its twin, it saves by timing.",
    )


def _percent(row: PolicyRow) -> float:
    """Return the saving of a policy to a tenth [%], and no zero below zero."""
    return round(row.saving.mean * 100, 1) + 0.0
