"""vLLM's v1 scheduler written out plainly: every block, every token, one list of sequences."""

from __future__ import annotations

import math
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import Any

from calibration.schedules import Iteration, LinearTimes
from inference_sim.kv_groups import KvGroups
from inference_sim.request import Request
from inference_sim.scheduling.releases import Release
from inference_sim.speculative import Speculative

BLOCK = 16


class BlockPool:
    """Free blocks in the order in which they are taken, and the blocks that can be found."""

    def __init__(self, blocks: int) -> None:
        self.free: OrderedDict[int, None] = OrderedDict((block, None) for block in range(blocks))
        self.hash_of: dict[int, int] = {}
        self.found: dict[int, list[int]] = {}
        self.references = [0] * blocks

    def find(self, key: int) -> int | None:
        blocks = self.found.get(key)
        return blocks[0] if blocks else None

    def touch(self, block: int) -> None:
        if self.references[block] == 0:
            del self.free[block]
        self.references[block] += 1

    def take(self) -> int:
        block, _ = self.free.popitem(last=False)
        key = self.hash_of.pop(block, None)
        if key is not None:
            self.found[key].remove(block)
        self.references[block] = 1
        return block

    def remember(self, block: int, key: int) -> None:
        if block not in self.hash_of:
            self.hash_of[block] = key
            self.found.setdefault(key, []).append(block)

    def give_back(self, blocks: list[int], empty_first: bool) -> None:
        """Free the blocks of a request, its last one first."""
        empty: list[int] = []
        for block in reversed(blocks):
            self.references[block] -= 1
            if self.references[block]:
                continue
            if empty_first and block not in self.hash_of:
                empty.append(block)
            else:
                self.free[block] = None
        for block in empty:
            self.free[block] = None
            self.free.move_to_end(block, last=False)


@dataclass
class Sequence:
    request: Request
    text: list[tuple[int, int]]  # its tokens: the stream, and the place in it
    computed: int = 0
    decoding: bool = False
    blocks: list[int] = field(default_factory=list)
    tokens_s: list[float] = field(default_factory=list)


class PlainVllm:
    """One engine."""

    def __init__(
        self,
        blocks: int,
        max_num_seqs: int,
        max_num_batched_tokens: int,
        release: Release,
        times: LinearTimes,
        *,
        caching: bool,
    ) -> None:
        self.pool = BlockPool(blocks)
        self.max_num_seqs, self.budget = max_num_seqs, max_num_batched_tokens
        self.release, self.times, self.caching = release, times, caching
        self.running: list[Sequence] = []
        self.waiting: list[Sequence] = []
        self.evicted: list[int] = []
        self.hashes: dict[tuple[int, tuple[tuple[int, int], ...]], int] = {}

    def serve(self, requests: list[Request]) -> tuple[list[Iteration], list[Sequence]]:
        sequences = [Sequence(one, text_of(one)) for one in requests]
        coming, iterations, now_s = list(sequences), list[Iteration](), 0.0
        while coming or self.waiting or self.running:
            if not self.waiting and not self.running:
                now_s = max(now_s, coming[0].request.arrival_s)
            while coming and coming[0].request.arrival_s <= now_s:
                self.waiting.append(coming.pop(0))
            scheduled = self.schedule()
            if not scheduled:
                continue
            prompts = [(one, new) for one, new in scheduled if not one.decoding]
            contexts = [len(one.text) for one, _ in scheduled if one.decoding]
            parts = tuple((one.request.request_id, new, one.computed) for one, new in prompts)
            iterations.append(Iteration(now_s, parts, len(contexts), tuple(self.evicted)))
            self.evicted = []
            read = self.context_read(contexts)
            now_s += self.times.iteration(
                [(new, before) for _, new, before in parts], 0, len(contexts), read
            ).duration_s
            for one, new in scheduled:
                self.emit(one, new, now_s)
        return iterations, sequences

    def schedule(self) -> list[tuple[Sequence, int]]:
        """Return what the next iteration computes: sequences, and how many tokens of each."""
        budget, scheduled, nobody_evicted = self.budget, list[tuple[Sequence, int]](), True
        while len(scheduled) < len(self.running) and budget > 0:
            one = self.running[len(scheduled)]
            new = min(self.uncomputed(one), budget)
            while not self.allocate(one, new) and self.running[-1] is not one:
                self.evict()
                nobody_evicted = False
            if not self.holds(one, one.computed + new):
                self.evict()
                nobody_evicted = False
                break
            scheduled.append((one, new))
            budget -= new
        while (
            nobody_evicted and self.waiting and budget > 0 and len(self.running) < self.max_num_seqs
        ):
            one = self.waiting[0]
            found = self.find(one)
            new = min(len(one.text) - len(found) * BLOCK, budget)
            last = len(one.text) if self.release.admits_whole_prompts else len(found) * BLOCK + new
            free = sum(self.pool.references[block] == 0 for block in found)
            if self.blocks_of(last) - len(found) + free > len(self.pool.free):
                break
            for block in found:
                self.pool.touch(block)
            one.blocks, one.computed = found, len(found) * BLOCK
            assert self.allocate(one, new)
            self.running.append(self.waiting.pop(0))
            scheduled.append((one, new))
            budget -= new
        return scheduled

    def uncomputed(self, one: Sequence) -> int:
        return len(one.text) - one.computed

    def context_read(self, contexts: list[int]) -> float:
        return sum(contexts)

    def blocks_of(self, tokens: int) -> int:
        return -(-tokens // BLOCK)

    def holds(self, one: Sequence, tokens: int) -> bool:
        return len(one.blocks) * BLOCK >= tokens

    def allocate(self, one: Sequence, new: int) -> bool:
        needed = -(-(one.computed + new) // BLOCK) - len(one.blocks)
        if needed > len(self.pool.free):
            return False
        one.blocks += [self.pool.take() for _ in range(needed)]
        if self.caching:
            for block, key in zip(one.blocks, self.keys(one, one.computed + new), strict=False):
                self.pool.remember(block, key)
        return True

    def keys(self, one: Sequence, tokens: int) -> list[int]:
        """Return the hash of each whole block of the first tokens: of all that stands up to it."""
        keys, key = list[int](), 0
        for end in range(BLOCK, tokens + 1, BLOCK):
            key = self.hashes.setdefault(
                (key, tuple(one.text[end - BLOCK : end])), len(self.hashes) + 1
            )
            keys.append(key)
        return keys

    def find(self, one: Sequence) -> list[int]:
        blocks = list[int]()
        for key in self.keys(one, len(one.text) - 1) if self.caching else ():
            block = self.pool.find(key)
            if block is None:
                break
            blocks.append(block)
        return blocks

    def evict(self) -> None:
        victim = self.running.pop()
        self.free(victim)
        victim.computed, victim.decoding = 0, False
        self.waiting.insert(0, victim)
        self.evicted.append(victim.request.request_id)

    def free(self, one: Sequence) -> None:
        self.pool.give_back(one.blocks, self.release.takes_empty_blocks_first)
        one.blocks = []

    def emit(self, one: Sequence, new: int, now_s: float) -> None:
        one.computed += new
        if one.computed < len(one.text):
            return
        one.decoding = True
        one.text.append((one.request.answer_stream, len(one.text) - one.request.prompt_tokens))
        one.tokens_s.append(now_s)
        if len(one.tokens_s) == one.request.output_tokens:
            self.running.remove(one)
            self.free(one)


class PlainDraftingVllm(PlainVllm):
    """The same with drafts, whose blocks a sequence keeps until it ends; nothing is cached.

    Iteration i of those that decode gives each sequence the tokens between floor(i r) and
    floor((i + 1) r), and reads a context that grows by r.
    """

    def __init__(self, speculative: Speculative, *arguments: Any) -> None:
        super().__init__(*arguments, caching=False)
        self.drafts = speculative.draft_tokens
        self.ahead = self.drafts if speculative.draft is not None else 0
        self.rate = 1 + speculative.accepted_tokens
        self.decodes = self.given = 0

    def uncomputed(self, one: Sequence) -> int:
        return super().uncomputed(one) + (self.drafts if one.decoding else 0)

    def context_read(self, contexts: list[int]) -> float:
        read = sum(contexts) + len(contexts) * (self.rate * self.decodes - self.given)
        if contexts:
            self.decodes += 1
            self.given = math.floor(self.decodes * self.rate)
        return read

    def holds(self, one: Sequence, tokens: int) -> bool:
        return super().holds(one, tokens + (self.ahead if one.decoding else 0))

    def allocate(self, one: Sequence, new: int) -> bool:
        return super().allocate(one, new + (self.ahead if one.decoding else 0))

    def emit(self, one: Sequence, new: int, now_s: float) -> None:
        if not one.decoding:
            super().emit(one, new, now_s)
            return
        given = self.given - math.floor((self.decodes - 1) * self.rate)
        for _ in range(min(given, one.request.output_tokens - len(one.tokens_s))):
            super().emit(one, 1, now_s)


class PlainWindowedVllm(PlainVllm):
    """The same with groups of layers, each with a table of blocks; nothing is cached.

    Attention windows leave blocks at the beginning of a step, before anything is scheduled in it.
    vLLM does it sequence by sequence.
    """

    def __init__(self, groups: KvGroups, *arguments: Any) -> None:
        super().__init__(*arguments, caching=False)
        self.groups = groups
        self.tables: dict[int, list[list[int | None]]] = {}

    def table(self, one: Sequence) -> list[list[int | None]]:
        empty = [list[int | None]() for _ in range(self.groups.count)]
        return self.tables.setdefault(one.request.request_id, empty)

    def schedule(self) -> list[tuple[Sequence, int]]:
        for one in self.running:
            first_seen = one.computed + 1 - self.groups.window_tokens
            for blocks in self.table(one)[self.groups.full :]:
                for index in range(max(0, first_seen) // BLOCK):
                    block = blocks[index]
                    if block is not None:
                        self.pool.give_back([block], empty_first=False)
                        blocks[index] = None
        return super().schedule()

    def blocks_of(self, tokens: int) -> int:
        each = super().blocks_of(tokens)
        in_flight = self.budget  # the schedules are synchronous
        most = -(-(self.groups.window_tokens - 1 + in_flight) // BLOCK) + 1
        return self.groups.full * each + self.groups.windowed * min(each, most)

    def holds(self, one: Sequence, tokens: int) -> bool:
        return all(len(blocks) * BLOCK >= tokens for blocks in self.table(one))

    def allocate(self, one: Sequence, new: int) -> bool:
        table = self.table(one)
        last = -(-(one.computed + new) // BLOCK)
        if sum(last - len(blocks) for blocks in table) > len(self.pool.free):
            return False
        for blocks in table:
            blocks += [self.pool.take() for _ in range(last - len(blocks))]
        return True

    def free(self, one: Sequence) -> None:
        for blocks in self.tables.pop(one.request.request_id):
            self.pool.give_back([block for block in blocks if block is not None], False)


def text_of(request: Request) -> list[tuple[int, int]]:
    return [(stream, place) for stream, tokens in request.content or () for place in range(tokens)]
