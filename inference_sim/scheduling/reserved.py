"""Schedulers of engines before paging: each request reserves the longest context's memory.

No sequence is ever evicted, and memory bounds the batch.
"""

from __future__ import annotations

from collections import deque

from mypy_extensions import mypyc_attr

from inference_sim.kv_cache import KvCache, ReservedKvCache
from inference_sim.request import Request
from inference_sim.scheduling.base import Chunk, Scheduler


@mypyc_attr(allow_interpreted_subclasses=True)
class _ReservingScheduler(Scheduler):
    """Scheduler that admits whole prompts while there are reservations; tokens are not counted."""

    whole_prompts = False  # no limit but the context

    def make_cache(self, blocks: int, longest: int) -> KvCache:
        """Return a cache in which each sequence reserves `longest` tokens."""
        states = self.state_blocks * self.block_size
        return ReservedKvCache(blocks, longest + states, self.block_size)

    def can_admit(self, head: Request, running: int, kv: KvCache) -> bool:
        """Return whether there is room in the batch and a free reservation."""
        return running < self.batch_cap and kv.can_admit(head.prefill_tokens)

    def take(
        self,
        waiting: deque[Request],
        partial: Request | None,
        running: int,
        kv: KvCache,
        admit: bool = True,
    ) -> list[Chunk]:
        """Return whole prompts from the head of the queue, as many as find a reservation."""
        batch: list[Chunk] = []
        while waiting and running + len(batch) < self.batch_cap:
            tokens = waiting[0].prefill_tokens
            if not kv.can_admit(tokens):
                break
            kv.allocate_prompt(tokens)
            batch.append(Chunk(waiting.popleft(), tokens, 0))
        return batch


@mypyc_attr(allow_interpreted_subclasses=True)
class OrcaScheduler(_ReservingScheduler):
    """Orca (Yu et al., OSDI 2022): iteration-level scheduling, prompts whole and mixed in."""

    rules = "Orca: whole prompts beside decodes; every request reserves the longest context"
    mixes = True


@mypyc_attr(allow_interpreted_subclasses=True)
class StaticScheduler(_ReservingScheduler):
    """FasterTransformer: static batches; none is admitted before the last one of a batch ends."""

    rules = "FasterTransformer: a batch begins when the one before has ended"
    mixes = False

    def can_admit(self, head: Request, running: int, kv: KvCache) -> bool:
        """Return whether the last batch has ended."""
        return running == 0 and super().can_admit(head, running, kv)

    def take(
        self,
        waiting: deque[Request],
        partial: Request | None,
        running: int,
        kv: KvCache,
        admit: bool = True,
    ) -> list[Chunk]:
        """Return the next batch once the last one has ended."""
        if running:
            return []
        return super().take(waiting, partial, running, kv, admit)
