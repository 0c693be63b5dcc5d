"""Schedulers that cut prompts into chunks and mix them with decodes.

Each iteration decodes a token of every running sequence and fills the rest of its token budget with
prompts: first the one already begun, then the head of the queue. A prompt that does not fit is cut,
so at most one prompt is ever partly computed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque

from mypy_extensions import mypyc_attr

from inference_sim.host_cache import HostCache
from inference_sim.kv_cache import KvCache
from inference_sim.prefix_cache import PrefixCache
from inference_sim.receiving_cache import ReceivingCache
from inference_sim.request import Request
from inference_sim.scheduling.base import Chunk, Scheduler
from inference_sim.tiered_cache import TieredCache
from inference_sim.windowed_cache import WindowedKvCache, WindowedPrefixCache


@mypyc_attr(allow_interpreted_subclasses=True)
class ChunkedScheduler(Scheduler):
    """Chunked prefill; ``max_batch_tokens`` counts decodes and prompt tokens of an iteration."""

    mixes = True
    whole_prompts = False

    def can_admit(self, head: Request, running: int, kv: KvCache) -> bool:
        """Return whether there is room in the batch, in the budget and in the cache."""
        budget = self.max_batch_tokens - running * self.decode_tokens
        return (
            running < self.batch_cap and budget > 0 and self._admits(head, kv.hit(head), budget, kv)
        )

    def take(
        self,
        waiting: deque[Request],
        partial: Request | None,
        running: int,
        kv: KvCache,
        admit: bool = True,
    ) -> list[Chunk]:
        """Return the next chunk of the begun prompt, then prompts from the head of the queue."""
        budget = self.max_batch_tokens - running * self.decode_tokens
        chunks: list[Chunk] = []
        if partial is not None:
            before = partial.computed_tokens
            tokens = min(partial.prefill_tokens - before, budget)
            if budget <= 0 or not self._continues(partial, tokens, kv):
                return []
            self._go_on(partial, tokens, kv)
            chunks.append(Chunk(partial, tokens, before))
            budget -= tokens
        places = self.batch_cap - running
        while admit and waiting and budget > 0 and len(chunks) < places:
            head = waiting[0]
            hit = kv.hit(head)
            if not self._admits(head, hit, budget, kv):
                break
            if kv.begin_load(head, hit):
                waiting.popleft()
                continue
            tokens = min(head.prefill_tokens - hit, budget)
            self._start(head, hit, tokens, kv)
            chunks.append(Chunk(waiting.popleft(), tokens, hit))
            budget -= tokens
        return chunks

    @abstractmethod
    def _admits(self, head: Request, hit: int, budget: int, kv: KvCache) -> bool:
        """Return whether the cache has room for a prompt of which `hit` tokens are found."""

    @abstractmethod
    def _start(self, head: Request, hit: int, tokens: int, kv: KvCache) -> None:
        """Take the blocks of the first chunk of a prompt of which `hit` tokens are found."""

    @abstractmethod
    def _continues(self, partial: Request, tokens: int, kv: KvCache) -> bool:
        """Return whether the cache has room for the next `tokens` of a begun prompt."""

    @abstractmethod
    def _go_on(self, partial: Request, tokens: int, kv: KvCache) -> None:
        """Take the blocks of the next `tokens` of a begun prompt."""


@mypyc_attr(allow_interpreted_subclasses=True)
class VllmV1Scheduler(ChunkedScheduler):
    """vLLM v1 (0.8 and later): chunked prefill, blocks taken chunk by chunk, no watermark.

    A begun prompt whose next chunk finds no block is evicted, as the youngest. Priorities are not
    modelled.
    """

    rules = "vLLM v1 (0.8 and later): prompts in chunks beside decodes"
    default_batch_tokens = 8192
    budget_covers_batch = True

    follows_releases = True
    spans_stages = True

    def make_cache(self, blocks: int, longest: int) -> KvCache:
        """Return a paged cache that admission may fill."""
        groups, size = self.kv_groups, self.block_size
        empty_first = self.release.takes_empty_blocks_first
        if self.receives:
            return ReceivingCache(blocks, size)
        if groups is None:
            if self.host is not None:
                host = HostCache(self.host.blocks, size)
                return TieredCache(blocks, host, self.host.load_block_s, size, empty_first)
            if self.prefix_caching:
                return PrefixCache(blocks, size, empty_first)
            return self.paged_cache(blocks, watermark=0.0)
        if not self.prefix_caching:
            return WindowedKvCache(blocks, groups, self._in_flight_tokens, size)
        if groups.full == 1:
            return WindowedPrefixCache(blocks, groups, self._in_flight_tokens, size, empty_first)
        # Found by what all layers hold, so that all of them keep the whole context.
        return PrefixCache(blocks // groups.count, size, empty_first)

    @property
    def _in_flight_tokens(self) -> int:
        """Most tokens that are computed, or planned to be, at once."""
        return self.max_batch_tokens * self.batches_held

    def evicts(self, partial: Request, running: int, kv: KvCache) -> bool:
        """Return whether its next chunk finds no block."""
        budget = self.max_batch_tokens - running * self.decode_tokens
        tokens = min(partial.prefill_tokens - partial.computed_tokens, budget)
        return budget > 0 and not self._continues(partial, tokens, kv)

    def _admits(self, head: Request, hit: int, budget: int, kv: KvCache) -> bool:
        tokens = head.prefill_tokens - hit
        if tokens > budget and not self.release.admits_whole_prompts:
            tokens = budget
        return kv.free_blocks_for(head, hit, tokens) <= kv.free

    def _start(self, head: Request, hit: int, tokens: int, kv: KvCache) -> None:
        kv.start(head, hit, tokens)

    def _continues(self, partial: Request, tokens: int, kv: KvCache) -> bool:
        return kv.can_grow(partial.computed_tokens, tokens)

    def _go_on(self, partial: Request, tokens: int, kv: KvCache) -> None:
        kv.grow(partial, partial.computed_tokens, tokens)


@mypyc_attr(allow_interpreted_subclasses=True)
class SarathiScheduler(ChunkedScheduler):
    """Sarathi-Serve (Agrawal et al., OSDI 2024), as in Vidur: chunks of 512 tokens in all.

    The blocks of a whole prompt are taken when it is admitted.
    """

    rules = "Sarathi-Serve: at most 512 tokens in an iteration, prompts in chunks beside decodes"
    default_batch_tokens = 512

    def make_cache(self, blocks: int, longest: int) -> KvCache:
        """Return a paged cache; admission leaves 1 % of it free."""
        return self.paged_cache(blocks, watermark=0.01)

    def held_tokens(self, partial: Request) -> int:
        """Return the whole prompt."""
        return partial.prefill_tokens

    def _admits(self, head: Request, hit: int, budget: int, kv: KvCache) -> bool:
        return kv.can_admit(head.prefill_tokens)

    def _start(self, head: Request, hit: int, tokens: int, kv: KvCache) -> None:
        kv.allocate_prompt(head.prefill_tokens)

    def _continues(self, partial: Request, tokens: int, kv: KvCache) -> bool:
        return True

    def _go_on(self, partial: Request, tokens: int, kv: KvCache) -> None:
        pass
