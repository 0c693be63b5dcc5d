"""The hour of the baseline that serves deferrable work in bulk: the best of some, tried beforehand.

Where policies are compared in weeks of a year, the hours are tried in weeks between them, which no
comparison is made in; else in the scenario's own time, so that the baseline is the best of its kind
in hindsight.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from operator import attrgetter

from cosim.studies.evaluate.baselines import BULK
from cosim.studies.evaluate.documents import case_document
from cosim.studies.evaluate.statistics import meets_objectives
from cosim.studies.evaluate.variants import Case, Comparison
from cosim.studies.frame.cases import CaseRuns
from cosim.studies.runs.figures import LEAST_SERVED, RunFigures


def trial_cases(compared: Comparison) -> tuple[Case, ...]:
    """Return every hour in every week of the trials; none where nothing is to be tried."""
    return tuple(
        Case(variant, week, start)
        for variant in compared.trials.values()
        for week, start in enumerate(compared.trial_starts)
    )


def trial_runs(compared: Comparison) -> CaseRuns[Case]:
    """Return the runs in which the hours are tried: one of each in each week."""
    return CaseRuns(
        cases=trial_cases(compared),
        seeds=compared.seeds[:1],
        shift=compared.shift,
        document=partial(case_document, compared),
        name=attrgetter("label"),
        working_dir=compared.working_dir,
    )


def with_best_hour(compared: Comparison, by_case: Sequence[tuple[RunFigures, ...]]) -> Comparison:
    """Return the comparison with the baseline of the best hour, the last of the baselines.

    An hour at which work is left or objectives are missed is none; where all are so, a note says
    that the baseline is left out.

    Args:
        compared: The comparison.
        by_case: The runs of each trial.
    """
    weeks = len(compared.trial_starts)
    grams = {}
    for number, hour in enumerate(compared.trials):
        runs = [run for case in by_case[number * weeks :][:weeks] for run in case]
        if not any(run.failure for run in runs) and all(_is_fit(run) for run in runs):
            grams[hour] = math.fsum(run.equal_work_g for run in runs)
    if not grams:
        note = f"{BULK}: at no hour did it serve all in time; there is no such baseline"
        return replace(compared, notes=(*compared.notes, note))
    best = min(grams, key=lambda hour: grams[hour])
    after = sum(variant.kind == "baseline" for variant in compared.variants)
    variants = list(compared.variants)
    variants.insert(after, replace(compared.trials[best], name=compared.bulk_name))
    return replace(compared, variants=tuple(variants), bulk_hour_utc=best)


def _is_fit(run: RunFigures) -> bool:
    """Return whether a run served all, and met its objectives."""
    return run.completed >= LEAST_SERVED * run.arrived and meets_objectives(run)
