"""Paged KV cache (Kwon et al., SOSP 2023), accounted without a loop over requests.

A sequence of context c (its newest token included, which the next iteration writes) holds ceil((c -
1) / block_size) blocks. It needs another one when its last block is full. While it decodes, (free
slots of its last block + decode-iteration count) modulo the block size does not change, so one
counter per such residue class gives the blocks that any number of iterations needs.
"""

from __future__ import annotations

from inference_sim.request import Request

BLOCK_SIZE = 16  # tokens; vLLM's default


class KvCache:
    """The KV blocks of one replica.

    Attributes:
        blocks: Number of blocks.
        free: Blocks that no sequence holds.
        hit_tokens: Tokens of prefills that were found in it, in all [tokens].
        loaded_tokens: Those that were loaded into it from host memory instead [tokens].
        begun_loads: Requests that leave the queue of the iteration that is planned, to be loaded.
        loads_under_way: Loads that have begun and not ended.
        watermark: Blocks that admission leaves free, so that running sequences can grow.
        frees_while_decoding: Whether sequences that decode give blocks back, too.
    """

    __slots__ = (
        "_aside", "_batch", "_classes", "begun_loads", "block_size", "blocks", "free",
        "frees_while_decoding", "hit_tokens", "loaded_tokens", "loads_under_way", "sequences",
        "watermark",
    )  # fmt: skip

    def __init__(self, blocks: int, block_size: int = BLOCK_SIZE, watermark: float = 0.01) -> None:
        self.blocks = blocks
        self.block_size = block_size
        self.watermark = int(watermark * blocks)
        self.free = blocks
        self.frees_while_decoding = False
        self.hit_tokens = 0
        self.loaded_tokens = 0
        self.begun_loads: list[Request] = []
        self.loads_under_way = 0
        self.sequences = 0
        self._classes = [0] * block_size
        self._batch = 0
        self._aside: dict[int, tuple[list[int], int]] = {}

    def turn_to(self, batch: int) -> None:
        """Count the decoding sequences of a batch from now on, of several that are in flight.

        Their blocks come from one pool, but each batch counts its own iterations.
        """
        if batch != self._batch:
            self._aside[self._batch] = (self._classes, self.sequences)
            none = ([0] * self.block_size, 0)
            self._classes, self.sequences = self._aside.pop(batch, none)
            self._batch = batch

    def utilisation(self, iteration: int, iterations: int) -> float:
        """Return the share of the blocks in use after `iterations` more decode iterations."""
        return 1.0 - (self.free - self.blocks_needed(iteration, iterations)) / self.blocks

    def blocks_for(self, tokens: int) -> int:
        """Return the blocks that hold `tokens`."""
        return -(-tokens // self.block_size)

    def can_admit(self, tokens: int) -> bool:
        """Return whether a prompt of `tokens` fits and leaves the watermark free."""
        return self.free - self.blocks_for(tokens) >= self.watermark

    def can_ever_hold(self, tokens: int) -> bool:
        """Return whether a sequence that grows to `tokens` fits into an empty cache."""
        return self.blocks_for(tokens) + self.watermark <= self.blocks

    def can_grow(self, before: int, tokens: int) -> bool:
        """Return whether `tokens` more of a prompt fit, of which `before` are held."""
        return self.blocks_for(before + tokens) - self.blocks_for(before) <= self.free

    def hit(self, request: Request) -> int:
        """Return the tokens of the next prefill whose blocks are there already: none."""
        return 0

    def found(self, request: Request) -> int:
        """Return the tokens of the next prefill that need not be computed."""
        return self.hit(request)

    def held(self, request: Request) -> int:
        """Return the tokens whose blocks a queued request holds: none, as nothing is loaded."""
        return 0

    def free_blocks_for(self, request: Request, hit: int, tokens: int) -> int:
        """Return the free blocks that the beginning of a prefill takes.

        Args:
            request: The request.
            hit: Tokens of its prefill that are found [tokens].
            tokens: Tokens beyond them [tokens].
        """
        return self.blocks_for(hit + tokens)

    def start(self, request: Request, hit: int, tokens: int) -> None:
        """Take the blocks of the beginning of a prefill; the arguments are as above."""
        self.free -= self.blocks_for(hit + tokens)

    def grow(self, request: Request, before: int, tokens: int) -> None:
        """Take the blocks of `tokens` more of a prefill, of which `before` are held."""
        self.free -= self.blocks_for(before + tokens) - self.blocks_for(before)

    def begin_load(self, request: Request, hit: int) -> bool:
        """Return whether a request must wait until blocks of its prefill are loaded: never."""
        return False

    def ready_s(self, request: Request, now_s: float) -> float:
        """Return the time at which the load of a request that begins now is done [s]."""
        return now_s

    def end_load(self, request: Request) -> None:
        """Note that the blocks of a request have been loaded."""

    def give_back(self, request: Request, ended: bool) -> None:
        """Give back the blocks that a queued request holds."""

    def resize_host(self, blocks: int) -> None:
        """Make room for `blocks` in host memory; there is none."""

    def allocate_prompt(self, tokens: int) -> None:
        """Take the blocks of a prompt, before its prefill."""
        self.free -= self.blocks_for(tokens)

    def release(self, request: Request, tokens: int, ended: bool) -> None:
        """Give back the blocks of `tokens` of a prefill.

        Args:
            request: The request.
            tokens: Tokens whose blocks it holds [tokens].
            ended: Whether it is done; otherwise it was evicted, and comes again.
        """
        self.free += self.blocks_for(tokens)

    def end_chunk(self, before: int, tokens: int) -> None:
        """Note that `tokens` more of a prefill are computed, after `before`."""

    def end_iteration(self, iteration: int) -> None:
        """Note that the decodes beside the prompts of an iteration are done."""

    def join(self, context: int, iteration: int) -> None:
        """Count a prefilled sequence of `context` tokens into the decode batch."""
        self._classes[self._residue(context, iteration)] += 1
        self.sequences += 1

    def leave(self, request: Request, iteration: int, ended: bool) -> None:
        """Take a sequence out of the decode batch and free its blocks; `ended` is as above."""
        context = request.context_at(iteration)
        self._classes[self._residue(context, iteration)] -= 1
        self.sequences -= 1
        self._release_decode(request, context, ended)

    def _release_decode(self, request: Request, context: int, ended: bool) -> None:
        self.free += self.blocks_for(context - 1)

    def begin_iteration(self, growth: int) -> None:
        """Take the blocks of the decodes of an iteration, before those of its prompts."""
        self.free -= growth

    def undo_iteration(self, growth: int) -> None:
        """Give them back, as the iteration has no prompts: it begins a run of decodes."""
        self.free += growth

    def take_ahead(self, growth: int) -> None:
        """Forget the text in the next `growth` blocks, which a decode iteration under way takes."""

    def blocks_needed(self, iteration: int, iterations: int) -> int:
        """Return the blocks that the next `iterations` decode iterations take."""
        size, classes = self.block_size, self._classes
        rounds, remainder = divmod(iterations, size)
        needed = rounds * self.sequences
        for offset in range(iteration, iteration + remainder):
            needed += classes[offset % size]
        return needed

    def surely_fit(self, iterations: int, spare: int) -> bool:
        """Return whether so many decode iterations fit wherever in their blocks sequences are.

        If not, the blocks must be counted; so they must where windows give some back.

        Args:
            iterations: Decode iterations.
            spare: Blocks that must stay free.
        """
        most = -(-iterations // self.block_size) * self.sequences
        return most + spare <= self.free and not self.frees_while_decoding

    def affordable_iterations(self, iteration: int, wanted: int) -> int:
        """Return the number of the next `wanted` decode iterations that the free blocks allow."""
        size, free = self.block_size, self.free
        if -(-wanted // size) * self.sequences <= free:
            return wanted
        rounds = free // self.sequences
        free_after = free - rounds * self.sequences
        done = rounds * size
        while done < wanted:
            free_after -= self._classes[(iteration + done) % size]
            if free_after < 0:
                return done
            done += 1
        return wanted

    def most_freed(self, iteration: int, wanted: int) -> int:
        """Return by how many blocks the free ones grow at most in the next `wanted` iterations."""
        return 0

    def advance(self, iteration: int, iterations: int) -> None:
        """Take the blocks of `iterations` decode iterations."""
        self.free -= self.blocks_needed(iteration, iterations)

    def _residue(self, context: int, iteration: int) -> int:
        return (iteration - (context - 1)) % self.block_size


class StateKvCache(KvCache):
    """A cache in which every sequence holds blocks for its states, too, whatever its length.

    vLLM keeps the states of Mamba and linear attention in the pool of the KV blocks: each group of
    such layers takes one block for a sequence.

    Args:
        blocks: Number of blocks.
        state_blocks: Blocks that the states of a sequence take.
    """

    __slots__ = ("_state_blocks",)

    def __init__(
        self,
        blocks: int,
        state_blocks: int,
        block_size: int = BLOCK_SIZE,
        watermark: float = 0.01,
    ) -> None:
        super().__init__(blocks, block_size, watermark)
        self._state_blocks = state_blocks

    def blocks_for(self, tokens: int) -> int:
        """Return the blocks that a sequence of `tokens` holds, those of its states included."""
        return -(-tokens // self.block_size) + self._state_blocks if tokens else 0


class ReservedKvCache(KvCache):
    """A cache in which every sequence holds the blocks of the longest one from the start.

    Engines before paging reserved memory this way (Orca, FasterTransformer): growth takes no
    blocks, so no sequence is ever evicted.

    Args:
        blocks: Number of blocks.
        longest: Tokens that each sequence reserves.
    """

    __slots__ = ("_reserved",)

    def __init__(self, blocks: int, longest: int, block_size: int = BLOCK_SIZE) -> None:
        super().__init__(blocks, block_size, watermark=0.0)
        self._reserved = min(-(-longest // block_size), blocks)

    def blocks_for(self, tokens: int) -> int:
        """Return the blocks that a sequence reserves, whatever its length."""
        return self._reserved

    def can_ever_hold(self, tokens: int) -> bool:
        """Return whether a sequence that grows to `tokens` fits into its reservation."""
        return tokens <= self._reserved * self.block_size

    def blocks_needed(self, iteration: int, iterations: int) -> int:
        """Return 0: all blocks were taken at the start."""
        return 0

    def affordable_iterations(self, iteration: int, wanted: int) -> int:
        """Return `wanted`."""
        return wanted
