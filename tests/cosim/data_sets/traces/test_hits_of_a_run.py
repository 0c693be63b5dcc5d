"""Hits in the cache of a run, against caches of blocks that are replayed one request at a time."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable
from functools import cache
from itertools import islice

import pytest

from cosim.data_sets.traces.hit_rates import HitCounter
from inference_sim.cluster import Cluster
from inference_sim.deployment import ClusterConfig
from inference_sim.hardware import find_gpu
from inference_sim.models import find_model
from inference_sim.power import TwoResource
from inference_sim.workload import Arrival, RequestTrace, open_trace, trace_stream
from tests.cosim.builders import data_file
from tests.inference_sim.builders import config

SIZES_TOKENS = (1_000_000, 3_000_000, 10_000_000, 80_000_000)
BLOCK = 512


@cache
def conversations() -> RequestTrace:
    trace = open_trace(data_file("traces/mooncake_conversation_trace.jsonl"), talk=True)
    assert isinstance(trace, RequestTrace)
    return trace


def serving(blocks: int, block_size: int, **changes: object) -> ClusterConfig:
    gpu = find_gpu("h100-sxm-80gb")
    return config(
        model=find_model("meta-llama/Llama-3.1-8B-Instruct"),
        gpu=gpu,
        power=TwoResource.of(gpu),
        scheduler="vllm_v1",
        release="0.11",
        prefix_caching=True,
        kv_blocks=blocks,
        block_size=block_size,
        **changes,
    )


def one_by_one(requests: int) -> list[Arrival]:
    """Requests that end before the next one comes, and leave no answer in the cache."""
    return [
        arrival._replace(time_s=1000.0 * number, output_tokens=1)
        for number, arrival in enumerate(islice(trace_stream(conversations(), 0), requests))
    ]


def found_tokens(config: ClusterConfig, arrivals: Iterable[Arrival]) -> int:
    """Tokens that the cache finds; all others of the prompts are computed."""
    arrivals = list(arrivals)
    cluster = Cluster(config, iter(arrivals))
    found = computed = 0
    while not cluster.drained:
        telemetry = cluster.step(cluster.env.now + 100_000.0)
        found += telemetry.cached_tokens
        computed += telemetry.prefilled_tokens
    assert found + computed == sum(arrival.prompt_tokens for arrival in arrivals)
    return found


def replayed_tokens(requests: int, blocks: int) -> int:
    """The same by a list of blocks in order of use, where just whole blocks are ever found.

    The block that the end of a prompt does not fill takes a place; its last token is computed.
    """
    trace = conversations()
    assert trace.talk is not None
    assert trace.talk.prefixes is not None
    used: OrderedDict[object, None] = OrderedDict()
    tokens = 0
    for row, prompt in enumerate(trace.prompt_tokens[:requests].tolist()):
        ids: list[object] = [*trace.talk.prefixes.of(row)]
        if prompt % BLOCK:
            ids[-1] = ("end", row)
        for block in ids[: (prompt - 1) // BLOCK]:
            if block not in used:
                break
            tokens += BLOCK
        for block in reversed(ids):
            used[block] = None
            used.move_to_end(block)
        while len(used) > blocks:
            used.popitem(last=False)
    return tokens


@pytest.mark.parametrize("size_tokens", SIZES_TOKENS)
def test_to_the_token_where_requests_do_not_overlap(size_tokens: int) -> None:
    """In blocks of the trace's size."""
    blocks = size_tokens // BLOCK
    found = found_tokens(serving(blocks, BLOCK), one_by_one(3000))
    assert found == replayed_tokens(3000, blocks) > 0


@pytest.mark.parametrize("size_tokens", [1_000_000, 10_000_000])
def test_as_shown_where_requests_do_not_overlap(size_tokens: int) -> None:
    """An engine's blocks of 16 are lost one by one, so that more is left of 1 M tokens."""
    trace = conversations()
    counter = HitCounter([size_tokens])
    counter.add(trace)
    rates = counter.rates
    assert rates is not None
    found = found_tokens(serving(size_tokens // 16, 16), one_by_one(trace.requests))
    share = found / trace.prompt_tokens.sum()
    assert share == pytest.approx(rates.by_size[size_tokens], abs=0.003)


def test_requests_that_overlap_and_answers_change_little() -> None:
    """At the recorded times, on four GPUs that keep up, with 10 M tokens of cache."""
    arrivals = list(trace_stream(conversations(), 0))[:3000]
    alone = found_tokens(serving(625_000, 16), one_by_one(3000))
    together = found_tokens(serving(625_000, 16, tensor_parallel=4), arrivals)
    assert together == pytest.approx(alone, rel=0.02)
