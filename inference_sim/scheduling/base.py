"""The base of schedulers, which choose the prompts, or parts of them, of the next iteration."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from typing import ClassVar

from mypy_extensions import mypyc_attr

from inference_sim.host_cache import HostTier
from inference_sim.kv_cache import BLOCK_SIZE, KvCache, StateKvCache
from inference_sim.kv_groups import KvGroups
from inference_sim.request import Request
from inference_sim.scheduling.releases import RELEASES


class Chunk:
    """Part of a prompt, or all of it.

    Attributes:
        request: The request of the prompt.
        tokens: Tokens computed now.
        before: Tokens computed in earlier iterations.
        completes: Whether it ends the prompt, so that a token is sampled.
    """

    __slots__ = ("before", "completes", "request", "tokens")

    def __init__(self, request: Request, tokens: int, before: int) -> None:
        self.request, self.tokens, self.before = request, tokens, before
        self.completes = before + tokens == request.prefill_tokens


@mypyc_attr(allow_interpreted_subclasses=True)
class Scheduler(ABC):
    """Scheduler of one engine: it forms the batches.

    Decodes always go on: every running sequence decodes a token in every iteration, except in one
    that computes prompts under a scheduler that does not mix. A scheduler of one's own defines
    `mixes`, `make_cache`, `can_admit` and `take`; see :mod:`inference_sim.scheduling.vllm`.

    Args:
        batch_cap: Most sequences that run at once [sequences].
        max_batch_tokens: Most tokens of one iteration [tokens]; each scheduler defines which tokens
            count.

    Attributes:
        release: The release of vLLM whose rules hold, where the scheduler knows several.
        prefix_caching: Whether its cache finds blocks again by what they hold.
        host: Host memory behind its cache, which then finds blocks again; None without.
        kv_groups: Groups of layers that share its cache; None where all layers keep all tokens.
        block_size: Tokens of a block of its cache [tokens].
        decode_tokens: Tokens of each running sequence that an iteration computes: more than one
            where drafts are verified [tokens].
        batches_held: Batches in flight whose tokens windowed layers keep.
        state_blocks: Blocks that the states of a sequence take, whatever its length.
        receives: Whether its cache takes contexts that other engines have computed.
    """

    rules: ClassVar[str] = ""
    """Its rules in a line, as `cosim schedulers` lists them."""
    mixes: ClassVar[bool]
    """Whether prompts and decodes share an iteration."""
    whole_prompts: ClassVar[bool] = True
    """Whether a prompt must fit into one iteration, which bounds its length."""
    default_batch_tokens: ClassVar[int | None] = None
    """Value of `max_batch_tokens` where none is given; None for the model's context."""
    budget_covers_batch: ClassVar[bool] = False
    """Whether `max_batch_tokens` below `batch_cap` is refused, as vLLM does when it starts."""

    needs_a_free_block: ClassVar[bool] = False
    """Whether a sequence decodes only while a block is free, even if it needs none."""
    follows_releases: ClassVar[bool] = False
    """Whether it knows prefix caching, speculative decoding and the releases of vLLM."""
    spans_stages: ClassVar[bool] = False
    """Whether one of it forms the batches of all pipeline stages, over one KV cache; otherwise each
    stage has an engine of its own, with a part of the cap and of the cache."""

    def __init__(self, batch_cap: int, max_batch_tokens: int) -> None:
        self.batch_cap = batch_cap
        self.max_batch_tokens = max_batch_tokens
        self.release = RELEASES["0.11"]
        self.prefix_caching = False
        self.host: HostTier | None = None
        self.kv_groups: KvGroups | None = None
        self.block_size = BLOCK_SIZE
        self.decode_tokens = 1
        self.batches_held = 1
        self.state_blocks = 0
        self.receives = False

    @abstractmethod
    def make_cache(self, blocks: int, longest: int) -> KvCache:
        """Return the KV cache of an engine, of `blocks` blocks, for requests up to `longest`."""

    def paged_cache(self, blocks: int, watermark: float) -> KvCache:
        """Return a paged KV cache; admission leaves a share of `watermark` free."""
        if self.state_blocks:
            return StateKvCache(blocks, self.state_blocks, self.block_size, watermark)
        return KvCache(blocks, self.block_size, watermark)

    def held_tokens(self, partial: Request) -> int:
        """Return the tokens whose blocks a partly computed prompt holds."""
        return partial.computed_tokens

    def evicts(self, partial: Request, running: int, kv: KvCache) -> bool:
        """Return whether a begun prompt is evicted now, because its next chunk finds no block."""
        return False

    @abstractmethod
    def can_admit(self, head: Request, running: int, kv: KvCache) -> bool:
        """Return whether the head of the queue may enter the next iteration.

        It may be true too often: it only decides whether a run of decodes is ended to try.
        """

    @abstractmethod
    def take(
        self,
        waiting: deque[Request],
        partial: Request | None,
        running: int,
        kv: KvCache,
        admit: bool = True,
    ) -> list[Chunk]:
        """Return the prompts of the next iteration, their blocks allocated.

        Args:
            waiting: The queue; requests that are admitted are taken off its head.
            partial: The request whose prompt is computed in part.
            running: Sequences that decode.
            kv: The cache; with `mixes`, less the blocks that the decodes of the iteration take.
            admit: Whether requests may be taken off the queue.
        """
