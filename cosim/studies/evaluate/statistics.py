"""From the figures of runs to a row for each policy: means, intervals, paired differences.

All policies see the same seeds, so that they are compared seed by seed: the difference of two has
far less spread than either. Intervals are Student's, at 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from cosim.studies.evaluate.oracle import Bound
from cosim.studies.runs.figures import LEAST_SERVED, RunFigures
from cosim.studies.runs.interval import Interval

LEFT_WORK = "left work"
BATTERY = "battery"
_WORTH = 0.01  # of the emissions of doing nothing: a share of less would say nothing


@dataclass(frozen=True, slots=True)
class PolicyRuns:
    """The runs of a policy.

    Attributes:
        policy: Its name.
        twin: Whether it is the carbon-agnostic baseline of the policy of that name.
        runs: Its runs, by seed.
    """

    policy: str
    twin: bool
    runs: tuple[RunFigures, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """One policy over all seeds.

    Attributes:
        policy: Its name.
        twin: Whether it is a carbon-agnostic baseline.
        carbon_g: Emissions of the import, batteries as full at the end as at the start, and at the
            work of doing nothing: scaled by output tokens where less was served [g].
        import_g, total_g: Emissions of the import, and with the embodied ones, as they were [g].
        facility_kwh: Energy [kWh].
        saving: Share of the emissions of doing nothing that it saves, seed by seed.
        timing: Share that it saves against its carbon-agnostic baseline; None without one.
        of_oracle: Its saving over that of the oracle with the same means; None where that saves
            next to nothing.
        attainment, ttft_p99_s, tpot_p99_s: Means over the seeds; None where there was nothing.
        completed, backlog, late: Means over the seeds [requests].
        guard_s: Mean time for which the guard held [s].
        cost: Mean price of the import; None without one.
        failures: Runs that broke off.
        no_saving: Why the row has no saving and no rank; empty if it has: requests that it did not
            serve, or a battery without whose content at the end it would save nothing.
    """

    policy: str
    twin: bool
    carbon_g: Interval
    import_g: Interval
    total_g: Interval
    facility_kwh: Interval
    saving: Interval
    timing: Interval | None
    of_oracle: Interval | None
    attainment: float | None
    ttft_p99_s: float | None
    tpot_p99_s: float | None
    completed: float
    backlog: float
    late: float
    guard_s: float
    cost: float | None
    failures: int
    no_saving: str = ""


def rows(policies: Sequence[PolicyRuns], bounds: Mapping[int, Bound]) -> list[PolicyRow]:
    """Return a row for each policy and baseline, in order.

    Args:
        policies: Their runs; those of the policy that does nothing first.
        bounds: The oracle's bound by seed.

    Raises:
        ValueError: If a policy lacks a seed that another has.
    """
    noop = policies[0]
    seeds = [run.seed for run in noop.runs]
    for policy in policies:
        if [run.seed for run in policy.runs] != seeds:
            raise ValueError(f"policy '{policy.policy}' was not run with the seeds {seeds}")
    carbon_g = {
        (policy.policy, policy.twin): [
            _at_equal_work(run, noop_run)
            for run, noop_run in zip(policy.runs, noop.runs, strict=True)
        ]
        for policy in policies
    }
    return [_row(policy, carbon_g, noop.policy, noop.runs, bounds) for policy in policies]


def _at_equal_work(run: RunFigures, noop: RunFigures) -> float:
    """Return the emissions of a run, scaled to the work of the run without controllers [g]."""
    if not run.output_tokens:
        return math.nan
    return run.carbon_g * max(1.0, noop.output_tokens / run.output_tokens)


def _row(
    policy: PolicyRuns,
    carbon_g: Mapping[tuple[str, bool], Sequence[float]],
    noop: str,
    noop_runs: Sequence[RunFigures],
    bounds: Mapping[int, Bound],
) -> PolicyRow:
    runs = policy.runs
    own_g, noop_g = carbon_g[policy.policy, policy.twin], carbon_g[noop, False]
    twin_g = None if policy.twin else carbon_g.get((policy.policy, True))
    return PolicyRow(
        policy=policy.policy,
        twin=policy.twin,
        carbon_g=Interval.of(own_g),
        import_g=Interval.of([run.import_g for run in runs]),
        total_g=Interval.of([run.import_g + run.embodied_g for run in runs]),
        facility_kwh=Interval.of([run.facility_kwh for run in runs]),
        saving=_saving(own_g, noop_g),
        timing=None if twin_g is None else _saving(own_g, twin_g),
        of_oracle=_of_oracle(runs, own_g, noop_g, bounds),
        attainment=_mean([run.attainment for run in runs]),
        ttft_p99_s=_mean([run.ttft_p99_s for run in runs]),
        tpot_p99_s=_mean([run.tpot_p99_s for run in runs]),
        completed=math.fsum(run.completed for run in runs) / len(runs),
        backlog=math.fsum(run.backlog for run in runs) / len(runs),
        late=math.fsum(run.late for run in runs) / len(runs),
        guard_s=math.fsum(run.guard_s for run in runs) / len(runs),
        cost=_mean([run.cost for run in runs]),
        failures=sum(bool(run.failure) for run in runs),
        no_saving=_no_saving(runs, own_g, noop_g, noop_runs),
    )


def _no_saving(
    runs: Sequence[RunFigures],
    own_g: Sequence[float],
    noop_g: Sequence[float],
    noop_runs: Sequence[RunFigures],
) -> str:
    """Return why emissions that are lower than those of doing nothing are not a saving."""
    if any(run.failure or run.completed < LEAST_SERVED * run.arrived for run in runs):
        return LEFT_WORK
    saved_g = math.fsum(noop_g) - math.fsum(own_g)
    imported_g = math.fsum(run.import_g for run in runs)
    if saved_g > 0 and imported_g >= math.fsum(run.import_g for run in noop_runs):
        return BATTERY
    return ""


def _of_oracle(
    runs: Sequence[RunFigures],
    own_g: Sequence[float],
    noop_g: Sequence[float],
    bounds: Mapping[int, Bound],
) -> Interval | None:
    """Return a saving over the oracle's; None if that has no bound, or next to no saving."""
    if not all(run.seed in bounds for run in runs):
        return None
    wide = runs[0].is_wide
    least_g = [bounds[run.seed].wide_g if wide else bounds[run.seed].all_g for run in runs]
    possible_g = [noop - least for noop, least in zip(noop_g, least_g, strict=True)]
    if not all(possible > _WORTH * noop for possible, noop in zip(possible_g, noop_g, strict=True)):
        return None
    saved_g = [noop - own for noop, own in zip(noop_g, own_g, strict=True)]
    return Interval.of(
        [saved / possible for saved, possible in zip(saved_g, possible_g, strict=True)]
    )


def _saving(own_g: Sequence[float], other_g: Sequence[float]) -> Interval:
    """Return the share that is saved of other emissions, seed by seed; NaN where these are zero."""
    return Interval.of(
        [
            1 - own / other if other > 0 else math.nan
            for own, other in zip(own_g, other_g, strict=True)
        ]
    )


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None
