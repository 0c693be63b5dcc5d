"""The quickstart, shortened to a day: its controller throttles when it should, and carbon falls."""

from __future__ import annotations

import math

import pytest

from tests.conftest import Runs
from tests.cosim.builders import SCENARIOS, Ran

# From an hour before the grid turns dirty. All requests come in the first hours, so that every
# policy finishes them within the day.
SHORT = (
    "time.start=2022-06-08T01:00:00Z",
    "time.duration=20h",
    "workload.requests=20000",
    "sites.0.cluster.host_power_w=0",  # of what controllers change
    "coupling=native",
)
HIGH, LOW, THROTTLED_PER_S = 270.0, 200.0, 0.1 * 1.6
DIRTY = slice(60, 720)
"""Steps from 02:00 to 13:00, in which the rate is throttled."""


@pytest.fixture(scope="module")
def controlled(runs: Runs) -> Ran:
    return runs(SCENARIOS / "quickstart.yaml", *SHORT)


@pytest.fixture(scope="module")
def free(runs: Runs) -> Ran:
    return runs(SCENARIOS / "quickstart.yaml", *SHORT, "controllers=[{type: noop}]")


def test_the_rate_changes_exactly_where_the_intensity_crosses_its_bounds(controlled: Ran) -> None:
    expected, throttled = [], False
    for step, intensity in enumerate(controlled.column("carbon_intensity_g_per_kwh")):
        wanted = True if intensity >= HIGH else False if intensity <= LOW else throttled
        if wanted != throttled:
            expected.append((step, THROTTLED_PER_S if wanted else math.inf, intensity))
        throttled = wanted
    assert [step for step, _, _ in expected] == [DIRTY.start, DIRTY.stop]

    rates = controlled.actions[controlled.actions["actuator"] == "admission_rate"]
    found = rates[["step", "new", "carbon_intensity_g_per_kwh"]].itertuples(index=False, name=None)
    assert list(found) == [pytest.approx(change) for change in expected]
    assert set(rates["controller"]) == {"carbon_threshold"}
    in_force = controlled.column("admission_rate_per_s")
    assert set(in_force[: DIRTY.start]) == set(in_force[DIRTY.stop :]) == {math.inf}
    assert in_force[DIRTY] == pytest.approx(THROTTLED_PER_S)


def test_the_rate_is_kept(controlled: Ran) -> None:
    admitted = controlled.column("admitted")[DIRTY]
    assert admitted.sum() == pytest.approx(THROTTLED_PER_S * 660 * 60, abs=2)
    assert admitted.max() <= math.ceil(THROTTLED_PER_S * 60) + 1


def test_the_queue_is_held_back_and_then_served(controlled: Ran, free: Ran) -> None:
    waiting = controlled.column("gateway_waiting")
    assert waiting[: DIRTY.start].max() == 0
    assert waiting[DIRTY.stop - 1] > 1000
    assert waiting[-1] == 0
    assert free.column("gateway_waiting").max() == 0
    latency = [ran.summary["latency_s"]["queue"]["p99"] for ran in (controlled, free)]
    assert latency[0] > 3600 > 60 > latency[1]


def test_carbon_falls_at_equal_work(controlled: Ran, free: Ran) -> None:
    assert controlled.summary["requests"]["completed"] == 20000
    assert controlled.summary["requests"] == free.summary["requests"]
    assert controlled.summary["tokens"] == free.summary["tokens"]
    import_g, free_g = (ran.summary["carbon_g"]["import"] for ran in (controlled, free))
    assert import_g < 0.95 * free_g
    # It is not only that larger batches need less energy: what is drawn is cleaner, too.
    per_kwh = [
        ran.summary["carbon_g"]["import"] / ran.summary["energy_kwh"]["import"]
        for ran in (controlled, free)
    ]
    assert per_kwh[0] < per_kwh[1]


def test_the_controllers_are_counted(controlled: Ran, free: Ran) -> None:
    changes = controlled.actions.groupby("controller").size()
    counted = [
        {key: value for key, value in entry.items() if key != "settings"}
        for entry in controlled.summary["controllers"]
    ]
    assert counted == [
        {"type": name, "site": "california", "actions": changes[name], "guard_seconds": 0.0}
        for name in ("carbon_threshold", "battery_aware")
    ]
    assert free.summary["controllers"] == [
        {"type": "noop", "site": "california", "actions": 0, "guard_seconds": 0.0, "settings": {}}
    ]
    assert list(free.actions.columns) == list(controlled.actions.columns)
    assert len(free.actions) == 0
