"""The printed changes of a run's controllers."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta

from rich.console import Console

from controllers import ActuatorChange
from cosim.accounting.words import duration, plural, setting
from cosim.commands.printing.layout import INDENT, line_width, print_row, wrapped
from cosim.results.in_force import SettingUse
from cosim.studies.runs.execute import Result

_SHOWN_ACTIONS = 4


def print_control(console: Console, result: Result) -> None:
    """Print the changes of each controller: their number, and the first few of them."""
    start = result.run.plan.scenario.time.start
    several = len(result.summary.sites) > 1
    for entry, counted in zip(result.run.plan.controllers, result.summary.controllers, strict=True):
        changes = [
            change
            for change in result.run.host.changes
            if change.controller == entry.name
            and entry.site in (None, change.site)
            and change.actuator in entry.controller.actuators
        ]
        where = f" on {counted.site}" if counted.site and several else ""
        number = "no change" if not changes else plural(len(changes), "change")
        print_row(console, "Control", f"{entry.name}{where}: {number}")
        _print_changes(console, start, changes)
        for actuator, use in counted.settings.items():
            if changes and use.in_force_s:
                print_row(console, "", _use(actuator, use))
    for site, guard in result.run.host.guards.items():
        if guard.active_s:
            where = f" on {site}" if several else ""
            print_row(
                console,
                "Guard",
                f"the SLO guard{where} kept throttles open, and deferrable requests queued, for "
                f"{duration(guard.active_s)}; last reason: {guard.reason}",
            )


def _use(actuator: str, use: SettingUse) -> str:
    """Return for how long a setting was in force and mattered."""
    if not use.mattered_s:
        return (
            f"{actuator} was set for {duration(use.in_force_s)} and never mattered: without it "
            "the run would have been the same"
        )
    share = "throughout"
    if use.mattered_s < use.in_force_s:
        share = f"for {duration(use.mattered_s)} of it"
    return f"{actuator} was set for {duration(use.in_force_s)}, and mattered {share}"


def _print_changes(console: Console, start: datetime, changes: Sequence[ActuatorChange]) -> None:
    """Print the first changes in columns: time, old and new value, reason."""
    shown = changes[:_SHOWN_ACTIONS]
    settings = [
        f"{change.label} {setting(change.actuator, change.old)} -> "
        f"{setting(change.actuator, change.new)}"
        for change in shown
    ]
    wide = max(map(len, settings), default=0)
    heads = [
        f"{start + timedelta(seconds=change.time_s):%d %b %H:%M}Z  {text:<{wide}}  "
        for change, text in zip(shown, settings, strict=True)
    ]
    longest = max(
        (len(head) + len(change.reason) for head, change in zip(heads, shown, strict=True)),
        default=0,
    )
    indent = INDENT if INDENT + longest <= line_width(console) else 2
    for head, change in zip(heads, shown, strict=True):
        before = " " * indent + head
        for line in wrapped(console, change.reason, len(before)):
            console.print(f"{before}{line}".rstrip(), markup=False)
            before = " " * len(before)
    if len(changes) > len(shown):
        console.print(f"{'':<{indent}}and {len(changes) - len(shown)} more in actions.parquet")
