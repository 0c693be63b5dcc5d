"""Deferrable requests: held back at the rate in force, the most urgent first, never too late."""

from __future__ import annotations

import math

import pytest
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_sim.cluster import Cluster
from inference_sim.deferral import DeferralLine, ServiceClass
from inference_sim.request import Request
from inference_sim.workload import Arrival
from tests.inference_sim.builders import approx, config
from tests.samples import examples

CLASSES = (
    ServiceClass("chat"),
    ServiceClass("hourly", True, deadline_s=3600.0, reserve_s=600.0),
    ServiceClass("quick", True, deadline_s=100.0, reserve_s=40.0),
    ServiceClass("whenever", True),
)

HOURLY, QUICK, WHENEVER = 1, 2, 3


class Log:
    """A line, and when it let which request go."""

    def __init__(self, rate_per_s: float) -> None:
        self.env = simpy.Environment()
        self.released: list[tuple[float, int]] = []
        self.forced: list[tuple[float, int]] = []
        self.line = DeferralLine(
            self.env,
            lambda one: self.released.append((self.env.now, one.request_id)),
            lambda one: self.forced.append((self.env.now, one.request_id)),
            CLASSES,
            rate_per_s=rate_per_s,
        )

    def submit(self, number: int, class_id: int) -> None:
        self.line.submit(Request(number, self.env.now, 100, 10, class_id))


def test_nothing_waits_at_an_unlimited_rate() -> None:
    log = Log(math.inf)
    log.submit(0, HOURLY)
    assert log.released == [(0.0, 0)]
    assert log.line.waiting == []


def test_the_most_urgent_first_at_the_rate() -> None:
    log = Log(0.1)
    for number, class_id in enumerate([WHENEVER, HOURLY, HOURLY, QUICK]):
        log.submit(number, class_id)
    assert [one.request_id for one in log.line.waiting] == [3, 1, 2]  # a token was there for 0
    assert log.line.slack_s == 60.0
    log.env.run(until=35.0)
    assert log.released == [(0.0, 0), (10.0, 3), (20.0, 1), (30.0, 2)]
    assert log.forced == []


def test_a_deadline_wins_over_a_rate_of_zero() -> None:
    """At arrival + deadline - reserve."""
    log = Log(0.0)
    log.env.run(until=7.0)
    for number, class_id in enumerate([HOURLY, QUICK, WHENEVER]):
        log.submit(number, class_id)
    log.env.run(until=1e5)
    assert log.released == []
    assert log.forced == [(67.0, 1), (3007.0, 0)]
    assert [one.request_id for one in log.line.waiting] == [2]
    assert log.line.slack_s == math.inf
    log.line.set_rate(math.inf)
    assert log.released == [(1e5, 2)]


@settings(max_examples=examples(100))
@given(
    requests=st.lists(st.tuples(st.floats(0.0, 40.0), st.sampled_from([1, 2, 3])), max_size=30),
    rates=st.lists(st.sampled_from([0.0, 0.05, 1.0, math.inf]), min_size=1, max_size=6),
)
def test_every_request_leaves_once_and_in_time(
    requests: list[tuple[float, int]], rates: list[float]
) -> None:
    log = Log(0.0)
    latest: dict[int, float] = {}

    def arrive():
        for number, (gap_s, class_id) in enumerate(requests):
            yield log.env.timeout(gap_s)
            latest[number] = CLASSES[class_id].latest_start_s(log.env.now)
            log.submit(number, class_id)

    def turn():
        for rate_per_s in rates:
            log.line.set_rate(rate_per_s)
            yield log.env.timeout(200.0)

    log.env.process(arrive())
    log.env.process(turn())
    log.env.run(until=20_000.0)
    log.line.set_rate(math.inf)
    left = log.released + log.forced
    assert sorted(number for _, number in left) == list(range(len(requests)))
    for time_s, number in log.released:
        assert time_s <= latest[number] + 1e-6
    for time_s, number in log.forced:
        assert time_s == approx(latest[number], 1e-9)


@pytest.mark.parametrize("admission_rate", [0.0, math.inf])
def test_in_a_cluster_the_deadline_passes_the_gateway_too(admission_rate: float) -> None:
    stream = [Arrival(1.0, 100, 10, QUICK), Arrival(2.0, 100, 10, 0)]
    cluster = Cluster(config(classes=CLASSES), stream)
    cluster.apply({"deferrable_rate": 0.0, "admission_rate": admission_rate})
    before = cluster.step(60.0)
    assert (before.deferrable_waiting, before.deferrable_waiting_tokens) == (1, 100)
    assert before.deferrable_slack_s == approx(1.0, 1e-9)
    after = cluster.step(200.0)
    assert after.deferrable_waiting == 0
    assert math.isnan(after.deferrable_slack_s)
    ended = {one.class_id: one for one in cluster.take_ended()}
    assert ended[QUICK].admitted_s == approx(61.0, 1e-9)
    assert ended[QUICK].finish_s < 101.0
    assert (0 in ended) == (admission_rate > 0)


def test_held_back_at_the_end_of_a_run_is_waiting() -> None:
    cluster = Cluster(config(classes=CLASSES), [Arrival(1.0, 100, 10, HOURLY)])
    cluster.apply({"deferrable_rate": 0.0})
    cluster.step(60.0)
    (left,) = cluster.take_in_flight()
    assert (left.outcome, left.energy_j) == ("waiting", 0.0)
    assert math.isnan(left.admitted_s)
