"""Scenarios and settings given as Python values, in place of YAML.

Mappings, lists, texts, numbers, truth values and None stand for what YAML writes the same way; a
path is a text, a time its ISO 8601 form, a time span a number of seconds, and a number of NumPy the
number. Texts remember the current folder, from which relative paths start. Under `controllers` an
entry may be a name, a class or an object as well as a mapping.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np

from controllers import Controller, FleetController
from cosim.errors import Problem, ScenarioError
from cosim.scenario.fields import ScenarioText
from cosim.scenario.given_controller import GivenController
from cosim.scenario.loading import ScenarioTree, over_bases
from cosim.scenario.settings import Setting
from inference_sim.files.yaml_text import Node

_PLAIN = (bool, int, float, type(None))


def tree_of(data: Mapping[str, Any]) -> ScenarioTree:
    """Return a scenario given as a mapping, over the files that it extends.

    Raises:
        ScenarioError: If a value has no form in a scenario, or a file cannot be read.
    """
    return ScenarioTree(over_bases(node_of(data), ()), Path.cwd())


def settings_of(values: Mapping[str, Any]) -> tuple[Setting, ...]:
    """Return settings given as values by their path, such as ``sites.0.cluster.replicas``.

    Raises:
        ScenarioError: If a path has an empty key, or a value has no form in a scenario.
    """
    for path in values:
        if not all(str(path).split(".")):
            raise ScenarioError(f"set {path!r}: a key is empty")
    return tuple(Setting(str(path), node_of(value, str(path))) for path, value in values.items())


def node_of(value: Any, path: str = "") -> Node:
    """Return a Python value as it would be read from a file; it has a path, but no place there.

    Raises:
        ScenarioError: If it has no form in a scenario.
    """
    if isinstance(value, Mapping):
        return _node({str(key): node_of(item, _at(path, key)) for key, item in value.items()})
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        is_entry = path.rpartition(".")[2] == "controllers"
        return _node(
            [
                node_of(_entry(item) if is_entry else item, _at(path, index))
                for index, item in enumerate(value)
            ]
        )
    return _node(_scalar(value, path))


def _scalar(value: Any, path: str) -> Any:
    if isinstance(value, np.generic):
        value = value.item()
    match value:
        case ScenarioText():
            return value
        case str() | Path():
            return ScenarioText(str(value), Path.cwd())
        case datetime():
            return ScenarioText(value.isoformat(), Path.cwd())
        case timedelta():
            return value.total_seconds()
    if _is_controller(value):
        return GivenController(value, Path.cwd())
    if not isinstance(value, _PLAIN):
        expected = "a value that YAML can write"
        if "controllers" in path.split("."):
            expected += ", or the class or an object of a controller"
        raise ScenarioError(Problem(f"expected {expected} (got {value!r})", path))
    return value


def _entry(value: Any) -> Any:
    """Return an entry of ``controllers`` as a mapping, if it is given as its type alone."""
    return {"type": value} if isinstance(value, str | Path) or _is_controller(value) else value


def _is_controller(value: Any) -> bool:
    kinds = (Controller, FleetController)
    return issubclass(value, kinds) if isinstance(value, type) else isinstance(value, kinds)


def _node(value: Any) -> Node:
    return Node(value, "", "")


def _at(path: str, key: object) -> str:
    return f"{path}.{key}".lstrip(".")
