"""Work that has come and is due, and times in which replicas must be at work."""

from __future__ import annotations

import math
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.scenario.workload import RequestClass, Slo
from cosim.studies.bounds.demand import Requests, most_apart
from cosim.studies.bounds.machine import Machine
from cosim.studies.bounds.must_run import MustRun, overlaps
from cosim.studies.bounds.prices import Floor
from inference_sim.cluster import Cluster
from inference_sim.models import find_model
from inference_sim.power import TwoResource
from inference_sim.workload import Arrival
from tests.cosim.studies.bounds.test_prices import H100, deployment
from tests.deployments import one_pool
from tests.samples import examples

CLASSES = [
    RequestClass(name="chat", share=0.5, slo=Slo(ttft_s=1.0, tpot_s=0.1)),
    RequestClass(name="batch", share=0.5, deferrable=True, deadline=100.0),
]
FLOOR = Floor(np.array([0.0, 3600, 0, 0, 3600, 0]), ())  # a Wh for each token
Intervals = list[tuple[int, int, int]]


def requests() -> Requests:
    stream = [Arrival(10.0, 20, 11, 0), Arrival(30.0, 40, 5, 1), Arrival(50.0, 60, 3, 1)]
    return Requests.of(stream, CLASSES, 200.0, Cluster(deployment(), iter(())))


def test_work_comes_with_its_request_and_is_due_by_its_objectives() -> None:
    """Chat of 20 and 11 tokens at 10 s: its prompt by 11 s, the rest by 11 + 10 * 0.1 = 12 s."""
    ends = np.array([10.0, 10.5, 11.0, 11.5, 12.0, 40.0, 130.0, 149.0, 200.0])
    chat, batch = requests().by_class(FLOOR, ends, may_miss=0)
    assert list(chat.prompts.most) == [0, 20, 20, 20, 20, 20, 20, 20, 20]
    assert list(chat.prompts.least) == [0, 0, 20, 20, 20, 20, 20, 20, 20]
    assert list(chat.steps.least) == [0, 0, 0, 0, 10, 10, 10, 10, 10]
    assert list(batch.prompts.most) == [0, 0, 0, 0, 0, 40, 100, 100, 100]
    assert list(batch.prompts.least) == [0, 0, 0, 0, 0, 0, 40, 40, 100]
    assert batch.least_wh == 106  # of so few requests none can be left


def test_the_largest_may_miss() -> None:
    (chat, _) = requests().by_class(FLOOR, np.array([20.0, 200.0]), may_miss=1)
    assert list(chat.steps.least) == [0, 0]
    assert chat.least_wh == 30  # at the end it must be done all the same


@given(st.lists(st.tuples(st.integers(0, 12), st.integers(1, 9), st.integers(0, 9)), max_size=7))
@settings(max_examples=examples(50))
def test_most_apart_is_the_most(drawn: Intervals) -> None:
    intervals = [(start, start + length, weight) for start, length, weight in drawn]
    starts, ends, weights = np.array(intervals, dtype=float).reshape(-1, 3).T
    chosen = most_apart(starts, ends, weights, np.arange(len(intervals)))

    def apart(some: tuple[int, ...]) -> bool:
        pairs = combinations(sorted(some, key=lambda k: (ends[k], starts[k])), 2)
        return all(ends[a] <= starts[b] for a, b in pairs)

    subsets = (
        some for n in range(len(intervals) + 1) for some in combinations(range(len(intervals)), n)
    )
    best = max(float(weights[list(some)].sum()) for some in subsets if apart(some))
    assert float(weights[chosen].sum()) == best
    assert apart(tuple(chosen.tolist()))


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9)), min_size=1, max_size=8))
@settings(max_examples=examples(50))
def test_overlaps_count_the_intervals_that_last(drawn: list[tuple[int, int]]) -> None:
    begins = np.array([start for start, _ in drawn], dtype=float)
    lengths = np.array([length for _, length in drawn], dtype=float)
    times, count = overlaps(begins, begins + lengths)
    for time, number in zip(times, count, strict=True):
        assert number == sum(start <= time < start + length for start, length in drawn)
    assert float((count[:-1] * np.diff(times)).sum()) == lengths.sum()


def test_chat_keeps_a_replica_at_work_from_its_latest_start_on() -> None:
    """It begins by 11 s and takes ten tokens' time from 10 s on."""
    machine = Machine.of(deployment(), 20, 100)
    takes_s = 10 * machine.token_s(21)
    assert takes_s < 1.0
    assert len(MustRun.of(requests(), machine).times_s) == 0  # it may begin after that
    strict = [RequestClass(name="chat", share=1.0, slo=Slo(ttft_s=0.01))]
    at_once = Requests.of(
        [Arrival(10.0, 20, 11, 0)], strict, 200.0, Cluster(deployment(), iter(()))
    )
    must = MustRun.of(at_once, machine)
    assert list(must.times_s) == [10.01, 10 + takes_s]
    assert list(must.replicas) == [1, 0]
    hours = must.hours(np.array([0.0, 10.02, 100.0]))
    assert np.allclose(hours * 3600, [0.01, takes_s - 0.02], rtol=1e-6)


def test_chat_beyond_a_batch_keeps_more_replicas_at_work() -> None:
    """Five at a time, two of them in a batch: three replicas; one may miss, and saves one."""
    cluster = deployment(batch_cap=2)
    machine = Machine.of(cluster, 20, 40)
    strict = [RequestClass(name="chat", share=1.0, slo=Slo(ttft_s=0.001))]
    stream = [Arrival(10.0, 20, 11, 0)] * 5
    must = MustRun.of(Requests.of(stream, strict, 200.0, Cluster(cluster, iter(()))), machine)
    length_s = 10 * machine.token_s(21) - 0.001
    assert list(must.replicas) == [3, 0]
    assert must.hours(np.array([0.0, 200.0])) == pytest.approx([3 * length_s / 3600])
    assert must.longest_s == pytest.approx([length_s] * 5)


def test_evicted_chat_may_wait_beside_a_batch() -> None:
    """Where the cache does not hold a batch of the longest, no more than one replica is certain."""
    cluster = deployment(batch_cap=2, kv_blocks=4)  # of 16 tokens
    assert Machine.of(cluster, 20, 32).together == 2
    assert Machine.of(cluster, 20, 33).together == math.inf


def test_windows_leave_room_for_more() -> None:
    """One full group of 4 blocks for 64 tokens, one of a window of two blocks; whole, 8 of both."""
    model = replace(find_model("openai/gpt-oss-20b"), window_tokens=32)
    pool = {"model": model, "kv_blocks": 48, "batch_cap": 64, "max_batch_tokens": 64}
    whole, windowed = (
        Machine.of(one_pool(gpu=H100, power=TwoResource.of(H100), release=release, **pool), 64, 80)
        for release in (None, "0.11")
    )
    assert (whole.sequences, whole.room) == (12, 768)  # blocks of all layers
    assert (windowed.sequences, windowed.room) == (
        8,
        768,
    )  # twice as many blocks a sequence, less 2
    assert windowed.together == math.inf
    ample = one_pool(
        gpu=H100, power=TwoResource.of(H100), release="0.11", **pool | {"kv_blocks": 768}
    )
    assert Machine.of(ample, 64, 80).together == 64


@settings(max_examples=examples(10), deadline=None)
@given(st.integers(0, 2**16), st.integers(1, 3), st.integers(1, 3))
def test_a_cluster_is_at_work_as_long_as_it_must(seed: int, batch_cap: int, replicas: int) -> None:
    """With the objective for the first token that the run has just held."""
    rng = np.random.default_rng(seed)
    cluster = deployment(batch_cap=batch_cap, replicas=replicas)
    # bursts that fill all batches, and little beside them
    bursts_s = np.repeat(np.arange(5) * 20.0, replicas * batch_cap)
    arrivals_s = np.sort(np.append(bursts_s + rng.uniform(0, 0.05), rng.uniform(0, 100, 3)))
    stream = [
        Arrival(float(at_s), int(rng.integers(20, 60)), int(rng.integers(300, 440)), 0)
        for at_s in arrivals_s
    ]
    served = Cluster(cluster, iter(stream))
    busy_s, end_s = 0.0, 0.0
    while not served.drained:
        end_s += 10.0
        busy_s += served.step(end_s).busy_fraction * replicas * 10.0
    waited_s = max(each.first_token_s - each.arrival_s for each in served.take_ended())
    just = [RequestClass(name="chat", share=1.0, slo=Slo(ttft_s=waited_s * (1 + 1e-9)))]
    requests = Requests.of(stream, just, end_s, Cluster(cluster, iter(())))
    must = MustRun.of(requests, Machine.of(cluster, 20, 500))
    must_s = float(must.hours(np.array([0.0, end_s])).sum()) * 3600
    assert must_s <= busy_s * (1 + 1e-9)
