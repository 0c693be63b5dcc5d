"""Figures of runs, bounds and evaluations that were never made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from controllers import Decoy
from cosim.studies.bounds.bound import Bound
from cosim.studies.evaluate.evaluation import Evaluation
from cosim.studies.evaluate.statistics import PolicyRow, PolicyRuns, rows
from cosim.studies.evaluate.units import Units
from cosim.studies.evaluate.variants import Kind, Variant
from cosim.studies.runs.figures import RunFigures


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRun(RunFigures):
    """A run and the variant that it is of."""

    policy: str = "noop"
    kind: Kind = "policy"
    decoy: Decoy | None = None


RUN = PolicyRun(
    seed=0,
    kind="baseline",
    import_g=1000.0,
    embodied_g=50.0,
    facility_kwh=5.0,
    import_kwh=5.0,
    peak_import_w=700.0,
    attainment=1.0,
    attainment_by_class={"chat": 1.0},
    ttft_p99_s=0.2,
    tpot_p99_s=0.02,
    arrived=100,
    completed=100,
    left_by_class={"chat": 0.0, "batch": 0.0},
    wait_s=3600.0,
    output_tokens=1000,
    load_state="stable",
)
"""A run without controllers."""
POLICY = replace(RUN, kind="policy", actuators="deferrable_rate")
"""A run of a policy that times work, and did nothing."""


def decoy_of(run: PolicyRun, decoy: Decoy, import_g: float) -> PolicyRun:
    """Return the run of a policy that was shown a decoy."""
    return replace(run, kind="decoy", decoy=decoy, import_g=import_g)


def bound(timing_g: float) -> Bound:
    """Return a bound whose further freedoms halve it, each the one before."""
    return Bound(
        timing_g=timing_g,
        battery_g=timing_g / 2,
        sleep_g=timing_g / 4,
        clocks_g=timing_g / 8,
    )


def by_variant(runs: Sequence[PolicyRun]) -> list[PolicyRuns]:
    """Return runs by what they are of."""
    variants: dict[Variant, list[RunFigures]] = {}
    for run in runs:
        figures = RunFigures(**run.columns(RunFigures.__dataclass_fields__))
        variants.setdefault(Variant(run.policy, -1, run.kind, run.decoy), []).append(figures)
    return [PolicyRuns(variant, tuple(group)) for variant, group in variants.items()]


def rows_of(
    runs: Sequence[PolicyRun], bounds: Sequence[Bound | None] = (), weeks: int = 1
) -> list[PolicyRow]:
    """Return the rows of runs, of the policy that does nothing first."""
    policies = by_variant(runs)
    each = len(policies[0].runs)
    return rows(policies, bounds or (None,) * each, Units(weeks, each // weeks))


def evaluation(
    runs: Sequence[PolicyRun],
    bounds: Sequence[Bound | None] = (),
    weeks: Sequence[str] = (),
    bulk_hour_utc: int | None = None,
) -> Evaluation:
    """Return what comes of runs that are given, of the policy that does nothing first."""
    policies = by_variant(runs)
    each = len(policies[0].runs)
    known = tuple(bounds) or (None,) * each
    units = Units(max(1, len(weeks)), each // max(1, len(weeks)))
    return Evaluation(
        name="week",
        seeds=tuple(run.seed for run in policies[0].runs[: units.seeds]),
        weeks=tuple(weeks),
        policies=tuple(policies),
        bounds=known,
        rows=tuple(rows(policies, known, units)),
        bulk_hour_utc=bulk_hour_utc,
        scenario={"name": "week", "sites": [], "evaluation": {"policies": [{"name": "noop"}]}},
        versions={"cosim": "0.1.0", "Python": "3.12.1"},
    )


def many(policies: int = 24) -> Evaluation:
    """Two dozen policies in two seeds, most of which do nearly the same."""
    runs = []
    for k in range(policies):
        shown: list[tuple[Kind, Decoy | None]] = [("policy" if k else "baseline", None)]
        if k % 5 == 2:
            shown += [("twin", None), ("decoy", Decoy("moved", by_s=6 * 3600.0))]
            shown += [("decoy", Decoy("other_days"))]
        for worse, (kind, decoy) in enumerate(shown):
            for seed in (0, 1):
                saved = 0.0 if k < 4 else 0.02 * (k - 3 - 0.5 * worse)
                run = replace(
                    POLICY if k else RUN,
                    policy=f"policy_with_a_name_{k}" if k else "noop",
                    kind=kind,
                    decoy=decoy,
                    seed=seed,
                    import_g=(1 - saved) * (16_000 + 100 * seed) + (seed * k if k > 3 else 0),
                    marginal_g=(1 - saved) * 20_000,
                    ttft_p99_s=0.2 * (1 + (k % 7 == 6) * 0.1 * k),
                )
                runs.append(run)
    return evaluation(runs, (bound(7000.0), bound(7000.0)))
