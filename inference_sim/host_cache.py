"""Host memory behind the KV cache of a replica: the blocks that it holds, by last use.

Every full block whose KV a request computed is copied to host memory (write-through), where it
stays until others need its place. The least recently used goes first, and of a text the end before
the beginning, as vLLM's ``LRUOffloadingManager`` touches a text from its end (vllm/v1/kv_offload).
A block is used when it is loaded, and when a request that holds it gives it back.

vLLM copies a block when it is computed. Here that is done when its request gives the block back:
until then the GPU has it, so that it is found there by all that look for it.
"""

from __future__ import annotations

from inference_sim.prefix_tree import FreeBlocks, Node
from inference_sim.request import Request


class HostTier:
    """Host memory behind the KV cache of an engine.

    Attributes:
        blocks: KV blocks that fit.
        load_block_s: Time to load a block into the GPUs [s].
    """

    __slots__ = ("blocks", "load_block_s")

    def __init__(self, blocks: int, load_block_s: float) -> None:
        self.blocks, self.load_block_s = blocks, load_block_s


class HostCache:
    """KV blocks in host memory, which are found by what they hold.

    All of its blocks stand in the order in which they will be taken, those that hold nothing first.

    Args:
        blocks: Number of blocks that fit.
        block_size: Tokens of a block [tokens].

    Attributes:
        blocks: Number of blocks that fit.
    """

    __slots__ = ("_block_size", "_order", "_root", "blocks")

    def __init__(self, blocks: int, block_size: int) -> None:
        self.blocks = blocks
        self._block_size = block_size
        self._root = Node(None, (0, 0), 0)
        self._order = FreeBlocks(blocks)

    def found(self, request: Request) -> int:
        """Return the tokens of the next prefill that it holds: whole blocks, never all of it."""
        if request.content is None:
            return 0
        return self._root.found(request, self._block_size)

    def put(self, request: Request, tokens: int) -> None:
        """Hold the full blocks of the first `tokens` of a text, which are used now.

        Of a text with more blocks than fit, the first ones are held. One that is never named takes
        up room, too.
        """
        size = self._block_size
        full = min(tokens // size, self.blocks)
        if not full:
            return
        order = self._order
        if request.content is None:
            order.take(full)
            order.append(None, 0, full)
            return
        parts = self._root.parts(request, full * size, size)
        new = 0
        for node, end in parts:
            held = node.cached
            order.remove(node, node.first, min(held, end))
            if end > held:
                new += end - held
                node.cached = end
        order.take(new)
        for node, end in reversed(parts):
            order.append(node, node.first, end)
            node.prune()

    def resize(self, blocks: int) -> None:
        """Make room for `blocks`; with fewer than before, the least recently used are lost."""
        lost = self.blocks - blocks
        if lost > 0:
            self._order.take(lost)
        else:
            self._order.prepend(-lost)
        self.blocks = blocks

    def count(self) -> int:
        """Return the number of blocks by counting them; it must be `blocks`."""
        return self._order.count()
