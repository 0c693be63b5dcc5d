"""What is kept of one run of a sweep."""

from __future__ import annotations

from dataclasses import dataclass

from cosim.results.summary import Summary
from cosim.results.totals import ServingTotals
from cosim.world.plan import Plan

LEAST_SERVED = 0.99
"""Share of the requests that came, of which a run has done its work when they were served."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """Figures of a run; None for what there is none of, such as the latency of a plain load.

    Attributes:
        seed: The seed.
        total_g: Emissions of the import and embodied ones, with the batteries as full at the end
            as at the start: `import_g`, `stored_g` and `embodied_g` [g].
        per_1k_tokens_g: `total_g` per 1,000 output tokens [g].
        import_g: Emissions of the import [g].
        stored_g: What it would cause to fill up the batteries again, at the mean intensity [g];
            negative where they hold more than at the start.
        embodied_g: Embodied emissions of the GPUs [g].
        gross_g: What the facility would have caused without solar and batteries [g].
        facility_kwh, import_kwh, export_kwh, solar_kwh: Energies [kWh].
        self_sufficiency: Share of the facility's energy that was not imported.
        battery_cycles: Full cycles of the batteries.
        cost, currency: Price of the import.
        attainment: Share of the requests with objectives that met them.
        ttft_p50_s, ttft_p99_s, tpot_p50_s, tpot_p99_s: Percentiles of the requests that may not
            be deferred [s].
        arrived, completed, backlog, rejected: Requests that came, were served, were left at the
            end, and were turned away.
        late: Deferrable requests completed after their deadline.
        output_tokens: Tokens given out.
        mfu: Model FLOPs utilisation, the mean over the run.
        facility_power_w: Mean power of the facility [W].
        load_state: stable, backlogged or overloaded; empty without a cluster.
        failure: Why the run broke off; empty if it did not.
    """

    seed: int
    total_g: float = 0.0
    per_1k_tokens_g: float | None = None
    import_g: float = 0.0
    stored_g: float = 0.0
    embodied_g: float = 0.0
    gross_g: float = 0.0
    facility_kwh: float = 0.0
    import_kwh: float = 0.0
    export_kwh: float = 0.0
    solar_kwh: float = 0.0
    self_sufficiency: float | None = None
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
    load_state: str = ""
    failure: str = ""

    @property
    def is_whole(self) -> bool:
        """Whether it did the work that came, but for what was being served at the end.

        Carbon of work not done is not a saving.
        """
        served = not self.arrived or self.completed >= LEAST_SERVED * self.arrived
        return served and self.load_state in ("", "stable") and not self.failure


def measure(plan: Plan) -> RunFigures:
    """Run a plan and return its figures."""
    from cosim.studies.runs.measured import measured, percentile

    one = measured(plan)
    summary, failure = one.result.summary, one.result.run.failure
    seed, totals = plan.scenario.seed, summary.totals
    if totals is None:
        return RunFigures(seed=seed, failure=str(failure))
    serving = totals if isinstance(totals, ServingTotals) else None
    carbon, energy = totals.carbon_g, totals.energy_kwh
    requests = serving.requests if serving else None
    tokens = serving.tokens.output if serving else 0
    by_class = serving.attribution.by_class if serving else {}
    total_g = carbon.import_ + one.stored_g + carbon.embodied
    costs = [site.cost for site in summary.sites.values() if site.cost is not None]
    currencies = {cost.currency for cost in costs}
    facility = energy.facility
    return RunFigures(
        seed=seed,
        total_g=total_g,
        per_1k_tokens_g=total_g / tokens * 1000 if tokens else None,
        import_g=carbon.import_,
        stored_g=one.stored_g,
        embodied_g=carbon.embodied,
        gross_g=carbon.gross,
        facility_kwh=facility,
        import_kwh=energy.import_,
        export_kwh=energy.export,
        solar_kwh=energy.solar,
        self_sufficiency=1 - energy.import_ / facility if facility else None,
        battery_cycles=_cycles(plan, summary),
        cost=sum(cost.import_ for cost in costs) if costs else None,
        currency=currencies.pop() if len(currencies) == 1 else "",
        attainment=serving.slo.attainment if serving else None,
        ttft_p50_s=percentile(one.latencies.ttft_s, 50),
        ttft_p99_s=percentile(one.latencies.ttft_s, 99),
        tpot_p50_s=percentile(one.latencies.tpot_s, 50),
        tpot_p99_s=percentile(one.latencies.tpot_s, 99),
        arrived=requests.arrived if requests else 0,
        completed=requests.completed if requests else 0,
        backlog=requests.waiting + requests.running if requests else 0,
        rejected=requests.rejected if requests else 0,
        late=sum(part.late for part in by_class.values()),
        output_tokens=tokens,
        mfu=serving.gpu.mfu_mean if serving else None,
        facility_power_w=facility * 3.6e6 / summary.time.duration_s,
        load_state=serving.load_state if serving else "",
        failure="" if failure is None else str(failure),
    )


def _cycles(plan: Plan, summary: Summary) -> float | None:
    """Return the full cycles of all batteries together: of each, by its share of the capacity."""
    batteries = {site.name: site.config.microgrid.battery for site in plan.sites}
    sizes = {name: one.capacity_wh for name, one in batteries.items() if one is not None}
    if not sizes:
        return None
    used = {name: site.battery.cycles for name, site in summary.sites.items() if site.battery}
    return float(sum(used[name] * size for name, size in sizes.items()) / sum(sizes.values()))
