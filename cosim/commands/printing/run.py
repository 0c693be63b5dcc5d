"""The printed report of a run: sites, controllers, notes and warnings."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console
from rich.text import Text

from cosim.accounting.words import duration, plural
from cosim.commands.printing.cache import cache_notes, cache_warnings
from cosim.commands.printing.control import print_control
from cosim.commands.printing.layout import print_row, wrapped
from cosim.commands.printing.notes import text_notes, trace_notes
from cosim.commands.printing.site import (
    carbon_rows,
    deployments_of,
    energy_balance,
    site_rows,
    work,
)
from cosim.report.headline import load_warning
from cosim.results.summary import LiveReport
from cosim.results.totals import ServingTotals
from cosim.studies.runs.execute import Result


def print_report(result: Result) -> None:
    """Print the report of a run."""
    console = Console(highlight=False, soft_wrap=True)
    summary = result.summary
    time, wall, totals = summary.time, summary.wall, summary.totals
    name = summary.scenario.name
    span = (
        f"{duration(time.duration_s)} from {time.start} in steps of {duration(time.step_s)}, "
        f"run in {wall.run_s:.1f} s ({wall.x_real_time:,.0f} x real time)"
    )
    first, *others = wrapped(console, span, len(name) + 2)
    console.print(Text.assemble((name, "bold"), f"  {first}"))
    for line in others:
        console.print(f"{'':<{len(name) + 2}}{line}")
    several = len(summary.sites) > 1
    deployments = {site.name: site.cluster for site in result.run.plan.sites}
    for name, site in summary.sites.items():
        if several:
            console.print(Text(name, style="bold"))
        cluster = deployments[name]
        if cluster is not None and isinstance(site, ServingTotals):
            for title, text in deployments_of(cluster, site):
                print_row(console, title, text)
            for text in cache_notes(cluster):
                print_row(console, "Memory", text)
        for title, text in site_rows(site):
            print_row(console, title, text)
    if several and totals is not None:
        console.print(Text("all sites", style="bold"))
        if isinstance(totals, ServingTotals):
            print_row(console, "Work", work(totals))
        print_row(console, "Energy", energy_balance(totals.energy_kwh))
        for title, text in carbon_rows(totals):
            print_row(console, title, text)
    if summary.sites:
        print_control(console, result)
    for text, stale in _live_notes(summary.live):
        print_row(console, "Live", text, style="yellow" if stale else "cyan")
    for text in trace_notes(result.run.plan):
        print_row(console, "Trace", text)
    for text in text_notes(result.run.plan, cached_only=True):
        print_row(console, "Trace", text)
    for planned in result.run.plan.sites:
        for text in planned.signal_notes:
            print_row(console, "Warning", f"{planned.name}: {text}", style="yellow")
        for text in cache_warnings(planned.cluster) if planned.cluster is not None else ():
            print_row(console, "Warning", f"{planned.name}: {text}", style="yellow")
    if totals is not None and (warning := load_warning(totals)):
        print_row(console, "Warning", warning, style="yellow")
    if result.run.plan.scenario.time.until == "drained" and not all(
        cluster.drained for cluster in result.run.clusters.values()
    ):
        text = "the run reached max_duration before every request had ended"
        print_row(console, "Warning", text, style="yellow")
    if result.folder is not None:
        print_row(console, "Results", str(result.folder))


def _live_notes(live: LiveReport | None) -> Iterator[tuple[str, bool]]:
    """Yield how the signals of a live run came, and whether any was stale."""
    if live is None:
        return
    late = f", at most {duration(live.late_s)} late" if live.late_s >= 1 else ""
    yield f"{live.speed:g} x the clock{late}", False
    for name, feed in live.sites.items():
        text = f"carbon intensity of {name} polled {plural(feed.polls, 'time')}"
        if feed.failed_polls:
            text += f", {feed.failed_polls:,} without a usable value"
        if feed.stale_steps:
            text += f"; stale in {plural(feed.stale_steps, 'step')}"
        if feed.oldest_s is not None:
            text += f"; at most {duration(feed.oldest_s)} old"
        yield text, bool(feed.stale_steps)
