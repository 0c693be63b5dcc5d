"""Settings of a scenario by their paths: ``--set``, and the values that a study varies.

A path is keys with dots between. An entry of a list has its index, or its name where it has one:
``sites.0.cluster.replicas`` or ``sites.frankfurt.cluster.replicas``.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosim.errors import Problem, ScenarioError, did_you_mean
from cosim.scenario.yaml_reader import parse_yaml
from inference_sim.files.yaml_text import Node

_LONGEST_INDEX = 10  # digits


@dataclass(frozen=True, slots=True)
class Setting:
    """A value to be set in a scenario.

    Attributes:
        path: Its place, such as ``sites.0.cluster.replicas``.
        value: The value, with the place where it was written.
    """

    path: str
    value: Node


def parse_setting(text: str) -> Setting:
    """Return a setting of the command line, such as ``seed=7``; its place is ``--set seed``.

    Raises:
        ScenarioError: If it is not one.
    """
    path, equals, written = text.partition("=")
    path = path.strip()
    mark = f"--set {path}"
    if not equals:
        raise ScenarioError(f"--set {text}: expected key=value, such as seed=7")
    if not all(path.split(".")):
        raise ScenarioError(f"--set {text}: a key is empty")
    return Setting(path, parse_yaml(written, Path.cwd(), lambda _line, _column: mark))


def set_value(root: Node, path: str, value: Node) -> None:
    """Set a value in a scenario; mappings that are missing on the way are made.

    Args:
        root: The scenario.
        path: The place, such as ``sites.frankfurt.cluster.replicas``.
        value: The value.

    Raises:
        ScenarioError: If there is no such place.
    """
    keys = path.split(".")
    parent = root
    for depth, key in enumerate(keys[:-1], start=1):
        place = _place(parent, key, keys[: depth - 1], value.mark)
        child = _child(parent, place)
        if child is None or child.value is None:
            child = Node({}, value.mark, value.mark)
            _put(parent, place, child)
        parent = child
    _put(parent, _place(parent, keys[-1], keys[:-1], value.mark), value)


def indexed(data: Any, path: str) -> str:
    """Return a path with indices in place of names, so that two paths to one value read the same.

    Args:
        data: A scenario in plain values.
        path: The path; the part of it that leads out of the scenario stays as it is.
    """
    keys = path.split(".")
    for depth, key in enumerate(keys):
        if isinstance(data, dict):
            data = data.get(key)
        elif isinstance(data, list):
            names = [entry.get("name") if isinstance(entry, dict) else None for entry in data]
            if key in names and not _is_index(key):
                keys[depth] = str(names.index(key))
            place = keys[depth]
            data = data[int(place)] if _is_index(place) and int(place) < len(data) else None
    return ".".join(keys)


def _is_index(key: str) -> bool:
    return key.isascii() and key.isdecimal() and len(key) < _LONGEST_INDEX


def _child(parent: Node, place: str | int) -> Node | None:
    if isinstance(place, str):
        child: Node | None = parent.value.get(place)
        return child
    return parent.value[place] if place < len(parent.value) else None


def _put(parent: Node, place: str | int, child: Node) -> None:
    if isinstance(place, int) and place == len(parent.value):
        parent.value.append(child)
    else:
        parent.value[place] = child


def _place(parent: Node, key: str, above: list[str], where: str) -> str | int:
    """Return the key or the index in `parent` that a key of a path stands for.

    Args:
        parent: A mapping or a list, at the keys `above`.
        key: Key, index, or the name of an entry; the index past the last entry appends one.
        above: The keys before it.
        where: Place of the setting, for errors.
    """
    if isinstance(parent.value, dict):
        return key
    shown = ".".join(above)
    if not isinstance(parent.value, list):
        message = f"'{shown}' is a single value, it has no '{key}'"
        raise ScenarioError(Problem(message, where=where))
    size = len(parent.value)
    names = _names(parent.value)
    if key.isascii() and key.isdecimal():
        if len(key) <= len(str(size)) and int(key) <= size:
            return int(key)
        message = f"index {key} is out of range: '{shown}' has {size} entries, {size} appends"
    elif key in names:
        return names[key]
    elif names:
        known = ", ".join(names)
        message = (
            f"'{shown}' has no entry of this name: expected {known}, or an index "
            f"(got '{key}'){did_you_mean(key, names)}"
        )
    else:
        message = f"'{shown}' is a list: expected an index (got '{key}')"
    raise ScenarioError(Problem(message, where=where))


def _names(entries: list[Node]) -> dict[str, int]:
    """Return the index of each entry that has a name; of two of a name the first."""
    names: dict[str, int] = {}
    for index, entry in enumerate(entries):
        name = entry.value.get("name") if isinstance(entry.value, dict) else None
        if name is not None and isinstance(name.value, str):
            names.setdefault(str(name.value), index)
    return names
