"""YAML of scenarios and studies: strings remember the folder they were written in."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path

from cosim.errors import ScenarioError
from cosim.scenario.fields import ScenarioText
from inference_sim.errors import FileError
from inference_sim.files import yaml_text
from inference_sim.files.yaml_text import Locate, Node


def parse_yaml(text: str, base_dir: Path, locate: Locate) -> Node:
    """Return the value of a YAML document; an empty one is None.

    Args:
        text: The document.
        base_dir: Folder that its strings remember.
        locate: Makes a mark of a line and a column, both from 1.

    Raises:
        ScenarioError: If it is not YAML, or uses features that are not allowed here.
    """
    with _as_scenario_error():
        return yaml_text.parse_yaml(text, locate, partial(ScenarioText, base_dir=base_dir))


def read_mapping(path: Path, what: str = "a scenario") -> Node:
    """Return the mapping in a YAML file.

    Args:
        path: The file.
        what: Its subject in errors.

    Raises:
        ScenarioError: If it cannot be read, or is not a mapping.
    """
    with _as_scenario_error():
        make_text = partial(ScenarioText, base_dir=path.parent.absolute())
        return yaml_text.read_mapping(path, what, make_text)


@contextmanager
def _as_scenario_error() -> Iterator[None]:
    try:
        yield
    except FileError as error:
        raise ScenarioError(error.problems) from None
