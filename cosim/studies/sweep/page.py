"""The page of a sweep, from its folder."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from cosim.accounting.words import number, percent
from cosim.report import bar_table
from cosim.report.charts import Chart
from cosim.report.page import (
    Page,
    Section,
    alarm,
    cards,
    paragraph,
    preformatted,
    table,
)
from cosim.studies.sweep.bars import case_table, shown_measures
from cosim.studies.sweep.cases import case_name
from cosim.studies.sweep.charts import measure_charts, pareto_chart
from cosim.studies.sweep.headline import (
    alike,
    carbon_text,
    headline,
    is_same,
    seconds_text,
    undone,
)
from cosim.studies.sweep.measures import (
    CARBON,
    ENERGY,
    HARDWARE,
    MEASURES,
    NOISE,
    SERVICE,
    Measure,
    in_unit,
)
from cosim.studies.sweep.rows import CaseRow, Choice, choose, rows
from cosim.studies.sweep.sweep import Sweep
from cosim.studies.sweep.table import currency, full_table, reading


def sweep_page(sweep: Sweep) -> Page:
    """Return the page of a sweep."""
    every = rows(sweep)
    choice = choose(every, sweep.baseline)
    behind = list(undone(sweep.axes, every))
    lead = [
        *([alarm("Not every case completed its work", *behind)] if behind else []),
        cards(_cards(sweep, every, choice)),
        *(paragraph(text) for text in headline(sweep.axes, every, choice) if text not in behind),
    ]
    sections = [
        Section("cases", "The cases", list(_cases(sweep, every, choice))),
        *_charts(sweep, every, choice),
        *_about(sweep, every, choice),
    ]
    subtitle = f"{_counted(sweep, every)}. {sweep.description}".strip()
    return Page(
        f"{sweep.name}: cases compared",
        sections,
        subtitle,
        lead,
        style=bar_table.style(),
        script=bar_table.script(),
    )


def _counted(sweep: Sweep, every: Sequence[CaseRow]) -> str:
    seeds = len(sweep.seeds)
    cases = f"{len(every):,} case{'' if len(every) == 1 else 's'}"
    return cases if seeds == 1 else f"{cases}, {seeds} seeds"


def _cards(
    sweep: Sweep, every: Sequence[CaseRow], choice: Choice
) -> Iterator[tuple[str, str, str]]:
    best, baseline = choice.best, choice.baseline
    if best is not None:
        yield (
            "Least carbon",
            carbon_text(best, choice.figure, every),
            case_name(sweep.axes, best.values),
        )
        if baseline is not None and baseline is not best and baseline.mean(choice.figure) > 0:
            share = 1 - best.mean(choice.figure) / baseline.mean(choice.figure)
            name = case_name(sweep.axes, baseline.values)
            yield "Saved", percent(share), f"against the baseline, {name}"
        if not math.isnan(latency_s := best.mean("ttft_p99_s")):
            base_s = math.nan if baseline is None else baseline.mean("ttft_p99_s")
            remark = "of the case with least carbon"
            if baseline is not best and not math.isnan(base_s):
                remark += f"; {seconds_text(base_s)} with the baseline"
            yield "First token, p99", seconds_text(latency_s), remark
        if not math.isnan(met := best.mean("attainment")):
            yield "SLO attainment", percent(met, 2), "of its requests met their SLOs"
    done = sum(row.whole for row in every)
    yield (
        "Cases",
        f"{len(every):,}",
        "all completed their work"
        if done == len(every)
        else (f"{done:,} of them completed their work"),
    )


def _charts(sweep: Sweep, every: Sequence[CaseRow], choice: Choice) -> list[Section]:
    pareto = pareto_chart(sweep.axes, every, choice)

    shown = {measure.figure for measure in shown_measures(every, choice)}

    def charts(measures: Sequence[Measure]) -> list[Chart | str]:
        of_columns = [measure for measure in measures if measure.figure in shown]
        return list(measure_charts(sweep.axes, every, of_columns))

    sections = [
        Section("choice", "Carbon against latency", [pareto] if pareto is not None else []),
        Section("carbon", "Carbon", charts(CARBON)),
        Section("energy", "Energy and battery", charts(ENERGY)),
        Section("service", "Latency and service", charts(SERVICE)),
        Section("hardware", "Power and utilisation", charts(HARDWARE)),
    ]
    return [section for section in sections if section.blocks]


def _cases(sweep: Sweep, every: Sequence[CaseRow], choice: Choice) -> Iterator[str]:
    yield case_table(sweep, every, choice, currency(every))
    if len(every) > 1:
        yield paragraph(
            "Only figures that differ by more than "
            f"{percent(NOISE, 1)} have a column. Bars begin at 0; where the cases lie near each "
            "other they begin at the baseline, the upright line, and show the difference from it. "
            "A click on a head sorts.",
            kind="note",
        )
    for note in reading(sweep, choice):
        yield paragraph(note, kind="note")


def _range(measure: Measure, low: float, high: float) -> str:
    """Return the values of a figure that hardly differs."""
    texts = dict.fromkeys(number(value * measure.factor) for value in (low, high))
    return f"{' to '.join(texts)} {measure.unit}".strip()


def _about(sweep: Sweep, every: Sequence[CaseRow], choice: Choice) -> Iterator[Section]:
    yield Section("figures", "All figures", [full_table(sweep, every, choice).html()])
    if len(every) > 1 and (same := alike(every)):
        lines = [
            (in_unit(MEASURES[name], every).label, _range(in_unit(MEASURES[name], every), *ends))
            for name, ends in same.items()
        ]
        is_exact = all(is_same(ends) for ends in same.values())
        title = "in every case" if is_exact else f"in every case, within {percent(NOISE, 1)}"
        yield Section("same", f"The same {title}", [table((), lines)])
    settings = [paragraph(f"With --set {text}", kind="note") for text in sweep.settings]
    yield Section("study", "The study", [*settings, preformatted(sweep.text)])
    seeds = ", ".join(map(str, sweep.seeds))
    lines = [("seeds", seeds), *sweep.versions.items()]
    yield Section("versions", "Seeds and versions", [table((), lines)])
