"""An evaluation: every policy in every week with every seed, bounds, and the comparison."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from operator import attrgetter
from typing import Any

from cosim.results.folder import versions
from cosim.scenario.loading import validate_document
from cosim.scenario.scenario import Scenario
from cosim.studies.bounds.bound import Bound, bound_of
from cosim.studies.evaluate.documents import case_document, case_plan, compared_document
from cosim.studies.evaluate.end_rows import EndRuns, with_ends
from cosim.studies.evaluate.statistics import PolicyRow, PolicyRuns, rows
from cosim.studies.evaluate.units import Units
from cosim.studies.evaluate.variants import Case, Comparison, Variant
from cosim.studies.frame.cases import CaseRuns
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.processes import Processes, cores
from inference_sim.errors import InferenceSimError


@dataclass(frozen=True, slots=True)
class Evaluation:
    """The outcome of an evaluation.

    Attributes:
        name: Name of the scenario.
        seeds: Seeds of the first week.
        weeks: Starts of the weeks, as dates in ISO 8601; none for the scenario's own time.
        policies: The runs of each variant; of the policy that does nothing first.
        bounds: The least emissions of each week and seed, in the order of the runs.
        rows: A row for each variant.
        ends: The runs of policies and baselines at the ends of coefficients; none where they were
            not asked for.
        bulk_hour_utc: Hour of the baseline that serves in bulk [h]; None without it.
        scenario: The scenario with what it compares, every default, and the `until` of deferrable
            requests that `drain` sets.
        versions: Versions of the libraries that it was made with.
    """

    name: str
    seeds: tuple[int, ...]
    weeks: tuple[str, ...]
    policies: tuple[PolicyRuns, ...]
    bounds: tuple[Bound | None, ...]
    rows: tuple[PolicyRow, ...]
    bulk_hour_utc: int | None
    scenario: Mapping[str, Any]
    versions: Mapping[str, str]
    ends: tuple[EndRuns, ...] = ()

    @property
    def units(self) -> Units:
        """The grouping of its runs."""
        return Units(max(1, len(self.weeks)), len(self.seeds))


def needed_runs(compared: Comparison) -> CaseRuns[Case]:
    """Return the runs that a comparison needs."""
    return CaseRuns(
        cases=(*compared.cases, *compared.end_cases),
        seeds=compared.seeds,
        shift=compared.shift,
        document=partial(case_document, compared),
        name=attrgetter("label"),
        working_dir=compared.working_dir,
    )


def evaluation_of(
    compared: Comparison,
    by_case: Sequence[tuple[RunFigures, ...]],
    *,
    workers: int | None = None,
) -> Evaluation:
    """Return the evaluation of runs, with the least emissions possible.

    Args:
        compared: The policies and the scenario.
        by_case: The runs of each case, those at the ends of coefficients last.
        workers: Bounds at once; as many as there are cores by default.
    """
    weeks = len(compared.starts)
    count = len(compared.cases)
    policies = _policies(compared.variants, by_case[:count], weeks)
    ends, each = [], len(compared.at_ends) * weeks
    for number, end in enumerate(compared.ends):
        of_end = by_case[count + number * each :][:each]
        ends.append(EndRuns(end, _policies(compared.at_ends, of_end, weeks)))
    bounds = _bounds(compared, workers)
    units = Units(weeks, len(compared.seeds))
    document = compared_document(compared)
    first = case_plan(compared, compared.cases[0], compared.seeds[0])
    return Evaluation(
        name=compared.name,
        seeds=compared.seeds,
        weeks=tuple(f"{start:%Y-%m-%d}" for start in compared.starts if start is not None),
        policies=policies,
        bounds=bounds,
        rows=tuple(with_ends(rows(policies, bounds, units), ends, units)),
        ends=tuple(ends),
        bulk_hour_utc=compared.bulk_hour_utc,
        scenario=validate_document(document, Scenario).model_dump(mode="json", exclude_none=True),
        versions=versions(first),
    )


def _policies(
    variants: Sequence[Variant], by_case: Sequence[tuple[RunFigures, ...]], weeks: int
) -> tuple[PolicyRuns, ...]:
    """Return the runs of each variant, from those of its weeks."""
    return tuple(
        PolicyRuns(
            variant,
            tuple(run for case in by_case[first : first + weeks] for run in case),
        )
        for variant, first in zip(variants, range(0, len(by_case), weeks), strict=True)
    )


def _bounds(compared: Comparison, workers: int | None) -> tuple[Bound | None, ...]:
    """Return the least emissions of each week and seed, in the order of the runs."""
    cases = [case for case in compared.cases if case.variant == compared.variants[0]]
    jobs = [(case, seed) for case in cases for seed in compared.seeds]
    count = min(workers or cores(), len(jobs))  # one is done before a process has begun
    outcomes = Processes(count).outcomes(
        partial(_bound, compared),
        jobs,
        lost=lambda job: (job, None),
        working_dir=compared.working_dir,
    )
    with closing(outcomes):
        found = dict(outcomes)
    return tuple(found[job] for job in jobs)


def _bound(compared: Comparison, job: tuple[Case, int]) -> tuple[tuple[Case, int], Bound | None]:
    case, seed = job
    try:
        return job, bound_of(case_plan(compared, case, seed))
    except (InferenceSimError, ValueError):  # a programme without a solution, say
        return job, None
