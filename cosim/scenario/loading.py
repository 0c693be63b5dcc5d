"""Scenario files: read, merged with the files they extend, overridden, and checked by a model.

A document keeps the place of every value, so that each problem is reported where it was written.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from cosim.errors import Problem, ScenarioError
from cosim.scenario.fields import ScenarioText, resolve_path
from cosim.scenario.settings import Setting, parse_setting, set_value
from cosim.scenario.yaml_reader import read_mapping
from inference_sim.files.wording import explain
from inference_sim.files.yaml_text import Node

MAX_EXTENDS = 20

M = TypeVar("M", bound=BaseModel)
DataPath = tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Document:
    """A scenario as it was written, before any model has seen it.

    Attributes:
        data: Plain Python values; every string value is a ScenarioText, every key a plain str.
        marks: Where each value stands, by its path of keys and indices; () is the whole.
            ``file:line:column`` from 1, or ``--set a.b`` for a value from the command line.
        key_marks: Where the key of each value stands.
        base_dir: Folder of the file that was read.
    """

    data: dict[str, Any]
    marks: Mapping[DataPath, str]
    key_marks: Mapping[DataPath, str]
    base_dir: Path


@dataclass(frozen=True, slots=True, eq=False)
class ScenarioTree:
    """A scenario that has been read and merged with the files it extends, to be set and checked.

    Attributes:
        root: The mapping, with the place of each value.
        base_dir: Folder of its file.
    """

    root: Node
    base_dir: Path


def read_tree(path: Path) -> ScenarioTree:
    """Return a scenario file, merged with the files it extends.

    Raises:
        ScenarioError: If a file cannot be read.
    """
    return ScenarioTree(_read_with_bases(path, ()), path.parent.absolute())


def with_settings(tree: ScenarioTree, overrides: Sequence[str | Setting]) -> ScenarioTree:
    """Return a scenario with `overrides` set.

    Raises:
        ScenarioError: If one cannot be set.
    """
    root = copy.deepcopy(tree.root)
    if problems := _override(root, overrides):
        raise ScenarioError(problems)
    return ScenarioTree(root, tree.base_dir)


def read_document(source: Path | ScenarioTree, overrides: Sequence[str | Setting] = ()) -> Document:
    """Return a scenario, merged with the files it extends and with `overrides` set.

    Args:
        source: The file, or the scenario that was read before.
        overrides: Settings such as ``sites.0.cluster.replicas=2``, whose value is YAML, or as
            another file has them; a later one goes over an earlier one.

    Raises:
        ScenarioError: If a file cannot be read, or an override cannot be set.
    """
    if isinstance(source, ScenarioTree):
        tree = with_settings(source, overrides)
        return document_of(tree.root, tree.base_dir)
    problems: list[Problem] = []
    root: Node | None = None
    try:
        root = _read_with_bases(source, ())
    except ScenarioError as error:
        problems.extend(error.problems)
    problems += _override(root, overrides)
    if problems or root is None:
        raise ScenarioError(problems)
    return document_of(root, source.parent.absolute())


def read_settings(settings: Sequence[str]) -> Document:
    """Return a document of nothing but settings such as ``high_g_per_kwh=270``.

    Raises:
        ScenarioError: If one cannot be set.
    """
    root = Node({}, "--set", "--set")
    if problems := _override(root, settings):
        raise ScenarioError(problems)
    return document_of(root, Path.cwd())


def _override(root: Node | None, overrides: Sequence[str | Setting]) -> list[Problem]:
    """Set `overrides`, and return their problems; without a root, only check them."""
    problems: list[Problem] = []
    for override in overrides:
        try:
            setting = parse_setting(override) if isinstance(override, str) else override
            if root is not None:
                # A copy, for a later setting may go into it.
                set_value(root, setting.path, copy.deepcopy(setting.value))
        except ScenarioError as error:
            problems.extend(error.problems)
    return problems


def document_of(root: Node, base_dir: Path) -> Document:
    """Return a mapping that was read as a document.

    Args:
        root: The mapping.
        base_dir: Folder of its file.
    """
    nodes = dict(_flatten(root, ()))
    return Document(
        data=root.plain(),
        marks={place: node.mark for place, node in nodes.items()},
        key_marks={place: node.key_mark for place, node in nodes.items()},
        base_dir=base_dir,
    )


def validate_document(document: Document, model: type[M]) -> M:
    """Return `document` as a `model`.

    Raises:
        ScenarioError: With every problem found, in the order of the file.
    """
    try:
        return model.model_validate(document.data)
    except ValidationError as error:
        problems = [
            problem_at(document, problem.path, problem.message, key=problem.at_key)
            for problem in explain(error, model, document.data)
        ]
    raise ScenarioError(
        sorted(dict.fromkeys(problems), key=lambda problem: place_order(problem.where))
    )


def find_mark(document: Document, path: Sequence[str | int], *, key: bool = False) -> str:
    """Return where the value at `path` stands, or the nearest that encloses it.

    Args:
        document: The document.
        path: Keys and indices, such as ``("sites", 0, "cluster")``.
        key: Return the place of its key instead.
    """
    place = tuple(path)
    while place not in document.marks:
        place, key = place[:-1], False
    return (document.key_marks if key else document.marks)[place]


def problem_at(
    document: Document, path: Sequence[str | int], message: str, *, key: bool = False
) -> Problem:
    """Return a problem with the value at `path`, or with its key."""
    dotted = ".".join(str(part) for part in path)
    return Problem(message, path=dotted, where=find_mark(document, path, key=key))


def place_order(where: str) -> tuple[str, int, int]:
    """Return a key that sorts places by file, line and column."""
    file, _, position = where.rpartition(":")
    file, _, line = file.rpartition(":")
    if where.startswith("--set ") or not (line.isdecimal() and position.isdecimal()):
        return where, 0, 0
    return file, int(line), int(position)


def _flatten(node: Node, place: DataPath) -> Iterator[tuple[DataPath, Node]]:
    yield place, node
    children: Any = ()
    if isinstance(node.value, dict):
        children = node.value.items()
    elif isinstance(node.value, list):
        children = enumerate(node.value)
    for key, child in children:
        yield from _flatten(child, (*place, key))


def _read_with_bases(path: Path, readers: tuple[Path, ...]) -> Node:
    """Return the mapping in `path`, merged over the files it extends but for their description.

    `readers` are the files that led here.
    """
    chain = (*readers, path)
    shown = " -> ".join(str(file) for file in chain)
    node = read_mapping(path)
    if any(path.samefile(file) for file in readers):
        raise ScenarioError(f"extends runs in a circle: {shown}")
    if len(readers) > MAX_EXTENDS:
        raise ScenarioError(f"extends goes through more than {MAX_EXTENDS} files: {shown}")
    return over_bases(node, chain)


def over_bases(node: Node, chain: tuple[Path, ...]) -> Node:
    """Return a mapping merged over the files it extends.

    Args:
        node: The mapping.
        chain: The files that led here, its own last; none for one that is in no file.

    Raises:
        ScenarioError: If a file cannot be read.
    """
    extends = node.value.pop("extends", None)
    if extends is None:
        return node
    if not isinstance(extends.value, ScenarioText):
        raise ScenarioError(Problem("expected the path of a scenario", "extends", extends.mark))
    try:
        base = _read_with_bases(shown_path(resolve_path(extends.value)), chain)
    except ValueError as error:
        raise ScenarioError(Problem(str(error), "extends", extends.mark)) from None
    except ScenarioError as error:
        # A file that is itself at fault has no place of its own: it is where it was asked for.
        raise ScenarioError(
            [
                problem if problem.where else Problem(problem.message, "extends", extends.mark)
                for problem in error.problems
            ]
        ) from None
    # A description is of one file: it may be false of another that changes what it describes.
    base.value.pop("description", None)
    return _merge(base, node)


def shown_path(path: Path) -> Path:
    """Return a path as the user would write it: relative where it lies below where they are."""
    path = Path(os.path.normpath(path))
    folder = Path.cwd()
    return path.relative_to(folder) if path.is_relative_to(folder) else path


def _merge(base: Node, over: Node) -> Node:
    if not (isinstance(base.value, dict) and isinstance(over.value, dict)):
        return over
    if _type(base) is not None and _type(over) not in (None, _type(base)):
        # The keys of another type would be leftovers.
        return over
    merged = dict(base.value)
    for key, child in over.value.items():
        merged[key] = _merge(merged[key], child) if key in merged else child
    return Node(merged, over.mark, over.key_mark)


def _type(node: Node) -> Any:
    return node.value["type"].value if "type" in node.value else None
