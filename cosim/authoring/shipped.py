"""The scenarios that come with the package: in a checkout, and in an installed wheel."""

from __future__ import annotations

from pathlib import Path

from cosim.errors import ScenarioError, did_you_mean

_IN_WHEEL = Path(__file__).with_name("scenarios")
"""A copy that `setup.py` makes when it builds a wheel; a checkout has only the original."""
_IN_CHECKOUT = Path(__file__).parents[2] / "scenarios"


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
