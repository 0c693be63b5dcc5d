"""Routers: which replica they pick, from what they may see; the same seed, the same choices."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import pytest

from inference_sim.request import Request
from inference_sim.routing import ROUTERS
from tests.deployments import changed
from tests.inference_sim.builders import approx, random_scenario, run

REQUEST = Request(0, 0.0, 1, 1, 0)
RANDOM = ("random", "power_of_two")


@dataclass(slots=True)
class Seen:
    """All of a replica that a router may look at."""

    waiting: int = 0
    running: int = 0
    kv_utilisation: float = 0.0
    found: int = 0

    def hit(self, request: Request) -> int:
        return self.found

    @property
    def outstanding(self) -> int:
        return self.waiting + self.running


def choices(name: str, replicas: Any, count: int, seed: int = 0) -> list[int]:
    """The replicas picked, by their numbers, while nothing changes."""
    router = ROUTERS[name](replicas, seed)
    number = {id(replica): index for index, replica in enumerate(replicas)}
    return [number[id(router(REQUEST))] for _ in range(count)]


def test_round_robin() -> None:
    assert choices("round_robin", [Seen(), Seen(), Seen()], 7) == [0, 1, 2, 0, 1, 2, 0]


def test_random_is_uniform_and_independent() -> None:
    picked = np.array(choices("random", [Seen() for _ in range(5)], 20_000))
    expected = 20_000 / 25
    pairs = np.bincount(5 * picked[:-1] + picked[1:], minlength=25)
    assert ((pairs - expected) ** 2 / expected).sum() < 52  # 24 degrees of freedom: 1 in 1000
    assert set(choices("random", [Seen()], 5)) == {0}


def test_least_outstanding() -> None:
    replicas = [Seen(2, 3), Seen(0, 4), Seen(1, 3, 0.9)]
    assert choices("least_outstanding", replicas, 1) == [1]  # a tie: the first
    replicas[2].waiting = 0
    assert choices("least_outstanding", replicas, 1) == [2]


def test_prefix_affinity() -> None:
    replicas = [Seen(0, 1, found=16), Seen(5, 4, found=64), Seen(0, 4, found=64)]
    assert choices("prefix_affinity", replicas, 1) == [2]  # a tie: the less loaded


def test_least_uncached() -> None:
    """Of 100 tokens: 100 at an idle one, 36 with two others, 84 with none."""
    request = Request(0, 0.0, 100, 1, 0)
    replicas: Any = [Seen(), Seen(1, 1, found=64), Seen(found=16)]
    route = ROUTERS["least_uncached"](replicas, 0)
    assert route(request) is replicas[2]
    replicas[1].waiting = 0
    assert route(request) is replicas[1]


def test_session_sticky() -> None:
    replicas: Any = [Seen(2), Seen(1), Seen(3)]
    route = ROUTERS["session_sticky"](replicas, 0)
    talk, other, alone = (Request(number, 0.0, 1, 1, 0) for number in range(3))
    talk.session, other.session = 7, 8
    first, second, _ = replicas
    assert route(talk) is second
    second.waiting = 9
    assert route(talk) is second
    assert route(other) is route(alone) is first
    replicas.remove(second)  # it fell asleep: the session moves, and stays
    assert route(talk) is first
    first.waiting = 9
    assert route(talk) is first


def test_least_kv_load() -> None:
    replicas = [Seen(0, 1, 0.5), Seen(9, 9, 0.2), Seen(3, 1, 0.2)]
    assert choices("least_kv_load", replicas, 1) == [2]
    replicas[0].kv_utilisation = 0.1
    assert choices("least_kv_load", replicas, 1) == [0]


class TestPowerOfTwo:
    def test_never_the_worst_and_mostly_the_best(self) -> None:
        """Of 4 replicas with different loads, the k-th best wins 4 - k of the 6 pairs."""
        picked = choices("power_of_two", [Seen(load) for load in (3, 0, 2, 1)], 30_000)
        share = np.bincount(picked, minlength=4) / 30_000
        np.testing.assert_allclose(share, [0, 3 / 6, 1 / 6, 2 / 6], atol=0.012)

    def test_equal_replicas_are_equally_likely(self) -> None:
        """With ties to the first drawn."""
        picked = choices("power_of_two", [Seen() for _ in range(4)], 30_000)
        assert np.bincount(picked) == approx(np.full(4, 7500), 0.04)

    def test_one_or_two_replicas(self) -> None:
        assert set(choices("power_of_two", [Seen(5)], 9)) == {0}
        assert set(choices("power_of_two", [Seen(5), Seen(4)], 50)) == {1}

    def test_evens_out_where_random_does_not(self) -> None:
        """Mitzenmacher: the fullest of n bins holds ln ln n more than the mean, not ln n and so."""

        def fullest(name: str) -> int:
            replicas: Any = [Seen() for _ in range(200)]
            router = ROUTERS[name](replicas, 3)
            for _ in range(200 * 20):
                picked: Any = router(REQUEST)
                picked.waiting += 1
            return max(replica.waiting for replica in replicas)

        assert fullest("power_of_two") <= 23
        assert fullest("random") >= 30


@pytest.mark.parametrize("name", RANDOM)
def test_the_seed_decides(name: str) -> None:
    replicas = [Seen() for _ in range(6)]
    assert choices(name, replicas, 50, seed=4) == choices(name, replicas, 50, seed=4)
    assert choices(name, replicas, 50, seed=4) != choices(name, replicas, 50, seed=5)


def test_the_factories_take_replicas_alone() -> None:
    """Without a seed, two of them agree."""
    replicas: Any = [Seen() for _ in range(6)]
    for make in ROUTERS.values():
        one, other = make(replicas), make(replicas)
        assert [id(one(REQUEST)) for _ in range(20)] == [id(other(REQUEST)) for _ in range(20)]


@pytest.mark.parametrize("name", ROUTERS)
@pytest.mark.parametrize("seed", [0, 3])
def test_in_a_cluster_stepwise_and_in_segments(name: str, seed: int) -> None:
    """Each request goes to the same replica and ends at the same time: KV load included."""
    scenario = random_scenario(seed)
    scenario = replace(scenario, config=changed(scenario.config, router=name, replicas=3))
    quick_cluster, _, quick = run(scenario)
    _, _, plain = run(scenario.but(stepwise=True))
    assert quick_cluster.completed == len(scenario.stream)
    assert {one.replica for one in quick} == {0, 1, 2}
    assert [one.replica for one in quick] == [one.replica for one in plain]
    assert [one.finish_s for one in quick] == approx([one.finish_s for one in plain], 1e-9)
