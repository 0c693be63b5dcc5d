"""The page of a comparison: runs to choose, the table, charts over time, latencies, breakdown.

Each run has a colour of its own in all charts, by which the style sheet hides what belongs to a run
that is not chosen. Another baseline is chosen in the page too: its texts stand there already, and
the script rewrites the differences.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from html import escape
from importlib.resources import files

from cosim.accounting.words import duration, mass, plural
from cosim.report.breakdown import breakdown_charts
from cosim.report.charts import Chart
from cosim.report.difference import Difference
from cosim.report.headline import figure_cards
from cosim.report.page import Page, Section, alarm, cards, paragraph, subheading, table
from cosim.report.palette import CYCLE, series_color
from cosim.report.run_charts import slugs
from cosim.report.svg import element
from cosim.studies.compare.alike import why_not_equal
from cosim.studies.compare.compared_run import ComparedRun
from cosim.studies.compare.distributions import latency_charts
from cosim.studies.compare.measures import Measure
from cosim.studies.compare.overlay import DASHES, TimeCharts
from cosim.studies.compare.side_by_side import SideBySide
from cosim.studies.compare.table import reading

_BESIDE = 4
"""Most runs of a table whose differences stand beside the values, not below."""
_IN_WORDS = 3
"""Most runs whose differences are told in sentences too."""
Block = Chart | str


def comparison_page(comparison: SideBySide) -> Page:
    """Return the page of a comparison of at most as many runs as there are colours."""
    note = paragraph(reading(comparison), kind="note")
    sections = [
        Section("figures", "Figures", [_figures(comparison), note]),
        Section("settings", "Settings that differ", _settings(comparison)),
        Section("time", "Over time", list(_over_time(comparison))),
        Section("latency", "Latency", list(_latencies(comparison))),
        Section("breakdown", "Breakdown of energy and carbon", list(_breakdown(comparison))),
    ]
    return Page(
        " and ".join(comparison.names) if len(comparison.runs) == 2 else "Runs side by side",
        [section for section in sections if section.blocks],
        _subtitle(comparison),
        list(_lead(comparison)),
        bar=_bar(comparison),
        style=_hiding() + _resource("compare.css"),
        script=_resource("compare.js"),
    )


def _subtitle(comparison: SideBySide) -> str:
    """Return how many runs there are, of which scenarios, and of which time."""
    runs = [run.data for run in comparison.runs]
    names = list(dict.fromkeys(run.summary.scenario.name for run in runs))
    lengths_s = sorted({run.duration_s for run in runs})
    length = duration(lengths_s[0])
    if len(lengths_s) > 1:
        length += f" to {duration(lengths_s[-1])}"
    first, *others = sorted({run.start for run in runs})
    start = f"from {first.day} {first:%b %Y %H:%M} UTC" + (" on" if others else "")
    return f"{plural(len(runs), 'run')} of {', '.join(names)}: {length} {start}."


def _lead(comparison: SideBySide) -> Iterator[str]:
    """Yield warnings, cards and sentences against each run that may be chosen as the baseline."""
    for number in range(len(comparison.runs)):
        against = comparison.against(number)
        parts = [alarm("Read with care", *against.warnings)] if against.warnings else []
        if len(comparison.runs) == 2:
            run, base = comparison.runs[1 - number], comparison.runs[number]
            others = figure_cards(run.data.summary, base.data.summary, base.name)
            parts.append(cards([_carbon_card(run, base), *others]))
        if len(comparison.runs) <= _IN_WORDS:
            parts += [paragraph(text) for text in against.sentences]
        hidden = "" if number == comparison.baseline else " hidden"
        yield f'<div data-against="{number}"{hidden}>{"".join(parts)}</div>'


def _carbon_card(run: ComparedRun, base: ComparedRun) -> tuple[str, str, str]:
    """Return the name, the value and the remark of the card that the others follow."""
    own_g, total_g = run.figures.equal_work_g, run.totals.carbon_g.total
    embodied = f"{mass(total_g)} with the embodied"
    if reason := why_not_equal(run, base):
        remark = f"no saving against {base.name}: {reason}; {embodied}"
        return "Carbon from the grid", mass(run.totals.carbon_g.import_), remark
    difference = Difference(own_g, base.figures.equal_work_g).less_than(base.name)
    lower = Difference(total_g, base.totals.carbon_g.total).lower()
    remark = f"{difference}; {embodied}, {lower}"
    return "Carbon from the grid, at equal work", mass(own_g), remark


def _bar(comparison: SideBySide) -> str:
    """Return the runs to choose from, which are the legend of all charts too."""
    picks = "".join(
        f'<label><input type="checkbox" id="show-{series_color(index)}" checked>'
        f"{_swatch(index)}<span>{escape(name)}</span></label>"
        for index, name in enumerate(comparison.names)
    )
    options = "".join(
        f'<option value="{index}"{" selected" if index == comparison.baseline else ""}>'
        f"{escape(name)}</option>"
        for index, name in enumerate(comparison.names)
    )
    return (
        f'<div class="runs"><div><div class="picks" role="group" aria-label="Runs to show">{picks}'
        f'</div><label class="against">against <select id="baseline">{options}</select></label>'
        "</div></div>"
    )


def _swatch(index: int) -> str:
    line = element(
        "path",
        d="M1 6H33",
        class_=f"line {series_color(index)}",
        stroke_dasharray=DASHES[index % len(DASHES)],
    )
    return f'<svg class="chart key" viewBox="0 0 34 12" aria-hidden="true">{line}</svg>'


def _figures(comparison: SideBySide) -> str:
    head = "".join(
        f'<th scope="col" class="number" data-color="{series_color(index)}">{_swatch(index)}'
        f"<br>{escape(name)}</th>"
        for index, name in enumerate(comparison.names)
    )
    columns = len(comparison.runs) + 1
    beside = " beside" if len(comparison.runs) <= _BESIDE else ""
    rows = []
    group = ""
    for measure in comparison.measures:
        if measure.group != group:
            group = measure.group
            rows.append(
                f'<tr class="group"><th scope="rowgroup" colspan="{columns}">{escape(group)}</th>'
                "</tr>"
            )
        rows.append(_row(measure, comparison))
    return (
        f'<div class="wide-table{beside}" tabindex="0"><table id="figures-table">'
        f'<thead><tr><th scope="col"></th>{head}</tr></thead><tbody>{"".join(rows)}</tbody>'
        "</table></div>"
    )


def _row(measure: Measure, comparison: SideBySide) -> str:
    cells = []
    for index in range(len(comparison.runs)):
        reasons = [by_run[index] for by_run in measure.unequal]
        unequal = f' data-unequal="{escape(json.dumps(reasons))}"' if any(reasons) else ""
        value = measure.values[index]
        number = "" if value is None else repr(float(value))
        difference = measure.difference(index, comparison.baseline)
        cells.append(
            f'<td class="number" data-color="{series_color(index)}" data-value="{number}"{unequal}>'
            f"{escape(measure.text(index))}<small>{escape(difference)}</small></td>"
        )
    hidden = " hidden" if measure.repeated else ""
    return (
        f'<tr data-kind="{measure.kind}" data-column="{escape(measure.column)}"{hidden}>'
        f'<th scope="row">{escape(measure.title)}</th>{"".join(cells)}</tr>'
    )


def _settings(comparison: SideBySide) -> list[Block]:
    if not comparison.settings:
        return [paragraph("The scenarios have the same settings.")]
    rows = [[setting.path, *setting.values] for setting in comparison.settings]
    wide = range(1, len(comparison.names) + 1)
    return [table(["", *comparison.names], rows, wide=list(wide), named=True)]


def _over_time(comparison: SideBySide) -> Iterator[Block]:
    charts = TimeCharts.of(comparison.runs)
    sites = _sites(comparison)
    if len(sites) == 1:
        yield from charts.charts(sites[0], "")
        return
    if all(len(run.data.steps) == 1 for run in comparison.runs):  # one each, of several names
        yield from charts.charts(None, "")
        return
    yield subheading("all sites")
    yield from charts.charts(None, "")
    suffixes = slugs(sites)
    for site in sites:
        yield subheading(site)
        yield from charts.charts(site, suffixes[site])


def _latencies(comparison: SideBySide) -> Iterator[Block]:
    for heading, charts in latency_charts(comparison.runs):
        if charts and heading:
            yield subheading(heading)
        yield from charts


def _breakdown(comparison: SideBySide) -> Iterator[Block]:
    sites = _sites(comparison)
    if len(sites) > 1:
        yield subheading("all sites")
    yield from breakdown_charts(
        {run.name: list(run.data.summary.sites.values()) for run in comparison.runs}
    )
    suffixes = slugs(sites)
    for site in sites if len(sites) > 1 else []:
        yield subheading(site)
        of_site = {
            run.name: [totals] if (totals := run.data.summary.sites.get(site)) else []
            for run in comparison.runs
        }
        yield from breakdown_charts(of_site, suffixes[site])


def _sites(comparison: SideBySide) -> list[str]:
    """Return the names of the sites of all runs."""
    return list(dict.fromkeys(site for run in comparison.runs for site in run.data.steps))


def _hiding() -> str:
    """Return the rules that hide the runs that are not chosen."""
    return "".join(
        f"body:has(#show-{color}:not(:checked)) "
        f":is(figure svg.chart .{color},[data-color={color}]){{display:none}}\n"
        for color in CYCLE
    )


def _resource(name: str) -> str:
    return files("cosim.studies.compare").joinpath(name).read_text(encoding="utf-8")
