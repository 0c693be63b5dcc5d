"""``cosim validate``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from cosim.commands.options import Overrides, check_there, planned
from cosim.errors import Problem, ScenarioError


def validate(
    scenarios: Annotated[
        list[Path], typer.Argument(help="Scenario and study files.", show_default=False)
    ],
    overrides: Overrides = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print a line of JSON for each file.")
    ] = False,
) -> None:
    """Check scenarios and studies, and everything they read, without running them.

    The files of your own controllers, schedulers and routers are Python, and are run for it.
    """
    from cosim.commands.printing.cache import cache_notes, cache_warnings, kv_caches
    from cosim.commands.printing.notes import text_notes, trace_notes
    from cosim.studies.sweep.cases import first_seed
    from cosim.studies.sweep.study import is_study, read_study

    problems: list[Problem] = []
    for path in scenarios:
        try:
            notes: list[str] = []
            sites: dict[str, object] = {}
            check_there(path)
            if is_study(path):
                first_seed(read_study(path, overrides or ()))
            else:
                plan = planned(path, overrides, None)
                notes = [*trace_notes(plan), *text_notes(plan)]
                plan.check_resets()
                if plan.scenario.evaluation is not None:
                    from cosim.studies.evaluate.comparison import comparison

                    comparison(path, overrides or ())
                clusters = {site.name: site.cluster for site in plan.sites if site.cluster}
                notes += [
                    f"{name}: {note}" for name, at in clusters.items() for note in cache_notes(at)
                ]
                notes += [
                    f"warning: {site.name}: {note}"
                    for site in plan.sites
                    for note in site.signal_notes
                ]
                notes += [
                    f"warning: {name}: {note}"
                    for name, at in clusters.items()
                    for note in cache_warnings(at)
                ]
                sites = {name: kv_caches(at) for name, at in clusters.items()}
        except ScenarioError as error:
            problems += error.problems
        else:
            if as_json:
                print(json.dumps({"file": str(path), "notes": notes, "sites": sites}))
            else:
                print(f"{path}: ok", *notes, sep=f"\n{path}: ")
    if problems:
        raise ScenarioError(problems)
