"""Host memory behind the KV cache: what it holds, when it is loaded, and what it saves."""

from __future__ import annotations

import math
from collections import OrderedDict
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from calibration.schedules import LinearTimes
from inference_sim.cluster import Cluster
from inference_sim.deployment import ClusterConfig
from inference_sim.errors import InferenceSimError
from inference_sim.execution import Stage
from inference_sim.hardware import host_dram
from inference_sim.host_cache import HostCache
from inference_sim.kv_offload import KvOffload
from inference_sim.pool_limits import check_pool
from inference_sim.request import Outcome, Request
from inference_sim.tiered_cache import TieredCache
from inference_sim.workload import Arrival, FixedDuration, Sessions, Turns, UniformLengths
from tests.deployments import changed
from tests.inference_sim.builders import approx, config
from tests.inference_sim.test_clients import closed_loop
from tests.samples import examples

BLOCK_BYTES = 16 * 32 * 2 * 4096 * 2
"""Of 16 tokens of Llama-2-7b: 32 layers, keys and values of 4096 numbers, 2 bytes each."""
GB_PER_S = 10.0
LOAD_BLOCK_S = BLOCK_BYTES / (GB_PER_S * 1e9)
CONSTANT_S, TOKEN_S = 0.01, 1e-4

Runs = tuple[tuple[int, int], ...]


def times(stage: Stage) -> LinearTimes:
    return LinearTimes(CONSTANT_S, TOKEN_S, 0.0, 0.0, 0.0)


def tiered(host_gib: float = 10.0, **changes: Any) -> ClusterConfig:
    """A KV cache of 50 blocks on the GPU, and more in host memory."""
    values: dict[str, Any] = {
        "scheduler": "vllm_v1",
        "prefix_caching": True,
        "kv_blocks": 50,
        "max_model_len": 800,
        "stages": times,
        "kv_offload": KvOffload(host_gib=host_gib, host_gb_per_s=GB_PER_S),
    }
    return config(**values | changes)


def arrival(time_s: float, content: Runs, output: int = 2) -> Arrival:
    """A request whose answer is a stream of its own."""
    stream = 1000 + round(1000 * time_s)
    return Arrival(time_s, sum(tokens for _, tokens in content), output, 0, content, stream)


def serve(deployment: ClusterConfig, *stream: Arrival) -> tuple[TieredCache, list[Request]]:
    cluster = Cluster(deployment, stream)
    cluster.step(1e4)
    assert cluster.drained
    cache = cluster.engines[0].kv
    assert isinstance(cache, TieredCache)
    assert cache.free == cache.blocks == cache.count_free()
    return cache, sorted(cluster.take_ended(), key=lambda one: one.request_id)


FILL = arrival(5.0, ((9, 760),))
"""A prompt that takes all but two blocks of the GPU."""


def test_a_prompt_that_was_lost_is_loaded_in_the_time_of_its_bytes() -> None:
    """Of 40 blocks the GPU keeps six, as others were taken first, and loads 34."""
    fill = arrival(5.0, ((9, 700),))
    cache, ended = serve(
        tiered(), arrival(0.0, ((1, 640),)), fill, arrival(10.0, ((1, 640), (2, 20)))
    )
    kept = 50 - 700 // 16 - 1
    loaded_s = (40 - kept) * LOAD_BLOCK_S
    assert ended[2].scheduled_s == approx(10.0 + loaded_s, 1e-12)
    assert ended[2].first_token_s == approx(10.0 + loaded_s + CONSTANT_S + 20 * TOKEN_S, 1e-12)
    assert (cache.hit_tokens, cache.loaded_tokens) == (16 * kept, 16 * (40 - kept))


def test_each_gpu_loads_its_share() -> None:
    """Four GPUs have a quarter of the bytes each, and a link each."""
    stream = [arrival(0.0, ((1, 640),)), FILL, arrival(10.0, ((1, 640), (2, 20)))]
    _, one = serve(tiered(), *stream)
    cache, four = serve(tiered(tensor_parallel=4), *stream)
    waits_s = [ended[2].scheduled_s - 10.0 for ended in (one, four)]
    assert waits_s[0] == approx(4 * waits_s[1], 1e-9)
    assert cache.host.blocks == 10 * 1024**3 // BLOCK_BYTES  # of the whole replica


def test_the_last_token_is_computed_again() -> None:
    cache, ended = serve(tiered(), arrival(0.0, ((1, 320),)), FILL, arrival(10.0, ((1, 320),)))
    assert cache.hit_tokens + cache.loaded_tokens == 320 - 16
    load_s = cache.loaded_tokens // 16 * LOAD_BLOCK_S
    assert ended[2].first_token_s == approx(10.0 + load_s + CONSTANT_S + 16 * TOKEN_S, 1e-12)


def test_an_answer_is_found_by_the_next_turn() -> None:
    first = arrival(0.0, ((1, 100),), output=60)
    later = arrival(10.0, ((1, 100), (first.answer_stream, 60), (3, 10)))
    cache, _ = serve(tiered(), first, FILL, later)
    assert cache.hit_tokens + cache.loaded_tokens == (100 + 60 - 1) // 16 * 16


def test_others_go_on_while_one_is_loaded() -> None:
    small = Arrival(9.995, 8, 6, 0)
    stream = [arrival(0.0, ((1, 320),)), FILL, small, arrival(10.0, ((1, 320), (2, 20)))]
    _, ended = serve(tiered(), *stream)
    iterations_s = 6 * CONSTANT_S + (8 + 20) * TOKEN_S  # one with the rest of the other's prompt
    assert ended[2].finish_s == approx(9.995 + iterations_s, 1e-9)
    assert ended[2].first_token_s < ended[3].scheduled_s < ended[2].finish_s
    assert ended[3].scheduled_s - 10.0 >= 18 * LOAD_BLOCK_S


def test_loads_share_the_link_one_after_the_other() -> None:
    stream = [arrival(0.0, ((1, 320),)), arrival(1.0, ((2, 320),)), FILL]
    stream += [arrival(10.0, ((text, 320), (5, 2)), output=1) for text in (1, 2)]
    cache, ended = serve(tiered(), *stream)
    blocks = cache.loaded_tokens // 16
    first_s, second_s = (one.scheduled_s - 10.0 for one in ended[3:])
    assert first_s < second_s - CONSTANT_S - 2 * TOKEN_S  # nothing else is under way by then
    assert second_s == approx(blocks * LOAD_BLOCK_S, 1e-9)


def test_what_is_being_loaded_is_waited_for() -> None:
    """The second finds it on the GPU, and starts with the first, in the same iteration."""
    stream = [arrival(0.0, ((1, 320),)), FILL]
    stream += [arrival(10.0 + 0.001 * n, ((1, 320), (5 + n, 20))) for n in range(2)]
    cache, ended = serve(tiered(), *stream)
    assert ended[2].scheduled_s == ended[3].scheduled_s > 10.01
    assert cache.hit_tokens + cache.loaded_tokens == 2 * 320
    assert cache.loaded_tokens <= 320 <= cache.hit_tokens


def test_an_evicted_request_loads_its_own_blocks() -> None:
    """Two grow until one is evicted; the other takes what it has left on the GPU."""
    stream = [Arrival(0.0, 300, 460, 0), Arrival(0.0, 300, 460, 0), Arrival(0.0, 300, 460, 0)]
    cache, ended = serve(tiered(), *stream)
    assert sum(one.preemptions for one in ended) > 0
    assert cache.loaded_tokens > 0


@pytest.mark.parametrize("release", [None, "0.11", "0.33"])
def test_queued_requests_that_hold_too_much_lose_it(release: str | None) -> None:
    """Each has half of its prompt loaded; both halves leave no room for either rest."""
    deployment = tiered(kv_blocks=40, max_batch_tokens=64, batch_cap=8, release=release)
    deployment = changed(deployment, max_model_len=600)
    stream = [arrival(float(text), ((text, 300),)) for text in (1, 2, 3)]
    stream += [arrival(20.0, ((8, 560),)), arrival(30.0, ((8, 1), (7, 560)))]
    stream += [arrival(40.0, ((text, 300), (10 + text, 280))) for text in (1, 2, 3)]
    cache, ended = serve(deployment, *stream)
    assert all(one.outcome is Outcome.COMPLETED for one in ended)
    assert cache.loaded_tokens > 0


def test_a_client_that_gives_up_while_its_prompt_is_loaded() -> None:
    """Its blocks are free when they are there, and are found on the GPU from then on."""
    slow = KvOffload(host_gib=10.0, host_gb_per_s=0.1)
    deployment = tiered(kv_offload=slow)
    stream = [arrival(0.0, ((1, 320),)), FILL, arrival(10.0, ((1, 320), (2, 20)))]
    cluster = Cluster(deployment, stream)
    cluster.step(10.5)
    engine, kv = cluster.engines[0], cluster.engines[0].kv
    (request,) = engine.loading
    assert engine.queued == engine.outstanding == 1
    cluster.cancel(request)
    assert request.outcome is Outcome.TIMED_OUT
    assert engine.outstanding == 0
    assert kv.free < kv.blocks
    cluster.step(20.0)
    assert kv.free == kv.blocks
    assert kv.loaded_tokens == 0
    again = Request(9, 20.0, 340, 2)
    again.content = ((1, 320), (3, 20))
    assert kv.hit(again) == 320


def text(content: Runs | None) -> Request:
    request = Request(0, 0.0, 10_000 if content is None else sum(n for _, n in content), 1)
    request.content = content
    return request


def test_the_least_recently_used_goes_first_and_of_a_text_its_end() -> None:
    host = HostCache(10, 16)
    one, two, three = (text(((stream, 65),)) for stream in (1, 2, 3))
    for request in (one, two):
        host.put(request, 64)
    assert [host.found(request) for request in (one, two)] == [64, 64]
    host.put(one, 64)  # used again
    host.put(three, 64)
    assert [host.found(request) for request in (one, two, three)] == [64, 32, 64]
    host.resize(5)
    assert [host.found(request) for request in (one, two, three)] == [16, 0, 64]
    host.put(text(None), 48)
    assert [host.found(request) for request in (one, two, three)] == [0, 0, 32]
    host.resize(0)
    assert [host.found(request) for request in (one, two, three)] == [0, 0, 0]
    host.put(one, 64)
    assert host.count() == host.blocks == 0
    host.resize(2)
    host.put(one, 64)
    assert host.found(one) == 32


class PlainHost:
    """The same, block by block: a block is all text up to its end."""

    def __init__(self, blocks: int) -> None:
        self.blocks = blocks
        self.held: OrderedDict[Any, None] = OrderedDict()
        self.unnamed = 0

    def keys(self, content: Runs | None, tokens: int) -> list[Any]:
        if content is None:
            self.unnamed += 1
            return [(self.unnamed, number) for number in range(tokens // 16)]
        written = [(stream, n) for stream, length in content for n in range(length)]
        return [tuple(written[: 16 * number]) for number in range(1, tokens // 16 + 1)]

    def put(self, content: Runs | None, tokens: int) -> None:
        keys = self.keys(content, tokens)[: self.blocks]
        for key in keys:
            self.held.pop(key, None)
        self.resize(self.blocks, len(keys))
        self.held.update(dict.fromkeys(reversed(keys)))

    def resize(self, blocks: int, wanted: int = 0) -> None:
        self.blocks = blocks
        while len(self.held) + wanted > blocks:
            self.held.popitem(last=False)

    def found(self, content: Runs) -> int:
        tokens = sum(length for _, length in content)
        keys = self.keys(content, tokens - 1)
        return 16 * next((n for n, key in enumerate(keys) if key not in self.held), len(keys))


CONTENTS = st.lists(
    st.tuples(st.integers(0, 2), st.sampled_from([3, 16, 20, 32, 57])), min_size=1, max_size=4
).map(tuple)


@settings(max_examples=examples(150))
@given(
    blocks=st.integers(1, 20),
    steps=st.lists(
        st.tuples(CONTENTS | st.none(), st.integers(1, 200)) | st.integers(0, 20), max_size=25
    ),
)
def test_as_a_list_of_blocks_by_last_use(blocks: int, steps: list[Any]) -> None:
    host, plain = HostCache(blocks, 16), PlainHost(blocks)
    contents = {step[0] for step in steps if isinstance(step, tuple) and step[0]}
    for step in steps:
        if isinstance(step, int):
            host.resize(step)
            plain.resize(step)
        else:
            content, tokens = step
            tokens = min(tokens, sum(n for _, n in content)) if content else tokens
            host.put(text(content), tokens)
            plain.put(content, tokens)
        assert host.count() == host.blocks
        for content in contents:
            assert host.found(text(content)) == plain.found(content)
    event(f"lost some: {len(plain.held) == plain.blocks}")


def talks(deployment: ClusterConfig) -> tuple[Cluster, list[Request]]:
    """Talks of five clients, one turn after the other, as their pauses never meet."""
    sessions = Sessions(
        UniformLengths(40, 90, 3.0),
        4,
        turns=Turns(4.0),
        think=FixedDuration(7.0),
        pause=FixedDuration(7.0),
        system_tokens=60,
        groups=2,
        clients=5,
    )
    return closed_loop(deployment, sessions, 1e4, ramp_up_s=7.0, requests=80)


def test_unlimited_host_memory_finds_what_an_unlimited_cache_finds() -> None:
    few, _ = talks(tiered(kv_blocks=30))
    many, ended = talks(changed(tiered(kv_blocks=100_000), kv_offload=None))
    (loaded,) = (replica.loaded_tokens for replica in few.replicas)
    assert loaded > 0
    assert few.replicas[0].cached_tokens + loaded == many.replicas[0].cached_tokens
    for cluster in (few, many):
        (replica,) = cluster.replicas
        found = replica.prefilled_tokens + replica.cached_tokens + replica.loaded_tokens
        assert found == sum(one.prompt_tokens for one in ended)


def test_host_memory_that_finds_nothing_changes_no_time() -> None:
    stream = [Arrival(0.3 * n, 50 + 7 * n, 30, 0) for n in range(40)]
    outcomes = []
    for offload in (None, KvOffload(host_gib=1.0, host_gb_per_s=GB_PER_S)):
        cluster = Cluster(tiered(kv_blocks=400, kv_offload=offload), stream)
        cluster.step(1e4)
        outcomes.append([(one.first_token_s, one.finish_s) for one in cluster.take_ended()])
    assert outcomes[0] == outcomes[1]


def test_less_host_memory_evicts_at_once_and_draws_less() -> None:
    again = arrival(10.0, ((1, 320), (2, 20)))
    cluster = Cluster(tiered(host_gib=10.0, replicas=2), [arrival(0.0, ((1, 320),)), FILL, again])
    before = cluster.step(8.0)
    assert before.host_power_w == approx(2 * 10.0 * host_dram().w_per_gib, 1e-12)
    assert before.pools["main"].settings["cache_host_gib"] == 10.0
    cluster.apply({"cache_host_gib": 0.0})
    for engine in cluster.engines:
        assert isinstance(engine.kv, TieredCache)
        assert engine.kv.host.count() == 0
    after = cluster.step(20.0)
    assert after.host_power_w == 0.0
    assert after.loaded_tokens == 0
    cluster.apply({"cache_host_gib": 2.5})
    assert cluster.step(30.0).host_power_w == approx(2 * 2.5 * host_dram().w_per_gib, 1e-12)
    for value in (-1.0, 10.1, math.nan):
        with pytest.raises(InferenceSimError, match="cache_host_gib must be from 0 to 10 GiB"):
            cluster.apply({"cache_host_gib": value})


def test_a_cluster_without_it_has_no_such_actuator() -> None:
    with pytest.raises(InferenceSimError, match="unknown actuator 'cache_host_gib'"):
        Cluster(tiered(kv_offload=None), []).apply({"cache_host_gib": 1.0})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"prefix_caching": False}, r"kv_offload goes with prefix_caching of scheduler vllm_v1"),
        ({"prefix_caching": False, "scheduler": "sarathi"}, r"kv_offload goes with prefix_caching"),
        ({"scheduler": "vllm"}, r"prefix_caching goes with scheduler vllm_v1"),
        ({"pipeline_parallel": 2}, r"kv_offload does not go with pipeline_parallel above 1"),
        (
            {"kv_offload": KvOffload(host_gib=0.005, host_gb_per_s=GB_PER_S)},
            r"host_gib must be at least 0.00781, one KV block of a replica \(got 0.005\)",
        ),
    ],
)
def test_what_cannot_work_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(InferenceSimError, match=message):
        check_pool(tiered(**changes).pool)
