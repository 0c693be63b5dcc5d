"""Deferrable work from an hour of the day on; steps are of a minute, from midnight on."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from controllers import FixedHours
from tests.conftest import Runs
from tests.controllers.planning import seen, site
from tests.cosim.loop.deferral import run_beside_noop

DAY = 24 * 60


def played(
    steps: list[int], waiting: list[int], hour_utc: float = 2.0, **parameters: Any
) -> list[tuple[int | None, float | None]]:
    policy = FixedHours(**{"hour_utc": hour_utc, "utilisation": 0.5, "wake_s": 60} | parameters)
    policy.reset(site())
    actions = [
        policy.step(seen(at, forecasts={"arrivals": [0.0] * 15}, deferrable_waiting=count))
        for at, count in zip(steps, waiting, strict=True)
    ]
    return [(action.active_replicas, action.deferrable_rate_per_s) for action in actions]


def test_from_the_hour_on_until_nothing_waits() -> None:
    # all replicas are woken a minute before two o'clock
    answers = played([117, 118, 119, 120, 121, 122, 123], [9999, 9999, 9999, 9999, 30, 0, 30])
    assert answers == [(1, 0), (1, 0), (4, 0), (4, 2), (1, 0.5), (1, 0), (1, 0)]


def test_every_day() -> None:
    steps = [119, 120, 121, DAY + 119, DAY + 120, DAY + 121, 2 * DAY + 120]
    answers = played(steps, [9, 0, 9, 9, 9, 0, 9], replicas=False)
    assert [release for _, release in answers] == [0, 0, 0, 0, 2, 0, 2]


def test_an_hour_between_two_calls_is_not_missed() -> None:
    assert [release for _, release in played([0, 100, 130], [9, 9, 9], replicas=False)] == [0, 0, 2]


def test_a_run_that_starts_at_the_hour() -> None:
    assert played([0, 1], [9999, 9999], hour_utc=0) == [(4, 2), (4, 2)]


def test_a_start_that_is_not_at_a_full_minute() -> None:
    policy = FixedHours(hour_utc=2, replicas=False)
    policy.reset(site())
    rates = []
    for at in range(3):
        time = datetime(2023, 6, 8, 1, 58, 30, tzinfo=UTC) + timedelta(minutes=at)
        now = seen(at, forecasts={"arrivals": [0.0] * 15}, deferrable_waiting=9, time=time)
        rates.append(policy.step(now).deferrable_rate_per_s)
    assert rates == [0, 0, pytest.approx(3.4)]


def test_it_does_not_look_at_the_grid() -> None:
    policy = FixedHours()
    assert not policy.sees_carbon
    assert policy.forecasts == {"arrivals", "deferrable_arrivals"}
    assert policy.actuators == {"deferrable_rate", "active_replicas"}
    assert FixedHours(replicas=False).actuators == {"deferrable_rate"}


def test_in_a_run_it_saves_energy_at_equal_work(runs: Runs) -> None:
    settings = ("sites.0.cluster.replicas=3", "workload.arrivals.rate_per_s=1")
    entry = "{type: fixed_hours, hour_utc: 13}"
    policy, noop = run_beside_noop(runs, entry, "time.duration=4h", *settings)
    assert policy.summary["requests"]["completed"] == noop.summary["requests"]["completed"] == 2500
    assert policy.summary["energy_kwh"]["import"] < 0.7 * noop.summary["energy_kwh"]["import"]
    assert policy.summary["sites"]["california"]["slo"]["attainment"] > 0.99
