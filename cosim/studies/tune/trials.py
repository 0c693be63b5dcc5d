"""The trials of a search: chosen, run in the weeks of the search, and put in order.

The emissions of a trial count if in every run it met the SLOs and served what the run without
controllers serves; a trial that did not is below all that did.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from operator import attrgetter

from cosim.errors import ScenarioError
from cosim.studies.evaluate.statistics import left_work, meets_objectives
from cosim.studies.frame.cases import CaseRuns
from cosim.studies.runs.figures import RunFigures
from cosim.studies.tune.samplers import Design, Points, Tpe
from cosim.studies.tune.search import DOES_NOTHING, Search, TuneCase, case_document
from cosim.studies.tune.space import Value
from cosim.world.plan import plan_document

Run = Callable[[CaseRuns[TuneCase]], Sequence[tuple[RunFigures, ...]]]
"""Executes runs, and returns the figures of each case."""

_BATCH = 4  # trials that TPE draws at once, whatever the workers, so that these change nothing
_DESIGNED = 1 / 3  # share of the trials of TPE that are spread evenly
_DRAWS = 25  # for each trial that is wanted: others are no valid policies, or were tried
_INFEASIBLE = 1e3  # score of a trial that missed its objectives, beyond that of any that met them


@dataclass(frozen=True, slots=True)
class Trial:
    """A policy with some parameters, and its runs in the weeks of the search.

    Attributes:
        number: Its number; 0 is the policy as it was.
        values: Its parameters, in the order of the search.
        runs: Its runs: the seeds of the first week, then those of the second, and so on.
        missed: Runs in which it missed its objectives or left work.
    """

    number: int
    values: tuple[Value, ...]
    runs: tuple[RunFigures, ...]
    missed: int

    @property
    def carbon_g(self) -> float:
        """Mean emissions of a run, at equal work [g]."""
        return math.fsum(run.equal_work_g for run in self.runs) / len(self.runs)

    @property
    def failures(self) -> list[str]:
        """Why runs broke off."""
        return [run.failure for run in self.runs if run.failure]

    @property
    def label(self) -> str:
        """It in words."""
        return trial_label(self.number)


def trial_label(number: int) -> str:
    """Return a trial in words."""
    return f"trial {number}" if number else "defaults"


def ranked(trials: Sequence[Trial]) -> list[Trial]:
    """Return trials from the best on; those that missed their objectives come last."""
    return sorted(trials, key=lambda trial: (trial.missed, trial.carbon_g, trial.number))


def best_of(trials: Sequence[Trial]) -> Trial:
    """Return the trial with the least emissions; the defaults if none met its objectives."""
    first = ranked(trials)[0]
    return trials[0] if first.missed else first


def missed_runs(runs: Sequence[RunFigures], noop: Sequence[RunFigures]) -> int:
    """Return the number of runs that missed their objectives, or left work that noop did not."""
    return sum(
        bool(run.failure) or left_work(run, still) or not meets_objectives(run)
        for run, still in zip(runs, noop, strict=True)
    )


def tried(search: Search, run: Run) -> tuple[tuple[RunFigures, ...], tuple[Trial, ...]]:
    """Return the runs without controllers in the weeks of the search, and all trials.

    There are fewer trials than wanted where the parameters have fewer valid values.

    Args:
        search: The search.
        run: Executes runs.

    Raises:
        ScenarioError: If nothing but the defaults is a valid policy.
    """
    source = _Source(search)
    batch = [search.space.defaults, *source.first()]
    still = search.cases("noop", DOES_NOTHING, None, "tune")
    noop: tuple[RunFigures, ...] = ()
    trials: list[Trial] = []
    while batch:
        numbered = list(enumerate(batch, len(trials)))
        cases = [
            case
            for number, values in numbered
            for case in search.cases(trial_label(number), search.policy, values, "tune")
        ]
        by_case = run(needed_runs(search, [*still, *cases]))
        if still:
            noop = _joined(by_case[: len(still)])
            by_case, still = by_case[len(still) :], []
        weeks = len(search.tune_starts)
        new = []
        for index, (number, values) in enumerate(numbered):
            runs = _joined(by_case[index * weeks :][:weeks])
            new.append(Trial(number, values, runs, missed_runs(runs, noop)))
        trials += new
        batch = source.more(new, noop, search.trials - len(trials))
    return noop, tuple(trials)


def needed_runs(search: Search, cases: Sequence[TuneCase]) -> CaseRuns[TuneCase]:
    """Return the runs of cases."""
    return CaseRuns(
        cases=cases,
        seeds=search.seeds,
        shift=search.shift,
        document=partial(case_document, search),
        name=attrgetter("label"),
        working_dir=search.working_dir,
    )


class _Source:
    """A source of the parameters of trials, each of which is a valid policy and a new one."""

    def __init__(self, search: Search) -> None:
        space, seed = search.space, search.seeds[0]
        self._search = search
        self._seen = {space.defaults}
        self._design = Design(len(space.parameters), seed)
        self._tpe = Tpe(len(space.parameters), seed) if search.sampler == "tpe" else None

    def first(self) -> list[tuple[Value, ...]]:
        """Return the parameters of the first trials, beside the defaults."""
        wanted = self._search.trials - 1
        count = wanted if self._tpe is None else max(_BATCH, int(_DESIGNED * wanted))
        first = list(self._draw(self._design, min(count, wanted)))
        if wanted and not first:
            raise ScenarioError(
                f"no other parameters of '{self._search.policy.name}' than its own were found that "
                "make a valid policy: keep some of them by --fix NAME=VALUE"
            )
        return first

    def more(
        self, trials: Sequence[Trial], noop: Sequence[RunFigures], wanted: int
    ) -> list[tuple[Value, ...]]:
        """Return the parameters of the next trials, at most so many; none at the end.

        Args:
            trials: The trials that ended since the last call.
            noop: The runs without controllers.
            wanted: Number of trials that are left.
        """
        if self._tpe is None:
            return []
        noop_g = math.fsum(run.equal_work_g for run in noop) / len(noop)
        for trial in trials:
            point = self._search.space.units(trial.values)
            if point is not None:
                missed = _INFEASIBLE + trial.missed
                self._tpe.learn(point, missed if trial.missed else trial.carbon_g / noop_g)
        return list(self._draw(self._tpe, min(_BATCH, wanted)))

    def _draw(self, points: Points, count: int) -> Iterator[tuple[Value, ...]]:
        for _ in range(count * _DRAWS):
            if not count:
                return
            values = self._search.space.values(points.draw())
            if values not in self._seen:
                self._seen.add(values)
                if self._is_valid(values):
                    count -= 1
                    yield values

    def _is_valid(self, values: Sequence[Value]) -> bool:
        """Return whether a policy with these parameters can be planned."""
        case = self._search.cases("", self._search.policy, values, "tune")[0]
        try:
            plan_document(case_document(self._search, case))
        except ScenarioError:
            return False
        return True


def _joined(by_case: Sequence[tuple[RunFigures, ...]]) -> tuple[RunFigures, ...]:
    return tuple(run for case in by_case for run in case)
