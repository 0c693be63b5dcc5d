"""Tunings that were never made: the figures of their runs are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from cosim.studies.runs.figures import RunFigures
from cosim.studies.tune.space import Parameter
from cosim.studies.tune.trials import Trial, missed_runs
from cosim.studies.tune.tuning import Tuning

NOOP = RunFigures(
    seed=0,
    import_g=1000.0,
    attainment=1.0,
    arrived=100,
    completed=100,
    left_by_class={"chat": 0.0, "batch": 0.0},
    load_state="stable",
)
SHARE = Parameter(
    name="share", path="evaluation.policies.0.controllers.0.share", default=0.5, high=1.0
)


def runs_of(grams: Sequence[float], run: RunFigures = NOOP) -> tuple[RunFigures, ...]:
    """Return a run for each week."""
    return tuple(
        replace(run, seed=number, import_g=import_g) for number, import_g in enumerate(grams)
    )


def trial(number: int, share: float, grams: Sequence[float], run: RunFigures = NOOP) -> Trial:
    """Return a trial with given emissions by week."""
    runs = runs_of(grams, run)
    return Trial(number, (share,), runs, missed_runs(runs, runs_of([1000.0] * len(grams))))


def tuning(
    trials: Sequence[Trial],
    defaults_g: Sequence[float],
    tuned_g: Sequence[float],
    run: RunFigures = NOOP,
) -> Tuning:
    """Return a tuning with given emissions by week of its report; `run` is one of the tuned."""
    weeks = range(1, 1 + len(defaults_g))
    return Tuning(
        name="grid",
        policy="hold",
        sampler="random",
        seeds=(0,),
        tune_weeks=("2022-02-01", "2022-08-01"),
        test_weeks=tuple(f"2022-{month:02}-15" for month in weeks),
        parameters=(SHARE,),
        unsearched=("rate_per_s",),
        fixed=("margin=0.1",),
        noop=runs_of([1000.0] * len(trials[0].runs)),
        trials=tuple(trials),
        tested=(runs_of([1000.0] * len(defaults_g)), runs_of(defaults_g), runs_of(tuned_g, run)),
        entry={"name": "hold_tuned", "controllers": [{"type": "hold", "share": 0.25}]},
        scenario={"name": "grid"},
        versions={"cosim": "0.1.0"},
    )
