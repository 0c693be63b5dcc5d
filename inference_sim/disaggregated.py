"""Engines that share the work on a request: one computes its prompt, another one decodes it.

The first token comes from the prefill engine. Its blocks stay until the decode engine has read
them; that one reserves blocks as soon as it has room for the request, and decodes the first token
next. So nothing is computed twice. A sequence that the decode
engine evicts is computed again there.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence

import simpy

from inference_sim.engine import Engine
from inference_sim.errors import InferenceSimError
from inference_sim.execution import IterationCost
from inference_sim.kv_cache import KvCache
from inference_sim.meter import Meter
from inference_sim.pipeline import Pipeline
from inference_sim.receiving_cache import ReceivingCache
from inference_sim.request import Outcome, Request
from inference_sim.scheduling import Chunk, Scheduler
from inference_sim.speculative import Speculative


class PrefillEngine(Engine):
    """An engine whose requests leave it with their first token.

    Attributes:
        sending: Requests that have left it, whose blocks are not read yet.
        on_prefilled: Called with each request that leaves it, and the time from the start of the
            first iteration that computed its prompt to now [s].
    """

    def __init__(
        self,
        env: simpy.Environment,
        pipeline: Pipeline,
        scheduler: Scheduler,
        kv: KvCache,
        meter: Meter,
        *,
        stepwise: bool = False,
        speculative: Speculative | None = None,
    ) -> None:
        super().__init__(
            env, pipeline, scheduler, kv, meter, stepwise=stepwise, speculative=speculative
        )
        self.sending: dict[Request, None] = {}
        self.on_prefilled: Callable[[Request, float], None] | None = None
        self._began_s = 0.0  # the iteration under way
        self._oldest_s = 0.0  # the first iteration of the prompt that it goes on with
        self._newest_s = 0.0  # and of the prompt that it may leave computed in part

    @property
    def outstanding(self) -> int:
        """Requests waiting or being served, or whose blocks are not read yet."""
        return self.queued + len(self.running) + len(self.prefilling) + len(self.sending)

    def sent(self, request: Request) -> None:
        """Give back the blocks of a request that has left, which are not needed any more."""
        del self.sending[request]
        self.kv.release(request, request.prompt_tokens, True)
        self._cut_for_next()
        if self._asleep and self.on_idle is not None:
            self.on_idle()

    def _begin_iteration(
        self,
        starts_s: Sequence[float],
        costs: Sequence[IterationCost],
        chunks: list[Chunk],
        decoding: int,
    ) -> float:
        now_s: float = self.env.now
        goes_on = chunks[0].request.computed_tokens > 0
        self._began_s = now_s
        self._oldest_s = self._newest_s if goes_on else now_s
        if not goes_on or len(chunks) > 1:
            self._newest_s = now_s
        return super()._begin_iteration(starts_s, costs, chunks, decoding)

    def _emit_first(self, request: Request) -> None:
        """Take the token that a prefill ends with, and let the request go."""
        began_s = self._oldest_s if request.computed_tokens else self._began_s
        self._count_first(request)
        if request.generated_tokens == request.output_tokens:
            self.kv.release(request, request.prompt_tokens, True)
            self._complete(request)
        elif request in self._cancelled:
            self._cancelled.remove(request)
            self.kv.release(request, request.prompt_tokens, True)
            self._end(request, Outcome.TIMED_OUT)
        else:
            self.sending[request] = None
            if self.on_prefilled is not None:
                self.on_prefilled(request, self.env.now - began_s)

    def _waits_for_loads(self) -> bool:
        """Return whether the head of the queue, which does not fit, waits for blocks."""
        return super()._waits_for_loads() or len(self.sending) > 0


class DecodeEngine(Engine):
    """An engine that goes on with requests whose prompts others have computed.

    It computes the prompts of those that are submitted to it as ever. A request stays in `loading`
    until it joins the batch.

    Raises:
        InferenceSimError: If its cache takes no contexts.

    Attributes:
        on_reserved: Called with a request for whose context there are blocks now.
        on_forgotten: Called with a request whose context is not needed, as its client gave up.
    """

    def __init__(
        self,
        env: simpy.Environment,
        pipeline: Pipeline,
        scheduler: Scheduler,
        kv: KvCache,
        meter: Meter,
        *,
        stepwise: bool = False,
        speculative: Speculative | None = None,
    ) -> None:
        super().__init__(
            env, pipeline, scheduler, kv, meter, stepwise=stepwise, speculative=speculative
        )
        if not isinstance(kv, ReceivingCache):
            raise InferenceSimError(
                "role decode needs a scheduler whose KV cache takes contexts "
                f"(got {type(kv).__name__})"
            )
        self._receiving = kv
        self._landed: deque[Request] = deque()  # their context is here, and they are not running
        self.on_reserved: Callable[[Request], None] | None = None
        self.on_forgotten: Callable[[Request], None] | None = None

    def receive(self, request: Request) -> None:
        """Take a request whose prompt another engine has computed.

        It gets its blocks at once if nobody is before it and there is room, beside the iteration
        under way; otherwise it is queued.
        """
        if self.waiting or self.arrived or not self._has_place or not self._has_room(request):
            self._receiving.expect(request)
            self.submit(request)
            return
        self._receiving.reserve(request)
        if self._cuttable and self._blocks_of_run(self._planned) > self.kv.free:
            self._cut()
        self._announce(request)

    def land(self, request: Request) -> None:
        """Let a request join the batch, as its context has come."""
        self.kv.end_load(request)
        if request not in self.loading:  # its client has given up
            self.kv.release(request, request.prompt_tokens, True)
            self._cut_for_next()
            return
        self._landed.append(request)
        self._cut_for_next()

    def cancel(self, request: Request) -> None:
        """Drop a request: at once if it waits, or with the iteration under way."""
        if request in self._landed:
            self._landed.remove(request)
            del self.loading[request]
            self.kv.release(request, request.prompt_tokens, True)
            self._end(request, Outcome.TIMED_OUT)
            self._cut_for_next()
            return
        if self._receiving.forget(request) and self.on_forgotten is not None:
            self.on_forgotten(request)
        super().cancel(request)

    def _cut_for_next(self) -> None:
        """End the run of decodes under way for a context that has come, or the head of the queue.

        Those that have come and did not fit before may fit now.
        """
        if self._landed:
            self._wake()
            if self._cuttable and self._has_place:
                self._cut()
                return
        super()._cut_for_next()

    def _begin_loads(self) -> None:
        """Have the contexts of requests sent that the scheduler took off the queue."""
        begun, self.kv.begun_loads = self.kv.begun_loads, []
        for request in begun:
            self._announce(request)

    def _announce(self, request: Request) -> None:
        """Have the context of a request sent, as its blocks are reserved."""
        self.loading[request] = None
        if self.on_reserved is not None:
            self.on_reserved(request)

    def _has_room(self, request: Request) -> bool:
        """Return whether a context fits beside the iteration under way."""
        kv = self.kv
        room = kv.free - kv.blocks_for(request.prompt_tokens)
        if room < 0 or not self._under_way or self._under_way[0].prefill_tokens:
            return room >= 0  # an iteration that computes prompts has taken its blocks
        return self._blocks_of_run(self._iterations_done() + 1) <= room

    def _blocks_of_run(self, iterations: int) -> int:
        """Return the blocks that the run under way takes until so many iterations are done."""
        tokens = self._tokens_in(iterations) - self.caught_up
        return self.kv.blocks_needed(self.iteration + self.caught_up, tokens)

    def _go_on(self) -> None:
        self._join_landed()
        super()._go_on()

    def _waits_for_loads(self) -> bool:
        """Return whether the head of the queue, which does not fit, waits for contexts to come.

        First those join that have come: evictions have made room for them.
        """
        if self._landed:
            self._join_landed()
            return False
        return super()._waits_for_loads()

    @property
    def _has_place(self) -> bool:
        """Whether the batch has room for one sequence more."""
        begun = 1 if self._partial is not None else 0
        return len(self.running) + begun < self.scheduler.batch_cap

    def _join_landed(self) -> None:
        """Let the requests decode whose context has come, while there are places and blocks.

        If others that have come, or come, hold all blocks, the last one loses its own.
        """
        landed, kv = self._landed, self.kv
        while landed and self._has_place:
            request = landed[0]
            if self._fits(request):
                landed.popleft()
                del self.loading[request]
                self._join(request, request.prompt_tokens + request.generated_tokens)
            elif self.running or self._partial is not None:
                return
            else:
                youngest = landed.pop()
                del self.loading[youngest]
                kv.release(youngest, youngest.prompt_tokens, False)
                self._return(youngest)

    def _fits(self, request: Request) -> bool:
        """Return whether there are blocks for the next iteration if a request decodes in it."""
        own = 1 if request.prompt_tokens % self.kv.block_size == 0 else 0
        return self.kv.blocks_needed(self.iteration, 1) + own <= self.kv.free

    def _affordable_iterations(self, wanted: int) -> int:
        """Return how many of the next `wanted` decode iterations there are blocks for.

        Where an eviction has just made room for a context that has come, it is one.
        """
        if self._landed and self._has_place and self._fits(self._landed[0]):
            wanted = 1
        return super()._affordable_iterations(wanted)
