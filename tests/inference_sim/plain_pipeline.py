"""vLLM's v1 engine with pipeline stages written out plainly: its queue of batches, step by step."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass, field
from typing import Any

from calibration.schedules import Iteration, LinearTimes
from inference_sim.request import Request
from tests.inference_sim.plain_vllm import BLOCK, PlainVllm, Sequence, text_of


@dataclass
class Part:
    """What a batch computes of a sequence."""

    sequence: Sequence
    tokens: int
    before: int
    decodes: bool
    samples: bool


@dataclass
class Batch:
    parts: list[Part]
    start_s: float
    end_s: float


@dataclass
class PlainPipeline:
    """``EngineCore.step_with_batch_queue`` over the scheduler of one stage.

    An evicted sequence waits until its token in flight has come, or with async scheduling until all
    of it that is in flight has returned. With async scheduling (0.33), a batch is
    planned one batch ahead: it sees who had come when the batch before the last returned.
    """

    scheduler: PlainVllm
    stages: list[LinearTimes]
    queue: deque[Batch] = field(default_factory=deque)  # the newest first
    free_s: list[float] = field(default_factory=list)  # by stage
    in_flight: dict[int, int] = field(default_factory=dict)  # batches by request

    def serve(self, requests: list[Request]) -> tuple[list[Iteration], list[Sequence]]:
        scheduler, size = self.scheduler, len(self.stages)
        ahead = scheduler.release.schedules_ahead
        self.free_s = [0.0] * size
        self.in_flight = dict.fromkeys((one.request_id for one in requests), 0)
        sequences = [Sequence(one, text_of(one)) for one in requests]
        coming, iterations = deque(sequences), list[Iteration]()
        now_s = seen_s = returned_s = 0.0
        while coming or scheduler.waiting or scheduler.running or self.queue:
            busy = scheduler.waiting or scheduler.running
            if not busy and not self.queue:
                now_s = seen_s = returned_s = max(now_s, coming[0].request.arrival_s)
            until_s = seen_s if ahead and busy else now_s
            while coming and coming[0].request.arrival_s <= until_s:
                scheduler.waiting.append(coming.popleft())
            if scheduler.waiting or scheduler.running:
                parts = self.schedule()
                self.queue.appendleft(self.execute(parts, now_s))
                if parts:
                    iterations.append(iteration_of(self.queue[0]))
                more = ahead or (parts and self.queue[-1].end_s > now_s)
                if more and len(self.queue) < size:
                    continue
            oldest = self.queue.pop()
            now_s = max(now_s, oldest.end_s)
            seen_s, returned_s = returned_s, now_s
            self.update(oldest, now_s)
        return iterations, sequences

    def execute(self, parts: list[Part], now_s: float) -> Batch:
        if not parts:  # it is done as soon as the batches before it
            end_s = self.queue[0].end_s if self.queue else now_s
            return Batch([], now_s, end_s)
        chunks = [(part.tokens, part.before) for part in parts if not part.decodes]
        contexts = [part.before + 1 for part in parts if part.decodes]
        ready_s, start_s = now_s, math.nan
        for stage, times in enumerate(self.stages):
            begin_s = max(ready_s, self.free_s[stage])
            start_s = begin_s if stage == 0 else start_s
            cost = times.iteration(chunks, 0, len(contexts), sum(contexts))
            ready_s = self.free_s[stage] = begin_s + cost.duration_s
        return Batch(parts, start_s, ready_s)

    def schedule(self) -> list[Part]:
        scheduler = self.scheduler
        budget, parts, index, nobody_evicted = scheduler.budget, list[Part](), 0, True
        while index < len(scheduler.running) and budget > 0:
            one = scheduler.running[index]
            new = min(len(one.text) - one.computed, budget)
            if new == 0:  # its token is in flight
                index += 1
                continue
            while not scheduler.allocate(one, new) and scheduler.running[-1] is not one:
                scheduler.evict()
                nobody_evicted = False
            if not scheduler.holds(one, one.computed + new):
                scheduler.evict()
                nobody_evicted = False
                break
            parts.append(self.part(one, new))
            budget -= new
            index += 1
        skipped = list[Sequence]()
        while (
            nobody_evicted
            and scheduler.waiting
            and budget > 0
            and len(scheduler.running) < scheduler.max_num_seqs
        ):
            one = scheduler.waiting[0]
            if self.in_flight[one.request.request_id]:
                skipped.append(scheduler.waiting.pop(0))
                continue
            found = scheduler.find(one)
            new = min(len(one.text) - len(found) * BLOCK, budget)
            whole = scheduler.release.admits_whole_prompts
            last = len(one.text) if whole else len(found) * BLOCK + new
            free = sum(scheduler.pool.references[block] == 0 for block in found)
            if scheduler.blocks_of(last) - len(found) + free > len(scheduler.pool.free):
                break
            for block in found:
                scheduler.pool.touch(block)
            one.blocks, one.computed = found, len(found) * BLOCK
            assert scheduler.allocate(one, new)
            scheduler.running.append(scheduler.waiting.pop(0))
            parts.append(self.part(one, new))
            budget -= new
        scheduler.waiting[:0] = skipped
        return parts

    def part(self, one: Sequence, new: int) -> Part:
        """Count the tokens as computed from now on, so that more of a prompt may follow."""
        part = Part(one, new, one.computed, one.decoding, one.computed + new == len(one.text))
        one.computed += new
        self.in_flight[one.request.request_id] += self.counts(part)
        return part

    def counts(self, part: Part) -> bool:
        return part.samples or self.scheduler.release.schedules_ahead

    def update(self, batch: Batch, now_s: float) -> None:
        """Take the tokens of a batch, also of sequences that were evicted meanwhile."""
        scheduler = self.scheduler
        for part in batch.parts:
            one = part.sequence
            self.in_flight[one.request.request_id] -= self.counts(part)
            if not part.samples:
                continue
            one.decoding = one in scheduler.running
            place = len(one.text) - one.request.prompt_tokens
            one.text.append((one.request.answer_stream, place))
            one.tokens_s.append(now_s)
            if len(one.tokens_s) == one.request.output_tokens:
                (scheduler.running if one.decoding else scheduler.waiting).remove(one)
                scheduler.free(one)


def iteration_of(batch: Batch) -> Iteration:
    prompts: list[Any] = [
        (part.sequence.request.request_id, part.tokens, part.before)
        for part in batch.parts
        if not part.decodes
    ]
    decodes = sum(part.decodes for part in batch.parts)
    return Iteration(batch.start_s, tuple(prompts), decodes, ())
