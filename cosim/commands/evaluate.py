"""``cosim evaluate``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from cosim.studies.evaluate.evaluation import Evaluation


def evaluate(
    scenario: Annotated[Path, typer.Argument(help="Scenario file (YAML).", show_default=False)],
    controllers: Annotated[
        str | None,
        typer.Option(
            help="Controllers to compare, each alone and with its defaults, in place of the "
            "scenario's evaluation: names, or ./file.py:Class, with commas between.",
            metavar="NAME,...",
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Runs of each policy [default: the scenario's, or 5].")
    ] = None,
    twins: Annotated[
        bool, typer.Option("--twins", help="With --controllers: run carbon-agnostic twins too.")
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="Result folder [default: results/NAME-evaluation].", metavar="DIR"
        ),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at once [default: the cores there are].")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="PATH=VALUE", help="Set a value. Repeatable."),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Compare policies on a scenario: with the same requests, seed by seed, and at equal work.

    Runs that were made before are not made again, so a stopped evaluation goes on when it is
    started anew.
    """
    from cosim.commands.printing.evaluation import print_evaluation
    from cosim.commands.printing.tables import run_progress
    from cosim.results.folder import to_json
    from cosim.studies.evaluate.evaluation import evaluate as run_all
    from cosim.studies.evaluate.folder import write_evaluation
    from cosim.studies.evaluate.record import EVALUATION, to_dict
    from cosim.studies.evaluate.variants import comparison, policies_setting
    from cosim.studies.kinds import check_place

    settings = list(overrides or [])
    if controllers is not None:
        names = [name.strip() for name in controllers.split(",") if name.strip()]
        settings.append(policies_setting(names, twins=twins))
    compared = comparison(scenario, settings, seeds)
    folder = out if out is not None else Path("results") / f"{compared.name}-evaluation"
    check_place(folder, EVALUATION)
    total = len(compared.variants) * len(compared.seeds)
    with run_progress("evaluate", total, shown=not quiet and sys.stderr.isatty()) as ended:
        found: Evaluation = run_all(
            compared, folder / "runs", workers=workers, on_run=lambda run: ended(run.policy)
        )
    write_evaluation(found, folder)
    if as_json:
        print(to_json(to_dict(found)))
    elif not quiet:
        print_evaluation(found, folder)
    if any(row.failures for row in found.rows):
        print("error: runs broke off; the runs' files say why", file=sys.stderr)
        raise typer.Exit(1)
