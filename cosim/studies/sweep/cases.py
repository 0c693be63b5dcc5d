"""The cases of a study: every combination of its values, each planned before anything runs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from cosim.errors import Problem, ScenarioError, did_you_mean
from cosim.scenario.loading import Document, place_order, read_document
from cosim.scenario.settings import Setting
from cosim.studies.sweep.axes import Axis, AxisValue
from cosim.studies.sweep.study import Study
from cosim.world.plan import plan_document


@dataclass(frozen=True, slots=True)
class Case:
    """One combination.

    Attributes:
        number: Its place among the cases, from 0.
        values: Its value on each axis.
    """

    number: int
    values: tuple[AxisValue, ...]

    @property
    def settings(self) -> tuple[Setting, ...]:
        """Settings of the scenario that it makes."""
        return tuple(setting for value in self.values for setting in value.settings)


def cases(axes: Sequence[Axis]) -> list[Case]:
    """Return every combination of the values of axes; the last axis varies fastest."""
    combined = product(*(axis.values for axis in axes))
    return [Case(number, values) for number, values in enumerate(combined)]


def case_name(axes: Sequence[Axis], values: Sequence[AxisValue]) -> str:
    """Return the values of a case in words, with the axes that vary."""
    named = [
        axis.name(value) for axis, value in zip(axes, values, strict=True) if len(axis.values) > 1
    ]
    return ", ".join(named) or "the only case"


def case_text(study: Study, case: Case) -> str:
    """Return a case of a study in words."""
    return case_name(study.axes, case.values)


def with_baseline(study: Study, name: str) -> Study:
    """Return a study that is compared with the case of a name.

    Raises:
        ScenarioError: If no case has that name.
    """
    names = {case_text(study, case): case.number for case in cases(study.axes)}
    if name not in names:
        known = did_you_mean(name, names) or f"; the cases are: {'; '.join(names)}"
        raise ScenarioError(
            Problem(f"no case has this name (got '{name}'){known}", where="--baseline")
        )
    return replace(study, baseline=names[name])


def case_document(study: Study, case: Case) -> Document:
    """Return the scenario of a case.

    Raises:
        ScenarioError: If a value cannot be set.
    """
    return read_document(study.scenario, (*study.settings, *case.settings))


def first_seed(study: Study) -> int:
    """Return the seed of the scenario, with the settings of the study; every case is checked.

    Raises:
        ScenarioError: With every problem of every case, each once, and of which values it comes.
    """
    cases_of: dict[Problem, list[Case]] = {}
    every = cases(study.axes)
    seed = 0
    for case in every:
        try:
            seed = plan_document(case_document(study, case)).scenario.seed
        except ScenarioError as error:
            for problem in dict.fromkeys(error.problems):
                cases_of.setdefault(problem, []).append(case)
    if cases_of:
        problems = [
            _explained(study, problem, met, len(every)) for problem, met in cases_of.items()
        ]
        raise ScenarioError(sorted(problems, key=lambda problem: place_order(problem.where)))
    return seed


def _explained(study: Study, problem: Problem, met: Sequence[Case], total: int) -> Problem:
    """Return a problem with the values that all cases share which have it.

    It is left as it is if all cases have it, or if it stands where the only one of these does.
    """
    shared = list(_shared(study, met))
    if len(met) == total or (shared and {value.where for _, value in shared} == {problem.where}):
        return problem
    named = shared or list(zip(study.axes, met[0].values, strict=True))
    texts = [axis.name(value) for axis, value in named]
    others = "" if shared or len(met) == 1 else f" (and {len(met) - 1} other cases)"
    return Problem(f"with {', '.join(texts)}{others}: {problem}", where=named[0][1].where)


def _shared(study: Study, met: Sequence[Case]) -> Iterator[tuple[Axis, AxisValue]]:
    """Yield the axes that vary, and on which some cases have the same value."""
    for k, axis in enumerate(study.axes):
        if len(axis.values) > 1 and len({case.values[k].text for case in met}) == 1:
            yield axis, met[0].values[k]
