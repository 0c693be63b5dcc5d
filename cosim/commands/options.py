"""Options that several commands share, and the plan made from them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cosim.world.plan import Plan

ScenarioFile = Annotated[Path, typer.Argument(help="Scenario file (YAML).", show_default=False)]
Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Set a value, such as seed=7. Repeatable."),
]
Seed = Annotated[int | None, typer.Option(help="Seed, in place of the scenario's.")]


def planned(scenario: Path, overrides: list[str] | None, seed: int | None) -> Plan:
    """Return the plan of a scenario with the options `--set` and `--seed`.

    Raises:
        ScenarioError: With every problem that could be found.
    """
    from cosim.world.plan import load_plan

    settings = list(overrides or [])
    if seed is not None:
        settings.append(f"seed={seed}")
    return load_plan(scenario, settings)
