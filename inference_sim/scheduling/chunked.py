"""Schedulers that cut prompts into chunks and mix them with decodes.

Each iteration decodes a token of every running sequence and fills the rest of its token budget with
prompts: first the one already begun, then the head of the queue. A prompt that does not fit is cut,
so at most one prompt is ever partly computed.
"""

from __future__ import annotations

from abc import abstractmethod
from collections import deque

from mypy_extensions import mypyc_attr

from inference_sim.kv_cache import KvCache
from inference_sim.request import Request
from inference_sim.scheduling.base import Chunk, Scheduler


@mypyc_attr(allow_interpreted_subclasses=True)
class ChunkedScheduler(Scheduler):
    """Chunked prefill; ``max_batch_tokens`` counts decodes and prompt tokens of an iteration.

    A begun prompt without a free block waits for one. (vLLM v1 evicts it, and computes it again
    later.)
    """

    mixes = True
    whole_prompts = False

    def can_admit(self, head: Request, running: int, kv: KvCache) -> bool:
        """Return whether there is room in the batch, in the budget and in the cache."""
        budget = self.max_batch_tokens - running
        return running < self.batch_cap and budget > 0 and self._fits(head, 0, budget, kv)

    def take(
        self,
        waiting: deque[Request],
        partial: Request | None,
        running: int,
        kv: KvCache,
        admit: bool = True,
    ) -> list[Chunk]:
        """Return the next chunk of the begun prompt, then prompts from the head of the queue."""
        budget = self.max_batch_tokens - running
        chunks: list[Chunk] = []
        if partial is not None:
            if budget <= 0 or not self._fits(partial, partial.computed_tokens, budget, kv):
                return []
            chunks.append(self._cut(partial, partial.computed_tokens, budget, kv))
            budget -= chunks[0].tokens
        while admit and waiting and budget > 0 and running + len(chunks) < self.batch_cap:
            if not self._fits(waiting[0], 0, budget, kv):
                break
            chunks.append(self._cut(waiting.popleft(), 0, budget, kv))
            budget -= chunks[-1].tokens
        return chunks

    def _cut(self, request: Request, before: int, budget: int, kv: KvCache) -> Chunk:
        tokens = min(request.prefill_tokens - before, budget)
        self._allocate(request, before, tokens, kv)
        return Chunk(request, tokens, before)

    @abstractmethod
    def _fits(self, request: Request, before: int, budget: int, kv: KvCache) -> bool:
        """Return whether the cache has room for the request's next chunk."""

    @abstractmethod
    def _allocate(self, request: Request, before: int, tokens: int, kv: KvCache) -> None:
        """Take the blocks of a chunk."""


@mypyc_attr(allow_interpreted_subclasses=True)
class VllmV1Scheduler(ChunkedScheduler):
    """vLLM v1 (0.8 and later): chunked prefill, blocks taken chunk by chunk, no watermark.

    Prefix caching, speculative decoding and priorities are not modelled.
    """

    rules = "vLLM v1 (0.8 and later): prompts in chunks beside decodes"
    default_batch_tokens = 8192
    budget_covers_batch = True

    def make_cache(self, blocks: int, longest: int) -> KvCache:
        """Return a paged cache that admission may fill."""
        return KvCache(blocks, watermark=0.0)

    def _fits(self, request: Request, before: int, budget: int, kv: KvCache) -> bool:
        return kv.can_grow(before, min(request.prefill_tokens - before, budget))

    def _allocate(self, request: Request, before: int, tokens: int, kv: KvCache) -> None:
        kv.grow(before, tokens)


@mypyc_attr(allow_interpreted_subclasses=True)
class SarathiScheduler(ChunkedScheduler):
    """Sarathi-Serve (Agrawal et al., OSDI 2024), as in Vidur: chunks of 512 tokens in all.

    The blocks of a whole prompt are taken when it is admitted.
    """

    rules = "Sarathi-Serve: at most 512 tokens in an iteration, prompts in chunks beside decodes"
    default_batch_tokens = 512

    def make_cache(self, blocks: int, longest: int) -> KvCache:
        """Return a paged cache; admission leaves 1 % of it free."""
        return KvCache(blocks, watermark=0.01)

    def held_tokens(self, partial: Request) -> int:
        """Return the whole prompt."""
        return partial.prefill_tokens

    def _fits(self, request: Request, before: int, budget: int, kv: KvCache) -> bool:
        return before > 0 or kv.can_admit(request.prefill_tokens)

    def _allocate(self, request: Request, before: int, tokens: int, kv: KvCache) -> None:
        if before == 0:
            kv.allocate_prompt(request.prefill_tokens)
