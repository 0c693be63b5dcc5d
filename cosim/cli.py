"""The command line. Heavy imports stand inside the commands, so that ``--help`` is quick."""

from __future__ import annotations

import math
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer

from cosim import __version__
from cosim.authoring.cli import check, new
from cosim.calibrate.cli import app as calibrate_app
from cosim.errors import CosimError, Problem, ScenarioError
from cosim.evaluate.cli import evaluate
from cosim.report.cli import report
from cosim.reproduce.cli import reproduce
from cosim.signal_view.cli import app as signals_app
from cosim.sweep.cli import sweep
from cosim.traces.cli import app as traces_app

if TYPE_CHECKING:
    from cosim.live import Live
    from cosim.plan import Plan

app = typer.Typer(
    name="cosim",
    help="What an LLM serving system costs in energy and carbon, and what a carbon-aware "
    "controller would change.",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
controllers_app = typer.Typer(help="The controllers that scenarios can name.", no_args_is_help=True)
controllers_app.command("new")(new)
controllers_app.command("check")(check)
app.add_typer(controllers_app, name="controllers")
app.add_typer(calibrate_app, name="calibrate")
app.command()(report)
app.command()(reproduce)
app.command()(evaluate)
app.command()(sweep)
app.add_typer(signals_app, name="signals")
app.add_typer(traces_app, name="traces")

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="PATH=VALUE", help="Set a value, such as seed=7. Repeatable."),
]
_debug = False


def main() -> None:
    """Run the command line; a CosimError is a message and an exit code, not a traceback."""
    try:
        app()
    except CosimError as error:
        if _debug:
            raise
        _fail(error)
    except (OSError, MemoryError) as error:  # such as a full disk while results are written
        if _debug:
            raise
        _fail(CosimError(f"{type(error).__name__}: {error}"))


@app.callback(invoke_without_command=True)
def _options(
    context: typer.Context,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
    version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False,
) -> None:
    global _debug
    _debug = debug
    if version:
        print(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        print(context.get_help())
        raise typer.Exit(2)


@app.command()
def run(
    scenario: Annotated[Path, typer.Argument(help="Scenario file (YAML).", show_default=False)],
    out: Annotated[
        Path | None,
        typer.Option("-o", "--out", help="Result folder [default: results/NAME].", metavar="DIR"),
    ] = None,
    overrides: Overrides = None,
    seed: Annotated[int | None, typer.Option(help="Seed, in place of the scenario's.")] = None,
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
    plan = _plan(scenario, [*(overrides or []), *(_from_now() if live else [])], seed)

    from cosim.chrome_trace import traced
    from cosim.execute import execute
    from cosim.printing.run import print_report
    from cosim.progress import progress
    from cosim.results.folder import to_json

    folder = out if out is not None else Path("results") / plan.scenario.name
    clock = _clock(plan, speed or 1.0, quiet=quiet) if live else None
    with (
        progress(plan, quiet=quiet) as bar,
        traced(chrome_trace, folder, bar.step, bar.start) as (on_start, on_step),
    ):
        result = execute(plan, folder, on_step, on_start=on_start, live=clock)
    if as_json:
        print(to_json(result.summary))
    elif not quiet:
        print_report(result)
    if result.run.failure is not None:
        failure = result.run.failure
        print(
            f"error: the run failed at step {failure.step}: {failure}\n"
            f"What it had until then is in {folder}, marked as failed.",
            file=sys.stderr,
        )
        if _debug and failure.__cause__ is not None:
            raise failure.__cause__
        raise typer.Exit(failure.exit_code)


@app.command()
def validate(
    scenarios: Annotated[
        list[Path], typer.Argument(help="Scenario and study files.", show_default=False)
    ],
    overrides: Overrides = None,
) -> None:
    """Check scenarios and studies, and everything they read, without running them."""
    from cosim.sweep.cases import first_seed
    from cosim.sweep.study import is_study, read_study

    problems: list[Problem] = []
    for path in scenarios:
        try:
            if is_study(path):
                first_seed(read_study(path, overrides or ()))
            elif _plan(path, overrides, None).scenario.evaluation is not None:
                from cosim.evaluate.variants import comparison

                comparison(path, overrides or ())
        except ScenarioError as error:
            problems += error.problems
        else:
            print(f"{path}: ok")
    if problems:
        raise ScenarioError(problems)


@app.command()
def capacity(
    scenario: Annotated[Path, typer.Argument(help="Scenario file (YAML).", show_default=False)],
    site: Annotated[str | None, typer.Option(help="The site, if several have a cluster.")] = None,
    overrides: Overrides = None,
    seed: Annotated[int | None, typer.Option(help="Seed, in place of the scenario's.")] = None,
    requests: Annotated[int, typer.Option(min=100, help="Fewest requests of a run.")] = 4000,
    as_json: Annotated[bool, typer.Option("--json", help="Print the result as JSON.")] = False,
) -> None:
    """Find the highest arrival rate at which a cluster keeps its objectives.

    99 % of each class must meet its objectives; where none bounds the wait, 99 % of the requests
    must be scheduled within 5 s. Controllers and microgrid take no part. A daily profile is taken
    at its peak.
    """
    plan = _plan(scenario, overrides, seed)

    from cosim.capacity import Probe, criterion, describe, find_capacity, to_dict
    from cosim.results.folder import to_json

    def show(probe: Probe) -> None:
        if not as_json:
            print(describe(probe), flush=True)

    found = find_capacity(plan, site, requests=requests, on_probe=show)
    if as_json:
        print(to_json(to_dict(plan, found)))
    else:
        rate, own = found.held.rate_per_s, found.scenario_rate_per_s
        print(
            f"capacity of {found.site}: {rate:.4g} requests/s, {rate / own:.3g} times the "
            f"scenario's\n({criterion(found.held)})"
        )


@app.command()
def schema() -> None:
    """Print the JSON Schema of scenario files."""
    from cosim.schema import schema_text

    print(schema_text(), end="")


@app.command()
def models() -> None:
    """List the LLMs that scenarios can name."""
    from cosim.printing.catalogues import print_models

    print_models()


@app.command()
def gpus() -> None:
    """List the GPUs that scenarios can name."""
    from cosim.printing.catalogues import print_gpus

    print_gpus()


@controllers_app.command("list")
def list_controllers() -> None:
    """List the built-in controllers."""
    from cosim.printing.catalogues import print_controllers

    print_controllers()


@controllers_app.command("show")
def show_controller(
    name: Annotated[str, typer.Argument(help="Built-in name, or ./file.py:Class.")],
) -> None:
    """Show what a controller does, and its parameters."""
    from cosim.printing.catalogues import print_controller

    print_controller(name)


def _plan(scenario: Path, overrides: list[str] | None, seed: int | None) -> Plan:
    from cosim.plan import load_plan

    settings = list(overrides or [])
    if seed is not None:
        settings.append(f"seed={seed}")
    return load_plan(scenario, settings)


def _from_now() -> list[str]:
    """Return the setting that lets a run begin now."""
    return [f"time.start={datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"]


def _clock(plan: Plan, speed: float, *, quiet: bool) -> Live:
    """Return the clock of a live run; what it has to say goes to standard error."""
    from cosim.live import Live

    def say(text: str) -> None:
        if not quiet:
            print(f"{datetime.now(UTC):%H:%M:%S}Z {text}", file=sys.stderr, flush=True)

    return Live(plan, speed=speed, notify=say)


def _fail(error: CosimError) -> NoReturn:
    problems = error.problems if isinstance(error, ScenarioError) else (error,)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    sys.stderr.flush()
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
