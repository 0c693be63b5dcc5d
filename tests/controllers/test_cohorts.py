"""Deferred requests by their latest start: three quarters of those that arrive, after 7000 s."""

from __future__ import annotations

import math

import numpy as np
import pytest

from controllers import ClassInfo
from controllers.cohorts import Cohorts
from tests.controllers.planning import CHAT, seen, site


def watched(arrived: list[int], waiting: list[int], slack_s: float | None = None) -> Cohorts:
    """Cohorts after steps of a minute; the slack is that of the last one."""
    cohorts = Cohorts(site())
    for step, (came, waits) in enumerate(zip(arrived, waiting, strict=True)):
        cohorts.see(seen(step, arrived=came, deferrable_waiting=waits, deferrable_slack_s=slack_s))
    return cohorts


def test_those_that_arrived_in_a_step_must_start_as_long_after() -> None:
    cohorts = watched([0, 8, 0, 16], [0, 6, 6, 18])
    ends_s = np.array([6849.0, 6851.0, 6969.0, 6971.0])  # 7000 s after the middle of a step
    assert cohorts.due_by(ends_s).tolist() == [0, 6, 6, 18]


def test_the_most_urgent_ones_leave_first() -> None:
    cohorts = watched([0, 8, 0, 16], [0, 6, 6, 9])
    assert cohorts.due_by(np.array([6851.0, 6971.0])).tolist() == [0, 9]
    cohorts = watched([0, 8, 0, 16], [0, 6, 6, 15])
    assert cohorts.due_by(np.array([6851.0, 6971.0])).tolist() == [3, 15]
    cohorts = watched([0, 8, 0], [0, 6, 0])
    assert cohorts.due_by(np.array([1e9])).tolist() == [0]


def test_the_slack_is_that_of_the_most_urgent_one() -> None:
    cohorts = watched([0, 8, 0, 16], [0, 6, 6, 18], slack_s=100.0)
    assert cohorts.due_by(np.array([99.0, 101.0, 6971.0])).tolist() == [0, 6, 18]
    # of more than are known to have arrived, the others are taken to be as urgent
    cohorts = watched([0, 8], [0, 10], slack_s=100.0)
    assert cohorts.due_by(np.array([101.0, 6971.0])).tolist() == [4, 10]


def test_steps_at_which_it_was_not_asked_had_as_many_arrivals() -> None:
    cohorts = Cohorts(site())
    cohorts.see(seen(0))
    cohorts.see(seen(4, arrived=8, deferrable_waiting=24))
    assert cohorts.due_by(np.array([6879.0, 6881.0])).tolist() == [0, 24]


def test_begin_and_rate() -> None:
    cohorts = watched([0, 80, 0], [0, 60, 60], slack_s=600.0)
    assert cohorts.begin_s(0.5) == pytest.approx(600 - 120)
    assert cohorts.pressing_per_s(0, 60) == pytest.approx(60 / 600)
    assert cohorts.pressing_per_s(300, 60) == pytest.approx(60 / 300)
    assert cohorts.pressing_per_s(590, 60) == pytest.approx(60 / 60)
    nothing = watched([], [])
    assert (nothing.begin_s(0.5), nothing.pressing_per_s(0, 60)) == (math.inf, 0)


def test_classes_with_other_deadlines() -> None:
    soon = ClassInfo(name="soon", share=0.25, deferrable=True, latest_start_s=1000)
    late = ClassInfo(name="late", share=0.5, deferrable=True)
    cohorts = Cohorts(site(classes=(CHAT, soon, late)))
    cohorts.see(seen(0))
    cohorts.see(seen(1, arrived=8, deferrable_waiting=6))
    assert cohorts.due_by(np.array([969.0, 971.0, 1e12])).tolist() == [0, 2, 2]
    assert cohorts.begin_s(1.0) == pytest.approx(970 - 2)
