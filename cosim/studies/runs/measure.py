"""The measurement of a run: all the figures that studies take from it."""

from __future__ import annotations

import math
from dataclasses import dataclass

from cosim.accounting.energy import J_PER_KWH
from cosim.errors import RunInterrupted
from cosim.results.pool_totals import mean_quality
from cosim.results.site_totals import battery_of, flows_of
from cosim.results.summary import Summary
from cosim.results.totals import RunTotals, ServingTotals
from cosim.studies.runs.execute import Result, execute
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.latencies import Latencies, percentile
from cosim.studies.runs.undone import undone
from cosim.world.plan import Plan


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
    declared = {name for entry in plan.controllers for name in entry.controller.actuators}
    actuators = ",".join(sorted(declared))
    if totals is None:
        return RunFigures(seed=plan.scenario.seed, actuators=actuators, failure=failure)
    serving = totals if isinstance(totals, ServingTotals) else None
    carbon, energy = totals.carbon_g, totals.energy_kwh
    requests = serving.requests if serving else None
    left = undone(serving, latencies.deferrable_classes)
    mattered: dict[str, float] = {}
    for entry in summary.controllers:
        for name, use in entry.settings.items():
            mattered[name] = mattered.get(name, 0.0) + use.mattered_s
    stored = _stored(result)
    costs = [site.cost for site in summary.sites.values() if site.cost is not None]
    currencies = {cost.currency for cost in costs}
    return RunFigures(
        seed=plan.scenario.seed,
        import_g=carbon.import_,
        stored_g=stored.mean_g,
        stored_low_g=stored.low_g,
        stored_high_g=stored.high_g,
        left_g=left.left_g,
        marginal_g=_marginal_g(totals, stored),
        embodied_g=carbon.embodied,
        gross_g=carbon.gross,
        facility_kwh=energy.facility,
        import_kwh=energy.import_,
        export_kwh=energy.export,
        solar_kwh=energy.solar,
        peak_import_w=math.fsum(
            float(record.column("import_w").max()) for record in run.recorder.sites.values()
        ),
        battery_cycles=_cycles(plan, summary),
        cost=sum(cost.import_ for cost in costs) if costs else None,
        currency=currencies.pop() if len(currencies) == 1 else "",
        attainment=serving.slo.attainment if serving else None,
        attainment_by_class=dict(serving.slo.by_class) if serving else {},
        quality_by_benchmark=mean_quality(serving) if serving else {},
        ttft_p50_s=percentile(latencies.ttft_s, 50),
        ttft_p99_s=percentile(latencies.ttft_s, 99),
        tpot_p50_s=percentile(latencies.tpot_s, 50),
        tpot_p99_s=percentile(latencies.tpot_s, 99),
        arrived=requests.arrived if requests else 0,
        completed=requests.completed if requests else 0,
        backlog=requests.waiting + requests.running if requests else 0,
        rejected=requests.rejected if requests else 0,
        left_by_class=left.left_by_class,
        late=left.late,
        late_by_class=left.late_by_class,
        wait_s=latencies.mean_wait_s,
        output_tokens=serving.tokens.output if serving else 0,
        mfu=serving.gpu.mfu_mean if serving else None,
        facility_power_w=energy.facility * J_PER_KWH / summary.time.duration_s,
        guard_s=sum(guard.active_s for guard in run.host.guards.values()),
        changes=len(run.host.changes),
        mattered_s=math.fsum(mattered.values()),
        mattered_s_by_actuator=mattered,
        actuators=actuators,
        load_state=serving.load_state if serving else "",
        failure=failure,
    )


@dataclass(frozen=True, slots=True)
class _Stored:
    """Net discharge of the batteries, in emissions [g].

    Attributes:
        mean_g, low_g, high_g: At the mean intensity of their site, and at the intensities of the
            run at which it emits least and most.
        marginal_g: At the mean marginal intensity; None where that is not given.
    """

    mean_g: float
    low_g: float
    high_g: float
    marginal_g: float | None


def _stored(result: Result) -> _Stored:
    """Return what the batteries gave over a run."""
    step_s = result.run.plan.scenario.time.step_s
    mean_g = low_g = high_g = marginal_g = 0.0
    has_marginal = True
    for record in result.run.recorder.sites.values():
        battery = battery_of(record)
        if battery is None:
            continue
        intensity = flows_of(record, step_s).carbon_intensity_g_per_kwh
        given_kwh = -battery.stored_kwh
        at_extremes = (given_kwh * float(intensity.min()), given_kwh * float(intensity.max()))
        mean_g += given_kwh * float(intensity.mean())
        low_g += min(at_extremes)
        high_g += max(at_extremes)
        marginal = record.site.marginal_g_per_kwh
        has_marginal = has_marginal and marginal is not None
        if marginal is not None:
            marginal_g += given_kwh * float(marginal[: len(record)].mean())
    return _Stored(mean_g, low_g, high_g, marginal_g if has_marginal else None)


def _marginal_g(totals: RunTotals, stored: _Stored) -> float | None:
    """Return the emissions of a run by the marginal intensity [g]; None where it is not given."""
    if totals.marginal_carbon_g is None or stored.marginal_g is None:
        return None
    return totals.marginal_carbon_g.import_ + stored.marginal_g


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
