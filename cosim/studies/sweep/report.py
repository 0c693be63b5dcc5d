"""The page of a sweep, from what its folder holds."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from cosim.report.charts import Chart
from cosim.report.page import (
    Section,
    alarm,
    cards,
    page,
    paragraph,
    preformatted,
    table,
    write_page,
)
from cosim.studies.sweep.answer import answer, carbon_text, same_everywhere, seconds_text, undone
from cosim.studies.sweep.charts import measure_charts, pareto_chart
from cosim.studies.sweep.measures import (
    CARBON,
    ENERGY,
    HARDWARE,
    MEASURES,
    SERVICE,
    Measure,
    in_unit,
)
from cosim.studies.sweep.record import read_sweep
from cosim.studies.sweep.rows import CaseRow, Choice, case_name, choose, rows
from cosim.studies.sweep.sweep import Sweep
from cosim.studies.sweep.table import full_table, reading
from cosim.words import number


def write_report(folder: Path) -> Path:
    """Write the page of a folder of ``cosim sweep`` into it, in place of an earlier one.

    Raises:
        ScenarioError: If it is no such folder.
        CosimError: If a file in it is damaged.
    """
    return write_page(folder, sweep_html(read_sweep(folder)))


def folder_charts(folder: Path) -> list[Chart]:
    """Return all charts of the page; see :func:`write_report`."""
    found = read_sweep(folder)
    every = rows(found)
    return [
        block
        for part in _charts(found, every, choose(every))
        for block in part.blocks
        if not isinstance(block, str)
    ]


def sweep_html(found: Sweep) -> str:
    """Return the page of a sweep."""
    every = rows(found)
    choice = choose(every)
    behind = list(undone(found.axes, every))
    lead = [
        *([alarm("Not every case did its work", *behind)] if behind else []),
        cards(_cards(found, every, choice)),
        *(paragraph(text) for text in answer(found.axes, every, choice) if text not in behind),
    ]
    sections = [*_charts(found, every, choice), *_about(found, every, choice)]
    subtitle = f"{_counted(found, every)}. {found.description}".strip()
    return page(f"{found.name}: cases compared", sections, subtitle=subtitle, lead=lead)


def _counted(found: Sweep, every: Sequence[CaseRow]) -> str:
    seeds = len(found.seeds)
    cases = f"{len(every):,} case{'' if len(every) == 1 else 's'}"
    return cases if seeds == 1 else f"{cases}, {seeds} seeds"


def _cards(
    found: Sweep, every: Sequence[CaseRow], choice: Choice
) -> Iterator[tuple[str, str, str]]:
    best, most = choice.best, choice.most
    if best is not None:
        yield "Least carbon", carbon_text(best, choice.figure), case_name(found.axes, best.values)
        if most is not None and most is not best and most.mean(choice.figure) > 0:
            share = 1 - best.mean(choice.figure) / most.mean(choice.figure)
            yield "Saved", f"{share:.0%}", f"against {case_name(found.axes, most.values)}"
        if not math.isnan(latency_s := best.mean("ttft_p99_s")):
            yield "First token, p99", seconds_text(latency_s), "of the case with least carbon"
        if not math.isnan(met := best.mean("attainment")):
            yield "Objectives", f"{met:.2%}", "of its requests meet theirs"
    done = sum(row.whole for row in every)
    yield (
        "Cases",
        f"{len(every):,}",
        "all did their work" if done == len(every) else (f"{done:,} of them did their work"),
    )


def _charts(found: Sweep, every: Sequence[CaseRow], choice: Choice) -> list[Section]:
    pareto = pareto_chart(found.axes, every, choice)

    def charts(measures: Sequence[Measure]) -> list[Chart | str]:
        return list(measure_charts(found.axes, every, measures))

    carbon = [
        one for one in CARBON if one.figure != "per_1k_tokens_g" or one.figure == choice.figure
    ]
    sections = [
        Section("choice", "Carbon against waiting", [pareto] if pareto is not None else []),
        Section("carbon", "Carbon", charts(carbon)),
        Section("energy", "Energy and battery", charts(ENERGY)),
        Section("service", "Latency and service", charts(SERVICE)),
        Section("hardware", "Power and utilisation", charts(HARDWARE)),
    ]
    return [part for part in sections if part.blocks]


def _about(found: Sweep, every: Sequence[CaseRow], choice: Choice) -> Iterator[Section]:
    shown = full_table(found, every, choice)
    named = [k for k, axis in enumerate(found.axes) if axis.numbers is None]
    numbers = [k for k in range(len(shown.head)) if k not in named]
    notes = [paragraph(note, kind="note") for note in reading(found, choice)]
    blocks = [table(shown.head, shown.lines, numbers=numbers, named=True), *notes]
    yield Section("cases", "All cases", blocks)
    if len(every) > 1 and (same := same_everywhere(every)):
        lines = [
            (one.label, f"{number(same[figure] * one.factor)} {one.unit}".strip())
            for figure, one in ((name, in_unit(MEASURES[name], every)) for name in same)
        ]
        yield Section("same", "The same in every case", [table((), lines)])
    told = [paragraph(f"With --set {one}", kind="note") for one in found.settings]
    yield Section("study", "The study", [*told, preformatted(found.text)])
    seeds = ", ".join(map(str, found.seeds))
    lines = [("seeds", seeds), *found.versions.items()]
    yield Section("versions", "Seeds and versions", [table((), lines)])
