"""The KV cache's residue classes against counting every sequence, and the plan of its size."""

from __future__ import annotations

import dataclasses
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_sim.cluster import Cluster
from inference_sim.errors import ModelDoesNotFit
from inference_sim.hardware import find_gpu
from inference_sim.kv_cache import BLOCK_SIZE, KvCache
from inference_sim.memory_plan import plan_blocks
from inference_sim.models import find_model
from inference_sim.request import Request
from tests.inference_sim.builders import config
from tests.samples import examples
from tests.strategies import A100, LLAMA2_7B


class PlainCache:
    """One context per sequence, and the blocks each one holds by their definition."""

    def __init__(self, blocks: int, block_size: int) -> None:
        self.blocks, self.size = blocks, block_size
        self.contexts: list[int] = []

    def held(self, grown: int = 0) -> int:
        return sum(math.ceil((context - 1 + grown) / self.size) for context in self.contexts)

    def needed(self, iterations: int) -> int:
        return self.held(iterations) - self.held()

    def affordable(self, wanted: int) -> int:
        free = self.blocks - self.held()
        return next((k for k in range(wanted) if self.needed(k + 1) > free), wanted)


CONTEXTS = st.lists(st.integers(2, 90), min_size=1, max_size=9)
SIZES = st.sampled_from([1, 2, 16])


@settings(max_examples=examples(200))
@given(
    size=SIZES,
    spare=st.integers(0, 30),
    rounds=st.lists(
        st.tuples(CONTEXTS, st.integers(0, 60), st.integers(0, 8)), min_size=1, max_size=5
    ),
)
def test_against_counting_every_sequence(
    size: int, spare: int, rounds: list[tuple[list[int], int, int]]
) -> None:
    """Sequences join, all decode, some leave, again and again; then all leave."""
    room = sum(math.ceil((context - 1) / size) for batch, _, _ in rounds for context in batch)
    cache, plain = KvCache(room + spare, size, watermark=0), PlainCache(room + spare, size)
    iteration = 0
    for batch, wanted, leaving in rounds:
        for context in batch:
            if cache.can_admit(context - 1):
                cache.allocate_prompt(context - 1)
                cache.join(context, iteration)
                plain.contexts.append(context)
        assert cache.free == plain.blocks - plain.held()
        for k in (0, 1, size - 1, size, size + 1, wanted):
            assert cache.blocks_needed(iteration, k) == plain.needed(k)
            free = cache.free - plain.needed(k)
            assert cache.utilisation(iteration, k) == pytest.approx(1 - free / plain.blocks)
        if plain.contexts:
            done = cache.affordable_iterations(iteration, wanted)
            assert done == plain.affordable(wanted)
            cache.advance(iteration, done)
            iteration += done
            plain.contexts = [context + done for context in plain.contexts]
        assert cache.free == plain.blocks - plain.held() >= 0
        assert cache.sequences == len(plain.contexts)
        for _ in range(min(leaving, len(plain.contexts))):
            cache.leave(sequence(plain.contexts.pop(), iteration), iteration, ended=True)
    while plain.contexts:
        cache.leave(sequence(plain.contexts.pop(), iteration), iteration, ended=False)
    assert cache.free == cache.blocks
    assert all(cache.blocks_needed(iteration, k) == 0 for k in range(2 * size))


def sequence(context: int, iteration: int) -> Request:
    """A request that decodes, of `context` tokens at an iteration."""
    request = Request(0, 0.0, context, 10**6)
    request.joined_context, request.joined_iteration = context, iteration
    return request


def test_a_block_is_taken_when_the_last_one_is_full() -> None:
    cache = KvCache(10)
    cache.allocate_prompt(16)  # full; the newest token, not written yet, needs another
    cache.join(17, 0)
    assert cache.free == 9
    assert [cache.blocks_needed(0, k) for k in (0, 1, 16, 17)] == [0, 1, 1, 2]
    cache.allocate_prompt(15)  # one slot left
    cache.join(16, 0)
    assert [cache.blocks_needed(0, k) for k in (0, 1, 2, 17, 18)] == [0, 1, 2, 3, 4]


def test_a_request_that_ends_with_its_prefill_gives_its_blocks_back() -> None:
    cache = KvCache(10)
    cache.allocate_prompt(33)
    assert cache.free == 7
    cache.release(Request(0, 0.0, 33, 1), 33, ended=True)
    assert cache.free == 10


def test_watermark() -> None:
    """One block in a hundred stays free at admission, and a lone sequence may grow into it."""
    cache = KvCache(300)
    assert cache.watermark == 3
    assert cache.can_admit(297 * 16)
    assert not cache.can_admit(297 * 16 + 1)
    assert cache.can_ever_hold(297 * 16)
    assert not cache.can_ever_hold(297 * 16 + 1)
    cache.allocate_prompt(200 * 16)
    assert cache.can_admit(97 * 16)
    assert not cache.can_admit(98 * 16)
    assert cache.can_ever_hold(297 * 16)
    assert KvCache(99).watermark == 0


def test_plan_of_llama_2_7b_on_an_a100() -> None:
    """By hand: (80 GiB x 0.9 - 2 x 6,738,149,376 B) / (32 layers x 16384 B x 16 tokens)."""
    assert LLAMA2_7B.parameters == 6_738_149_376
    available = 72 * 1024**3 - 2 * 6_738_149_376
    assert plan_blocks(LLAMA2_7B, A100, 1, 0.9) == available // (32 * 16384 * 16) == 7609
    cluster = Cluster(config(), [])
    assert cluster.engines[0].kv.blocks == 7609
    assert 7609 * BLOCK_SIZE // 4096 * 4096 == 118_784  # as Vidur plans it, in whole requests


def test_plan_under_tensor_parallelism() -> None:
    """Half the weights and half the KV heads on each GPU."""
    weights = LLAMA2_7B.parameters  # 2 B each, over 2 GPUs
    expected = (72 * 1024**3 - weights) // (32 * 8192 * 16)
    assert plan_blocks(LLAMA2_7B, A100, 2, 0.9) == expected
    many = plan_blocks(find_model("meta-llama/Llama-2-70b-hf"), find_gpu("b200-sxm-180gb"), 8, 0.9)
    alone = plan_blocks(find_model("meta-llama/Llama-2-70b-hf"), find_gpu("b200-sxm-180gb"), 1, 0.9)
    assert many > 8 * alone


def test_model_that_does_not_fit_says_what_is_missing() -> None:
    model = find_model("meta-llama/Meta-Llama-3-70B")
    with pytest.raises(ModelDoesNotFit) as caught:
        plan_blocks(model, A100, 1, 0.9)
    text = str(caught.value)
    # 2 x 70.55e9 B are 131.4 GiB; 2048 tokens x 80 layers x 4096 B are 0.6 GiB; 72 GiB are there.
    assert "'meta-llama/Meta-Llama-3-70B' does not fit on 1 x a100-sxm-80gb" in text
    assert "131.4 GiB for weights and 0.6 GiB for one request of 2048 tokens" in text
    assert "has 72.0 GiB (90% of 80): 60.0 GiB are missing" in text
    assert "raise tensor_parallel or take a larger GPU" in text
    with pytest.raises(ModelDoesNotFit):
        Cluster(config(model=model), [])
    assert plan_blocks(model, A100, 4, 0.9) > 2048 / 16


def test_smallest_gpu_that_a_model_fits() -> None:
    """Weights and 2048 tokens, to the byte."""
    kv_bytes = 32 * 16384 * 2048
    gib = (2 * LLAMA2_7B.parameters + kv_bytes) / 1024**3
    assert plan_blocks(LLAMA2_7B, dataclasses.replace(A100, memory_gib=gib), 1, 1.0) == 128
    smaller = dataclasses.replace(A100, memory_gib=gib - 1e-6)
    with pytest.raises(ModelDoesNotFit, match=r": 0\.0 GiB are missing"):
        plan_blocks(LLAMA2_7B, smaller, 1, 1.0)
