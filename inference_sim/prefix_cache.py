"""Prefix caching: blocks keep what they hold after they are freed, until they are taken.

A prompt is a list of runs (stream, tokens): the first tokens of a stream of text each. Two prompts
share a prefix as far as their runs are equal. A request costs a few look-ups for each run of its
prompt, however many blocks it holds; one that shares nothing costs none. An answer can be found
once its request has ended.
"""

from __future__ import annotations

from inference_sim.kv_cache import BLOCK_SIZE, KvCache
from inference_sim.prefix_tree import Copy, FreeBlocks, Node
from inference_sim.request import Request


class PrefixCache(KvCache):
    """KV blocks that are found again by what they hold.

    Args:
        blocks: Number of blocks.
        block_size: Tokens of a block [tokens].
        takes_empty_first: Whether blocks that can never be found again are taken before all others.
    """

    __slots__ = ("_ahead", "_order", "_root", "_takes_empty_first")

    def __init__(
        self, blocks: int, block_size: int = BLOCK_SIZE, takes_empty_first: bool = False
    ) -> None:
        super().__init__(blocks, block_size, watermark=0.0)
        self._takes_empty_first = takes_empty_first
        self._root = Node(None, (0, 0), 0)
        self._order = FreeBlocks(blocks)
        self._ahead = 0  # blocks that left the order of the free ones before they are counted

    def hit(self, request: Request) -> int:
        """Return the tokens of the next prefill that are found: whole blocks, never all of it."""
        if request.content is None:
            return 0
        return self._root.found(request, self.block_size)

    def free_blocks_for(self, request: Request, hit: int, tokens: int) -> int:
        """Return the free blocks that a start takes: new ones, and those found that are free."""
        in_use = 0
        if hit:
            for node, end in self._root.parts(request, hit, self.block_size):
                in_use += max(min(node.pinned, end) - node.first, 0)
        return self.blocks_for(hit + tokens) - in_use

    def start(self, request: Request, hit: int, tokens: int) -> None:
        """Take the blocks of the beginning of a prefill: those that are found, and new ones."""
        if hit:
            self.hit_tokens += hit
            self._use_found(request, hit)
        self.grow(request, hit, tokens)

    def grow(self, request: Request, before: int, tokens: int) -> None:
        """Take the blocks of `tokens` more of a prefill, of which `before` are held."""
        new = self.blocks_for(before + tokens) - self.blocks_for(before)
        self.free -= new
        self._order.take(new)
        if request.content is not None:
            self._hold(request, before, before + tokens)

    def begin_iteration(self, growth: int) -> None:
        """Take the blocks of the decodes of an iteration, before those of its prompts."""
        self.free -= growth
        self._take_counted(growth)

    def undo_iteration(self, growth: int) -> None:
        """Count them as free again: the run of decodes that begins now will take them."""
        self.free += growth
        self._ahead = growth

    def take_ahead(self, growth: int) -> None:
        """Forget the text in the next `growth` blocks, which a decode iteration under way takes."""
        if growth > self._ahead:
            self._order.take(growth - self._ahead)
            self._ahead = growth

    def advance(self, iteration: int, iterations: int) -> None:
        """Take the blocks of `iterations` decode iterations."""
        needed = self.blocks_needed(iteration, iterations)
        self.free -= needed
        self._take_counted(needed)

    def release(self, request: Request, tokens: int, ended: bool) -> None:
        """Give back the blocks of a request that holds `tokens`.

        Of one that ends, and shares its prompt with no other, nothing can be found again.
        """
        full = tokens // self.block_size
        freed = self.blocks_for(tokens) - full
        self._give_empty(freed)
        if request.content is None:
            if ended:
                self._order.append(None, 0, full)
                self.free += freed + full
                return
            request.be_found_again()
            self._hold(request, 0, tokens)
        held = request.kv_copies or []
        for node, end in reversed(self._root.parts(request, tokens, self.block_size)):
            used = end
            copies: list[Copy] = [copy for copy in held if copy.node is node]
            copies.reverse()
            for copy in copies:
                used = copy.block
                copy.holder = None
                self._order.append_copy(copy)
                freed += 1
            if used > node.first:
                node.leave(used)
                pinned = node.pinned
                node.pinned = max(node.users, default=node.first)
                self._order.append(node, node.pinned, pinned)
                freed += pinned - node.pinned
            node.prune()
        request.kv_copies = None
        self.free += freed

    def _give_empty(self, blocks: int) -> None:
        """Put blocks that hold nothing to be found into the order of the free ones."""
        if self._takes_empty_first:
            self._order.prepend(blocks)
        else:
            self._order.append(None, 0, blocks)

    def count_free(self) -> int:
        """Return the number of free blocks by counting them; it must be `free`."""
        return self._order.count() + self._ahead

    def _release_decode(self, request: Request, context: int, ended: bool) -> None:
        # The last iteration may have computed drafts beyond the answer: nothing to be found again.
        tokens = min(context, request.prompt_tokens + request.output_tokens) - 1
        beyond = self.blocks_for(context - 1) - self.blocks_for(tokens)
        self._give_empty(beyond)
        self.free += beyond
        if request.content is not None:
            self._hold(request, request.joined_context - 1, tokens)
        self.release(request, tokens, ended)

    def _use_found(self, request: Request, hit: int) -> None:
        """Let a request use the first `hit` tokens of its text, which were found."""
        for node, end in self._root.parts(request, hit, self.block_size):
            if end > node.pinned:
                self._order.remove(node, node.pinned, end)
                self.free -= end - node.pinned
            node.use(end)

    def _hold(self, request: Request, before: int, tokens: int) -> None:
        """Let a request that uses the first `before` tokens of its text use the first `tokens`.

        Their blocks are new. Where the cache has them already, they are copies, and so is all that
        follows a copy: a request uses a node up to its first copy. Just that one may take the place
        of the block that it is a copy of, for the request keeps all that comes before.
        """
        size = self.block_size
        held = request.kv_copies or []
        copied = {copy.node for copy in held}
        for node, end in self._root.parts(request, tokens, self.block_size):
            begin = max(min(before // size, end), node.first)
            if end <= begin:
                continue
            if begin == node.cached and node not in copied:
                node.leave(begin)
                node.use(end)
                continue
            request.kv_copies = held
            for block in range(begin, end):
                copy = Copy(node, block, request)
                held.append(copy)
                if block < node.cached and node not in copied:
                    node.copies.setdefault(block, []).append(copy)
                copied.add(node)

    def _take_counted(self, blocks: int) -> None:
        """Take blocks that are counted, less those that were taken ahead."""
        more, self._ahead = blocks - self._ahead, 0
        if more < 0:
            self._order.append(None, 0, -more)
        else:
            self._order.take(more)
