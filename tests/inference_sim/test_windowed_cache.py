"""Caches of models with attention windows against counting every block, and vLLM's groups."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from calibration.schedules import LinearTimes, engine_of, replay, requests_of, serve_requests
from inference_sim.kv_cache import KvCache
from inference_sim.kv_groups import KvGroups, kv_groups
from inference_sim.models import find_model
from inference_sim.request import Outcome, Request
from inference_sim.scheduling.releases import RELEASES
from inference_sim.windowed_cache import WindowedKvCache, WindowedPrefixCache
from tests.inference_sim.plain_vllm import PlainWindowedVllm
from tests.inference_sim.test_kv_cache import sequence
from tests.inference_sim.test_vllm_schedules import schedules
from tests.samples import examples


@dataclass
class PlainWindows:
    """The blocks of every sequence by number, for each group of layers."""

    blocks: int
    groups: KvGroups
    size: int
    contexts: list[int] = field(default_factory=list)

    def held_by(self, computed: int) -> int:
        """Blocks of which a token to come sees one: the window of the next token, or all."""
        last = math.ceil(computed / self.size)
        first_seen = max(0, computed + 1 - self.groups.window_tokens)
        seen = sum((block + 1) * self.size > first_seen for block in range(last))
        return self.groups.full * last + self.groups.windowed * seen

    @property
    def held(self) -> int:
        return sum(self.held_by(context - 1) for context in self.contexts)

    @property
    def growth(self) -> int:
        """Blocks that the next iteration takes."""
        begun = sum((context - 1) % self.size == 0 for context in self.contexts)
        return self.groups.count * begun

    def step(self) -> None:
        self.contexts = [context + 1 for context in self.contexts]

    def affordable(self, wanted: int) -> int:
        before = list(self.contexts)
        done = 0
        while done < wanted and self.growth <= self.blocks - self.held:
            self.step()
            done += 1
        self.contexts = before
        return done


GROUPS = st.builds(
    KvGroups,
    full=st.integers(0, 2),
    windowed=st.integers(1, 3),
    window_tokens=st.integers(1, 70),
    layers=st.just(1),
)
ROUNDS = st.lists(
    st.tuples(
        st.lists(st.integers(2, 120), min_size=1, max_size=7),
        st.integers(1, 90),
        st.integers(0, 6),
    ),
    min_size=1,
    max_size=5,
)


@settings(max_examples=examples(200))
@given(
    groups=GROUPS,
    size=st.sampled_from([1, 2, 16]),
    spare=st.integers(0, 40),
    rounds=ROUNDS,
    caching=st.booleans(),
)
def test_against_counting_every_block(
    groups: KvGroups,
    size: int,
    spare: int,
    rounds: list[tuple[list[int], int, int]],
    caching: bool,
) -> None:
    """Sequences join, all decode, some leave, again and again; then all leave."""
    if caching:
        groups = KvGroups(1, groups.windowed, groups.window_tokens, 1)
    longest = max(context for batch, _, _ in rounds for context in batch)
    blocks = groups.count * math.ceil(longest / size) + spare
    cache = make(caching, blocks, groups, size)
    plain = PlainWindows(blocks, groups, size)
    iteration, requests = 0, list[Request]()
    for batch, wanted, leaving in rounds:
        for context in batch:
            request = sequence(context, iteration)
            need = cache.free_blocks_for(request, 0, context - 1)
            assert need == groups.count * math.ceil((context - 1) / size)
            if need <= cache.free:
                cache.start(request, 0, context - 1)
                assert cache.free == blocks - plain.held - need
                cache.end_chunk(0, context - 1)
                cache.join(context, iteration)
                plain.contexts.append(context)
                requests.append(request)
            assert cache.free == blocks - plain.held
        left = wanted
        while left:
            assert cache.blocks_needed(iteration, 1) == plain.growth
            possible = plain.affordable(left)
            if not possible:
                break
            done = cache.affordable_iterations(iteration, left)
            assert 1 <= done <= possible
            assert done == possible or cache.affordable_iterations(iteration, done + 1) == done
            freed = cache.most_freed(iteration, done)
            most, before = 0, plain.held
            for step in range(done):
                plain.step()
                most = max(most, before - plain.held)
                use = 1 - (blocks - plain.held) / blocks
                assert cache.utilisation(iteration, step + 1) == pytest.approx(use)
            assert freed == most
            cache.advance(iteration, done)
            iteration += done
            left -= done
            assert cache.free == blocks - plain.held >= 0
            if isinstance(cache, WindowedPrefixCache):
                assert cache.count_free() == cache.free
        for _ in range(min(leaving, len(requests))):
            plain.contexts.pop()
            cache.leave(requests.pop(), iteration, ended=True)
            assert cache.free == blocks - plain.held
    while requests:
        plain.contexts.pop()
        cache.leave(requests.pop(), iteration, ended=True)
    assert cache.free == blocks
    assert cache.blocks_needed(iteration, 1) == 0


def make(caching: bool, blocks: int, groups: KvGroups, size: int) -> KvCache:
    if caching:
        return WindowedPrefixCache(blocks, groups, 10_000, size)
    return WindowedKvCache(blocks, groups, 10_000, size)


@settings(max_examples=examples(100))
@given(groups=GROUPS, chunks=st.lists(st.integers(1, 100), min_size=1, max_size=6))
def test_a_prompt_in_chunks(groups: KvGroups, chunks: list[int]) -> None:
    """Each chunk needs its blocks beside those of its window, and leaves the next window's."""
    cache = WindowedKvCache(1000, groups, 100, 16)
    plain = PlainWindows(1000, groups, 16)
    request = Request(0, 0.0, sum(chunks), 1)
    before = most = 0
    for tokens in chunks:
        free = cache.free
        grows = groups.count * (math.ceil((before + tokens) / 16) - math.ceil(before / 16))
        assert cache.can_grow(before, tokens)
        if before:
            cache.grow(request, before, tokens)
        else:
            cache.start(request, 0, tokens)
        assert free - cache.free == grows
        most = max(most, 1000 - cache.free)
        cache.end_chunk(before, tokens)
        before += tokens
        assert 1000 - cache.free == plain.held_by(before)
    assert most <= groups.most_blocks(before, 100, 16)
    cache.release(request, before, ended=True)
    assert cache.free == 1000


@pytest.mark.parametrize(
    ("groups", "chunks", "held"),
    [
        (
            KvGroups(1, 1, 128, 1),
            (300, 57),
            "38 36 10x32 31 15x33 32 15x34 33 15x35 34 36",
        ),
        (KvGroups(1, 5, 17, 1), (16, 40), "6 24 8x14 16x15 16x16 16x17 4x18"),
        (KvGroups(1, 6, 1024, 1), (2000,), "875 15x516 510 15x517 511 15x518 512 12x519"),
    ],
)
def test_blocks_that_vllm_holds(groups: KvGroups, chunks: tuple[int, ...], held: str) -> None:
    """After each allocation of a request by the KV cache manager of vLLM 0.11.0, caching off."""
    pairs = [entry.rpartition("x") for entry in held.split()]
    expected = [int(blocks) for times, _, blocks in pairs for _ in range(int(times or 1))]
    cache = WindowedKvCache(1000, groups, 8192, 16)
    request = Request(0, 0.0, sum(chunks), 1000)
    before, allocated = 0, list[int]()
    for tokens in chunks:
        if before:
            cache.grow(request, before, tokens)
        else:
            cache.start(request, 0, tokens)
        allocated.append(1000 - cache.free)
        cache.end_chunk(before, tokens)
        before += tokens
    cache.join(before + 1, 0)
    for iteration in range(60):
        allocated.append(1000 - cache.free + cache.blocks_needed(iteration, 1))
        cache.advance(iteration, 1)
    assert allocated == expected


@settings(max_examples=examples(100))
@given(contexts=st.lists(st.integers(2, 90), min_size=1, max_size=9), wanted=st.integers(1, 200))
def test_a_window_that_never_fills_changes_nothing(contexts: list[int], wanted: int) -> None:
    """One group, and a window longer than any sequence: the plain cache."""
    groups = KvGroups(0, 1, 10_000, 1)
    plain, windowed = KvCache(60, 16, watermark=0.0), WindowedKvCache(60, groups, 100, 16)
    for context in contexts:
        for cache in (plain, windowed):
            request = sequence(context, 0)
            if cache.free_blocks_for(request, 0, context - 1) <= cache.free:
                cache.start(request, 0, context - 1)
                cache.end_chunk(0, context - 1)
                cache.join(context, 0)
        assert plain.free == windowed.free
    assert windowed.most_freed(0, wanted) == 0
    if plain.blocks_needed(0, 1) <= plain.free:
        done = plain.affordable_iterations(0, wanted)
        assert windowed.affordable_iterations(0, wanted) == done
        assert plain.utilisation(0, done) == windowed.utilisation(0, done)


@pytest.mark.parametrize(
    ("name", "groups"),
    [
        ("openai/gpt-oss-120b", KvGroups(1, 1, 128, 18)),
        ("openai/gpt-oss-20b", KvGroups(1, 1, 128, 12)),
        ("google/gemma-3-27b-it", KvGroups(1, 6, 1024, 10)),  # 10 full, 52 windowed, 8 padding
        ("google/gemma-3-12b-it", KvGroups(1, 5, 1024, 8)),
        ("google/gemma-2-9b-it", KvGroups(1, 1, 4096, 21)),
        ("bigcode/starcoder2-15b", KvGroups(0, 1, 4096, 40)),
        ("Qwen/Qwen3-32B", KvGroups(1, 0, 0, 64)),
    ],
)
def test_groups_of_vllm(name: str, groups: KvGroups) -> None:
    assert kv_groups(find_model(name)) == groups


def test_nearly_even_kinds_are_padded() -> None:
    from dataclasses import replace

    model = replace(find_model("openai/gpt-oss-20b"), layers=25)  # 13 full, 12 windowed
    assert kv_groups(model) == KvGroups(2, 1, 128, 12)
    assert kv_groups(model, pads_nearly_even=True) == KvGroups(1, 1, 128, 13)


@settings(max_examples=examples(150))
@given(
    schedule=schedules(),
    full=st.integers(0, 2),
    windowed=st.integers(1, 3),
    window_tokens=st.sampled_from([1, 15, 16, 17, 33, 64, 5000]),
    stepwise=st.booleans(),
)
def test_an_engine_with_windows(
    schedule: dict[str, Any], full: int, windowed: int, window_tokens: int, stepwise: bool
) -> None:
    """The same iterations as vLLM's rules written out plainly, with a table for each group."""
    schedule["prefix_caching"] = False
    schedule["usable_kv_blocks"] *= full + windowed
    schedule["kv_groups"] = {"full": full, "windowed": windowed, "window_tokens": window_tokens}
    plain = PlainWindowedVllm(
        KvGroups(full, windowed, window_tokens, 1),
        schedule["usable_kv_blocks"],
        schedule["max_num_seqs"],
        schedule["max_num_batched_tokens"],
        RELEASES[schedule["engine"].split()[-1].removesuffix(".0")],
        LinearTimes(**schedule["iteration_s"]),
    )
    expected, _ = plain.serve(requests_of(schedule))
    requests = requests_of(schedule)
    iterations = replay(schedule, requests, stepwise=stepwise)
    for number, (here, there) in enumerate(zip(iterations, expected, strict=False)):
        assert here.equals(there), f"iteration {number}: {here} instead of {there}"
    assert len(iterations) == len(expected)
    event(f"evictions: {'some' if any(one.preemptions for one in requests) else 'none'}")


@settings(max_examples=examples(100))
@given(
    schedule=schedules(hasty=True),
    windowed=st.integers(1, 3),
    window_tokens=st.sampled_from([1, 16, 33, 64]),
)
def test_blocks_are_conserved_with_windows_and_prefix_caching(
    schedule: dict[str, Any], windowed: int, window_tokens: int
) -> None:
    schedule["prefix_caching"] = True
    schedule["usable_kv_blocks"] *= 1 + windowed
    schedule["kv_groups"] = {"full": 1, "windowed": windowed, "window_tokens": window_tokens}
    requests = requests_of(schedule)
    engine = engine_of(schedule)
    serve_requests(engine, requests)
    cache = engine.kv
    assert isinstance(cache, WindowedPrefixCache)
    assert cache.free == cache.blocks == cache.count_free()
    assert all(request.outcome is Outcome.COMPLETED for request in requests)


@settings(max_examples=examples(60))
@given(schedule=schedules(), window_tokens=st.sampled_from([16, 33, 64]))
def test_caching_that_finds_nothing_is_no_caching(
    schedule: dict[str, Any], window_tokens: int
) -> None:
    schedule["kv_groups"] = {"full": 1, "windowed": 2, "window_tokens": window_tokens}
    schedule["usable_kv_blocks"] *= 3
    ends = {}
    for caching in (False, True):
        schedule["prefix_caching"] = caching
        requests = requests_of(schedule)
        for request in requests:
            request.content = None
            request.prompt_tokens = max(1, request.prompt_tokens)
        serve_requests(engine_of(schedule), requests)
        if any(request.preemptions for request in requests):
            return  # evicted ones find their own blocks again
        ends[caching] = [request.finish_s for request in requests]
    assert ends[True] == pytest.approx(ends[False], abs=1e-9)
