"""Replicas that drain, sleep and wake up, and what they draw meanwhile."""

from __future__ import annotations

import pytest

from inference_sim.cluster import Cluster
from inference_sim.errors import InferenceSimError
from inference_sim.power import TwoResource
from inference_sim.workload import Arrival
from tests.inference_sim.builders import approx, config
from tests.strategies import A100

POWER = TwoResource.of(A100)


def cluster_of(stream: list[Arrival], replicas: int = 3, startup_s: float = 20.0) -> Cluster:
    return Cluster(config(replicas=replicas, startup_s=startup_s, power=POWER), stream)


def test_surplus_replicas_sleep_at_once_when_they_have_nothing_to_do() -> None:
    cluster = cluster_of([])
    cluster.apply({"active_replicas": 1})
    report = cluster.step(10.0)
    assert (report.pools["main"].settings["active_replicas"], report.awake_replicas) == (1, 1)
    assert report.asleep_fraction == approx(2 / 3, 1e-12)
    assert report.gpu_power_w == approx(POWER.idle_w + 2 * POWER.sleep_w, 1e-12)


def test_a_draining_replica_serves_what_it_has() -> None:
    """Then it sleeps, from the moment at which its last request ends."""
    stream = [Arrival(0.0, 100, 200, 0) for _ in range(3)] + [Arrival(0.5, 100, 5, 0)] * 4
    cluster = cluster_of(stream)
    cluster.step(0.1)
    cluster.apply({"active_replicas": 1})
    report = cluster.step(0.2)
    assert (report.awake_replicas, report.running) == (3, 3)
    report = cluster.step(60.2)
    ended = cluster.take_ended()
    assert len(ended) == 7
    first = sorted(ended, key=lambda one: one.request_id)
    assert [one.replica for one in first[:3]] == [0, 1, 2]
    assert {one.replica for one in first[3:]} == {0}
    assert report.awake_replicas == 1
    slept_s = sum(60.2 - one.finish_s for one in first[1:3])
    assert report.asleep_fraction == approx(slept_s / (3 * 60.0), 1e-9)


def test_waking_up_takes_its_time_at_idle_power() -> None:
    stream = [Arrival(time_s, 100, 5, 0) for time_s in (11.0, 12.0, 31.0, 32.0, 33.0)]
    cluster = cluster_of(stream, replicas=2, startup_s=20.0)
    cluster.apply({"active_replicas": 1})
    cluster.step(10.0)
    cluster.apply({"active_replicas": 2})
    report = cluster.step(20.0)
    assert report.asleep_fraction == 0.0
    assert report.awake_replicas == 2
    cluster.step(60.0)
    served_by = [one.replica for one in sorted(cluster.take_ended(), key=lambda r: r.request_id)]
    assert served_by[:2] == [0, 0]
    assert set(served_by[2:]) == {0, 1}


def test_a_drain_that_is_called_off_costs_nothing() -> None:
    cluster = cluster_of([Arrival(0.0, 100, 300, 0), Arrival(0.0, 100, 300, 0)], replicas=2)
    cluster.step(0.5)
    cluster.apply({"active_replicas": 1})
    cluster.step(1.0)
    cluster.apply({"active_replicas": 2})
    assert [one.index for one in cluster.pools["main"].standby.live] == [0, 1]
    assert cluster.step(60.0).asleep_fraction == 0.0


def test_an_awakening_that_is_called_off() -> None:
    """The replica sleeps on, and a later awakening takes the whole time again."""
    cluster = cluster_of([], replicas=2, startup_s=20.0)
    cluster.apply({"active_replicas": 1})
    cluster.step(10.0)
    for end_s, active in ((15.0, 2), (25.0, 1), (32.0, 2)):
        cluster.apply({"active_replicas": active})
        cluster.step(end_s)
    # Wished at 25 s: the awakening of 10 s would have been due at 30 s.
    assert [one.index for one in cluster.pools["main"].standby.live] == [0]
    cluster.step(45.5)
    assert [one.index for one in cluster.pools["main"].standby.live] == [0, 1]


def test_more_than_there_are() -> None:
    with pytest.raises(InferenceSimError, match=r"active_replicas must be at most 3, .* \(got 4\)"):
        cluster_of([]).apply({"active_replicas": 4})
