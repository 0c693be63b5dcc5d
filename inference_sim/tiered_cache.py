"""A KV cache in two tiers: blocks that the GPU has lost are loaded from host memory.

As with vLLM's ``OffloadingConnector`` (native offloading, from 0.11 on): a prompt is looked up on
the GPU first, and what follows there in host memory, in whole blocks and never all of it. A request
that finds some there leaves the queue when its turn comes, with GPU blocks for what is found, and
waits until they are loaded while others go on; then it is the first of the queue, and computes the
rest. A request that finds blocks on the GPU that are still being loaded waits for them in the same
way.

Loads share the link from host to GPU and take it one after the other. Copies to host memory go
the other way at the same time, and delay nothing. A load that has begun is finished, even if its
blocks are evicted from host memory meanwhile.
"""

from __future__ import annotations

from inference_sim.host_cache import HostCache
from inference_sim.prefix_cache import PrefixCache
from inference_sim.prefix_tree import Node
from inference_sim.request import Request


class Load:
    """Blocks of a request that are loaded, or that another request loads.

    Attributes:
        request: The request.
        hit, tokens: Tokens of its prefill found on the GPU, and loaded beyond them [tokens].
        awaits: Loads of other requests whose blocks are among those found.
        nodes: Nodes of the blocks that it brings.
        ready_s: Time at which all are there [s].
    """

    __slots__ = ("awaits", "hit", "nodes", "ready_s", "request", "tokens")

    def __init__(self, request: Request, hit: int, tokens: int, awaits: list[Load]) -> None:
        self.request, self.hit, self.tokens = request, hit, tokens
        self.awaits = awaits
        self.nodes: list[Node] = []
        self.ready_s = 0.0


class TieredCache(PrefixCache):
    """KV blocks of the GPU that are found again, there or in host memory.

    Args:
        blocks: Number of blocks of the GPU.
        host: Host memory behind them.
        load_block_s: Time to load a block [s].
        block_size: Tokens of a block [tokens].
        takes_empty_first: Whether blocks that can never be found again are taken before all others.
    """

    __slots__ = ("_arriving", "_held", "_link_free_s", "_load_block_s", "host")

    def __init__(
        self,
        blocks: int,
        host: HostCache,
        load_block_s: float,
        block_size: int,
        takes_empty_first: bool = False,
    ) -> None:
        super().__init__(blocks, block_size, takes_empty_first)
        self.host = host
        self._load_block_s = load_block_s
        self._link_free_s = 0.0
        self._held: dict[Request, Load] = {}  # not started yet: under way, or done
        # Loads that bring blocks of a node, each with the number of the first.
        self._arriving: dict[Node, list[tuple[int, Load]]] = {}

    def hit(self, request: Request) -> int:
        """Return the tokens of the next prefill that are on the GPU, those loaded included."""
        load = self._held.get(request)
        if load is not None:
            return load.hit + load.tokens
        return super().hit(request)

    def found(self, request: Request) -> int:
        """Return the tokens of the next prefill that need not be computed."""
        return max(self.hit(request), self.host.found(request))

    def held(self, request: Request) -> int:
        """Return the tokens whose blocks a queued request holds, as they were loaded."""
        load = self._held.get(request)
        return 0 if load is None else load.hit + load.tokens

    def free_blocks_for(self, request: Request, hit: int, tokens: int) -> int:
        """Return the free blocks that a start takes, or a load."""
        if request in self._held:
            return self.blocks_for(hit + tokens) - self.blocks_for(hit)
        loaded = self.host.found(request) - hit
        return super().free_blocks_for(request, hit, max(tokens, loaded))

    def start(self, request: Request, hit: int, tokens: int) -> None:
        """Take the blocks of the beginning of a prefill beyond those that were loaded, if any."""
        load = self._held.pop(request, None)
        if load is None:
            super().start(request, hit, tokens)
            return
        self.hit_tokens += load.hit
        self.loaded_tokens += load.tokens
        self.grow(request, hit, tokens)

    def begin_load(self, request: Request, hit: int) -> bool:
        """Load what follows the first `hit` tokens of a prefill, if it is in host memory.

        Returns:
            Whether the request must wait: for that, or for blocks that others load.
        """
        if request in self._held:
            return False
        tokens = max(self.host.found(request) - hit, 0)
        awaits = self._on_their_way(request, hit)
        if not tokens and not awaits:
            return False
        if hit:
            self._use_found(request, hit)
        load = self._held[request] = Load(request, hit, tokens, awaits)
        if tokens:
            self.grow(request, hit, tokens)
            first = hit // self.block_size
            for node, end in self._root.parts(request, hit + tokens, self.block_size):
                if end > max(node.first, first):
                    self._arriving.setdefault(node, []).append((first, load))
                    load.nodes.append(node)
        self.host.put(request, hit + tokens)
        self.begun_loads.append(request)
        return True

    def ready_s(self, request: Request, now_s: float) -> float:
        """Return the time at which the load of a request that begins now is done [s]."""
        load = self._held[request]
        load.ready_s = now_s
        if load.tokens:
            begin_s = max(now_s, self._link_free_s)
            blocks = load.tokens // self.block_size
            load.ready_s = self._link_free_s = begin_s + blocks * self._load_block_s
        for other in load.awaits:
            load.ready_s = max(load.ready_s, other.ready_s)
        self.loads_under_way += 1
        return load.ready_s

    def end_load(self, request: Request) -> None:
        """Note that the blocks of a request have been loaded."""
        load = self._held[request]
        self.loads_under_way -= 1
        for node in load.nodes:
            arriving = [entry for entry in self._arriving[node] if entry[1] is not load]
            if arriving:
                self._arriving[node] = arriving
            else:
                del self._arriving[node]

    def give_back(self, request: Request, ended: bool) -> None:
        """Give back the blocks of a queued request, if it holds some, as it does not start."""
        load = self._held.pop(request, None)
        if load is not None:
            self.release(request, load.hit + load.tokens, ended)

    def release(self, request: Request, tokens: int, ended: bool) -> None:
        """Give back the blocks of a request that holds `tokens`; host memory keeps the full ones.

        A prompt that no other shares is named if it was evicted, before it is put there.
        """
        super().release(request, tokens, ended)
        self.host.put(request, tokens)

    def resize_host(self, blocks: int) -> None:
        """Make room for `blocks` in host memory."""
        self.host.resize(blocks)

    def _on_their_way(self, request: Request, hit: int) -> list[Load]:
        """Return the loads that bring blocks of the first `hit` tokens of a prefill."""
        if not self._arriving or not hit:
            return []
        return [
            load
            for node, end in self._root.parts(request, hit, self.block_size)
            for first, load in self._arriving.get(node, [])
            if end > first
        ]
