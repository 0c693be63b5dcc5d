"""The scheduler of vLLM v0 (0.5 to 0.6, chunked prefill off), as Vidur models it too.

Prefill first and never mixed with decode: whenever the head of the waiting line can be admitted,
the next iteration is a prefill of as many requests from the line as fit; otherwise every running
sequence decodes one token. On exhaustion of KV blocks the youngest sequence is evicted to the head
of the line and later recomputed (Kwon et al., SOSP 2023, Section 4.5).
"""

from __future__ import annotations

from collections import deque

from inference_sim.kv_cache import KvCache
from inference_sim.request import Request


class VllmScheduler:
    """Decides which waiting requests form the next prefill batch.

    Args:
        batch_cap: Most sequences that run at once (``max_num_seqs``) [sequences].
        max_batch_tokens: Most tokens of one prefill, padded to its longest prompt
            (``max_num_batched_tokens``) [tokens].
    """

    def __init__(self, batch_cap: int, max_batch_tokens: int) -> None:
        self.batch_cap = batch_cap
        self.max_batch_tokens = max_batch_tokens

    def can_admit(self, head: Request, running: int, kv: KvCache) -> bool:
        """Tell whether the head of the line may be prefilled next."""
        return running < self.batch_cap and kv.can_admit(head.prefill_tokens)

    def take_prefill(self, waiting: deque[Request], running: int, kv: KvCache) -> list[Request]:
        """Take the next prefill batch off the line and allocate its blocks; may be empty."""
        batch: list[Request] = []
        longest = 0
        while waiting and running + len(batch) < self.batch_cap:
            tokens = waiting[0].prefill_tokens
            longest = max(longest, tokens)
            if not kv.can_admit(tokens) or (len(batch) + 1) * longest > self.max_batch_tokens:
                break
            kv.allocate_prompt(tokens)
            batch.append(waiting.popleft())
        return batch
