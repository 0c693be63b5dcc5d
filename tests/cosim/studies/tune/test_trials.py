"""The order of trials, and the verdict on the best one."""

from __future__ import annotations

from dataclasses import replace

import pytest

from cosim.studies.tune.table import notes, trials_table, verdict
from cosim.studies.tune.trials import best_of, ranked
from cosim.studies.tune.tuning import Tuning
from tests.cosim.studies.tune.figures import NOOP, trial, tuning

SLOW = replace(NOOP, attainment=0.98)
LATE = replace(NOOP, late=2, late_by_class={"batch": 0.02})
LEFT = replace(NOOP, left_by_class={"chat": 0.0, "batch": 0.02})
FAILED = replace(NOOP, failure="no disk")
DEFAULTS = trial(0, 0.5, [900.0, 900.0])


@pytest.mark.parametrize("run", [SLOW, LATE, LEFT, FAILED])
def test_trials_that_missed_come_after_all_others(run: object) -> None:
    assert isinstance(run, type(NOOP))
    good = trial(1, 0.4, [950.0, 900.0])
    bad = trial(2, 0.1, [100.0, 100.0], run)
    assert bad.missed == 2
    assert [each.number for each in ranked([DEFAULTS, good, bad])] == [0, 1, 2]
    assert best_of([DEFAULTS, bad, good]) is DEFAULTS
    worse_defaults = trial(0, 0.5, [900.0, 900.0], run)
    assert best_of([worse_defaults, good, bad]) is good
    assert best_of([worse_defaults, bad]) is worse_defaults


def test_one_percent_is_allowed() -> None:
    left = {"chat": 0.01, "batch": 0.0}
    run = replace(NOOP, attainment=0.99, late_by_class={"batch": 0.01}, left_by_class=left)
    assert trial(1, 0.4, [800.0], run).missed == 0


BEST = trial(1, 0.25, [800.0, 800.0])
"""Of which 2 % + 4 % of noop in four weeks are saved: 3 ± 1.84 points, by hand."""


def reported(tuned_g: list[float], run: object = NOOP) -> Tuning:
    assert isinstance(run, type(NOOP))
    return tuning([DEFAULTS, BEST], [900.0] * 4, tuned_g, run)


def test_the_difference_is_taken_week_by_week() -> None:
    found = reported([880.0, 860.0, 880.0, 860.0])
    # t(3, 97.5 %) = 3.1824; the standard deviation of 2, 4, 2, 4 is 1.1547
    assert found.difference.mean == pytest.approx(0.03)
    assert found.difference.half_width == pytest.approx(3.1824 * 0.011547 / 2, rel=1e-4)
    assert verdict(found) == "hold beats its defaults by 3.00 ± 1.84 points on weeks it never saw."


@pytest.mark.parametrize(
    ("tuned_g", "run", "end"),
    [
        ([880.0, 900.0, 920.0, 890.0], NOOP, "0.25 ± 2.72 points."),
        ([920.0, 921.0, 920.0, 921.0], NOOP, "-2.05 ± 0.09 points."),
        ([880.0, 860.0] * 2, SLOW, "points, but it misses its objectives in 4 of 4 runs."),
        ([999.0, 900.0] * 2, LEFT, "points, and it misses its objectives in 4 of 4 runs."),
        ([1001.0, 1000.0] * 2, replace(NOOP, stored_g=-200.0), "it has no saving (battery)."),
    ],
)
def test_a_verdict_that_is_not_better(tuned_g: list[float], run: object, end: str) -> None:
    sentence = verdict(reported(tuned_g, run))
    assert sentence.startswith("hold does not beat its defaults on weeks it never saw: ")
    assert sentence.endswith(end)


def test_defaults_that_are_best() -> None:
    found = tuning([DEFAULTS, trial(1, 0.4, [950.0, 950.0])], [900.0] * 3, [900.0] * 3)
    assert verdict(found).endswith("0.00 ± 0.00 points, for no other trial is better.")


def test_the_table_has_the_best_five_and_the_defaults() -> None:
    trials = [DEFAULTS, *(trial(k, 0.1 * k, [900.0 - k] * 2) for k in range(1, 8))]
    trials.append(trial(8, 0.9, [0.0, 0.0], FAILED))
    found = tuning(trials, [900.0] * 3, [850.0] * 3)
    table = trials_table(found)
    assert [line[0] for line in table.lines] == ["7", "6", "5", "4", "3", "defaults"]
    assert table.lines[0] == ["7", "0.7", "0.893", "10.70", "met"]
    said = " ".join(notes(found))
    assert "Broke off: trial 8. The first because: no disk" in said
    assert "Not searched, for want of a range: rate_per_s." in said
    assert "Kept: margin=0.1." in said
    assert "Searched: share 0 to 1." in said
