"""Runs of one scenario."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from os import PathLike
from pathlib import Path

from cosim.api.result import Result
from cosim.api.scenario import ControllerSpec, ScenarioSource, load, plan_of
from cosim.errors import RunInterrupted
from cosim.loop.participants import World
from cosim.studies.runs.execute import execute, save


def run(
    scenario: ScenarioSource,
    *,
    controllers: Sequence[ControllerSpec] | None = None,
    results: str | PathLike[str] | None = None,
    connect: Callable[[World], object] | None = None,
) -> Result:
    """Run a scenario, and return its result.

    A run that breaks off in the middle is returned like any other, with its ``failure``.

    Args:
        scenario: The scenario, the path of its file, or its content.
        controllers: Controllers in place of its own: names, classes, objects, or entries as in a
            file; an empty list for none. An object stands at one site, and is reset at the start.
        results: A folder to write the results into, as ``cosim run`` does; None to keep them in
            memory.
        connect: Called once before the first step with the mosaik world of the run, to connect
            further simulators; the run goes by mosaik then.

    Raises:
        ScenarioError: With every problem of the scenario that could be found.
        CosimError: If not all of the results could be written.
        KeyboardInterrupt: If Ctrl-C ended it; the folder has the steps until then.
    """
    chosen = load(scenario)
    if controllers is not None:
        chosen = chosen.with_(controllers=controllers)
    plan = plan_of(chosen)
    if connect is not None:
        by_mosaik = plan.scenario.model_copy(update={"coupling": "mosaik"})
        plan = replace(plan, scenario=by_mosaik)
    out = None if results is None else Path(results)
    ended = execute(plan, out, in_memory=out is None, connect=connect)
    if isinstance(ended.run.failure, RunInterrupted):
        raise KeyboardInterrupt(str(ended.run.failure)) from ended.run.failure
    if ended.data is None:
        return Result.load(ended.folder or Path())
    return Result(ended.data, partial(save, ended))
