"""A tuning: the trials of a search, and the best one beside the defaults in other weeks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from cosim.results.folder import versions
from cosim.scenario.loading import read_document, validate_document
from cosim.scenario.scenario import Scenario
from cosim.studies.evaluate.statistics import PolicyRow, PolicyRuns, rows
from cosim.studies.evaluate.units import Units
from cosim.studies.evaluate.variants import Variant
from cosim.studies.frame.cases import CaseRuns
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.interval import Interval
from cosim.studies.tune.search import (
    DOES_NOTHING,
    Sampler,
    Search,
    TuneCase,
    case_document,
    policy_entry,
)
from cosim.studies.tune.space import Parameter
from cosim.studies.tune.trials import Trial, best_of, missed_runs, needed_runs
from cosim.world.plan import plan_document


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """The outcome of a search.

    Attributes:
        name: Name of the scenario.
        policy: Name of the policy.
        sampler: How trials were chosen.
        seeds: Seeds of the first week.
        tune_weeks, test_weeks: Starts of the weeks of the search and of the report, as dates in
            ISO 8601.
        parameters: The parameters that were searched.
        unsearched: Names of those that were not, for want of a range.
        fixed: Parameters that kept a value, as they were given.
        noop: The runs without controllers in the weeks of the search.
        trials: The trials; the defaults first.
        tested: The runs without controllers, of the defaults and of the best trial in the weeks of
            the report.
        entry: The policy with the parameters of the best trial.
        scenario: The scenario with every default.
        versions: Versions of the libraries that it was made with.
    """

    name: str
    policy: str
    sampler: Sampler
    seeds: tuple[int, ...]
    tune_weeks: tuple[str, ...]
    test_weeks: tuple[str, ...]
    parameters: tuple[Parameter, ...]
    unsearched: tuple[str, ...]
    fixed: tuple[str, ...]
    noop: tuple[RunFigures, ...]
    trials: tuple[Trial, ...]
    tested: tuple[tuple[RunFigures, ...], ...]
    entry: Mapping[str, Any]
    scenario: Mapping[str, Any]
    versions: Mapping[str, str]

    @property
    def best(self) -> Trial:
        """The best trial."""
        return best_of(self.trials)

    @property
    def units(self) -> Units:
        """The grouping of the runs in the weeks of the report."""
        return Units(len(self.test_weeks), len(self.seeds))

    @property
    def rows(self) -> list[PolicyRow]:
        """Doing nothing, the defaults and the best trial in the weeks of the report."""
        names = (DOES_NOTHING, Variant("defaults", 0), Variant("tuned", 0))
        policies = [PolicyRuns(name, runs) for name, runs in zip(names, self.tested, strict=True)]
        return rows(policies, [None] * len(self.tested[0]), self.units)

    @property
    def savings(self) -> tuple[list[float], list[float]]:
        """Shares of the emissions of doing nothing saved in each week, by defaults and tuned."""
        noop_g, *others = (
            self.units.means([run.equal_work_g for run in runs]) for runs in self.tested
        )
        defaults, tuned = (
            [1 - own / noop if noop > 0 else 0.0 for own, noop in zip(own_g, noop_g, strict=True)]
            for own_g in others
        )
        return defaults, tuned

    @property
    def difference(self) -> Interval:
        """Saving of the best trial minus that of the defaults, over the weeks of the report."""
        defaults, tuned = self.savings
        return Interval.of([new - old for new, old in zip(tuned, defaults, strict=True)])

    @property
    def missed(self) -> tuple[int, int]:
        """Runs in the weeks of the report in which defaults and tuned missed their objectives."""
        noop, defaults, tuned = self.tested
        return missed_runs(defaults, noop), missed_runs(tuned, noop)

    def saving(self, trial: Trial) -> float:
        """Return the share that a trial saves in the weeks of the search."""
        noop_g = sum(run.equal_work_g for run in self.noop) / len(self.noop)
        return 1 - trial.carbon_g / noop_g if noop_g > 0 else 0.0


def report_runs(search: Search, trials: Sequence[Trial]) -> CaseRuns[TuneCase]:
    """Return the runs of the report: without controllers, the defaults, and the best trial."""
    best = best_of(trials)
    cases = [
        *search.cases("noop", DOES_NOTHING, None, "test"),
        *search.cases(trials[0].label, search.policy, trials[0].values, "test"),
    ]
    if best.number:
        cases += search.cases(best.label, search.policy, best.values, "test")
    return needed_runs(search, cases)


def tuning_of(
    search: Search,
    noop: tuple[RunFigures, ...],
    trials: tuple[Trial, ...],
    by_case: Sequence[tuple[RunFigures, ...]],
) -> Tuning:
    """Return the outcome of a search.

    Args:
        search: The search.
        noop: The runs without controllers in the weeks of the search.
        trials: The trials.
        by_case: The runs of each case of the report.
    """
    weeks = len(search.test_starts)
    tested = [
        tuple(run for case in by_case[first : first + weeks] for run in case)
        for first in range(0, len(by_case), weeks)
    ]
    if len(tested) == 2:  # the defaults are the best
        tested.append(tested[1])
    document = read_document(search.path, search.overrides)
    plan = plan_document(case_document(search, search.cases("", DOES_NOTHING, None, "test")[0]))
    return Tuning(
        name=search.name,
        policy=search.policy.name,
        sampler=search.sampler,
        seeds=search.seeds,
        tune_weeks=tuple(f"{start:%Y-%m-%d}" for start in search.tune_starts),
        test_weeks=tuple(f"{start:%Y-%m-%d}" for start in search.test_starts),
        parameters=search.space.parameters,
        unsearched=search.space.unsearched,
        fixed=search.fixed,
        noop=noop,
        trials=trials,
        tested=tuple(tested),
        entry=policy_entry(search, best_of(trials).values),
        scenario=validate_document(document, Scenario).model_dump(mode="json", exclude_none=True),
        versions=versions(plan),
    )
