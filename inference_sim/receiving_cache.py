"""A KV cache that takes contexts which other engines have computed.

As with vLLM's connectors: a request that is queued leaves the queue when its turn comes, with
blocks for its prompt, and waits until its KV has come while others go on.
"""

from __future__ import annotations

from inference_sim.kv_cache import BLOCK_SIZE, KvCache
from inference_sim.request import Request


class ReceivingCache(KvCache):
    """A paged KV cache that reserves blocks for contexts on their way.

    Args:
        blocks: Number of blocks.
        block_size: Tokens of a block [tokens].
    """

    __slots__ = ("_expected",)

    def __init__(self, blocks: int, block_size: int = BLOCK_SIZE) -> None:
        super().__init__(blocks, block_size, watermark=0.0)
        self._expected: dict[Request, None] = {}

    def expect(self, request: Request) -> None:
        """Let a request find the KV of its prompt elsewhere when it leaves the queue."""
        self._expected[request] = None

    def forget(self, request: Request) -> bool:
        """Return whether the context of a request was expected; it is not any more."""
        if request not in self._expected:
            return False
        del self._expected[request]
        return True

    def reserve(self, request: Request) -> None:
        """Take the blocks of a context that is to come."""
        self.free -= self.blocks_for(request.prompt_tokens)
        self.loads_under_way += 1

    def free_blocks_for(self, request: Request, hit: int, tokens: int) -> int:
        """Return the free blocks that a start takes, or a transfer."""
        if request in self._expected:
            return self.blocks_for(request.prompt_tokens)
        return super().free_blocks_for(request, hit, tokens)

    def begin_load(self, request: Request, hit: int) -> bool:
        """Reserve the blocks of a context; return whether one was expected."""
        if not self._expected or request not in self._expected:
            return False
        del self._expected[request]
        self.reserve(request)
        self.begun_loads.append(request)
        return True

    def end_load(self, request: Request) -> None:
        """Note that a context has come."""
        self.loads_under_way -= 1
