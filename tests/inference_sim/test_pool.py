"""Pools: several in a cluster, and clusters that share a clock."""

from __future__ import annotations

from dataclasses import replace
from importlib.metadata import EntryPoint

import pytest
import simpy

from inference_sim.clock import advance
from inference_sim.cluster import Cluster
from inference_sim.deployment import ClusterConfig
from inference_sim.dispatch import LeastEnergy, Tiers
from inference_sim.errors import InferenceSimError
from inference_sim.scheduling import SCHEDULERS, VllmScheduler, find_scheduler
from inference_sim.workload import Arrival
from tests.inference_sim.builders import approx, at_once, config
from tests.strategies import actuators


def two_pools() -> ClusterConfig:
    one = config()
    return replace(one, pools=(replace(one.pool, name="a"), replace(one.pool, name="b")))


def test_requests_and_energy_are_conserved_over_pools() -> None:
    stream = at_once(40, 300, 40)
    cluster = Cluster(replace(two_pools(), dispatch=Tiers("a", {"b": 0.5})), stream)
    step = cluster.step(1000.0)
    requests = cluster.take_ended()
    assert cluster.drained
    assert len(requests) == 40
    assert {one.replica for one in requests} == {0, 1}
    served_j = sum(one.energy_j for one in requests)
    assert served_j == approx(step.attributed_power_w * 1000, 1e-9)
    assert step.gpu_power_w == approx(sum(one.gpu_power_w for one in step.pools.values()), 1e-12)
    assert [one.settings["active_replicas"] for one in step.pools.values()] == [1, 1]


def test_several_pools_need_a_dispatch() -> None:
    with pytest.raises(InferenceSimError, match="2 pools need a dispatch"):
        Cluster(two_pools(), [])


def test_a_number_sets_every_pool_and_a_mapping_one() -> None:
    cluster = Cluster(replace(two_pools(), dispatch=LeastEnergy()), [])
    cluster.apply({"batch_cap": 9})
    cluster.apply({"batch_cap": {"b": 3}})
    assert [pool.batch_cap for pool in cluster.pools.values()] == [9, 3]
    with pytest.raises(InferenceSimError, match="unknown pool 'c'"):
        cluster.apply({"batch_cap": {"c": 3}})


def test_clusters_that_share_a_clock_do_as_they_do_alone() -> None:
    streams = [[Arrival(0.5 * n, 200, 50 + n, 0) for n in range(20)], at_once(8, 100, 30)]
    alone = [Cluster(config(), stream).step(60.0) for stream in streams]
    env = simpy.Environment()
    clusters = [Cluster(config(), stream, env) for stream in streams]
    advance(env, 60.0, clusters)
    assert [cluster.report().as_dict() for cluster in clusters] == [
        approx(step.as_dict(), 0) for step in alone
    ]


def test_random_scenarios_set_every_knob() -> None:
    """One that they left out would escape the stepwise check."""
    cluster = Cluster(config(), [])
    (pool,) = cluster.pools.values()
    assert set(actuators(2)) == {*cluster.knobs, *pool.knobs}


def test_looking_a_scheduler_up_makes_it_no_other() -> None:
    for name, scheduler in SCHEDULERS.items():
        assert find_scheduler(name) is scheduler
    sarathi = find_scheduler("sarathi")(4, 512)
    assert isinstance(sarathi, SCHEDULERS["sarathi"])
    assert not isinstance(sarathi, SCHEDULERS["vllm_v1"])


def test_a_scheduler_need_not_be_compiled(monkeypatch: pytest.MonkeyPatch) -> None:
    """A subclass written here serves as the class that it takes everything from."""

    class Mine(VllmScheduler):
        pass

    point = EntryPoint("mine", "a_package:Mine", "cosim.schedulers")
    monkeypatch.setattr(EntryPoint, "load", lambda self: Mine)
    monkeypatch.setattr(
        "inference_sim.plugins.entry_points",
        lambda group: [point] if group == "cosim.schedulers" else [],
    )
    stream = at_once(20, 300, 40)
    steps = [
        Cluster(config(scheduler=name), stream).step(100.0).as_dict() for name in ("vllm", "mine")
    ]
    assert steps[1] == approx(steps[0], 0)
    with pytest.raises(InferenceSimError, match="unknown scheduler"):
        Cluster(config(scheduler="yours"), stream)
