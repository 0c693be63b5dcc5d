"""The report of a run: one page, from its result folder."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from cosim.accounting.words import duration, plural
from cosim.report.breakdown import breakdown_charts
from cosim.report.changes_table import changes_table
from cosim.report.charts import Chart
from cosim.report.clock import site_clocks
from cosim.report.headline import headline
from cosim.report.heat_map import HeatMap
from cosim.report.page import (
    Page,
    Section,
    alarm,
    cards,
    paragraph,
    preformatted,
    subheading,
    table,
)
from cosim.report.pools_table import pools_blocks
from cosim.report.run_charts import (
    SiteCharts,
    latency_chart,
    moment,
    pooled,
    slugs,
)
from cosim.report.run_data import RunData
from cosim.report.run_heat import heat_maps
from cosim.report.run_tables import hours_table, months_table, site_tables
from cosim.report.serving_table import serving_table
from cosim.report.sites_table import sites_table
from cosim.results.folder import FROM_PYTHON
from cosim.results.summary import Failure
from cosim.results.totals import ServingTotals

_BY_HOUR = "Means over all days, by {}."
Block = Chart | str


def folder_page(folder: Path) -> Page:
    """Return the report of a result folder.

    Raises:
        ScenarioError: If it is not one.
        CosimError: If a file in it is damaged.
    """
    return run_page(RunData.load(folder))


def run_page(run: RunData) -> Page:
    """Return the page of a run."""
    summary, scenario = run.summary, run.scenario
    subtitle = (
        f"{duration(run.duration_s)} from {run.start.day} {run.start:%b %Y %H:%M} UTC in steps of "
        f"{duration(run.step_s)}. {' '.join(str(scenario.get('description', '')).split())}"
    )
    lead: list[str] = []
    if summary.failure is not None:
        lead.append(_failure(run, summary.failure))
    if summary.sites:
        head = headline(summary)
        warnings = [*head.warnings, *_signal_notes(run)]
        lead += [alarm("Read with care", *warnings)] if warnings else []
        lead.append(cards(head.cards))
        if len(summary.sites) > 1:
            lead.append(sites_table(summary))
        lead += [paragraph(text) for text in head.sentences]
    sections = [*_charts(run), *_about(run)]
    return Page(summary.scenario.name, sections, subtitle.strip(), lead)


def _signal_notes(run: RunData) -> list[str]:
    """Return the corrections to the signals, and their assumptions."""
    notes: Mapping[str, Sequence[str]] = run.manifest.get("signal_notes", {})
    return [f"{site}: {note}." for site, of_site in notes.items() for note in of_site]


def _failure(run: RunData, failure: Failure) -> str:
    steps = run.summary.time.steps
    when = moment(run, failure.step * run.step_s)
    return alarm(
        f"This run failed at step {failure.step}, {when} UTC.",
        f"Reason: {failure.message}",
        f"Below are the {plural(steps, 'step')} until then."
        if steps
        else "It failed before the first step: only the scenario can be shown.",
    )


def _charts(run: RunData) -> list[Section]:
    if not run.summary.sites:
        return []
    names = list(run.summary.sites)
    suffixes = slugs(names)
    latencies = run.latencies()
    clocks = site_clocks(run.scenario["sites"])
    sites = {name: SiteCharts(run, name, suffixes[name], clocks[name]) for name in names}

    def by_site(make: Callable[[str], list[Block]]) -> list[Block]:
        blocks: list[Block] = []
        for name in names:
            of_site = make(name)
            if of_site and len(names) > 1:
                blocks.append(subheading(name))
            blocks += of_site
        return blocks

    def latency(name: str) -> list[Block]:
        classes, suffix = latencies.get(name, {}), suffixes[name]
        if not classes:
            return []
        charts = [latency_chart(f"latency{suffix}", "Latency of requests", pooled(classes))]
        if len(classes) > 1:
            by_class = {key: by_kind["e2e"] for key, by_kind in classes.items()}
            charts.append(
                latency_chart(
                    f"latency-class{suffix}",
                    "Latency of the whole request by class",
                    by_class,
                    by_class=True,
                )
            )
        return [chart for chart in charts if chart is not None]

    def serving(name: str) -> list[Block]:
        told = serving_table(run.summary.sites[name])
        return [*([told] if told else []), *_given(sites[name].serving())]

    def pools(name: str) -> list[Block]:
        tables = pools_blocks(run.summary.sites[name])
        return [*tables, *_given(sites[name].by_pool())] if tables else []

    tables = {site.site: site for site in site_tables(run)}

    def hours(name: str) -> list[Block]:
        site = tables[name]
        blocks: list[Block] = list(heat_maps(site, suffixes[name]))
        if site.has_hours:
            blocks += [
                paragraph(_BY_HOUR.format(site.clock.axis_label), kind="note"),
                hours_table(site),
            ]
        return blocks

    def months(name: str) -> list[Block]:
        return [months_table(tables[name])] if tables[name].has_months else []

    sections = [
        Section("power", "Power", by_site(lambda name: [sites[name].power()])),
        Section("charge", "Battery", by_site(lambda name: _given(sites[name].charge()))),
        Section("pools", "Pools", by_site(pools)),
        Section("serving", "Serving and control", by_site(serving)),
        Section("changes", "Controller actions", changes_table(run)),
        Section("latency", "Latency", by_site(latency)),
        Section("breakdown", "Breakdown of energy and carbon", _breakdown(run, suffixes)),
    ]
    by_time = [
        Section("hours", "By hour of the day", by_site(hours)),
        Section("months", "By month", by_site(months)),
    ]
    is_long = any(isinstance(block, HeatMap) for block in by_time[0].blocks)
    place = 1 if is_long else len(sections) - 1
    sections[place:place] = by_time
    return [part for part in sections if part.blocks]


def _given(chart: Chart | None) -> list[Block]:
    return [] if chart is None else [chart]


def _breakdown(run: RunData, suffixes: dict[str, str]) -> list[Block]:
    sites, name = run.summary.sites, run.summary.scenario.name
    blocks: list[Block] = list(breakdown_charts({name: list(sites.values())}))
    if len(sites) > 1:
        blocks.insert(0, subheading("all sites"))
        for site, totals in sites.items():
            charts = breakdown_charts({name: [totals]}, suffixes[site])
            if not isinstance(totals, ServingTotals):  # a bar alone says nothing
                charts = [chart for chart in charts if len(chart.categories) > 1]
            blocks += [subheading(site), *charts] if charts else []
    return blocks


def _about(run: RunData) -> list[Section]:
    manifest, summary = run.manifest, run.summary
    rows: list[Sequence[str]] = [
        ("seed", str(manifest["seed"])),
        ("hash of the scenario and its files", summary.scenario.hash),
        ("cosim", manifest["cosim"]),
        ("Python", manifest["python"]),
        *((name, text) for name, text in manifest["libraries"].items()),
    ]
    inputs = [
        (place, Path(file["path"]).name, file["sha256"])
        for place, file in manifest["inputs"].items()
    ]
    versions: list[Block] = [table((), rows)]
    if inputs:
        versions += [subheading("Input files"), table(("for", "file", "SHA-256"), inputs)]
    return [
        Section("scenario", "Scenario", [_scenario_note(run), preformatted(run.scenario_text)]),
        Section("versions", "Versions and seed", versions),
    ]


def _scenario_note(run: RunData) -> str:
    text = "With every default written out, as in scenario.resolved.yaml"
    again = "it can be run again."
    if FROM_PYTHON in run.manifest:
        again = "it cannot be run again by itself, since Python gave it a controller."
    return paragraph(f"{text}; {again}", kind="note")
