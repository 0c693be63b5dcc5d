"""The changes of actuators, each with the observation of its controller."""

from __future__ import annotations

import math
from datetime import timedelta

from cosim.accounting.words import number, setting
from cosim.report.clock import site_clocks
from cosim.report.page import paragraph, table
from cosim.report.run_charts import MOST_CHANGES, change_key, moment
from cosim.report.run_data import RunData

_OBSERVED = {
    "carbon_intensity_g_per_kwh": "intensity [g/kWh]",
    "solar_w": "solar [W]",
    "battery_soc": "state of charge [%]",
    "facility_power_w": "load [W]",
    "gateway_waiting": "queued at the gateway",
    "replica_waiting": "queued in replicas",
    "running": "running",
}


def changes_table(run: RunData) -> list[str]:
    """Return the changes of actuators with the observations that led to them; empty for none."""
    actions = run.actions
    if not run.summary.controllers:
        return []
    if not actions:
        return [paragraph("No actuator was changed.")]
    several = len(run.summary.sites) > 1
    clocks = site_clocks(run.scenario["sites"])
    local = any(not clock.is_utc for clock in clocks.values())
    known = [
        name
        for name in _OBSERVED
        if any(getattr(change, name) is not None for change in actions[:MOST_CHANGES])
    ]
    head = [
        "time, UTC (local)" if local else "time, UTC",
        *(["site"] if several else []),
        "controller",
        "actuator",
    ]
    head += ["from", "to", "reason", *(_OBSERVED[name] for name in known)]
    rows = []
    for change in actions[:MOST_CHANGES]:
        when = moment(run, change.time_s)
        if not (clock := clocks[change.site]).is_utc:
            when += f" ({clock.local(run.start + timedelta(seconds=change.time_s)):%H:%M})"
        row = [when, *([change.site] if several else [])]
        row += [change.controller, change.label, setting(change.actuator, change.old)]
        row += [setting(change.actuator, change.new), change.reason]
        for name in known:
            value = getattr(change, name)
            shown = math.nan if value is None else float(value)
            row.append(number(shown * 100 if name == "battery_soc" else shown))
        rows.append(row)
    reason = head.index("reason")
    numbers = [k for k in range(reason - 2, len(head)) if k != reason]
    keys = [change_key(index) for index in range(len(rows))]
    note = (
        "Each change with the observation of its controller: the signals of the step that begins, "
        "and the state of its site after the step before."
    )
    blocks: list[str] = [
        paragraph(note, kind="note"),
        table(head, rows, numbers=numbers, wide=[reason], keys=keys),
    ]
    if len(actions) > len(rows):
        more = f"And {len(actions) - len(rows):,} more in actions.parquet."
        blocks.append(paragraph(more, kind="note"))
    return blocks
