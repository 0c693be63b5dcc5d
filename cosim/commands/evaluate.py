"""``cosim evaluate``."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cosim.commands.options import Overrides, ScenarioFile, check_scenario
from cosim.commands.study import AsJson, ExecutorName, Quiet, Workers, carry_out, make_runs


def evaluate(
    scenario: ScenarioFile,
    controllers: Annotated[
        str | None,
        typer.Option(
            help="Controllers to compare, each alone and with its defaults, in place of the "
            "scenario's evaluation: names, or ./file.py:Class, with commas between.",
            metavar="NAME,...",
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Runs of each policy [default: the scenario's, or 5]."),
    ] = None,
    twins: Annotated[
        bool,
        typer.Option(
            "--twins", help="With --controllers: run the carbon-agnostic baseline of each too."
        ),
    ] = False,
    decoys: Annotated[
        bool,
        typer.Option(
            "--decoys/--no-decoys",
            help="Run policies that look at the carbon intensity also on moved signals and those "
            "of other days.",
        ),
    ] = True,
    baselines: Annotated[
        bool,
        typer.Option(
            "--baselines/--no-baselines",
            help="Add the baselines that are blind to carbon.",
        ),
    ] = True,
    bands: Annotated[
        bool,
        typer.Option(
            "--bands",
            help="Run policies and baselines also with coefficients of the power at both ends: "
            "which savings depend on one.",
        ),
    ] = False,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="Result folder [default: results/NAME-evaluation].", metavar="DIR"
        ),
    ] = None,
    workers: Workers = None,
    executor: ExecutorName = "processes",
    overrides: Overrides = None,
    wide: Annotated[
        bool,
        typer.Option(
            "--wide",
            help="Print all columns: on a terminal those that do not fit below the others, in a "
            "pipe beside them.",
        ),
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Compare policies on a scenario: in the same weeks, with the same requests, at equal work.

    Runs that were made before are not made again, so a stopped evaluation goes on when it is
    started anew.
    """
    from cosim.errors import ScenarioError
    from cosim.studies.evaluate.bulk import trial_runs, with_best_hour
    from cosim.studies.evaluate.comparison import comparison
    from cosim.studies.evaluate.evaluation import evaluation_of, needed_runs
    from cosim.studies.evaluate.named import at_option, policies_setting
    from cosim.studies.evaluate.outcome import EVALUATION, shown
    from cosim.studies.kinds import check_place

    if twins and controllers is None:
        raise ScenarioError("--twins goes with --controllers; a scenario says `twin: true`")
    check_scenario(scenario)
    settings = list(overrides or [])
    if controllers is not None:
        names = [name.strip() for name in controllers.split(",") if name.strip()]
        settings.append(policies_setting(names, twins=twins))
    if not baselines:
        settings.append("evaluation.baselines=false")
    try:
        compared = comparison(scenario, settings, seeds, decoys=decoys, bands=bands)
    except ScenarioError as error:
        if controllers is None:
            raise
        raise at_option(error) from error
    folder = out if out is not None else Path("results") / f"{compared.name}-evaluation"
    check_place(folder, EVALUATION.kind, [compared.name])
    if compared.trials:
        trials = trial_runs(compared)
        title = "trying hours for the baseline bulk"
        tried = make_runs(title, trials, folder, workers=workers, executor=executor, quiet=quiet)
        compared = with_best_hour(compared, tried.figures)
    if not quiet:
        for note in compared.notes:
            print(f"note: {note}", file=sys.stderr)
    carry_out(
        EVALUATION,
        needed_runs(compared),
        partial(evaluation_of, compared, workers=workers),
        shown,
        folder,
        workers=workers,
        executor=executor,
        as_json=as_json,
        quiet=quiet,
        wide=wide,
    )
