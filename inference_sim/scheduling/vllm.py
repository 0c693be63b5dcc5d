"""The scheduler of vLLM v0 (0.5 to 0.6, chunked prefill off), and Vidur's model of it.

Prefill first and never mixed with decode: whenever the head of the queue can be admitted, the
next iteration is a prefill of as many requests from the queue as fit; otherwise every running
sequence decodes one token. On exhaustion of KV blocks the youngest sequence is evicted to the head
of the queue and later recomputed (Kwon et al., SOSP 2023, Section 4.5).
"""

from __future__ import annotations

from collections import deque

from mypy_extensions import mypyc_attr

from inference_sim.kv_cache import KvCache
from inference_sim.request import Request
from inference_sim.scheduling.base import Chunk, Scheduler


@mypyc_attr(allow_interpreted_subclasses=True)
class VllmScheduler(Scheduler):
    """vLLM v0; ``max_batch_tokens`` bounds the sum of the prompts of a prefill.

    They are computed as one flat batch, without padding. A sequence decodes only while a block is
    free, even if its last one has room: otherwise the youngest is evicted (as in 0.5.4,
    ``BlockSpaceManagerV1.can_append_slots``).
    """

    rules = "vLLM v0: whole prompts first, never beside decodes"
    mixes = False
    budget_covers_batch = True
    needs_a_free_block = True

    def make_cache(self, blocks: int, longest: int) -> KvCache:
        """Return a paged cache; admission leaves 1 % of it free."""
        return self.paged_cache(blocks, watermark=0.01)

    def can_admit(self, head: Request, running: int, kv: KvCache) -> bool:
        """Return whether there is room in the batch and in the cache."""
        return running < self.batch_cap and kv.can_admit(head.prefill_tokens)

    def take(
        self,
        waiting: deque[Request],
        partial: Request | None,
        running: int,
        kv: KvCache,
        admit: bool = True,
    ) -> list[Chunk]:
        """Return whole prompts from the head of the queue, as many as fit."""
        batch: list[Chunk] = []
        computed = longest = 0
        while waiting and running + len(batch) < self.batch_cap:
            tokens = waiting[0].prefill_tokens
            longest = max(longest, tokens)
            counted = self.counted_tokens(len(batch) + 1, computed + tokens, longest)
            if not kv.can_admit(tokens) or counted > self.max_batch_tokens:
                break
            kv.allocate_prompt(tokens)
            batch.append(Chunk(waiting.popleft(), tokens, 0))
            computed += tokens
        return batch

    def counted_tokens(self, prompts: int, tokens: int, longest: int) -> int:
        """Return the tokens of a prefill that `max_batch_tokens` bounds.

        Args:
            prompts: Number of its prompts.
            tokens: Their tokens in all.
            longest: Tokens of the longest.
        """
        return tokens


@mypyc_attr(allow_interpreted_subclasses=True)
class VidurScheduler(VllmScheduler):
    """vLLM v0 as Vidur models it: ``max_batch_tokens`` bounds prompts padded to the longest one.

    (Agrawal et al., MLSys 2024; ``vllm_replica_scheduler.py`` of its release.)
    """

    rules = "vLLM v0 as Vidur models it: the prompts of a batch count as long as the longest"
    budget_covers_batch = False
    needs_a_free_block = False

    def counted_tokens(self, prompts: int, tokens: int, longest: int) -> int:
        """Return the tokens of a prefill whose prompts are all as long as the longest."""
        return prompts * longest
