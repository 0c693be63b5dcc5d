"""Hit rates of a prefix cache over the requests of a trace, by its size.

A block is hit if it is in the cache and all blocks before it in its prompt are; the last block of a
prompt counts with the tokens that it has. A request leaves all its blocks in the cache, its first
ones as the latest used, as vLLM frees them; the block that was used longest ago makes room. That is
exact, but for time: a request leaves its blocks when it arrives, not when it ends.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from inference_sim.workload.trace_requests import RequestTrace
from inference_sim.workload.trace_talk import Prefixes

SIZES_TOKENS = (1_000_000, 3_000_000, 10_000_000)
"""Sizes that are shown by default [tokens]."""


class BlockCache:
    """A cache of blocks by least recent use.

    Args:
        size_blocks: Blocks that it holds; None for no bound.

    Attributes:
        hit_tokens: Tokens of prompts that were found [tokens].
    """

    def __init__(self, size_blocks: int | None) -> None:
        self._size_blocks = size_blocks
        self._blocks: OrderedDict[int, None] = OrderedDict()
        self.hit_tokens = 0

    def take(self, ids: Sequence[int], prompt_tokens: int, block_tokens: int) -> None:
        """Take the next request."""
        blocks = self._blocks
        hits = 0
        for block in ids:
            if block not in blocks:
                break
            hits += 1
        self.hit_tokens += min(hits * block_tokens, prompt_tokens)
        for block in reversed(ids):
            blocks[block] = None
            blocks.move_to_end(block)
        if self._size_blocks is not None:
            while len(blocks) > self._size_blocks:
                blocks.popitem(last=False)


@dataclass(frozen=True, slots=True)
class HitRates:
    """Hit rates of caches of some sizes.

    Attributes:
        block_tokens: Tokens of a block.
        unbounded: Share of the prompt tokens that a cache without bounds has.
        by_size: The share by the size of the cache [tokens].
    """

    block_tokens: int
    unbounded: float
    by_size: dict[int, float]

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, as JSON has them."""
        sizes = {str(size): share for size, share in self.by_size.items()}
        return {
            "block_tokens": self.block_tokens,
            "unbounded": self.unbounded,
            "lru_by_tokens": sizes,
        }


class HitCounter:
    """Counts the hits of caches, piece by piece.

    Args:
        sizes_tokens: Sizes of the caches [tokens].
    """

    def __init__(self, sizes_tokens: Sequence[int]) -> None:
        self._sizes_tokens = tuple(dict.fromkeys(sizes_tokens))
        self._caches: list[BlockCache] = []
        self._block_tokens = self._prompt_tokens = 0

    def add(self, piece: RequestTrace) -> None:
        """Take the next piece of a trace."""
        prefixes = None if piece.talk is None else piece.talk.prefixes
        if prefixes is None:
            return
        self._block_tokens = tokens = prefixes.block_tokens
        if not self._caches:
            self._caches = [
                BlockCache(None if size is None else size // tokens)
                for size in (None, *self._sizes_tokens)
            ]
        self._prompt_tokens += int(piece.prompt_tokens.sum())
        for prompt, ids in zip(piece.prompt_tokens.tolist(), _lists(prefixes), strict=True):
            for cache in self._caches:
                cache.take(ids, prompt, tokens)

    @property
    def rates(self) -> HitRates | None:
        """The hit rates; None if the trace does not tell prefixes."""
        if not self._caches or not self._prompt_tokens:
            return None
        unbounded, *others = [cache.hit_tokens / self._prompt_tokens for cache in self._caches]
        by_size = dict(zip(self._sizes_tokens, others, strict=True))
        return HitRates(self._block_tokens, unbounded, by_size)


def _lists(prefixes: Prefixes) -> list[list[int]]:
    """Return the ids of each request."""
    ids, offsets = prefixes.ids.tolist(), prefixes.offsets.tolist()
    return [ids[begin:end] for begin, end in pairwise(offsets)]
