"""The scenarios that come with the package: in a checkout, and in an installed wheel."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from cosim.errors import ScenarioError, did_you_mean
from inference_sim.files.yaml_text import read_mapping

_IN_WHEEL = Path(__file__).with_name("scenarios")
"""A copy that `setup.py` makes when it builds a wheel; a checkout has only the original."""
_IN_CHECKOUT = Path(__file__).parents[2] / "scenarios"
_SCHEMA = "schema.json"
"""Not a key of a scenario: its first line names it for editors."""


def shipped_folder() -> Path:
    """Return the folder of the scenarios that come with the package."""
    return _IN_WHEEL if _IN_WHEEL.is_dir() else _IN_CHECKOUT


def shipped_scenarios() -> dict[str, Path]:
    """Return the files of the scenarios and studies that come with the package, by name.

    A study is named after its folder too, as ``studies/loads``.
    """
    folder = shipped_folder()
    files = [*sorted(folder.glob("*.yaml")), *sorted(folder.glob("studies/*.yaml"))]
    return {path.relative_to(folder).with_suffix("").as_posix(): path for path in files}


def shipped_scenario(name: str) -> Path:
    """Return the file of a scenario or study that comes with the package.

    Args:
        name: Its name, with or without ``.yaml``: "quickstart", "studies/loads".

    Raises:
        ScenarioError: If there is none of this name.
    """
    scenarios = shipped_scenarios()
    short = name.removesuffix(".yaml")
    if short not in scenarios:
        raise ScenarioError(
            f"no scenario '{name}' comes with cosim{did_you_mean(short, scenarios)}"
        )
    return scenarios[short]


def first_sentence(path: Path) -> str:
    """Return the first sentence of the description of a scenario or study."""
    description = " ".join(_content(path)["description"].split())
    return re.split(r"(?<=[.?])\s", description)[0]


def study_command(path: Path) -> str:
    """Return the command of cosim that a scenario or study is made for."""
    content = _content(path)
    if "scenario" in content:
        return "sweep"
    return "evaluate" if "evaluation" in content else "run"


def copy_scenario(name: str, folder: Path) -> tuple[Path, tuple[Path, ...]]:
    """Copy a scenario or study that comes with the package, with the files that it reads.

    Args:
        name: Its name.
        folder: Folder to copy to; made if it is not there.

    Returns:
        The copy of the scenario, and the other files that it needs.

    Raises:
        ScenarioError: If there is no such scenario, or if another file stands where a copy should:
            nothing is written then.
    """
    source = shipped_scenario(name)
    files = {source: None, **dict.fromkeys(_read_by(source)), shipped_folder() / _SCHEMA: None}
    copies = {path: folder / path.relative_to(shipped_folder()) for path in files}
    for path, copy in copies.items():
        if copy.exists() and copy.read_bytes() != path.read_bytes():
            raise ScenarioError(
                f"{copy} is there already, and nothing is written over; choose another folder"
            )
    for path, copy in copies.items():
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(path.read_bytes())
    first, *others = copies.values()
    return first, tuple(others)


def _read_by(path: Path) -> Iterator[Path]:
    """Yield the files that a scenario names, and those that these name."""
    for text in filter(re.compile(r"[\w./-]+(:\w+)?").fullmatch, _texts(_content(path))):
        file = path.parent / re.sub(r"(?<=\.py):\w+$", "", text)  # ./file.py:Class
        if file.is_file():
            named = file.resolve()
            yield named
            if named.suffix == ".yaml":
                yield from _read_by(named)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for child in value.values() if isinstance(value, dict) else value:
            yield from _texts(child)


def _content(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = read_mapping(path, "a scenario").plain()
    return content
