"""``cosim sweep``."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer


def sweep(
    study: Annotated[
        Path,
        typer.Argument(
            help="Study file (YAML): a scenario, and what is varied.", show_default=False
        ),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            "-o", "--out", help="Result folder [default: results/NAME-sweep].", metavar="DIR"
        ),
    ] = None,
    seeds: Annotated[
        int | None, typer.Option(min=1, help="Runs of each case [default: the study's, or 1].")
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Runs at once [default: the cores there are].")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="PATH=VALUE",
            help="Set a value of the scenario in all runs. Repeatable.",
        ),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
) -> None:
    """Run many variants of a scenario, and tell which emits least and at what latency.

    Every variant is checked before the first one runs. Runs that were made before are not made
    again, so a stopped sweep goes on when it is started anew.
    """
    from cosim.commands.printing.sweep import planned, print_sweep
    from cosim.commands.printing.tables import run_progress
    from cosim.results.folder import to_json
    from cosim.studies.kinds import check_place
    from cosim.studies.sweep.cases import first_seed
    from cosim.studies.sweep.folder import write_sweep
    from cosim.studies.sweep.record import SWEEP, to_dict
    from cosim.studies.sweep.rows import case_name
    from cosim.studies.sweep.study import read_study
    from cosim.studies.sweep.sweep import Ended
    from cosim.studies.sweep.sweep import sweep as run_all

    settings = tuple(overrides or ())
    read = read_study(study, settings, seeds=seeds)
    folder = out if out is not None else Path("results") / f"{read.name}-sweep"
    check_place(folder, SWEEP)
    seed = first_seed(read)
    made = 0

    def tell(text: str) -> None:
        if not quiet:
            print(text, file=sys.stderr, flush=True)

    tell(planned(read))
    with run_progress("sweep", read.runs, shown=not quiet and sys.stderr.isatty()) as ended:

        def on_run(run: Ended) -> None:
            nonlocal made
            made += run.made
            ended(case_name(read.axes, run.case.values))

        found = run_all(
            read, seed, folder / "runs", settings=settings, workers=workers, on_run=on_run
        )
    if made < read.runs:
        tell(f"{read.runs - made:,} of them were kept from before")
    write_sweep(found, folder)
    if as_json:
        print(to_json(to_dict(found)))
    elif not quiet:
        print_sweep(found, folder)
    if any(one.failure for runs in found.runs for one in runs):
        print("error: runs broke off; the files under runs/ say why", file=sys.stderr)
        raise typer.Exit(1)
