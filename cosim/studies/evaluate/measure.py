"""One run of an evaluation: a policy with a seed, and the figures that are kept of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from controllers.actuators import SLOWING
from cosim.errors import ScenarioError
from cosim.results.totals import ServingTotals
from cosim.studies.evaluate.variants import Comparison, Variant, variant_plan
from cosim.studies.runs.kept import kept_or_made, plan_key
from cosim.studies.runs.measured import measured, percentile
from cosim.world.plan import Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """What is kept of a run.

    Attributes:
        policy: Name of the policy.
        twin: Whether it was its carbon-agnostic twin.
        seed: The seed.
        import_g: Emissions of the import [g].
        stored_g: Energy that the batteries lost over the run, valued at the mean intensity of
            their site [g]: what it would cause to fill them up again; negative for a gain.
        embodied_g: Embodied emissions [g].
        facility_kwh, import_kwh: Energies [kWh].
        cost: Price of the import, in the currency of the scenario; None without a price.
        attainment: Share of the requests with objectives that met them; None without any.
        ttft_p99_s, tpot_p99_s: 99th percentiles of the requests that may not be deferred [s].
        arrived, completed, backlog: Requests that came, were served, and were left at the end.
        late: Deferrable requests completed after their deadline.
        output_tokens: Tokens given out.
        guard_s: Time for which the guard of the objectives held [s].
        changes: Changes of actuators.
        is_wide: Whether it may put replicas to sleep or slow their clocks down.
        load_state: stable, backlogged or overloaded.
        failure: Why the run broke off; empty if it did not.
    """

    policy: str
    twin: bool
    seed: int
    import_g: float
    stored_g: float
    embodied_g: float
    facility_kwh: float
    import_kwh: float
    cost: float | None
    attainment: float | None
    ttft_p99_s: float | None
    tpot_p99_s: float | None
    arrived: int
    completed: int
    backlog: int
    late: int
    output_tokens: int
    guard_s: float
    changes: int
    is_wide: bool
    load_state: str
    failure: str = ""

    @property
    def carbon_g(self) -> float:
        """Emissions of the import, with the batteries as full at the end as at the start [g]."""
        return self.import_g + self.stored_g


def measure(plan: Plan, variant: Variant) -> RunFigures:
    """Run a plan and return its figures.

    Args:
        plan: The scenario with the policy's controllers.
        variant: The policy.
    """
    one = measured(plan)
    run, summary = one.result.run, one.result.summary
    totals = summary.totals
    if not isinstance(totals, ServingTotals):
        raise run.failure or ScenarioError("no site serves requests: there is nothing to evaluate")
    requests, carbon, energy = totals.requests, totals.carbon_g, totals.energy_kwh
    costs = [site.cost.import_ for site in summary.sites.values() if site.cost is not None]
    return RunFigures(
        policy=variant.name,
        twin=variant.twin,
        seed=plan.scenario.seed,
        import_g=carbon.import_,
        stored_g=one.stored_g,
        embodied_g=carbon.embodied,
        facility_kwh=energy.facility,
        import_kwh=energy.import_,
        cost=sum(costs) if costs else None,
        attainment=totals.slo.attainment,
        ttft_p99_s=percentile(one.latencies.ttft_s, 99),
        tpot_p99_s=percentile(one.latencies.tpot_s, 99),
        arrived=requests.arrived,
        completed=requests.completed,
        backlog=requests.waiting + requests.running,
        late=sum(part.late for part in totals.attribution.by_class.values()),
        output_tokens=totals.tokens.output,
        guard_s=sum(guard.active_s for guard in run.host.guards.values()),
        changes=len(run.host.changes),
        is_wide=any(SLOWING & frozenset(entry.controller.actuators) for entry in plan.controllers),
        load_state=totals.load_state,
        failure="" if run.failure is None else str(run.failure),
    )


def measure_kept(compared: Comparison, variant: Variant, seed: int, folder: Path) -> RunFigures:
    """Return the figures of a run: those kept in `folder` if nothing has changed since, or new.

    Raises:
        ScenarioError: If the scenario cannot be run.
    """
    plan = variant_plan(compared, variant, seed)
    path = folder / f"{variant.key}--{seed}.json"
    figures, _ = kept_or_made(
        path, plan_key(plan, variant.key), RunFigures, lambda: measure(plan, variant)
    )
    return figures
