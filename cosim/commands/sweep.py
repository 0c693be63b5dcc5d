"""``cosim sweep``."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from cosim.commands.options import check_there
from cosim.commands.study import AsJson, ExecutorName, Quiet, Workers, carry_out


def sweep(
    study: Annotated[
        Path,
        typer.Argument(
            help="Study file (YAML): a scenario, and its varied values.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="Result folder [default: results/NAME-sweep].", metavar="DIR"
        ),
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(min=1, max=1000, help="Runs of each case [default: the study's, or 1]."),
    ] = None,
    baseline: Annotated[
        str | None,
        typer.Option(
            help="The case that the others are compared with, as the tables name it [default: the "
            "study's, or the first].",
            metavar="CASE",
        ),
    ] = None,
    workers: Workers = None,
    executor: ExecutorName = "processes",
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Set a value of the scenario in all runs. Repeatable.",
        ),
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Run many variants of a scenario, and report which emits least and at what latency.

    Every variant is checked before the first one runs. Runs of an earlier start are reused, so a
    stopped sweep continues when it is started again.
    """
    from cosim.studies.kinds import check_place
    from cosim.studies.sweep.cases import with_baseline
    from cosim.studies.sweep.outcome import SWEEPS, shown
    from cosim.studies.sweep.study import check_is_study, read_study
    from cosim.studies.sweep.sweep import needed_runs, sweep_of

    check_there(study)
    check_is_study(study)
    read = read_study(study, overrides or (), seeds=seeds)
    if baseline is not None:
        read = with_baseline(read, baseline)
    folder = out if out is not None else Path("results") / f"{read.name}-sweep"
    check_place(folder, SWEEPS.kind, [read.name])
    carry_out(
        SWEEPS,
        needed_runs(read),
        partial(sweep_of, read),
        shown,
        folder,
        workers=workers,
        executor=executor,
        as_json=as_json,
        quiet=quiet,
        announcement=read.extent,
    )
