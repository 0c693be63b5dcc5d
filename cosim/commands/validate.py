"""``cosim validate``."""

from __future__ import annotations

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
) -> None:
    """Check scenarios and studies, and everything they read, without running them.

    The files of your own controllers, schedulers and routers are Python, and are run for it.
    """
    from cosim.commands.printing.notes import trace_notes
    from cosim.studies.sweep.cases import first_seed
    from cosim.studies.sweep.study import is_study, read_study

    problems: list[Problem] = []
    for path in scenarios:
        try:
            notes: list[str] = []
            check_there(path)
            if is_study(path):
                first_seed(read_study(path, overrides or ()))
            else:
                plan = planned(path, overrides, None)
                notes = [*trace_notes(plan)]
                plan.check_resets()
                if plan.scenario.evaluation is not None:
                    from cosim.studies.evaluate.variants import comparison

                    comparison(path, overrides or ())
                notes += [
                    f"warning: {site.name}: {note}"
                    for site in plan.sites
                    for note in site.signal_notes
                ]
        except ScenarioError as error:
            problems += error.problems
        else:
            print(f"{path}: ok", *notes, sep=f"\n{path}: ")
    if problems:
        raise ScenarioError(problems)
