"""KV caches of models with attention windows: windowed layers give back the blocks they have left.

While a sequence decodes, it takes a block for each group of layers every `block_size` tokens, and
each windowed group gives one back as often, once the window is full. Both recur with the block
size, so one counter per residue class gives the blocks that a run of iterations takes and gives
back, as in :mod:`inference_sim.kv_cache`. A run ends when the window of a sequence fills up.

Blocks that a window leaves are free for all that is scheduled next. vLLM frees them when it comes
to the sequence, so that one that it schedules before may be evicted for want of them.
"""

from __future__ import annotations

import heapq

from inference_sim.kv_cache import KvCache
from inference_sim.kv_groups import KvGroups
from inference_sim.prefix_cache import PrefixCache
from inference_sim.request import Request


class AttentionWindows:
    """The blocks of windowed layers, and when their sequences give them back.

    Args:
        groups: The groups of layers.
        block_size: Tokens of a block [tokens].

    Attributes:
        sequences: Sequences that decode with a full window.
    """

    __slots__ = (
        "_aside", "_batch", "_counts", "_fills", "_groups", "_leaving", "_reach", "_size",
        "sequences",
    )  # fmt: skip

    def __init__(self, groups: KvGroups, block_size: int) -> None:
        self._groups = groups.windowed
        self._reach = groups.window_tokens
        self._size = block_size
        self._leaving = [0] * block_size  # by residue of the iteration that a block is left after
        self._fills: list[int] = []  # heap of iterations at which windows fill up
        self._counts: dict[int, int] = {}  # sequences by that iteration
        self.sequences = 0
        self._batch = 0
        self._aside: dict[int, tuple[list[int], list[int], dict[int, int], int]] = {}

    def turn_to(self, batch: int) -> None:
        """Count the sequences of a batch from now on, of several that are in flight."""
        if batch != self._batch:
            counted = (self._leaving, self._fills, self._counts, self.sequences)
            self._aside[self._batch] = counted
            none: tuple[list[int], list[int], dict[int, int], int] = ([0] * self._size, [], {}, 0)
            counted = self._aside.pop(batch, none)
            self._leaving, self._fills, self._counts, self.sequences = counted
            self._batch = batch

    def left(self, tokens: int) -> int:
        """Return the blocks that the window has left once `tokens` are computed."""
        return self._groups * max(0, (tokens + 1 - self._reach) // self._size)

    def held(self, tokens: int) -> int:
        """Return the blocks that a sequence holds once `tokens` are computed."""
        return self.taken(0, tokens) - self.left(tokens)

    def taken(self, before: int, tokens: int) -> int:
        """Return the blocks that `tokens` more take, of which `before` are computed."""
        size = self._size
        return self._groups * (-(-(before + tokens) // size) - -(-before // size))

    def join(self, context: int, iteration: int) -> None:
        """Count a sequence that begins to decode at `context` tokens."""
        fills = iteration - context + self._reach
        if fills <= iteration:
            self._leaving[(fills - 1) % self._size] += 1
            self.sequences += 1
            return
        if fills not in self._counts:
            heapq.heappush(self._fills, fills)
            self._counts[fills] = 0
        self._counts[fills] += 1

    def leave(self, context: int, iteration: int) -> None:
        """Count it no more."""
        fills = iteration - context + self._reach
        if fills <= iteration:
            self._leaving[(fills - 1) % self._size] -= 1
            self.sequences -= 1
            return
        self._counts[fills] -= 1

    def reach(self, iteration: int) -> None:
        """Count the sequences whose windows are full by an iteration."""
        while self._fills and self._fills[0] <= iteration:
            fills = heapq.heappop(self._fills)
            count = self._counts.pop(fills)
            self._leaving[(fills - 1) % self._size] += count
            self.sequences += count

    def released(self, iteration: int, iterations: int) -> int:
        """Return the blocks given back by the end of the next `iterations`."""
        rounds, remainder = divmod(iterations, self._size)
        blocks = rounds * self.sequences
        for offset in range(iteration, iteration + remainder):
            blocks += self._leaving[offset % self._size]
        return self._groups * blocks

    def affordable(
        self, joined: list[int], groups: int, free: int, iteration: int, wanted: int
    ) -> int:
        """Return the number of the next `wanted` iterations that `free` blocks allow.

        Args:
            joined: Sequences by residue of the iterations that take a block.
            groups: Groups of layers that take one.
            free: Free blocks.
            iteration: The iteration to begin with.
            wanted: Most iterations.
        """
        while self._fills and not self._counts[self._fills[0]]:
            del self._counts[heapq.heappop(self._fills)]  # all of them have left
        if self._fills:
            wanted = min(wanted, self._fills[0] - iteration)
        size = self._size
        held = most = 0
        for done in range(min(wanted, size)):
            phase = (iteration + done) % size
            held += groups * joined[phase]
            if held > free:
                return done
            most = max(most, held)
            held -= self._groups * self._leaving[phase]
        if wanted <= size or held <= 0:
            return wanted  # a round takes no more than it gives back
        rounds = (free - most) // held + 1
        done = rounds * size
        held *= rounds
        while done < wanted:
            phase = (iteration + done) % size
            held += groups * joined[phase]
            if held > free:
                return done
            held -= self._groups * self._leaving[phase]
            done += 1
        return wanted

    def most_freed(self, joined: list[int], groups: int, iteration: int, wanted: int) -> int:
        """Return by how many blocks the free ones grow at most after some of the next iterations.

        One round tells: the next ones end with no more.
        """
        size = self._size
        freed = most = 0
        for offset in range(iteration, iteration + min(wanted, size)):
            phase = offset % size
            freed += self._groups * self._leaving[phase] - groups * joined[phase]
            most = max(most, freed)
        return most


class WindowedKvCache(KvCache):
    """A cache shared by layers with full attention and layers with a window.

    Args:
        blocks: Number of blocks.
        groups: The groups of layers.
        in_flight_tokens: Most tokens that are computed at once [tokens].
        block_size: Tokens of a block [tokens].
    """

    __slots__ = ("_groups", "_in_flight_tokens", "_windows")

    def __init__(
        self, blocks: int, groups: KvGroups, in_flight_tokens: int, block_size: int
    ) -> None:
        super().__init__(blocks, block_size, watermark=0.0)
        self.frees_while_decoding = True
        self._groups = groups
        self._in_flight_tokens = in_flight_tokens
        self._windows = AttentionWindows(groups, block_size)

    def turn_to(self, batch: int) -> None:
        """Count the decoding sequences of a batch from now on, of several that are in flight."""
        super().turn_to(batch)
        self._windows.turn_to(batch)

    def utilisation(self, iteration: int, iterations: int) -> float:
        """Return the share of the blocks in use after `iterations` more decode iterations."""
        return 1.0 - (self.free - self._growth(iteration, iterations)) / self.blocks

    def blocks_for(self, tokens: int) -> int:
        """Return the blocks that `tokens` take if they are computed at once."""
        return self._groups.count * -(-tokens // self.block_size)

    def can_ever_hold(self, tokens: int) -> bool:
        """Return whether a sequence that grows to `tokens` fits into an empty cache."""
        most = self._groups.most_blocks(tokens, self._in_flight_tokens, self.block_size)
        return min(most, self.blocks_for(tokens)) <= self.blocks

    def free_blocks_for(self, request: Request, hit: int, tokens: int) -> int:
        """Return the blocks that the beginning of a prefill takes at most; nothing is found."""
        most = self._groups.most_blocks(tokens, self._in_flight_tokens, self.block_size)
        return min(most, self.blocks_for(tokens))

    def release(self, request: Request, tokens: int, ended: bool) -> None:
        """Give back the blocks of `tokens` of a prefill."""
        self.free += self.blocks_for(tokens) - self._windows.left(tokens)

    def end_chunk(self, before: int, tokens: int) -> None:
        """Give back the blocks that the window leaves as `tokens` more are computed."""
        self.free += self._windows.left(before + tokens) - self._windows.left(before)

    def end_iteration(self, iteration: int) -> None:
        """Give back the blocks that decodes beside prompts leave."""
        self.free += self._windows.released(iteration, 1)
        self._windows.reach(iteration + 1)

    def join(self, context: int, iteration: int) -> None:
        """Count a prefilled sequence of `context` tokens into the decode batch."""
        super().join(context, iteration)
        self._windows.join(context, iteration)

    def leave(self, request: Request, iteration: int, ended: bool) -> None:
        """Take a sequence out of the decode batch and free its blocks."""
        self._windows.leave(request.context_at(iteration), iteration)
        super().leave(request, iteration, ended)

    def _release_decode(self, request: Request, context: int, ended: bool) -> None:
        self.release(request, context - 1, ended)

    def blocks_needed(self, iteration: int, iterations: int) -> int:
        """Return the blocks that must be free for the last of the next `iterations`."""
        if not iterations:
            return 0
        taken = self._groups.count * super().blocks_needed(iteration, iterations)
        return taken - self._windows.released(iteration, iterations - 1)

    def affordable_iterations(self, iteration: int, wanted: int) -> int:
        """Return the next `wanted` iterations that the free blocks allow, or until a window fills.

        The next iteration must be affordable.
        """
        return self._windows.affordable(
            self._classes, self._groups.count, self.free, iteration, wanted
        )

    def most_freed(self, iteration: int, wanted: int) -> int:
        """Return by how many blocks the free ones grow at most in the next `wanted` iterations."""
        return self._windows.most_freed(self._classes, self._groups.count, iteration, wanted)

    def advance(self, iteration: int, iterations: int) -> None:
        """Take the blocks of `iterations` decode iterations, and give back those left."""
        self.free -= self._growth(iteration, iterations)
        self._windows.reach(iteration + iterations)

    def _growth(self, iteration: int, iterations: int) -> int:
        taken = self._groups.count * super().blocks_needed(iteration, iterations)
        return taken - self._windows.released(iteration, iterations)


class WindowedPrefixCache(PrefixCache):
    """A cache shared by windowed layers and one group with full attention, with prefix caching.

    Found is what the group with full attention has. The windows before a prefix that is found are
    taken to be there too, but take blocks that hold something else; blocks that a window leaves
    are not found again, and are the last to be taken.

    Args:
        blocks: Number of blocks.
        groups: The groups of layers, one with full attention.
        in_flight_tokens: Most tokens that are computed at once [tokens].
        block_size: Tokens of a block [tokens].
        takes_empty_first: Whether blocks that can never be found again are taken before all others.
    """

    __slots__ = ("_groups", "_in_flight_tokens", "_windows")

    def __init__(
        self,
        blocks: int,
        groups: KvGroups,
        in_flight_tokens: int,
        block_size: int,
        takes_empty_first: bool = False,
    ) -> None:
        super().__init__(blocks, block_size, takes_empty_first)
        self.frees_while_decoding = True
        self._groups = groups
        self._in_flight_tokens = in_flight_tokens
        self._windows = AttentionWindows(groups, block_size)

    def turn_to(self, batch: int) -> None:
        """Count the decoding sequences of a batch from now on, of several that are in flight."""
        super().turn_to(batch)
        self._windows.turn_to(batch)

    def utilisation(self, iteration: int, iterations: int) -> float:
        """Return the share of the blocks in use after `iterations` more decode iterations."""
        taken = self._groups.count * super().blocks_needed(iteration, iterations)
        growth = taken - self._windows.released(iteration, iterations)
        return 1.0 - (self.free - growth) / self.blocks

    def can_ever_hold(self, tokens: int) -> bool:
        """Return whether a sequence that grows to `tokens` fits into an empty cache."""
        most = self._groups.most_blocks(tokens, self._in_flight_tokens, self.block_size)
        return min(most, self._groups.count * self.blocks_for(tokens)) <= self.blocks

    def can_grow(self, before: int, tokens: int) -> bool:
        """Return whether `tokens` more of a prompt fit, of which `before` are held."""
        full = self.blocks_for(before + tokens) - self.blocks_for(before)
        return full + self._windows.taken(before, tokens) <= self.free

    def free_blocks_for(self, request: Request, hit: int, tokens: int) -> int:
        """Return the free blocks that the beginning of a prefill takes, the window's included."""
        reach = self._groups.window_tokens - 1 + self._in_flight_tokens
        most = self._groups.windowed * (-(-reach // self.block_size) + 1)
        windowed = min(self._windows.taken(hit, tokens), most) + self._windows.held(hit)
        return super().free_blocks_for(request, hit, tokens) + windowed

    def start(self, request: Request, hit: int, tokens: int) -> None:
        """Take the blocks of the beginning of a prefill: those that are found, and new ones."""
        super().start(request, hit, tokens)
        if hit:
            self._take_new(self._windows.held(hit))

    def grow(self, request: Request, before: int, tokens: int) -> None:
        """Take the blocks of `tokens` more of a prefill, of which `before` are held."""
        super().grow(request, before, tokens)
        self._take_new(self._windows.taken(before, tokens))

    def release(self, request: Request, tokens: int, ended: bool) -> None:
        """Give back the blocks of a request that holds `tokens`."""
        super().release(request, tokens, ended)
        self._give_back(self._windows.held(tokens))

    def end_chunk(self, before: int, tokens: int) -> None:
        """Give back the blocks that the window leaves as `tokens` more are computed."""
        self._give_back(self._windows.left(before + tokens) - self._windows.left(before))

    def end_iteration(self, iteration: int) -> None:
        """Give back the blocks that decodes beside prompts leave."""
        self._give_back(self._windows.released(iteration, 1))
        self._windows.reach(iteration + 1)

    def join(self, context: int, iteration: int) -> None:
        """Count a prefilled sequence of `context` tokens into the decode batch."""
        super().join(context, iteration)
        self._windows.join(context, iteration)

    def leave(self, request: Request, iteration: int, ended: bool) -> None:
        """Take a sequence out of the decode batch and free its blocks."""
        self._windows.leave(request.context_at(iteration), iteration)
        super().leave(request, iteration, ended)

    def blocks_needed(self, iteration: int, iterations: int) -> int:
        """Return the blocks that must be free for the last of the next `iterations`."""
        if not iterations:
            return 0
        taken = self._groups.count * super().blocks_needed(iteration, iterations)
        return taken - self._windows.released(iteration, iterations - 1)

    def affordable_iterations(self, iteration: int, wanted: int) -> int:
        """Return the next `wanted` iterations that the free blocks allow, or until a window fills.

        The next iteration must be affordable.
        """
        return self._windows.affordable(
            self._classes, self._groups.count, self.free, iteration, wanted
        )

    def most_freed(self, iteration: int, wanted: int) -> int:
        """Return by how many blocks the free ones grow at most in the next `wanted` iterations."""
        return self._windows.most_freed(self._classes, self._groups.count, iteration, wanted)

    def advance(self, iteration: int, iterations: int) -> None:
        """Take the blocks of `iterations` decode iterations, and give back those left.

        Blocks left in the run are taken again within it only where no others are free.
        """
        taken = self._groups.count * super().blocks_needed(iteration, iterations)
        released = self._windows.released(iteration, iterations)
        again = max(0, taken - self.free)
        self._take_counted(taken - again)
        self.free -= taken - again
        self._give_back(released - again)
        self._windows.reach(iteration + iterations)

    def _take_new(self, blocks: int) -> None:
        self.free -= blocks
        self._order.take(blocks)

    def _give_back(self, blocks: int) -> None:
        self.free += blocks
        self._order.append(None, 0, blocks)
