"""The gateway's token bucket against its definition, at rates from next to nothing to no limit."""

from __future__ import annotations

import math
from typing import Literal

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_sim.cluster import Cluster
from inference_sim.gateway import Gateway
from inference_sim.request import Outcome, Request
from tests.inference_sim.builders import approx, at_once, config
from tests.samples import examples

INF = math.inf


class Door:
    """A gateway with nothing behind it."""

    def __init__(
        self,
        rate_per_s: float,
        *,
        burst: int = 1,
        overflow: Literal["wait", "reject"] = "wait",
        start_s: float = 0.0,
    ) -> None:
        self.env = simpy.Environment(start_s)
        self.passed: list[Request] = []
        self.gateway = Gateway(
            self.env, self.passed.append, rate_per_s=rate_per_s, burst=burst, overflow=overflow
        )
        self.count = 0

    def submit(self, count: int = 1) -> None:
        for _ in range(count):
            self.gateway.submit(Request(self.count, self.env.now, 10, 10))
            self.count += 1

    def run(self, until_s: float) -> None:
        """Run to `until_s`, and fail where more events happen than there is any need for."""
        for _ in range(20 * self.count + 20):
            if self.env.peek() >= until_s:
                self.env.run(until=until_s)
                return
            self.env.step()
        raise AssertionError("the gateway wakes up again and again")

    @property
    def times_s(self) -> list[float]:
        return [request.admitted_s for request in self.passed]


GAPS = st.lists(st.just(0.0) | st.floats(1e-3, 3.0), min_size=1, max_size=30)


@settings(max_examples=examples(200))
@given(gaps=GAPS, rate=st.floats(0.05, 50), burst=st.integers(1, 5))
def test_constant_rate_is_the_generic_cell_rate_algorithm(
    gaps: list[float], rate: float, burst: int
) -> None:
    """Every request passes at the first instant that the bucket allows: no later, no earlier."""
    door, expected, due_s = Door(rate, burst=burst), [], 0.0
    for gap_s in gaps:
        if gap_s:
            door.run(door.env.now + gap_s)
        door.submit()
        pass_s = max(door.env.now, due_s - (burst - 1) / rate, *expected[-1:])
        due_s = max(due_s, pass_s) + 1 / rate
        expected.append(pass_s)
    door.run(1e5)
    assert [request.request_id for request in door.passed] == list(range(len(gaps)))
    assert door.times_s == pytest.approx(expected, rel=1e-9, abs=1e-8 / rate)
    assert door.gateway.admitted == len(gaps)


PHASES = st.lists(
    st.tuples(
        st.sampled_from([0.0, 1e-3, 0.4, 1.0, 7.3, 900.0, 1e5]),
        st.floats(1e-3, 5.0),
        st.integers(0, 9),
    ),
    min_size=1,
    max_size=12,
)


@settings(max_examples=examples(200))
@given(phases=PHASES, burst=st.integers(1, 4))
def test_never_more_than_the_bucket_in_any_window(
    phases: list[tuple[float, float, int]], burst: int
) -> None:
    """Over any window: burst + the integral of the rate; first come first served; none lost."""
    door = Door(phases[0][0], burst=burst)
    edges, totals = [0.0], [0.0]  # of the rate's integral
    for rate, length_s, arrivals in phases:
        door.gateway.set_rate(rate)
        door.submit(arrivals)
        door.run(door.env.now + length_s)
        edges.append(door.env.now)
        totals.append(totals[-1] + rate * length_s)

    def allowed(time_s: float) -> float:
        k = next(k for k in range(len(edges) - 1) if time_s <= edges[k + 1])
        return totals[k] + phases[k][0] * (time_s - edges[k])

    times = door.times_s
    slack = 1e-6 + 1e-12 * totals[-1]
    for first in range(len(times)):
        for last in range(first, len(times)):
            tokens = burst + allowed(times[last]) - allowed(times[first])
            assert last - first + 1 <= tokens + slack
    assert [request.request_id for request in door.passed] == list(range(len(times)))
    assert len(times) + len(door.gateway.waiting) == door.count
    # What still waits could not have passed.
    if door.gateway.waiting and times and phases[-1][0] > 0:
        assert allowed(door.env.now) - allowed(times[-1]) < 1 + slack


def test_rate_changes_while_a_request_waits() -> None:
    """Half a token at 1/s, then a quarter at 0.25/s, then the last quarter at 10/s."""
    door = Door(1.0)
    door.submit(2)
    door.run(0.5)
    door.gateway.set_rate(0.25)
    door.run(1.5)
    door.gateway.set_rate(10.0)
    door.run(9.0)
    assert door.times_s == approx([0.0, 1.525], 1e-12)


def test_no_rate_holds_all_and_no_limit_releases_all() -> None:
    door = Door(0.0)
    door.submit(5)
    door.run(100.0)
    assert door.times_s == []  # though the bucket is full
    assert door.gateway.rate_per_s == 0
    door.gateway.set_rate(INF)
    door.submit(2)
    door.run(200.0)
    assert door.times_s == [100.0] * 7
    door.gateway.set_rate(0.0)
    door.submit(3)
    door.run(300.0)
    assert door.times_s[7:] == []
    assert len(door.gateway.waiting) == 3


def test_lowering_the_rate_keeps_the_tokens() -> None:
    door = Door(1.0, burst=3)
    door.run(10.0)
    door.gateway.set_rate(0.0)
    door.submit(5)
    assert door.times_s == []
    door.gateway.set_rate(2.0)
    door.run(20.0)
    assert door.times_s == [10.0] * 3 + [10.5, 11.0]


def test_reject() -> None:
    """Without a token there is no line: the request is shed at once."""
    door = Door(1.0, burst=2, overflow="reject")
    door.submit(5)
    door.run(1.0)
    door.submit(2)
    door.run(10.0)
    assert [request.request_id for request in door.passed] == [0, 1, 5]
    shed = door.gateway.rejected
    assert [request.request_id for request in shed] == [2, 3, 4, 6]
    assert {request.outcome for request in shed} == {Outcome.REJECTED}
    assert {request.reason for request in shed} == {"admission_rate"}
    assert all(math.isnan(request.admitted_s) for request in shed)
    assert not door.gateway.waiting


def test_state_lives_through_the_steps_of_a_cluster() -> None:
    """The line and the fraction of a token outlive a step, whose length does not matter."""
    times = []
    for step_s in (40.0, 0.3):
        cluster = Cluster(config(admission_rate_per_s=0.8), at_once(20, 10, 2))
        while not cluster.drained:
            cluster.step(cluster.env.now + step_s)
        ended = sorted(cluster.take_ended(), key=lambda one: one.request_id)
        times.append([one.admitted_s for one in ended])
    assert times[0] == times[1] == approx([n / 0.8 for n in range(20)], 1e-9)


def test_setting_the_same_rate_every_step_changes_nothing() -> None:
    cluster = Cluster(config(admission_rate_per_s=0.8), at_once(20, 10, 2))
    while not cluster.drained:
        cluster.apply({"admission_rate": 0.8})
        cluster.step(cluster.env.now + 0.3)
    admitted = sorted(one.admitted_s for one in cluster.take_ended())
    assert admitted == approx([n / 0.8 for n in range(20)], 1e-9)


@pytest.mark.parametrize("start_s", [0.0, 1.0, 86_400.0, 2.6e6, 3.2e7])
@pytest.mark.parametrize("rate", [1e-320, 1e-9, 0.37, 17.3, 141.7, 1013.0, 1e6, 1e12, 1e300])
def test_ends_at_every_rate(rate: float, start_s: float) -> None:
    """Late in a long run the clock is too coarse to tell a token's last fraction from none."""
    door = Door(rate, start_s=start_s)
    door.submit(300)
    door.run(start_s + 99.0)
    expected = min(300, 1 + math.floor(min(99.0 * rate, 1e6)))
    assert len(door.passed) == expected
    assert door.times_s == sorted(door.times_s)


@settings(max_examples=examples(200))
@given(
    rate=st.floats(1e-3, 1e7),
    start_s=st.floats(0, 3.2e7),
    burst=st.integers(1, 3),
)
def test_rate_is_kept_late_in_a_long_run(rate: float, start_s: float, burst: int) -> None:
    """A line of 60 passes in the time it should, up to the clock's rounding."""
    door = Door(rate, burst=burst, start_s=start_s)
    door.submit(60)
    last_s = start_s + (60 - burst) / rate
    door.run(last_s + 1.0)
    assert len(door.passed) == 60
    assert door.times_s[-1] == pytest.approx(last_s, rel=60 * 2.3e-16, abs=1e-9 / rate + 1e-15)
