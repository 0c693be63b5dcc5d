"""Sequences that decode together on a pipeline, and the batch in flight that computes them.

A batch counts from the moment it is formed, as in vLLM: its decodes hold the blocks of their new
tokens, and the next part of its last prompt may follow in the batch behind it. The tokens come, and
sequences end, when it leaves the last stage.
"""

from __future__ import annotations

import simpy

from inference_sim.engine import Engine
from inference_sim.kv_cache import KvCache
from inference_sim.meter import Meter
from inference_sim.pipeline import Pipeline
from inference_sim.request import Outcome, Request
from inference_sim.scheduling import Chunk, Scheduler

_JOINS = 1 << 40
"""More than the times that sequences join a cohort."""


class Cohort(Engine):
    """Sequences of a replica that are always in the same batch.

    Args:
        number: Its number in the replica.
        admitted: The requests that the replica runs, each with the cohort that it was last in.

    Attributes:
        ends_s: Time at which its batch leaves the last stage [s].
        evicted: Requests that were evicted while they were in its batch.
    """

    def __init__(
        self,
        number: int,
        admitted: dict[Request, Cohort],
        env: simpy.Environment,
        pipeline: Pipeline,
        scheduler: Scheduler,
        kv: KvCache,
    ) -> None:
        super().__init__(env, pipeline, scheduler, kv, Meter())
        self._number, self._admitted = number, admitted
        self._joins = number * _JOINS  # a request that changes cohorts never gets a number twice
        self.ends_s = 0.0
        self.evicted: dict[Request, None] = {}

    @property
    def in_flight(self) -> bool:
        """Whether it has a batch on the pipeline."""
        return bool(self._under_way)

    def computes(self, request: Request) -> bool:
        """Return whether a request is in its batch in flight."""
        return self.in_flight and (
            request in self.running
            or request in self.evicted
            or any(chunk.request is request for chunk in self.chunks)
        )

    def owes(self, request: Request) -> bool:
        """Return whether a token of a request is in flight."""
        return self.in_flight and (
            request in self._evicted_decodes()
            or request in self.running
            or any(chunk.request is request and chunk.completes for chunk in self.chunks)
        )

    def growth(self) -> int:
        """Return the blocks that its next decodes take."""
        self.kv.turn_to(self._number)
        return self.kv.blocks_needed(self.iteration, 1) if self.running else 0

    def enter(self, chunks: list[Chunk]) -> None:
        """Send its decodes and chunks of prompts, whose blocks are taken, into the pipeline."""
        self.kv.turn_to(self._number)
        decoding = len(self.running)
        costs = self._costs(chunks, decoding)
        starts_s = self.pipeline.enter(self.env.now, [cost.duration_s for cost in costs])
        self.ends_s = self._begin_iteration(starts_s, costs, chunks, decoding)
        if decoding:
            self.kv.end_iteration(self.iteration)
            self.iteration += 1
            self.context += decoding
        for chunk in chunks:
            chunk.request.computed_tokens = chunk.before + chunk.tokens
            self.kv.end_chunk(chunk.before, chunk.tokens)

    def end_batch(self) -> None:
        """Take the tokens of the batch that leaves the last stage."""
        self.kv.turn_to(self._number)
        self._close()
        for request in self._evicted_decodes():
            self.meter.stop_decode(request)
            self._complete_evicted(request)
        self._complete_due()
        for chunk in self.chunks:
            request = chunk.request
            self.meter.credit_prefill(request, chunk.tokens)
            if chunk.completes and request in self.evicted:
                self._count_first(request)
                self._complete_evicted(request)
            elif chunk.completes:
                self._emit_first(request)
        self.chunks, self.prefilling, self.evicted = [], [], {}

    def evict(self, victim: Request) -> None:
        """Free the blocks of a sequence; the token of a batch in flight comes nevertheless."""
        self.kv.turn_to(self._number)
        if victim not in self.running:
            self.kv.release(victim, self.scheduler.held_tokens(victim), False)
            victim.computed_tokens = 0
        else:
            self._count_tokens(victim)
            if not self.in_flight:
                self._leave(victim, False)
            else:  # it bears its share of this batch
                del self.running[victim]
                self.context -= victim.context_at(self.iteration)
                self.kv.leave(victim, self.iteration, False)
                victim.join_id = -1
        self.preemptions += 1

    def drop(self, request: Request) -> None:
        """Free the blocks of a request that is not in flight, and whose client gave up."""
        self.kv.turn_to(self._number)
        if request in self.running:
            self._count_tokens(request)
            self._leave(request, True)
        else:
            self.kv.release(request, self.scheduler.held_tokens(request), True)

    def end(self, request: Request, outcome: Outcome) -> None:
        """Note the end of a request."""
        self._end(request, outcome)

    def settle(self) -> None:
        """Bring requests still being served up to now: their tokens, and their energy."""
        ahead = int(self.in_flight)  # tokens that have not come
        decoding = self._evicted_decodes()
        for request in decoding:
            request.generated_tokens -= 1
        for request in self.running:
            self._count_tokens(request)
            request.generated_tokens -= ahead
        self.meter.attribution.credit_in_flight([*self.running, *decoding], self.chunks)

    def _evicted_decodes(self) -> list[Request]:
        """Return the evicted requests that decode in its batch."""
        prompts = [chunk.request for chunk in self.chunks]
        return [request for request in self.evicted if request not in prompts]

    def _count_tokens(self, request: Request) -> None:
        """Count the tokens of a decoding sequence, the one in flight included."""
        left = request.finish_iteration - self.iteration
        request.generated_tokens = request.output_tokens - left

    def _complete_evicted(self, request: Request) -> None:
        """Complete an evicted request if the token that has come is its last."""
        if request.generated_tokens == request.output_tokens:
            self._complete(request)

    def _end(self, request: Request, outcome: Outcome) -> None:
        self._admitted.pop(request, None)
        super()._end(request, outcome)
