"""A replica: one copy of the model on its GPUs.

Without pipeline parallelism it is one engine. With several stages there are as many engines as
stages, each with its share of the batch cap and the KV cache, so that every stage has a batch to
work on (the virtual engines of vLLM v0); a request stays with the engine it was given to. That of a
scheduler of all stages is in :mod:`inference_sim.staged_replica`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import cast

from inference_sim.disaggregated import DecodeEngine
from inference_sim.engine import Engine
from inference_sim.execution import ExecutionModel
from inference_sim.request import Outcome, Request


class Replica:
    """A replica that serves the requests given to :meth:`submit`.

    Args:
        index: Its number in the cluster.
        engines: Its engines.
    """

    def __init__(self, index: int, engines: Sequence[Engine]) -> None:
        self.index = index
        self.engines = tuple(engines)

    @property
    def waiting(self) -> int:
        """Requests not yet in a batch."""
        return sum(engine.queued for engine in self.engines)

    @property
    def running(self) -> int:
        """Requests in a batch, those whose prompt is being computed included."""
        return sum(len(engine.running) + len(engine.prefilling) for engine in self.engines)

    @property
    def outstanding(self) -> int:
        """Requests waiting or being served."""
        return sum(engine.outstanding for engine in self.engines)

    @property
    def preemptions(self) -> int:
        """Number of evictions so far."""
        return sum(engine.preemptions for engine in self.engines)

    @property
    def prefilled_tokens(self) -> int:
        """Tokens of prefills computed so far [tokens]."""
        return sum(engine.prefilled_tokens for engine in self.engines)

    @property
    def cached_tokens(self) -> int:
        """Tokens of prefills found in the KV cache so far [tokens]."""
        return sum(engine.kv.hit_tokens for engine in self.engines)

    @property
    def loaded_tokens(self) -> int:
        """Tokens of prefills loaded from host memory so far [tokens]."""
        return sum(engine.kv.loaded_tokens for engine in self.engines)

    @property
    def kv_utilisation(self) -> float:
        """Share of the KV blocks in use."""
        return sum(engine.kv_utilisation for engine in self.engines) / len(self.engines)

    def hit(self, request: Request) -> int:
        """Return the most tokens of a prompt that one of its caches would find now.

        Those in host memory count, too.
        """
        for engine in self.engines:
            engine.catch_up()
        return max(engine.kv.found(request) for engine in self.engines)

    def submit(self, request: Request) -> None:
        """Give a request to the engine with the fewest outstanding requests."""
        request.replica = self.index
        engines = self.engines
        chosen = engines[0]
        if len(engines) > 1:
            chosen = min(engines, key=lambda engine: engine.outstanding)
        chosen.submit(request)

    def receive(self, request: Request) -> None:
        """Give a request whose prompt was computed elsewhere to the engine, which decodes it."""
        request.replica = self.index
        cast(DecodeEngine, self.engines[0]).receive(request)

    def cancel(self, request: Request) -> None:
        """Drop a request: at once if it waits, or with the iteration under way."""
        for engine in self.engines:
            if engine.holds(request):
                engine.cancel(request)

    def set_batch_cap(self, batch_cap: int) -> None:
        """Share a new batch cap among the engines, at least one sequence each."""
        for engine in self.engines:
            engine.set_batch_cap(max(1, batch_cap // len(self.engines)))

    def resize_host(self, blocks: int) -> None:
        """Make room for so many KV blocks in the host memory of each engine."""
        for engine in self.engines:
            engine.resize_host(blocks)

    def set_stages(self, stages: Sequence[ExecutionModel]) -> None:
        """Set the execution models of the stages from the next iteration on."""
        self.engines[0].pipeline.stages = tuple(stages)
        for engine in self.engines:
            engine.change_pace()

    def take_ended(self) -> tuple[list[Request], list[Request]]:
        """Return requests that completed, or got their first token, since the last call."""
        completed: list[Request] = []
        first_tokens: list[Request] = []
        for engine in self.engines:
            completed += engine.ended
            first_tokens += engine.first_tokens
            engine.ended, engine.first_tokens = [], []
        return completed, first_tokens

    def take_in_flight(self) -> list[Request]:
        """Return the requests waiting or running, with their energy; this ends the run."""
        requests: list[Request] = []
        for engine in self.engines:
            engine.settle()
            served = [*engine.running, *engine.prefilling]
            for request in served:
                request.outcome = Outcome.RUNNING
            requests += [*engine.waiting, *engine.arrived, *engine.loading, *served]
        return requests
