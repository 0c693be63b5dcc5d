"""From the figures of runs to a row for each policy: means, intervals, paired differences.

All policies see the same weeks and seeds, so that they are compared pair by pair; see `units`.
Intervals are Student's, at 95 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import attrgetter

from cosim.studies.bounds.bound import Bound, freedom_of
from cosim.studies.evaluate.units import Units
from cosim.studies.evaluate.variants import Variant
from cosim.studies.runs.figures import LEAST_SERVED, RunFigures
from cosim.studies.runs.interval import Interval

Figure = Callable[[RunFigures], float]

FAILED = "failed"
LEFT_WORK = "left work"
MISSED = "objectives"
WORSE = "quality"
BATTERY = "battery"
_MOST_STORED = 0.5  # of a saving: beyond that it is the batteries' content, not a saving
_LEAST_QUALITY = 0.995  # of that without controllers
_WORTH = 0.01  # of the emissions of doing nothing: a share of less would say nothing


@dataclass(frozen=True, slots=True)
class PolicyRuns:
    """The runs of a variant.

    Attributes:
        variant: The policy, or what it is compared with.
        runs: Its runs: the seeds of the first week, then those of the second, and so on.
    """

    variant: Variant
    runs: tuple[RunFigures, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class PolicyRow:
    """One policy over all weeks and seeds.

    Attributes:
        variant: The policy.
        carbon_g: Emissions of the import, batteries as full at the end as at the start, and with
            all requests served [g].
        import_g, total_g: Emissions of the import, and with the embodied ones, as they were [g].
        stored_g: The batteries' change, valued at the mean intensity [g].
        facility_kwh: Energy [kWh].
        marginal_g: Emissions by the marginal intensity [g]; None where that is not given.
        saving: Share of the emissions of doing nothing that it saves, pair by pair.
        saving_sure: Whether zero lies outside the interval of the saving, whatever the batteries'
            change is worth.
        against_blind: Share that it saves against the best baseline that is blind to carbon.
        timing: Saving beyond that of the policy shown the signals moved in time; None without such
            decoys, or where one has no saving itself.
        by_day: Saving beyond that of the policy shown signals of other days; likewise.
        against_flat: Share that it saves against its carbon-agnostic twin; None without one.
        of_bound: Its saving over that of the least emissions possible with its freedom, if the
            objectives are met; None where they were not, or where that saves next to nothing.
        bound_g: Mean of those least emissions [g]; None without bounds.
        freedom: Its freedom, of `cosim.studies.bounds`.
        marginal_saving: As `saving`, by the marginal intensity.
        attainment: Mean share of the requests with SLOs that met them; None where there was none.
        attainment_by_class: The same by class.
        quality: Mean scores by benchmark; empty without several pools.
        ttft_p99_s, tpot_p99_s, wait_s: Means; None where there was nothing.
        completed, backlog, late: Means [requests].
        guard_s, mattered_s: Mean time for which the guard held, and its settings mattered [s].
        mattered_s_by_actuator: The latter by actuator.
        peak_import_w: Mean of the highest import [W].
        cost: Mean price of the import; None without one.
        failures: Runs that broke off.
        missed: Runs that missed their objectives: more than 1 % of the requests with SLOs broke
            them, or as many of a class came too late.
        no_saving: Why the row has no saving and no rank; empty if it has: a run that broke off,
            requests that it did not serve, objectives that it missed, answers of a lower quality,
            or a battery whose content at the end makes most of the saving.
        depends_on: Coefficients at one of whose ends the saving, or that against the best blind
            baseline, has another sign or is none, in words; empty if there are none, None if no
            ends were run.
        least_saving, most_saving: Its saving at the ends; None without one there.
    """

    variant: Variant
    carbon_g: Interval
    import_g: Interval
    total_g: Interval
    stored_g: Interval
    facility_kwh: Interval
    marginal_g: Interval | None
    saving: Interval
    saving_sure: bool
    against_blind: Interval | None = None
    timing: Interval | None = None
    by_day: Interval | None = None
    against_flat: Interval | None = None
    of_bound: Interval | None
    bound_g: float | None
    freedom: str
    marginal_saving: Interval | None
    attainment: float | None
    attainment_by_class: Mapping[str, float]
    quality: Mapping[str, float]
    ttft_p99_s: float | None
    tpot_p99_s: float | None
    wait_s: float | None
    completed: float
    backlog: float
    late: float
    guard_s: float
    mattered_s: float
    mattered_s_by_actuator: Mapping[str, float]
    peak_import_w: float
    cost: float | None
    failures: int
    missed: int
    no_saving: str = ""
    depends_on: str | None = None
    least_saving: float | None = None
    most_saving: float | None = None


def rows(
    policies: Sequence[PolicyRuns], bounds: Sequence[Bound | None], units: Units
) -> list[PolicyRow]:
    """Return a row for each variant, in order.

    Args:
        policies: Their runs; those of the policy that does nothing first.
        bounds: The least emissions of each week and seed, in the order of the runs; None for a run
            of which they are not known.
        units: The grouping of the runs.

    Raises:
        ValueError: If a policy lacks a run that another has.
    """
    seeds = [run.seed for run in policies[0].runs]
    for policy in policies:
        if [run.seed for run in policy.runs] != seeds:
            raise ValueError(f"'{policy.variant.label}' was not run with the seeds {seeds}")
    table = _Table(policies, bounds, units)
    found = [table.row(policy) for policy in policies]
    blind = [row for row in found if row.variant.kind == "baseline" and not row.no_saving]
    if len(blind) < 2:
        return [table.with_decoys(row, found) for row in found]
    best = min(blind, key=lambda row: row.carbon_g.mean)
    return [table.with_decoys(table.against(row, best), found) for row in found]


class _Table:
    """The runs of all variants, and the comparisons between them."""

    def __init__(
        self, policies: Sequence[PolicyRuns], bounds: Sequence[Bound | None], units: Units
    ) -> None:
        self._runs = {policy.variant: policy.runs for policy in policies}
        self._noop = policies[0].runs
        self._bounds, self._units = bounds, units

    def row(self, policy: PolicyRuns) -> PolicyRow:
        """Return the row of a variant, without what others than the first are needed for."""
        runs = policy.runs
        freedom = freedom_of(filter(None, runs[0].actuators.split(",")))
        saving = self._saving(runs, attrgetter("equal_work_g"))
        return PolicyRow(
            variant=policy.variant,
            carbon_g=self._interval(runs, attrgetter("equal_work_g")),
            import_g=self._interval(runs, attrgetter("import_g")),
            total_g=self._interval(runs, lambda run: run.import_g + run.embodied_g),
            stored_g=self._interval(runs, attrgetter("stored_g")),
            facility_kwh=self._interval(runs, attrgetter("facility_kwh")),
            marginal_g=self._marginal(runs, self._interval),
            saving=saving,
            saving_sure=not saving.is_zero and self._is_sure(runs),
            of_bound=self._of_bound(runs, freedom) if all(map(meets_objectives, runs)) else None,
            bound_g=_mean([bound.of(freedom) for bound in self._bounds if bound is not None]),
            freedom=freedom,
            marginal_saving=self._marginal(runs, self._saving),
            attainment=_mean([run.attainment for run in runs]),
            attainment_by_class=_by_name([run.attainment_by_class for run in runs]),
            quality=_by_name([run.quality_by_benchmark for run in runs]),
            ttft_p99_s=_mean([run.ttft_p99_s for run in runs]),
            tpot_p99_s=_mean([run.tpot_p99_s for run in runs]),
            wait_s=_mean([run.wait_s for run in runs]),
            completed=math.fsum(run.completed for run in runs) / len(runs),
            backlog=math.fsum(run.backlog for run in runs) / len(runs),
            late=math.fsum(run.late for run in runs) / len(runs),
            guard_s=math.fsum(run.guard_s for run in runs) / len(runs),
            mattered_s=math.fsum(run.mattered_s for run in runs) / len(runs),
            mattered_s_by_actuator=_by_name([run.mattered_s_by_actuator for run in runs]),
            peak_import_w=math.fsum(run.peak_import_w for run in runs) / len(runs),
            cost=_mean([run.cost for run in runs]),
            failures=sum(bool(run.failure) for run in runs),
            missed=sum(not meets_objectives(run) for run in runs),
            no_saving=no_saving(runs, self._noop),
        )

    def against(self, row: PolicyRow, other: PolicyRow) -> PolicyRow:
        """Return a row with its saving against the best blind baseline."""
        if row.variant.kind != "policy":
            return row
        return replace(row, against_blind=self._less(row.variant, other.variant))

    def with_decoys(self, row: PolicyRow, found: Sequence[PolicyRow]) -> PolicyRow:
        """Return the row of a policy with its savings beyond its decoys' and its twin's."""
        if row.variant.kind != "policy":
            return row
        mine = [other for other in found if other.variant.name == row.variant.name]
        twins = [other for other in mine if other.variant.kind == "twin"]
        return replace(
            row,
            timing=self._beyond(row, [other for other in mine if _shows(other, "moved")]),
            by_day=self._beyond(row, [other for other in mine if _shows(other, "other_days")]),
            against_flat=self._less(row.variant, twins[0].variant) if twins else None,
        )

    def _beyond(self, row: PolicyRow, decoys: Sequence[PolicyRow]) -> Interval | None:
        """Return the saving beyond the mean saving of decoys, over the emissions of noop."""
        if not decoys or any(decoy.no_saving for decoy in decoys):
            return None
        own_g, noop_g = self._carbon_g(row.variant), self._grams(self._noop)
        others = [self._carbon_g(decoy.variant) for decoy in decoys]
        means_g = [math.fsum(values) / len(values) for values in zip(*others, strict=True)]
        return Interval.of(
            [
                (mean - own) / noop if noop > 0 else math.nan
                for own, mean, noop in zip(own_g, means_g, noop_g, strict=True)
            ]
        )

    def _less(self, variant: Variant, other: Variant) -> Interval:
        return _shares(self._carbon_g(variant), self._carbon_g(other))

    def _carbon_g(self, variant: Variant) -> list[float]:
        return self._grams(self._runs[variant])

    def _grams(self, runs: Sequence[RunFigures]) -> list[float]:
        return self._means(runs, attrgetter("equal_work_g"))

    def _means(self, runs: Sequence[RunFigures], figure: Figure) -> list[float]:
        return self._units.means([figure(run) for run in runs])

    def _interval(self, runs: Sequence[RunFigures], figure: Figure) -> Interval:
        return Interval.of(self._means(runs, figure))

    def _saving(self, runs: Sequence[RunFigures], figure: Figure) -> Interval:
        return _shares(self._means(runs, figure), self._means(self._noop, figure))

    def _marginal(
        self,
        runs: Sequence[RunFigures],
        of: Callable[[Sequence[RunFigures], Figure], Interval],
    ) -> Interval | None:
        """Return a comparison by the marginal intensity; None where some run has none."""
        if any(run.marginal_g is None for run in (*runs, *self._noop)):
            return None
        return of(runs, lambda run: (run.marginal_g or 0.0) + run.left_g)

    def _is_sure(self, runs: Sequence[RunFigures]) -> bool:
        """Return whether a saving has its sign whatever the batteries' change is worth."""
        worst = [
            _shares(self._means(runs, own), self._means(self._noop, noop))
            for own, noop in (
                (attrgetter("equal_work_low_g"), attrgetter("equal_work_high_g")),
                (attrgetter("equal_work_high_g"), attrgetter("equal_work_low_g")),
            )
        ]
        signs = {math.copysign(1.0, saving.mean) for saving in worst}
        return len(signs) == 1 and not any(saving.is_zero for saving in worst)

    def _of_bound(self, runs: Sequence[RunFigures], freedom: str) -> Interval | None:
        """Return a saving over the most that is possible; None if that is not known, or little."""
        known = [bound.of(freedom) for bound in self._bounds if bound is not None]
        if len(known) < len(runs):
            return None
        least_g = self._units.means(known)
        own_g, noop_g = self._grams(runs), self._grams(self._noop)
        possible_g = [noop - bound for noop, bound in zip(noop_g, least_g, strict=True)]
        pairs = list(zip(possible_g, noop_g, strict=True))
        if not all(possible > _WORTH * noop for possible, noop in pairs):
            return None
        return Interval.of(
            [
                (noop - own) / possible
                for own, noop, possible in zip(own_g, noop_g, possible_g, strict=True)
            ]
        )


def no_saving(runs: Sequence[RunFigures], noop: Sequence[RunFigures]) -> str:
    """Return why emissions that are lower than those of other runs are not a saving; or nothing.

    Args:
        runs: The runs.
        noop: Those that they are compared with, pair by pair.
    """
    pairs = list(zip(runs, noop, strict=True))
    if any(run.failure for run in runs):
        return FAILED
    if any(left_work(*pair) for pair in pairs):
        return LEFT_WORK
    if any(missed_more(*pair) for pair in pairs):
        return MISSED
    if answers_worse(runs, noop):
        return WORSE
    saved_g = math.fsum(other.equal_work_g - run.equal_work_g for run, other in pairs)
    stored_g = math.fsum(other.stored_g - run.stored_g for run, other in pairs)
    return BATTERY if saved_g > 0 and stored_g > _MOST_STORED * saved_g else ""


def answers_worse(runs: Sequence[RunFigures], noop: Sequence[RunFigures]) -> bool:
    """Return whether the mean quality by any benchmark is below that without controllers."""
    means = _by_name([run.quality_by_benchmark for run in runs])
    least = _by_name([run.quality_by_benchmark for run in noop])
    return any(means.get(name, score) < _LEAST_QUALITY * score for name, score in least.items())


def meets_objectives(run: RunFigures) -> bool:
    """Return whether a run met its objectives, as the least emissions possible take it."""
    met = run.attainment is None or run.attainment >= LEAST_SERVED
    return met and max(run.late_by_class.values(), default=0.0) <= 1 - LEAST_SERVED


def missed_more(run: RunFigures, noop: RunFigures) -> bool:
    """Return whether a run missed objectives that the run without controllers met, or nearly."""
    most = 1 - LEAST_SERVED
    attained = 1.0 if noop.attainment is None else noop.attainment
    broke = run.attainment is not None and run.attainment < min(LEAST_SERVED, attained - most)
    return broke or any(
        late > noop.late_by_class.get(name, 0.0) + most for name, late in run.late_by_class.items()
    )


def left_work(run: RunFigures, noop: RunFigures) -> bool:
    """Return whether a run left more of the work of a class than the run without controllers."""
    if run.arrived and not run.completed:
        return True
    most = 1 - LEAST_SERVED
    return any(
        left > noop.left_by_class.get(name, 0.0) + most for name, left in run.left_by_class.items()
    )


def _shows(row: PolicyRow, kind: str) -> bool:
    return row.variant.decoy is not None and row.variant.decoy.kind == kind


def _shares(own_g: Sequence[float], other_g: Sequence[float]) -> Interval:
    """Return the share that is saved of other emissions, pair by pair; NaN where these are none."""
    return Interval.of(
        [
            1 - own / other if other > 0 else math.nan
            for own, other in zip(own_g, other_g, strict=True)
        ]
    )


def _by_name(values: Sequence[Mapping[str, float | None]]) -> dict[str, float]:
    """Return the means of figures by name, of those that have any."""
    names = dict.fromkeys(name for of_run in values for name in of_run)
    means = {name: _mean([of_run.get(name) for of_run in values]) for name in names}
    return {name: mean for name, mean in means.items() if mean is not None}


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return math.fsum(known) / len(known) if known else None
