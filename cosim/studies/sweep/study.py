"""A study: the values of a scenario that are varied, read from its file with their places."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim.accounting.words import plural
from cosim.errors import Problem, ScenarioError
from cosim.scenario.loading import (
    Document,
    ScenarioTree,
    document_of,
    problem_at,
    read_document,
    shown_path,
    validate_document,
)
from cosim.scenario.settings import Setting, indexed, parse_setting
from cosim.scenario.study import StudyKeys, VariedKeys
from cosim.scenario.yaml_reader import read_mapping
from cosim.studies.sweep.axes import Axis, AxisValue, axis_of, case_axis
from cosim.studies.sweep.baseline import baseline_number, baseline_problems
from cosim.studies.sweep.columns import RUN_COLUMNS
from inference_sim.files.yaml_text import Node

MAX_CASES = 10_000


@dataclass(frozen=True, slots=True)
class Study:
    """A scenario and the values that are varied in it.

    Attributes:
        name, description: As the file has them.
        scenario: The scenario: its file, or as it was read.
        seeds: Number of runs of each case.
        axes: The axes that are varied, in the order of the file; `cases` first.
        baseline: Number of the case that the others are compared with.
        settings: Settings of all runs: those of the file, then those of the command line.
        overrides: The settings of the command line as they were written.
        text: The file.
        working_dir: Where paths of the command line start from.
    """

    name: str
    description: str
    scenario: Path | ScenarioTree
    seeds: int
    axes: tuple[Axis, ...]
    baseline: int
    settings: tuple[Setting, ...]
    overrides: tuple[str, ...]
    text: str
    working_dir: Path

    @property
    def runs(self) -> int:
        """Number of runs."""
        return self.seeds * math.prod(len(axis.values) for axis in self.axes)

    @property
    def extent(self) -> str:
        """The study and its number of runs in words."""
        count = self.runs // self.seeds
        counted = f"{self.name}: {plural(count, 'case')}"
        if self.seeds == 1:
            return f"{counted}, a run each"
        return f"{counted} x {self.seeds} seeds = {self.runs:,} runs"


def read_study(path: Path, overrides: Sequence[str] = (), seeds: int | None = None) -> Study:
    """Return the study in a file; its combinations are not looked at yet.

    Args:
        path: The file.
        overrides: Settings of the scenario on top of the study's `set`.
        seeds: Number of seeds in place of the study's.

    Raises:
        ScenarioError: With every problem that could be found in the file itself.
    """
    root = read_mapping(path, "a study")
    document = document_of(root, path.parent.absolute())
    keys = validate_document(document, StudyKeys)
    text = path.read_text(encoding="utf-8-sig")
    return _study(root, document, keys, shown_path(keys.scenario), text, overrides, seeds)


def study_of(root: Node, scenario: ScenarioTree, text: str) -> Study:
    """Return a study of a scenario that has been read before.

    Args:
        root: The study, without its scenario.
        scenario: The scenario.
        text: The study as a file could have it, for the results.

    Raises:
        ScenarioError: With every problem that could be found in the study itself.
    """
    document = document_of(root, scenario.base_dir)
    keys = validate_document(document, VariedKeys)
    return _study(root, document, keys, scenario, text)


def _study(
    root: Node,
    document: Document,
    keys: VariedKeys,
    scenario: Path | ScenarioTree,
    text: str,
    overrides: Sequence[str] = (),
    seeds: int | None = None,
) -> Study:
    given = [parse_setting(override) for override in overrides]
    problems = list(dict.fromkeys(_problems(document, keys, scenario, given)))
    if problems:
        raise ScenarioError(problems)
    return Study(
        name=keys.name,
        description=" ".join(keys.description.split()),
        scenario=scenario,
        seeds=keys.seeds if seeds is None else seeds,
        axes=tuple(_axes(root, keys)),
        baseline=baseline_number(keys),
        settings=(*_settings(root.value.get("set")), *given),
        overrides=tuple(overrides),
        text=text,
        working_dir=Path.cwd(),
    )


def is_study(path: Path) -> bool:
    """Return whether a file is meant to be a study: it names a scenario, and varies it."""
    try:
        keys = read_mapping(path).value.keys()
    except ScenarioError:
        return False
    return "scenario" in keys and not keys.isdisjoint({"grid", "cases"})


def check_is_study(path: Path) -> None:
    """Check that a file is not meant to be a scenario.

    Raises:
        ScenarioError: If it is one, or cannot be read.
    """
    keys = read_mapping(path, "a study").value.keys()
    if "scenario" not in keys and not keys.isdisjoint({"sites", "extends", "time"}):
        raise ScenarioError(
            f"'{path}' is a scenario: `cosim run {path}` runs it; a study names a `scenario`, and "
            "varies it by `grid` or `cases`"
        )


def _axes(root: Node, keys: VariedKeys) -> Iterator[Axis]:
    if keys.cases:
        yield case_axis(
            [
                AxisValue(
                    case.name, tuple(_settings(node.value.get("set"))), node.value["name"].mark
                )
                for case, node in zip(keys.cases, root.value["cases"].value, strict=True)
            ]
        )
    labels = _labels(keys)
    for path, node in root.value["grid"].value.items() if keys.grid else ():
        values = node if isinstance(node.value, list) else node.value["values"]
        yield axis_of(labels[path], path, values.value)


def _labels(keys: VariedKeys) -> dict[str, str]:
    """Return the labels of the grid's axes: the last key, or the path where two share it."""
    lasts = [path.rpartition(".")[2] for path in keys.grid]
    labels = {}
    for path, last in zip(keys.grid, lasts, strict=True):
        given = None if isinstance(keys.grid[path], list) else keys.grid[path].label  # type: ignore[union-attr]
        labels[path] = given or (last if lasts.count(last) == 1 else path)
    return labels


def _settings(node: Node | None) -> Iterator[Setting]:
    if node is not None:
        for path, value in node.value.items():
            yield Setting(path, value)


def _problems(
    document: Document, keys: VariedKeys, source: Path | ScenarioTree, given: Sequence[Setting]
) -> Iterator[Problem]:
    """Yield problems of the values that are varied."""
    if not keys.grid and not keys.cases:
        yield problem_at(
            document,
            [key for key in ("grid", "cases") if key in document.data][:1],
            "nothing is varied: expected values under `grid`, such as "
            "`grid: {sites.0.cluster.replicas: [1, 2]}`, or `cases`",
        )
    places: list[tuple[str | int, ...]] = [
        *(("set", path) for path in keys.set),
        *(("grid", path) for path in keys.grid),
        *(("cases", k, "set", path) for k, case in enumerate(keys.cases) for path in case.set),
    ]
    for place in places:
        if not all(str(place[-1]).split(".")):
            yield problem_at(document, place, "a key of this path is empty", key=True)
        elif place[0] != "set" and place[-1] == "seed":
            yield problem_at(document, place, "seeds are varied by `seeds: N`", key=True)
    yield from _overlaps(document, keys, source, given)
    yield from _names(document, keys)
    yield from baseline_problems(document, keys)
    count = math.prod(len(_values(axis)) for axis in keys.grid.values())
    count *= len(keys.cases) or 1
    if count > MAX_CASES:
        message = f"{count:,} combinations are too many; expected at most {MAX_CASES:,}"
        yield problem_at(document, ("grid",), message, key=True)


def _overlaps(
    document: Document, keys: VariedKeys, source: Path | ScenarioTree, given: Sequence[Setting]
) -> Iterator[Problem]:
    """Yield settings that the varied values would overwrite, and keys that are varied twice."""
    scenario = _scenario_data(source)
    varied = {path: ("grid", path) for path in keys.grid}
    by_case: dict[str, tuple[str | int, ...]] = {}
    for k, case in enumerate(keys.cases):
        for path in case.set:
            by_case.setdefault(path, ("cases", k, "set", path))
    same = {
        path: indexed(scenario, path)
        for path in (*keys.grid, *by_case, *keys.set, *(setting.path for setting in given))
    }

    def within(path: str, other: str) -> bool:
        return f"{same[path]}.".startswith(f"{same[other]}.")

    for k, path in enumerate(keys.grid):
        for other in (*list(keys.grid)[:k], *by_case):
            if within(path, other) or within(other, path):
                where = "`cases`" if other in by_case else f"{other}"
                message = f"this is varied by {where} too, and one would overwrite the other"
                yield problem_at(document, varied[path], message, key=True)
    for path in (*keys.grid, *by_case):
        for other in keys.set:
            if within(other, path):
                message = f"this is varied by {path} and would be overwritten"
                yield problem_at(document, ("set", other), message, key=True)
        for setting in given:
            if within(setting.path, path):
                message = f"the study varies {path}, which would overwrite this"
                yield Problem(message, path=setting.path, where=setting.value.mark)


def _scenario_data(source: Path | ScenarioTree) -> Mapping[str, Any]:
    """Return the scenario that is varied, in plain values; nothing of one that cannot be read."""
    try:
        return read_document(source).data
    except ScenarioError:  # said when its cases are checked
        return {}


def _values(axis: Any) -> list[Any]:
    values: list[Any] = axis if isinstance(axis, list) else axis.values
    return values


def _names(document: Document, keys: VariedKeys) -> Iterator[Problem]:
    """Yield names and values that stand twice."""
    names = [case.name for case in keys.cases]
    for k, name in enumerate(names):
        if name in names[:k]:
            message = f"cases need different names (got '{name}' twice)"
            yield problem_at(document, ("cases", k, "name"), message)
    taken = {*RUN_COLUMNS, "case"}
    labels: list[str] = []
    for path, label in _labels(keys).items():
        given = not isinstance(keys.grid[path], list) and "label" in document.data["grid"][path]
        place = ("grid", path, "label") if given else ("grid", path)
        if label in labels:
            yield problem_at(document, place, f"labels must differ (got '{label}' twice)")
        elif label in taken and path != "seed":
            message = f"'{label}' is a column of the results; give it another `label`"
            yield problem_at(document, place, message)
        labels.append(label)
        values = _values(keys.grid[path])
        inner = () if isinstance(keys.grid[path], list) else ("values",)
        if not values:
            yield problem_at(
                document, ("grid", path, *inner), "expected at least one value (got 0)"
            )
        for k, value in enumerate(values):
            if any(value == other and type(value) is type(other) for other in values[:k]):
                yield problem_at(document, ("grid", path, *inner, k), "this value stands twice")
