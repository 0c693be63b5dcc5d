"""``cosim controllers``: lists of controllers, and help to write one."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="The controllers that scenarios can name.", no_args_is_help=True)


@app.command("list")
def list_controllers() -> None:
    """List the built-in controllers."""
    from cosim.commands.printing.catalogues import print_controllers

    print_controllers()


@app.command("show")
def show_controller(
    name: Annotated[str, typer.Argument(help="Built-in name, or ./file.py:Class.")],
) -> None:
    """Show the description and the parameters of a controller."""
    from cosim.commands.printing.catalogues import print_controller

    print_controller(name)


@app.command()
def new(
    name: Annotated[
        str, typer.Argument(help="Name in small letters, such as night_shift.", show_default=False)
    ],
    folder: Annotated[
        Path, typer.Option("-o", "--out", metavar="DIR", help="Folder to write it to.")
    ] = Path(),
) -> None:
    """Write a controller to start from, with its test and a scenario."""
    from cosim.authoring.scaffold import class_name, scaffold

    policy, test, scenario = scaffold(name, folder)
    wide = len(str(test))
    for path, what in ((policy, "the controller"), (test, "its test"), (scenario, "a scenario")):
        print(f"{path!s:<{wide}}  {what}")
    prefix = "" if policy.is_absolute() else "./"
    print(f"\nNext:\n  cosim controllers check {prefix}{policy}:{class_name(name)}")
    print(f"  pytest {test}\n  cosim run {scenario}")


@app.command()
def check(
    controller: Annotated[
        str, typer.Argument(metavar="TYPE", help="Name, or ./file.py:Class.", show_default=False)
    ],
    settings: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PARAM=VALUE", help="Set a parameter of it. Repeatable."),
    ] = None,
) -> None:
    """Check the rules for every controller, on example days."""
    from cosim.authoring.check import checked

    findings = checked(controller, settings or ())
    for finding in findings:
        print(finding)
    if not all(finding.passed for finding in findings):
        raise typer.Exit(1)
