"""The tree of cached text, and the order in which free blocks are taken.

What engines hash block by block is kept here as a tree of streams: a node stands for a stream that
follows a certain text, and knows up to which block it is in the cache.

The free blocks stand in the order in which they will be taken, as in vLLM's queue of free blocks:
those of a request that ends come last, its last block first. So a text loses its end before its
beginning, and the blocks of a node that are in the cache, or in use, are always its first ones.
"""

from __future__ import annotations

from inference_sim.request import Request


class Node:
    """A stream of text that follows the text of its parent's first tokens.

    Blocks are numbered from the start of the whole text. A block belongs to the node in which its
    last token lies.

    Attributes:
        parent: The text before; None at the root.
        key: Its key among the parent's children: the tokens before it, and the stream.
        first: Number of its first block.
        cached: Number after that of its last block in the cache, free or in use.
        pinned: Number after that of its last block in use.
        users: How many requests use it up to a block, by the number after that block.
        children: What follows, by key.
        extents: Its blocks among the free ones; the oldest, with the highest numbers, first.
        copies: Further copies of its blocks by number, in the order in which they were made.
    """

    __slots__ = (
        "cached", "children", "copies", "extents", "first", "key", "parent", "pinned", "users",
    )  # fmt: skip

    def __init__(self, parent: Node | None, key: tuple[int, int], first: int) -> None:
        self.parent = parent
        self.key = key
        self.first = self.cached = self.pinned = first
        self.users: dict[int, int] = {}
        self.children: dict[tuple[int, int], Node] = {}
        self.extents: list[Extent] = []
        self.copies: dict[int, list[Copy]] = {}

    def use(self, end: int) -> None:
        """Let one more request use it up to block `end`."""
        if end > self.first:
            self.users[end] = self.users.get(end, 0) + 1
            self.pinned = max(self.pinned, end)
            if end > self.cached:
                self.cached = end
                self.promote()

    def leave(self, end: int) -> None:
        """Let one request less use it up to block `end`; what is free now is up to the caller."""
        if end > self.first:
            self.users[end] -= 1
            if not self.users[end]:
                del self.users[end]

    def promote(self) -> None:
        """Let copies take the place of blocks that were taken."""
        while self.copies and self.cached in self.copies:
            block = self.cached
            copy = self.copies[block][0]
            holder, extent = copy.holder, copy.extent
            self.drop_copy(copy)
            if holder is not None and holder.kv_copies is not None:
                holder.kv_copies.remove(copy)
                self.leave(block)
                self.use(block + 1)
            elif extent is not None:
                self.cached += 1
                extent.copy, extent.node = None, self
                extent.low, extent.high = block, block + 1
                self.extents.insert(0, extent)

    def drop_copy(self, copy: Copy) -> None:
        """Forget a copy, if it is known."""
        copies = self.copies.get(copy.block, [])
        if copy in copies:
            copies.remove(copy)
            if not copies:
                del self.copies[copy.block]

    def parts(self, request: Request, tokens: int, block_size: int) -> list[tuple[Node, int]]:
        """Return the nodes of the first `tokens` of a text, each with the number after its last.

        The text is that of the request's next prefill, from this node, the root. Nodes that are
        missing are made.
        """
        node = self
        before = 0
        parts: list[tuple[Node, int]] = []
        for stream, length in request.runs():
            key = (before, stream)
            child = node.children.get(key)
            if child is None:
                child = node.children[key] = Node(node, key, before // block_size)
            node = child
            before = min(before + length, tokens)
            parts.append((node, before // block_size))
            if before == tokens:
                break
        return parts

    def found(self, request: Request, block_size: int) -> int:
        """Return the tokens of a request's next prefill that are in the cache.

        They are whole blocks from this node, the root, and never all of the prefill.
        """
        node = self
        before = blocks = 0
        for stream, tokens in request.runs():
            child = node.children.get((before, stream))
            if child is None:
                break
            node = child
            before += tokens
            end = before // block_size
            blocks = min(node.cached, end)
            if blocks < end:
                break
        return min(blocks, (request.prefill_tokens - 1) // block_size) * block_size

    def prune(self) -> None:
        """Leave the tree, and let the nodes above do so, if nothing is left of them."""
        node = self
        while node.cached == node.first and not node.children and not node.copies:
            parent = node.parent
            if parent is None:
                return
            parent.children.pop(node.key, None)
            node = parent


class Copy:
    """A block that holds the same text as another.

    Of a prompt that is found as a whole the last token is computed again, and with it its block.

    Attributes:
        node, block: What it is a copy of.
        holder: The request that uses it; None if it is free.
        extent: Its place among the free blocks; None if it is in use.
    """

    __slots__ = ("block", "extent", "holder", "node")

    def __init__(self, node: Node, block: int, holder: Request) -> None:
        self.node, self.block = node, block
        self.holder: Request | None = holder
        self.extent: Extent | None = None


class Extent:
    """Free blocks next to each other: blocks `low` to `high` of a node, taken from the end.

    Attributes:
        node: The node; None if nothing can be found in them, or just a copy.
        low, high: Number of the first, and that after the last.
        copy: The copy that it is, if it is one.
        before, after: Its neighbours in the order in which blocks are taken.
    """

    __slots__ = ("after", "before", "copy", "high", "low", "node")

    def __init__(self, node: Node | None, low: int, high: int) -> None:
        self.node = node
        self.low, self.high = low, high
        self.copy: Copy | None = None
        self.before: Extent | None = None
        self.after: Extent | None = None


class FreeBlocks:
    """Free blocks in the order in which they are taken.

    Args:
        blocks: Number of blocks, all of them free.
    """

    __slots__ = ("_newest", "_oldest")

    def __init__(self, blocks: int) -> None:
        self._oldest: Extent | None = None
        self._newest: Extent | None = None
        self.append(None, 0, blocks)

    def append(self, node: Node | None, low: int, high: int) -> None:
        """Put blocks `low` to `high` of a node last, or as many that hold nothing."""
        if low >= high:
            return
        newest = self._newest
        if newest is not None and newest.node is node and newest.copy is None:
            if node is None:
                newest.high += high - low
                return
            if newest.low == high:
                newest.low = low
                return
        extent = Extent(node, low, high)
        self._link(newest, extent)
        if node is not None:
            node.extents.append(extent)

    def append_copy(self, copy: Copy) -> None:
        """Put a copy last."""
        extent = copy.extent = Extent(None, 0, 1)
        extent.copy = copy
        self._link(self._newest, extent)

    def prepend(self, blocks: int) -> None:
        """Put blocks that hold nothing first."""
        oldest = self._oldest
        if oldest is not None and oldest.node is None and oldest.copy is None:
            oldest.high += blocks
        elif blocks:
            self._link(None, Extent(None, 0, blocks))

    def take(self, blocks: int) -> None:
        """Take the first blocks, which forgets what they hold.

        Raises:
            RuntimeError: If there are not so many.
        """
        while blocks > 0:
            oldest = self._oldest
            if oldest is None:
                raise RuntimeError(f"{blocks} KV blocks were taken that are not free")
            taken = min(blocks, oldest.high - oldest.low)
            oldest.high -= taken
            blocks -= taken
            node, copy = oldest.node, oldest.copy
            if oldest.high == oldest.low:
                self._unlink(oldest)
            if copy is not None:
                copy.node.drop_copy(copy)
                copy.node.prune()
            elif node is not None:
                if oldest.high == oldest.low:
                    del node.extents[0]
                node.cached = oldest.high
                node.promote()
                node.prune()

    def count(self) -> int:
        """Return how many there are."""
        extent, blocks = self._oldest, 0
        while extent is not None:
            blocks += extent.high - extent.low
            extent = extent.after
        return blocks

    def remove(self, node: Node, low: int, high: int) -> None:
        """Take blocks `low` to `high` of a node, its lowest free ones, out of the order."""
        extents = node.extents
        while low < high:
            extent = extents[-1]
            low = min(extent.high, high)
            if extent.high <= high:
                self._unlink(extent)
                extents.pop()
            else:
                extent.low = high

    def _link(self, before: Extent | None, extent: Extent) -> None:
        """Put an extent after another one, or first."""
        after = self._oldest if before is None else before.after
        extent.before, extent.after = before, after
        if before is None:
            self._oldest = extent
        else:
            before.after = extent
        if after is None:
            self._newest = extent
        else:
            after.before = extent

    def _unlink(self, extent: Extent) -> None:
        before, after = extent.before, extent.after
        if before is None:
            self._oldest = after
        else:
            before.after = after
        if after is None:
            self._newest = before
        else:
            after.before = before
