"""A search: which parameters of which policy, in which weeks, with how many trials."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from controllers import BUILTIN, resolve
from cosim.accounting.words import plural
from cosim.errors import ScenarioError, did_you_mean
from cosim.scenario.controllers import parameters_model
from cosim.scenario.fields import ScenarioText
from cosim.scenario.loading import Document, problem_at, read_document, validate_document
from cosim.scenario.scenario import Scenario
from cosim.studies.evaluate.comparison import check_comparable
from cosim.studies.evaluate.documents import variant_document
from cosim.studies.evaluate.named import policies_setting
from cosim.studies.evaluate.variants import NOOP, Variant
from cosim.studies.evaluate.weeks import Use, weeks
from cosim.studies.tune.space import Entry, Range, Space, Value, places, space_of
from cosim.world.plan import plan_document

Sampler = Literal["random", "tpe"]
TEST_WEEKS = 10
"""Weeks of the report of a scenario that does not say how many."""
DOES_NOTHING = Variant(NOOP, -1, "baseline")


@dataclass(frozen=True, slots=True)
class TuneCase:
    """A policy with some parameters in one of the weeks.

    Attributes:
        label: It in words.
        variant: The policy, or the one that does nothing.
        settings: Settings of the scenario that give it its parameters.
        week: Number of the week; those of the report follow on those of the search, so that none
            has the seed of another.
        start: Its start.
    """

    label: str
    variant: Variant
    settings: tuple[str, ...]
    week: int
    start: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """A policy whose parameters are searched.

    Attributes:
        path: The scenario file.
        overrides: Settings on top of it.
        name: Name of the scenario.
        policy: The policy.
        space: Its parameters.
        fixed: Parameters that keep a value, as they were given.
        sampler: How trials are chosen.
        trials: Number of trials, the defaults among them.
        seeds: Seeds of the first week; each week has as many of its own.
        tune_starts, test_starts: Starts of the weeks of the search, and of those of the report.
        working_dir: Where paths of the settings start from.
    """

    path: Path
    overrides: tuple[str, ...]
    name: str
    policy: Variant
    space: Space
    fixed: tuple[str, ...]
    sampler: Sampler
    trials: int
    seeds: tuple[int, ...]
    tune_starts: tuple[datetime, ...]
    test_starts: tuple[datetime, ...]
    working_dir: Path

    @property
    def extent(self) -> str:
        """The search in words."""
        ranges = "; ".join(parameter.extent for parameter in self.space.parameters)
        text = (
            f"{self.policy.name}: {plural(self.trials, 'trial')} in {len(self.tune_starts)} parts "
            f"of the year, then {len(self.test_starts)} others for the report\nsearched: {ranges}"
        )
        if self.space.unsearched:
            text += f"\nnot searched, for want of a range: {', '.join(self.space.unsearched)}"
        return text

    def shift(self, case: TuneCase) -> int:
        """Return what is added to the seeds of the first week for those of a case's week."""
        return case.week * len(self.seeds)

    def settings(self, values: Sequence[Value]) -> tuple[str, ...]:
        """Return the settings of the scenario that give the policy its parameters."""
        return tuple(
            f"{parameter.path}={json.dumps(value)}"
            for parameter, value in zip(self.space.parameters, values, strict=True)
            if value != parameter.default
        )

    def cases(
        self, label: str, variant: Variant, values: Sequence[Value] | None, use: Use
    ) -> list[TuneCase]:
        """Return a policy in each week of the search, or of the report.

        Args:
            label: It in words.
            variant: The policy, or the one that does nothing.
            values: Its parameters; None for those that it has.
            use: Which weeks.
        """
        settings = () if values is None else self.settings(values)
        starts = self.tune_starts if use == "tune" else self.test_starts
        first = 0 if use == "tune" else len(self.tune_starts)
        return [
            TuneCase(f"{label}, {start:%d %B}", variant, settings, first + number, start)
            for number, start in enumerate(starts)
        ]


def read_search(
    path: Path,
    overrides: Sequence[str],
    policy: str,
    *,
    ranges: Sequence[str] = (),
    fixed: Sequence[str] = (),
    sampler: Sampler = "random",
    trials: int = 24,
    tune_weeks: int = 6,
    test_weeks: int | None = None,
    seeds: int = 1,
) -> Search:
    """Return the search of a policy's parameters, everything checked.

    Args:
        path: The scenario file.
        overrides: Settings on top of it.
        policy: Name of one of the policies of its evaluation, or of a controller.
        ranges: Ranges to search, such as ``quantile=0.1:0.5``.
        fixed: Values to keep, such as ``utilisation=0.8``.
        sampler: How trials are chosen.
        trials: Number of trials.
        tune_weeks, test_weeks: Number of weeks of the search and of the report; those of the
            evaluation by default.
        seeds: Number of seeds of each week.

    Raises:
        ScenarioError: If there is no such policy, or anything is wrong with it, or it has no
            parameter to search.
    """
    settings = list(overrides)
    document = read_document(path, settings)
    validate_document(document, Scenario)
    found = _policy(document, policy)
    if found is None:
        settings.append(policies_setting([policy], twins=False))
        document = read_document(path, settings)
        found = Variant(policy.rpartition(":")[2], 0)
    entries = _entries(document, found)
    kept = dict(_pair(text, "--fix", "NAME=VALUE, such as utilisation=0.8") for text in fixed)
    given = dict(map(_range, ranges))
    space = space_of(entries, given, list(kept))
    if kept:
        known = places(entries)
        settings += [f"{known[name]}={value}" for name, value in kept.items()]
        document = read_document(path, settings)
        space = space_of(_entries(document, found), given, list(kept))
    scenario = validate_document(document, Scenario)
    check_comparable(document, scenario)
    plan_document(variant_document(document, found))
    if not space.parameters:
        names = ", ".join(space.unsearched)
        raise ScenarioError(
            f"'{policy}' has no parameter to tune"
            + (f": give a range of {names} by --range NAME=LOW:HIGH" if names else "")
        )
    evaluation = scenario.evaluation
    if test_weeks is None:
        own = None if evaluation is None else evaluation.weeks
        test_weeks = TEST_WEEKS if own is None else own
    return Search(
        path=path.resolve(),
        overrides=tuple(settings),
        name=scenario.name,
        policy=found,
        space=space,
        fixed=tuple(fixed),
        sampler=sampler,
        trials=trials,
        seeds=tuple(range(scenario.seed, scenario.seed + seeds)),
        tune_starts=_starts(scenario, tune_weeks, "tune"),
        test_starts=_starts(scenario, test_weeks, "test"),
        working_dir=Path.cwd(),
    )


def case_document(search: Search, case: TuneCase) -> Document:
    """Return the scenario of a case, whatever its seed."""
    settings = [*search.overrides, *case.settings, f"time.start={case.start.isoformat()}"]
    return variant_document(read_document(search.path, settings), case.variant)


def policy_entry(search: Search, values: Sequence[Value]) -> dict[str, Any]:
    """Return the entry of the policy with other parameters, for the scenario's evaluation."""
    document = read_document(search.path, [*search.overrides, *search.settings(values)])
    entry = document.data["evaluation"]["policies"][search.policy.index]
    plain: dict[str, Any] = json.loads(json.dumps(entry))
    return plain | {"name": f"{search.policy.name}_tuned"}


def _policy(document: Document, name: str) -> Variant | None:
    """Return the policy of a scenario's evaluation; None for the name of a controller.

    Raises:
        ScenarioError: If it is neither.
    """
    policies = (document.data.get("evaluation") or {}).get("policies") or []
    names = [str(policy["name"]) for policy in policies]
    if name in names:
        return Variant(name, names.index(name))
    try:
        resolve(name, Path.cwd())
    except ValueError as error:
        if ":" in name:
            raise ScenarioError(str(error)) from error
        listed = f"one of {', '.join(names)}, or " if names else ""
        raise ScenarioError(
            f"no policy '{name}'{did_you_mean(name, [*names, *BUILTIN]) or ':'} expected {listed}"
            "the name of a controller (cosim controllers list)"
        ) from error
    return None


def _entries(document: Document, policy: Variant) -> list[Entry]:
    """Return the controllers of a policy.

    Raises:
        ScenarioError: If it has none, or one of them is wrong.
    """
    place = ("evaluation", "policies", policy.index, "controllers")
    given = document.data["evaluation"]["policies"][policy.index].get("controllers")
    if not given:
        raise ScenarioError(f"'{policy.name}' has no controllers: there is nothing to tune")
    entries: list[Entry] = []
    names: list[str] = []
    for number, keys in enumerate(given):
        type_name = keys.get("type") if isinstance(keys, dict) else None
        if not isinstance(type_name, ScenarioText):
            plan_document(variant_document(document, policy))  # raises, with its place
            raise ScenarioError(problem_at(document, (*place, number), "expected a `type`"))
        try:
            model = parameters_model(type_name, resolve(type_name, type_name.base_dir))
        except ValueError as error:
            raise ScenarioError(
                problem_at(document, (*place, number, "type"), str(error))
            ) from error
        names.append(type_name.rpartition(":")[2])
        same = names.count(names[-1])
        name = names[-1] if same == 1 else f"{names[-1]}_{same}"
        entries.append(Entry(name, ".".join(map(str, (*place, number))), model, keys))
    return entries


def _pair(text: str, option: str, expected: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (equals and name.strip() and value.strip()):
        raise ScenarioError(f"{option} {text}: expected {expected}")
    return name.strip(), value.strip()


def _range(text: str) -> tuple[str, Range]:
    expected = "NAME=LOW:HIGH, such as quantile=0.1:0.5"
    name, ends = _pair(text, "--range", expected)
    try:
        low, high = map(float, ends.split(":"))
    except ValueError:
        raise ScenarioError(f"--range {text}: expected {expected}") from None
    if not low < high < float("inf") or low == -float("inf"):
        raise ScenarioError(f"--range {text}: the first end must be below the second, both finite")
    return name, (low, high)


def _starts(scenario: Scenario, count: int, use: Use) -> tuple[datetime, ...]:
    """Return the starts of weeks of the evaluation's year, or of that of the scenario's start."""
    time, evaluation = scenario.time, scenario.evaluation
    own = None if evaluation is None else evaluation.of
    try:
        return tuple(
            weeks(time.start.year if own is None else own, time.start, time.horizon_s, count, use)
        )
    except ValueError as error:
        raise ScenarioError(str(error)) from error
