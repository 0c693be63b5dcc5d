"""The page of a sweep, from its folder."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from cosim.accounting.words import number, percent
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
from cosim.studies.sweep.cases import case_name
from cosim.studies.sweep.charts import measure_charts, pareto_chart
from cosim.studies.sweep.headline import (
    carbon_text,
    headline,
    same_everywhere,
    seconds_text,
    undone,
)
from cosim.studies.sweep.measures import (
    CARBON,
    ENERGY,
    HARDWARE,
    MEASURES,
    SERVICE,
    Measure,
    in_unit,
)
from cosim.studies.sweep.rows import CaseRow, Choice, choose, rows
from cosim.studies.sweep.sweep import Sweep
from cosim.studies.sweep.table import full_table, reading


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
    sections = [*_charts(sweep, every, choice), *_about(sweep, every, choice)]
    subtitle = f"{_counted(sweep, every)}. {sweep.description}".strip()
    return Page(f"{sweep.name}: cases compared", sections, subtitle, lead)


def _counted(sweep: Sweep, every: Sequence[CaseRow]) -> str:
    seeds = len(sweep.seeds)
    cases = f"{len(every):,} case{'' if len(every) == 1 else 's'}"
    return cases if seeds == 1 else f"{cases}, {seeds} seeds"


def _cards(
    sweep: Sweep, every: Sequence[CaseRow], choice: Choice
) -> Iterator[tuple[str, str, str]]:
    best, baseline = choice.best, choice.baseline
    if best is not None:
        yield "Least carbon", carbon_text(best, choice.figure), case_name(sweep.axes, best.values)
        if baseline is not None and baseline is not best and baseline.mean(choice.figure) > 0:
            share = 1 - best.mean(choice.figure) / baseline.mean(choice.figure)
            name = case_name(sweep.axes, baseline.values)
            yield "Saved", percent(share), f"against the baseline, {name}"
        if not math.isnan(latency_s := best.mean("ttft_p99_s")):
            yield "First token, p99", seconds_text(latency_s), "of the case with least carbon"
        if not math.isnan(met := best.mean("attainment")):
            yield "SLO attainment", f"{met:.2%}", "of its requests met their SLOs"
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

    def charts(measures: Sequence[Measure]) -> list[Chart | str]:
        return list(measure_charts(sweep.axes, every, measures))

    carbon = [
        measure
        for measure in CARBON
        if measure.figure != "per_1k_tokens_g" or measure.figure == choice.figure
    ]
    sections = [
        Section("choice", "Carbon against latency", [pareto] if pareto is not None else []),
        Section("carbon", "Carbon", charts(carbon)),
        Section("energy", "Energy and battery", charts(ENERGY)),
        Section("service", "Latency and service", charts(SERVICE)),
        Section("hardware", "Power and utilisation", charts(HARDWARE)),
    ]
    return [section for section in sections if section.blocks]


def _about(sweep: Sweep, every: Sequence[CaseRow], choice: Choice) -> Iterator[Section]:
    notes = [paragraph(note, kind="note") for note in reading(sweep, choice)]
    yield Section("cases", "All cases", [full_table(sweep, every, choice).html(), *notes])
    if len(every) > 1 and (same := same_everywhere(every)):
        lines = [
            (measure.label, f"{number(value * measure.factor)} {measure.unit}".strip())
            for measure, value in (
                (in_unit(MEASURES[name], every), value) for name, value in same.items()
            )
        ]
        yield Section("same", "The same in every case", [table((), lines)])
    settings = [paragraph(f"With --set {text}", kind="note") for text in sweep.settings]
    yield Section("study", "The study", [*settings, preformatted(sweep.text)])
    seeds = ", ".join(map(str, sweep.seeds))
    lines = [("seeds", seeds), *sweep.versions.items()]
    yield Section("versions", "Seeds and versions", [table((), lines)])
