"""The command line. Heavy imports stand inside the commands, so that ``--help`` is quick."""

from __future__ import annotations

import sys
from typing import Annotated, NoReturn

import typer

from cosim import __version__
from cosim.commands import calibrate, controllers, kernels, scenarios, signals, traces
from cosim.commands.capacity import capacity
from cosim.commands.catalogues import gpus, models, routers, schedulers, schema
from cosim.commands.compare import compare
from cosim.commands.demo import demo
from cosim.commands.evaluate import evaluate
from cosim.commands.report import report
from cosim.commands.reproduce import reproduce
from cosim.commands.run import run
from cosim.commands.sweep import sweep
from cosim.commands.tune import tune
from cosim.commands.validate import validate
from cosim.errors import CosimError, ScenarioError

app = typer.Typer(
    name="cosim",
    help="Simulate the energy and carbon of LLM serving, and the effect of carbon-aware "
    "controllers.",
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
# Commands are listed by --help in this order.
app.command()(demo)
app.command()(run)
app.command()(validate)
app.command()(capacity)
app.command()(evaluate)
app.command()(tune)
app.command()(sweep)
app.command()(reproduce)
app.command()(compare)
app.command()(report)
app.command()(schema)
app.command()(models)
app.command()(gpus)
app.command()(schedulers)
app.command()(routers)
app.add_typer(scenarios.app, name="scenarios")
app.add_typer(controllers.app, name="controllers")
app.add_typer(calibrate.app, name="calibrate")
app.add_typer(kernels.app, name="kernels")
app.add_typer(signals.app, name="signals")
app.add_typer(traces.app, name="traces")

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


def _fail(error: CosimError) -> NoReturn:
    problems = error.problems if isinstance(error, ScenarioError) else (error,)
    for problem in problems:
        print(f"error: {problem}", file=sys.stderr)
    sys.stderr.flush()
    sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
