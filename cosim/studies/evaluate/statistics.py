"""From the figures of runs to a row for each policy: means, intervals, paired differences.

All policies see the same seeds, so that they are compared seed by seed: the difference of two has
far less spread than either. Intervals are Student's, at 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from cosim.studies.evaluate.measure import RunFigures
from cosim.studies.evaluate.oracle import Bound
from cosim.studies.runs.interval import Interval

_WORTH = 0.01  # of the emissions of doing nothing: a share of less would say nothing


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """One policy over all seeds.

    Attributes:
        policy: Its name.
        twin: Whether it is a carbon-agnostic twin.
        carbon_g: Emissions of the import, batteries as full at the end as at the start, and at the
            work of doing nothing: scaled by output tokens where less was served [g].
        import_g, total_g: Emissions of the import, and with the embodied ones, as they were [g].
        facility_kwh: Energy [kWh].
        saving: Share of the emissions of doing nothing that it saves, seed by seed.
        timing: Share that it saves against its twin; None without one.
        of_oracle: Its saving over that of the oracle with the same means; None where that saves
            next to nothing.
        attainment, ttft_p99_s, tpot_p99_s: Means over the seeds; None where there was nothing.
        completed, backlog, late: Means over the seeds [requests].
        guard_s: Mean time for which the guard held [s].
        cost: Mean price of the import; None without one.
        failures: Runs that broke off.
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


def rows(runs: Sequence[RunFigures], bounds: Mapping[int, Bound]) -> list[PolicyRow]:
    """Return a row for each policy and twin, in the order of the runs.

    Args:
        runs: The runs; those of the policy that does nothing first.
        bounds: The oracle's bound by seed.

    Raises:
        ValueError: If a policy lacks a seed that another has.
    """
    groups: dict[tuple[str, bool], dict[int, RunFigures]] = {}
    for one in runs:
        groups.setdefault((one.policy, one.twin), {})[one.seed] = one
    noop = next(iter(groups.values()))
    seeds = sorted(noop)
    for (policy, _), found in groups.items():
        if sorted(found) != seeds:
            raise ValueError(f"policy '{policy}' was not run with the seeds {seeds}")
    carbon = {
        key: {seed: _at_equal_work(one, noop[seed]) for seed, one in group.items()}
        for key, group in groups.items()
    }
    nothing = next(iter(carbon.values()))
    return [
        _row(key, [group[seed] for seed in seeds], carbon, nothing, bounds, seeds)
        for key, group in groups.items()
    ]


def _at_equal_work(run: RunFigures, noop: RunFigures) -> float:
    """Return what a run emits, scaled to the work that was done when nothing was [g]."""
    if not run.output_tokens:
        return math.nan
    return run.carbon_g * max(1.0, noop.output_tokens / run.output_tokens)


def _row(
    key: tuple[str, bool],
    runs: Sequence[RunFigures],
    carbon: Mapping[tuple[str, bool], Mapping[int, float]],
    nothing: Mapping[int, float],
    bounds: Mapping[int, Bound],
    seeds: Sequence[int],
) -> PolicyRow:
    own = carbon[key]
    twin = None if key[1] else carbon.get((key[0], True))
    wide = runs[0].is_wide
    possible = {
        seed: nothing[seed] - (bounds[seed].wide_g if wide else bounds[seed].all_g)
        for seed in seeds
        if seed in bounds
    }
    whole = len(possible) == len(seeds) and all(
        value > _WORTH * nothing[seed] for seed, value in possible.items()
    )
    return PolicyRow(
        policy=key[0],
        twin=key[1],
        carbon_g=Interval.of([own[seed] for seed in seeds]),
        import_g=Interval.of([one.import_g for one in runs]),
        total_g=Interval.of([one.import_g + one.embodied_g for one in runs]),
        facility_kwh=Interval.of([one.facility_kwh for one in runs]),
        saving=Interval.of([_saved(own[seed], nothing[seed]) for seed in seeds]),
        timing=None
        if twin is None
        else Interval.of([_saved(own[seed], twin[seed]) for seed in seeds]),
        of_oracle=Interval.of([(nothing[seed] - own[seed]) / possible[seed] for seed in seeds])
        if whole
        else None,
        attainment=_mean(runs, lambda one: one.attainment),
        ttft_p99_s=_mean(runs, lambda one: one.ttft_p99_s),
        tpot_p99_s=_mean(runs, lambda one: one.tpot_p99_s),
        completed=math.fsum(one.completed for one in runs) / len(runs),
        backlog=math.fsum(one.backlog for one in runs) / len(runs),
        late=math.fsum(one.late for one in runs) / len(runs),
        guard_s=math.fsum(one.guard_s for one in runs) / len(runs),
        cost=_mean(runs, lambda one: one.cost),
        failures=sum(bool(one.failure) for one in runs),
    )


def _saved(own_g: float, other_g: float) -> float:
    """Return the share that is saved of what another emits; NaN where that is nothing."""
    return 1 - own_g / other_g if other_g > 0 else math.nan


def _mean(runs: Sequence[RunFigures], value: Callable[[RunFigures], float | None]) -> float | None:
    found = [one for one in map(value, runs) if one is not None]
    return math.fsum(found) / len(found) if found else None
