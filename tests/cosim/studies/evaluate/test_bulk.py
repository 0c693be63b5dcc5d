"""The baseline that serves deferrable work in bulk: the best hour of those that were tried."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from cosim.studies.evaluate.bulk import trial_cases, trial_runs, with_best_hour
from cosim.studies.evaluate.comparison import comparison
from cosim.studies.evaluate.variants import Comparison
from cosim.studies.runs.figures import RunFigures
from tests.cosim.builders import write
from tests.cosim.studies.evaluate.test_variants import REPLICAS_AND_DEFERRABLE, THRESHOLD

KEYS = f"policies: [{{name: still}}, {{name: hold, controllers: [{THRESHOLD}]}}]"


@pytest.fixture
def compared(tmp_path: Path) -> Comparison:
    text = REPLICAS_AND_DEFERRABLE + f"evaluation: {{seeds: 3, weeks: 2, {KEYS}}}\n"
    return comparison(write(tmp_path / "s.yaml", text), decoys=False)


SERVED = RunFigures(seed=1, import_g=1000.0, arrived=100, completed=100)


def tried(
    compared: Comparison, by_hour: Mapping[int, RunFigures], last: RunFigures | None = None
) -> Comparison:
    """The comparison after trials that came out alike, but at some hours."""
    weeks = len(compared.trial_starts)
    outcomes = []
    for hour in compared.trials:
        runs = [by_hour.get(hour, SERVED)] * weeks
        if last is not None and hour in by_hour:
            runs[-1] = last
        outcomes += [(run,) for run in runs]
    return with_best_hour(compared, outcomes)


def test_every_hour_is_tried_in_weeks_apart_from_the_comparison(compared: Comparison) -> None:
    cases = trial_cases(compared)
    assert len(cases) == 8 * 4
    assert len({case.start for case in cases}) == 4
    assert not {case.start for case in cases} & set(compared.starts)
    assert [case.variant for case in cases[:5]] == [compared.trials[0]] * 4 + [compared.trials[3]]
    runs = trial_runs(compared)
    assert (len(runs), runs.seeds) == (32, (1,))


def test_without_weeks_in_the_scenarios_own_time(tmp_path: Path) -> None:
    text = REPLICAS_AND_DEFERRABLE + f"evaluation: {{seeds: 3, {KEYS}}}\n"
    compared = comparison(write(tmp_path / "s.yaml", text), decoys=False)
    assert [case.start for case in trial_cases(compared)] == [None] * 8


def test_the_hour_of_least_emissions_becomes_the_last_baseline(compared: Comparison) -> None:
    chosen = tried(compared, {9: replace(SERVED, import_g=900.0)})
    assert chosen.bulk_hour_utc == 9
    assert [variant.label for variant in chosen.variants] == [
        "still",
        "right_sized",
        "bulk",
        "hold",
    ]
    assert chosen.variants[2].added == compared.trials[9].added
    assert chosen.variants[2].kind == "baseline"


def test_the_emissions_are_those_of_all_weeks_and_of_equal_work(compared: Comparison) -> None:
    least = {9: replace(SERVED, import_g=900.0), 12: replace(SERVED, import_g=990.0)}
    worse = tried(compared, least, last=replace(SERVED, import_g=1500.0))
    assert worse.bulk_hour_utc == 0
    left = {9: replace(SERVED, import_g=900.0, left_g=200.0), 12: least[12]}
    assert tried(compared, left).bulk_hour_utc == 12


@pytest.mark.parametrize(
    "short",
    [
        replace(SERVED, import_g=10.0, completed=98),
        RunFigures(seed=1, failure="no disk"),
    ],
    ids=["left work", "broke off"],
)
def test_one_that_serves_all_is_preferred(compared: Comparison, short: RunFigures) -> None:
    """In all weeks: one in which it does not is enough."""
    served = replace(SERVED, import_g=990.0)
    assert tried(compared, {9: short, 12: served}).bulk_hour_utc == 12
    assert tried(compared, {9: replace(SERVED, import_g=10.0)}, last=short).bulk_hour_utc == 0
    nowhere = tried(compared, dict.fromkeys(compared.trials, short), last=short)
    assert nowhere.bulk_hour_utc is None
    assert nowhere.variants == compared.variants
    assert "bulk: at no hour did it serve all in time" in nowhere.notes[-1]
