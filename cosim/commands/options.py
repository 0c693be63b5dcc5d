"""Options that several commands share, and the plan made from them."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cosim.errors import ScenarioError, did_you_mean
from inference_sim.suggestions import similar_name

if TYPE_CHECKING:
    from cosim.world.plan import Plan

_LISTED = 200  # entries of a folder
ScenarioFile = Annotated[Path, typer.Argument(help="Scenario file (YAML).", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Set a value, such as seed=7. Repeatable."),
]
Seed = Annotated[int | None, typer.Option(help="Seed, in place of the scenario's.")]


def check_there(path: Path) -> None:
    """Check that a file is there; the error names one that may be meant.

    Raises:
        ScenarioError: If it is not.
    """
    if path.exists() or path.is_symlink():
        return
    from cosim.authoring.shipped import shipped_scenarios

    name = path.as_posix().removesuffix(".yaml").removeprefix("./")
    hint = f"; `cosim scenarios copy {name}` copies it here" if name in shipped_scenarios() else ""
    if not hint and path.parent.is_dir():
        beside = islice(path.parent.iterdir(), _LISTED)
        files = [str(file) for file in beside if file.suffix in (".yaml", ".yml")]
        hint = did_you_mean(str(path), files)
    if not hint and (near := similar_name(name, shipped_scenarios())):
        hint = f"; did you mean '{near}'? `cosim scenarios copy {near}` copies it here"
    raise ScenarioError(f"no such file (got '{path}'){hint}")


def check_scenario(path: Path) -> None:
    """Check that a file is there, and not a study.

    Raises:
        ScenarioError: If it is not.
    """
    from cosim.studies.sweep.study import is_study

    check_there(path)
    if is_study(path):
        raise ScenarioError(
            f"'{path}' is a study, which varies a scenario: `cosim sweep {path}` runs it"
        )


def planned(scenario: Path, overrides: list[str] | None, seed: int | None) -> Plan:
    """Return the plan of a scenario with the options `--set` and `--seed`.

    Raises:
        ScenarioError: With every problem that could be found.
    """
    from cosim.world.plan import load_plan

    check_scenario(scenario)
    settings = list(overrides or [])
    if seed is not None:
        settings.append(f"seed={seed}")
    return load_plan(scenario, settings)
