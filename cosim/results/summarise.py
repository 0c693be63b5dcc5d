"""From a run to its summary."""

from __future__ import annotations

import math

from cosim.loop.live import Live
from cosim.loop.record import Run
from cosim.results.in_force import setting_use
from cosim.results.pooling import totals_of
from cosim.results.requests import RequestLog
from cosim.results.site_totals import site_totals
from cosim.results.summary import (
    ControllerActions,
    Failure,
    FeedReport,
    LiveReport,
    ScenarioName,
    SimulatedTime,
    Summary,
    WallTime,
)
from cosim.results.totals import ServingTotals


def summarise(run: Run, log: RequestLog, scenario_hash: str, run_s: float) -> Summary:
    """Return the summary of a run.

    Args:
        run: The run.
        log: Its requests.
        scenario_hash: Hash of the scenario and its input files.
        run_s: Wall time of the run [s].
    """
    scenario, steps = run.plan.scenario, run.recorder.steps
    time, latencies = scenario.time, log.sites
    simulated_s = steps * time.step_s
    sites = {
        site.name: site_totals(
            run, site, latencies[site.name] if site.cluster is not None else None
        )
        for site in run.plan.sites
        if steps
    }
    totals = totals_of(list(sites.values()), list(latencies.values())) if sites else None
    arrived = totals.requests.arrived if isinstance(totals, ServingTotals) else 0
    return Summary(
        status="failed" if run.failure else "completed",
        scenario=ScenarioName(name=scenario.name, seed=scenario.seed, hash=scenario_hash),
        time=SimulatedTime(
            start=time.start.isoformat().replace("+00:00", "Z"),
            duration_s=simulated_s,
            step_s=time.step_s,
            steps=steps,
        ),
        failure=Failure(step=steps, message=str(run.failure)) if run.failure else None,
        totals=totals,
        live=_live(run.live, steps) if run.live is not None else None,
        controllers=_controllers(run),
        sites=sites,
        wall=WallTime(run_s=run_s, x_real_time=simulated_s / run_s, requests_per_s=arrived / run_s),
    )


def _live(live: Live, steps: int) -> LiveReport:
    return LiveReport(
        speed=live.speed,
        late_s=live.late_s,
        sites={
            name: FeedReport(
                polls=feed.polls,
                failed_polls=feed.failed_polls,
                stale_steps=int(feed.stale[:steps].sum()),
                oldest_s=float(feed.age_s[:steps].max()) if steps else None,
            )
            for name, feed in live.feeds.items()
        },
    )


def _controllers(run: Run) -> list[ControllerActions]:
    return [
        ControllerActions(
            type=entry.name,
            site=entry.site,
            actions=sum(
                change.controller == entry.name
                and entry.site in (None, change.site)
                and change.actuator in entry.controller.actuators
                for change in run.host.changes
            ),
            guard_seconds=_guard_s(run, entry.site),
            settings=setting_use(run, entry.site, frozenset(entry.controller.actuators)),
        )
        for entry in run.plan.controllers
    ]


def _guard_s(run: Run, site: str | None) -> float:
    """Return for how long the SLO guard held, at a site or at all [s]."""
    guards = run.host.guards
    return math.fsum(guard.active_s for name, guard in guards.items() if site in (None, name))
