"""``cosim scenarios``: the scenarios that come with the package, and copies to begin with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The scenarios that come with the package.")


@app.callback(invoke_without_command=True)
def list_scenarios(context: typer.Context) -> None:
    """List the scenarios and studies that come with the package."""
    if context.invoked_subcommand is None:
        from cosim.commands.printing.catalogues import print_scenarios

        print_scenarios()


@app.command()
def copy(
    name: Annotated[
        str, typer.Argument(help="Name, such as quickstart or studies/loads.", show_default=False)
    ],
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="Folder to copy it to.")] = Path(),
) -> None:
    """Copy a scenario to change it, with the files that it reads."""
    from cosim.authoring.shipped import copy_scenario, study_command

    copy_of, others = copy_scenario(name, folder)
    for path in (copy_of, *others):
        print(path)
    print(f"\nNext:\n  cosim {study_command(copy_of)} {copy_of}")
