"""``cosim run``."""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from cosim.commands.options import Overrides, ScenarioFile, Seed, planned
from cosim.errors import ScenarioError

if TYPE_CHECKING:
    from cosim.loop.live import Live
    from cosim.world.plan import Plan


def run(
    context: typer.Context,
    scenario: ScenarioFile,
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Result folder [default: results/NAME].", metavar="DIR"),
    ] = None,
    overrides: Overrides = None,
    seed: Seed = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the summary as JSON.")] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="Print nothing but errors.")] = False,
    chrome_trace: Annotated[
        Path | None,
        typer.Option(
            help="Write a trace for chrome://tracing or Perfetto; compressed if it ends in .gz.",
            metavar="FILE",
        ),
    ] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Begin now, go in real time, and ask for live signals.")
    ] = False,
    speed: Annotated[
        float | None,
        typer.Option(help="With --live: seconds of the run per second [default: 1].", metavar="X"),
    ] = None,
) -> None:
    """Run a scenario and write its results."""
    if speed is not None and not (live and 0 < speed < math.inf):
        raise ScenarioError(f"--speed goes with --live, and is a positive number (got {speed:g})")
    plan = planned(scenario, [*(overrides or []), *(_from_now() if live else [])], seed)

    from cosim.commands.printing.run import print_report
    from cosim.commands.progress import progress
    from cosim.results.chrome_trace import traced
    from cosim.results.folder import to_json
    from cosim.results.partial_folder import was_left
    from cosim.results.result_folder import held_scenario
    from cosim.studies.runs.execute import execute

    folder = out if out is not None else Path("results") / plan.scenario.name
    if was_left(folder) and not quiet:
        print(
            f"An earlier run to '{folder}' did not end: its process was killed, or a file of "
            "yours called os._exit",
            file=sys.stderr,
        )
    held = held_scenario(folder)
    clock = _clock(plan, speed or 1.0, quiet=quiet) if live else None
    with (
        progress(plan, quiet=quiet) as bar,
        traced(chrome_trace, folder) as trace,
    ):
        result = execute(plan, folder, observers=(trace, bar), live=clock, coupling="mosaik")
    if held and held.hash != result.summary.scenario.hash and result.folder == folder and not quiet:
        print(
            f"'{folder}' held a run of another scenario, or with other settings ({held.name}, seed "
            f"{held.seed}): this one is in its place",
            file=sys.stderr,
        )
    if as_json:
        print(to_json(result.summary.to_dict()))
    elif not quiet:
        print_report(result)
    if result.run.failure is not None:
        failure = result.run.failure
        print(
            f"error: the run failed at step {failure.step}: {failure}\n"
            f"The results until then are in {result.folder or folder}, marked as failed.",
            file=sys.stderr,
        )
        if context.find_root().params["debug"] and failure.__cause__ is not None:
            raise failure.__cause__
        raise typer.Exit(failure.exit_code)


def _from_now() -> list[str]:
    """Return the setting that lets a run begin now."""
    return [f"time.start={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"]


def _clock(plan: Plan, speed: float, *, quiet: bool) -> Live:
    """Return the clock of a live run; its messages go to standard error."""
    from cosim.loop.live import Live

    def say(text: str) -> None:
        if not quiet:
            print(f"{datetime.now(UTC):%H:%M:%S}Z {text}", file=sys.stderr, flush=True)

    return Live(plan, speed=speed, notify=say)
