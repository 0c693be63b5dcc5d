"""The figures that studies take from a run: one set, from which each study chooses its columns."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from controllers.actuators import SLOWING
from cosim.accounting.energy import J_PER_KWH
from cosim.errors import RunInterrupted
from cosim.results.site_totals import battery_of, flows_of
from cosim.results.summary import Summary
from cosim.results.totals import ServingTotals
from cosim.studies.runs.execute import Result, execute
from cosim.studies.runs.latencies import Latencies, percentile
from cosim.world.plan import Plan

LEAST_SERVED = 0.99
"""A run counts as complete if it served at least this share of the requests that arrived."""
MUCH_STORED = 0.1
"""Share of a saving above which a note says that it comes from the batteries' charge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """Figures of a run; None where a run has none, such as the latency of a plain load.

    Attributes:
        seed: The seed.
        import_g: Emissions of the import [g].
        stored_g: Energy that the batteries lost over the run, valued at the mean intensity of
            their site [g]: the emissions of filling them up again; negative for a gain.
        embodied_g: Embodied emissions of the GPUs [g].
        gross_g: Emissions that the facility would have caused without solar and batteries [g].
        facility_kwh, import_kwh, export_kwh, solar_kwh: Energies [kWh].
        battery_cycles: Full cycles of the batteries.
        cost, currency: Price of the import.
        attainment: Share of the requests with SLOs that met them.
        ttft_p50_s, ttft_p99_s, tpot_p50_s, tpot_p99_s: Percentiles of the requests that may not
            be deferred [s].
        arrived, completed, backlog, rejected: Requests that came, were served, were left at the
            end, and were turned away.
        late: Deferrable requests completed after their deadline.
        output_tokens: Tokens given out.
        mfu: Model FLOPs utilisation, the mean over the run.
        facility_power_w: Mean power of the facility [W].
        guard_s: Time for which the guard of the SLOs was active [s].
        changes: Changes of actuators.
        mattered_s: Time for which what controllers set made a difference, by their actuators [s].
        is_wide: Whether a controller may put replicas to sleep or slow their clocks down.
        load_state: stable, backlogged or overloaded; empty without a cluster.
        failure: Why the run broke off; empty if it did not.
    """

    seed: int
    import_g: float = 0.0
    stored_g: float = 0.0
    embodied_g: float = 0.0
    gross_g: float = 0.0
    facility_kwh: float = 0.0
    import_kwh: float = 0.0
    export_kwh: float = 0.0
    solar_kwh: float = 0.0
    battery_cycles: float | None = None
    cost: float | None = None
    currency: str = ""
    attainment: float | None = None
    ttft_p50_s: float | None = None
    ttft_p99_s: float | None = None
    tpot_p50_s: float | None = None
    tpot_p99_s: float | None = None
    arrived: int = 0
    completed: int = 0
    backlog: int = 0
    rejected: int = 0
    late: int = 0
    output_tokens: int = 0
    mfu: float | None = None
    facility_power_w: float = 0.0
    guard_s: float = 0.0
    changes: int = 0
    mattered_s: float = 0.0
    is_wide: bool = False
    load_state: str = ""
    failure: str = ""

    @property
    def carbon_g(self) -> float:
        """Emissions from grid imports, corrected for the change of the batteries' charge [g]."""
        return self.import_g + self.stored_g

    @property
    def total_g(self) -> float:
        """Emissions from grid imports, as in `carbon_g`, and embodied ones [g]."""
        return self.carbon_g + self.embodied_g

    @property
    def per_1k_tokens_g(self) -> float | None:
        """`total_g` per 1,000 output tokens [g]; None without any."""
        return self.total_g / self.output_tokens * 1000 if self.output_tokens else None

    @property
    def self_sufficiency(self) -> float | None:
        """Share of the facility's energy that was not imported; None if it took none."""
        return 1 - self.import_kwh / self.facility_kwh if self.facility_kwh else None

    @property
    def is_whole(self) -> bool:
        """Whether it served the requests that arrived, except those in service at the end.

        Carbon of work not done is not a saving.
        """
        served = not self.arrived or self.completed >= LEAST_SERVED * self.arrived
        return served and self.load_state in ("", "stable") and not self.failure

    def columns(self, names: Iterable[str]) -> dict[str, Any]:
        """Return some of the figures, by name."""
        return {name: getattr(self, name) for name in names}


def run_figures(plan: Plan) -> RunFigures:
    """Run a plan and return its figures; if it breaks off, `failure` says why.

    Raises:
        RunInterrupted: If it is interrupted, which is meant for the whole study.
    """
    latencies = Latencies(plan)
    result = execute(plan, observers=[latencies])
    if isinstance(result.run.failure, RunInterrupted):
        raise result.run.failure
    return measure(result, latencies)


def measure(result: Result, latencies: Latencies) -> RunFigures:
    """Return the figures of a run.

    Args:
        result: The run and its summary.
        latencies: An observer of the run.
    """
    run, summary = result.run, result.summary
    plan, totals = run.plan, summary.totals
    failure = "" if run.failure is None else str(run.failure)
    is_wide = any(SLOWING & frozenset(entry.controller.actuators) for entry in plan.controllers)
    if totals is None:
        return RunFigures(seed=plan.scenario.seed, is_wide=is_wide, failure=failure)
    serving = totals if isinstance(totals, ServingTotals) else None
    carbon, energy = totals.carbon_g, totals.energy_kwh
    requests = serving.requests if serving else None
    classes = serving.attribution.by_class.values() if serving else ()
    costs = [site.cost for site in summary.sites.values() if site.cost is not None]
    currencies = {cost.currency for cost in costs}
    return RunFigures(
        seed=plan.scenario.seed,
        import_g=carbon.import_,
        stored_g=_stored_g(result),
        embodied_g=carbon.embodied,
        gross_g=carbon.gross,
        facility_kwh=energy.facility,
        import_kwh=energy.import_,
        export_kwh=energy.export,
        solar_kwh=energy.solar,
        battery_cycles=_cycles(plan, summary),
        cost=sum(cost.import_ for cost in costs) if costs else None,
        currency=currencies.pop() if len(currencies) == 1 else "",
        attainment=serving.slo.attainment if serving else None,
        ttft_p50_s=percentile(latencies.ttft_s, 50),
        ttft_p99_s=percentile(latencies.ttft_s, 99),
        tpot_p50_s=percentile(latencies.tpot_s, 50),
        tpot_p99_s=percentile(latencies.tpot_s, 99),
        arrived=requests.arrived if requests else 0,
        completed=requests.completed if requests else 0,
        backlog=requests.waiting + requests.running if requests else 0,
        rejected=requests.rejected if requests else 0,
        late=sum(share.late for share in classes),
        output_tokens=serving.tokens.output if serving else 0,
        mfu=serving.gpu.mfu_mean if serving else None,
        facility_power_w=energy.facility * J_PER_KWH / summary.time.duration_s,
        guard_s=sum(guard.active_s for guard in run.host.guards.values()),
        changes=len(run.host.changes),
        mattered_s=math.fsum(
            use.mattered_s for entry in summary.controllers for use in entry.settings.values()
        ),
        is_wide=is_wide,
        load_state=serving.load_state if serving else "",
        failure=failure,
    )


def _stored_g(result: Result) -> float:
    """Return the net discharge of the batteries, valued at their site's mean intensity [g]."""
    step_s = result.run.plan.scenario.time.step_s
    stored_g = 0.0
    for record in result.run.recorder.sites.values():
        battery = battery_of(record)
        if battery is not None:
            intensity = flows_of(record, step_s).carbon_intensity_g_per_kwh
            stored_g -= battery.stored_kwh * float(intensity.mean())
    return stored_g


def _cycles(plan: Plan, summary: Summary) -> float | None:
    """Return the full cycles of all batteries together: of each, by its share of the capacity."""
    batteries = {site.name: site.config.microgrid.battery for site in plan.sites}
    capacities_wh = {
        name: battery.capacity_wh for name, battery in batteries.items() if battery is not None
    }
    if not capacities_wh:
        return None
    cycles = {name: site.battery.cycles for name, site in summary.sites.items() if site.battery}
    weighted = sum(cycles[name] * capacity_wh for name, capacity_wh in capacities_wh.items())
    return float(weighted / sum(capacities_wh.values()))
