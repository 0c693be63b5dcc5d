"""``cosim tune``."""

from __future__ import annotations

import sys
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cosim.commands.options import Overrides, ScenarioFile, check_scenario
from cosim.commands.study import AsJson, ExecutorName, Quiet, Workers, carry_out, make_runs

if TYPE_CHECKING:
    from collections.abc import Sequence

    from cosim.studies.frame.cases import CaseRuns
    from cosim.studies.runs.figures import RunFigures
    from cosim.studies.tune.search import TuneCase


class Samplers(StrEnum):
    """Ways to choose trials."""

    RANDOM = "random"
    TPE = "tpe"


def tune(
    scenario: ScenarioFile,
    policy: Annotated[
        str,
        typer.Option(
            help="A policy of the scenario's evaluation, or a controller with its defaults: a "
            "name, or ./file.py:Class.",
            metavar="P",
            show_default=False,
        ),
    ],
    trials: Annotated[
        int, typer.Option(min=2, help="Parameters that are tried, the defaults among them.")
    ] = 24,
    weeks: Annotated[int, typer.Option(min=2, help="Parts of the year of the search.")] = 6,
    test_weeks: Annotated[
        int | None,
        typer.Option(
            min=2, help="Other parts, of the report [default: the evaluation's weeks, or 10]."
        ),
    ] = None,
    seeds: Annotated[int, typer.Option(min=1, max=1000, help="Runs in each part.")] = 1,
    sampler: Annotated[
        Samplers,
        typer.Option(help="Even spread over the ranges, or TPE, which goes where trials are good."),
    ] = Samplers.RANDOM,
    ranges: Annotated[
        list[str] | None,
        typer.Option("--range", metavar="NAME=LOW:HIGH", help="Range of a parameter. Repeatable."),
    ] = None,
    fixed: Annotated[
        list[str] | None,
        typer.Option(
            "--fix", metavar="NAME=VALUE", help="Keep a parameter at a value. Repeatable."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="Result folder [default: results/NAME-tune-P].", metavar="DIR"
        ),
    ] = None,
    workers: Workers = None,
    executor: ExecutorName = "processes",
    overrides: Overrides = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Search the parameters of a policy, and report the best ones in weeks that it never saw.

    Searched are parameters that declare a range or choices, and those with a --range. The search
    takes parts of a year that cosim evaluate leaves out. Runs that were made before are not made
    again.
    """
    from cosim.studies.kinds import check_place
    from cosim.studies.tune.outcome import TUNING, shown
    from cosim.studies.tune.search import read_search
    from cosim.studies.tune.trials import tried
    from cosim.studies.tune.tuning import report_runs, tuning_of

    check_scenario(scenario)
    search = read_search(
        scenario,
        overrides or (),
        policy,
        ranges=ranges or (),
        fixed=fixed or (),
        sampler=sampler.value,
        trials=trials,
        tune_weeks=weeks,
        test_weeks=test_weeks,
        seeds=seeds,
    )
    default = Path("results") / f"{search.name}-tune-{search.policy.name}"
    folder = default if out is None else out
    check_place(folder, TUNING.kind, [search.name, search.policy.name])
    if not quiet:
        print(search.extent, file=sys.stderr, flush=True)

    def run(needed: CaseRuns[TuneCase]) -> Sequence[tuple[RunFigures, ...]]:
        return make_runs(
            "tune", needed, folder, workers=workers, executor=executor, quiet=quiet
        ).figures

    noop, found = tried(search, run)
    carry_out(
        TUNING,
        report_runs(search, found),
        partial(tuning_of, search, noop, found),
        shown,
        folder,
        workers=workers,
        executor=executor,
        as_json=as_json,
        quiet=quiet,
    )
