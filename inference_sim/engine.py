"""An engine: continuous batching of the requests given to it, on the segment engine.

A SimPy process forms batch after batch. A run of decode iterations in which the batch does not
change is one event: the process waits on one timeout for the whole run, and is interrupted only by
what can change the batch, an arrival that can be admitted or a raised batch cap. The iteration
under way then completes, and the run ends there. An iteration that computes prompts is an event of
its own, and so is every iteration in a pipeline of several stages, where the batches of other
engines come between. In ``stepwise`` mode every run is one iteration long, to check the other.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Generator, Sequence
from itertools import count

import simpy

from inference_sim.execution import IterationCost
from inference_sim.kv_cache import KvCache
from inference_sim.meter import Meter, MeterReading
from inference_sim.pipeline import Pipeline
from inference_sim.request import Outcome, Request
from inference_sim.scheduling import Chunk, Scheduler
from inference_sim.segment import Segment

Process = Generator[simpy.Event, object, None]


class Engine:
    """Serves the requests given to :meth:`submit`.

    Attributes:
        waiting: Requests not yet in the batch; a preempted one goes to the front.
        running: The decode batch, oldest first.
        prefilling: Requests whose prompts are being computed, or have been in part.
        iteration: Decode iterations done so far.
        context: Tokens that the running sequences hold, newest ones included.
        ended: Requests that completed since they were last collected.
        first_tokens: Requests that got their first token since then.
        preemptions: Number of evictions so far.
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
    ) -> None:
        self.env, self.pipeline = env, pipeline
        self.scheduler, self.kv, self.meter = scheduler, kv, meter
        self.waiting: deque[Request] = deque()
        self.running: dict[Request, None] = {}
        self.prefilling: list[Request] = []
        self.iteration = 0
        self.context = 0
        self.ended: list[Request] = []
        self.first_tokens: list[Request] = []
        self.preemptions = 0
        self._stepwise = stepwise
        self._partial: Request | None = None
        self._chunks: Sequence[Chunk] = ()
        self._finishing: list[tuple[int, int, Request]] = []  # heap: (iteration, join, request)
        self._joins = count()
        self._under_way: list[Segment] = []
        self._interruptible = False
        self._wake: simpy.Event | None = None
        serve = self._serve_pipelined if len(pipeline.stages) > 1 else self._serve
        self._process = env.process(serve())

    @property
    def outstanding(self) -> int:
        """Requests waiting or being served."""
        return len(self.waiting) + len(self.running) + len(self.prefilling)

    @property
    def kv_utilisation(self) -> float:
        """Share of the KV blocks in use now, what a run under way has taken included."""
        return self.kv.utilisation(self.iteration, self._iterations_done())

    def submit(self, request: Request) -> None:
        """Take a request; it is served when the scheduler admits it."""
        self.waiting.append(request)
        if self._wake is not None:
            self._wake.succeed()
            self._wake = None
        elif len(self.waiting) == 1:
            self._interrupt_if_admissible()

    def set_batch_cap(self, batch_cap: int) -> None:
        """Allow `batch_cap` running sequences from the next iteration; none is evicted for it."""
        self.scheduler.batch_cap = batch_cap
        if self.waiting:
            self._interrupt_if_admissible()

    def flush(self, until_s: float) -> MeterReading:
        """Return what was metered since the last flush, up to `until_s` [s]."""
        return self.meter.flush(until_s, self._under_way)

    def settle(self) -> None:
        """Bring requests still being served up to now: their tokens, and their energy.

        The energy is what was metered up to the last flush.
        """
        done = self.iteration + self._iterations_done()
        for request in self.running:
            request.generated_tokens = request.output_tokens - (request.finish_iteration - done)
        self.meter.settle(self.running, self._chunks)

    def _iterations_done(self) -> int:
        """Return the iterations that the run of decodes under way has done."""
        if len(self._under_way) != 1 or self._under_way[0].prefill_tokens:
            return 0
        (run,) = self._under_way
        return run.first_boundary(self.env.now - run.start_s) - 1

    def _interrupt_if_admissible(self) -> None:
        # Blocks only get fewer while a run lasts: what does not fit now, will not until it ends.
        if self._interruptible and self.scheduler.can_admit(
            self.waiting[0], len(self.running), self.kv
        ):
            self._interruptible = False
            self._process.interrupt()

    def _serve(self) -> Process:
        while True:
            if not (self.waiting or self.running or self._partial):
                yield self._sleep()
            chunks = self._take_prompts() if self.waiting or self._partial else ()
            if chunks:
                decoding = len(self.running) if self.scheduler.mixes else 0
                costs = self._costs(chunks, decoding)
                yield self._run_through([self.env.now], costs, chunks, decoding)
                self._end_iteration(chunks, decoding)
            elif self._make_room():
                yield from self._decode()

    def _serve_pipelined(self) -> Process:
        while True:
            if not self.outstanding:
                yield self._sleep()
            with self.pipeline.entrance.request() as turn:
                yield turn
                chunks = self._take_prompts() if self.waiting or self._partial else []
                if chunks:
                    decoding = len(self.running) if self.scheduler.mixes else 0
                elif self._make_room():
                    decoding = len(self.running)
                    self.kv.advance(self.iteration, 1)
                else:
                    continue
                costs = self._costs(chunks, decoding)
                durations_s = [cost.duration_s for cost in costs]
                starts = self.pipeline.enter(self.env.now, durations_s)
                passed = self._run_through(starts, costs, chunks, decoding)
                yield self.env.timeout(durations_s[0])
            yield passed
            self._end_iteration(chunks, decoding)

    def _sleep(self) -> simpy.Event:
        self._wake = self.env.event()
        return self._wake

    def _take_prompts(self) -> list[Chunk]:
        """Return the prompts of the next iteration, and take the blocks of decodes beside them."""
        scheduler, kv = self.scheduler, self.kv
        beside = scheduler.mixes and bool(self.running)
        evicted = self.preemptions
        if beside:
            self._make_room()
        growth = kv.blocks_needed(self.iteration, 1) if beside and self.running else 0
        kv.free -= growth
        admit = self.preemptions == evicted or not self.running
        chunks = scheduler.take(self.waiting, self._partial, len(self.running), kv, admit=admit)
        if not chunks:
            kv.free += growth
        return chunks

    def _costs(self, chunks: Sequence[Chunk], decoding: int) -> list[IterationCost]:
        """Return the cost of an iteration on each stage."""
        parts = [(chunk.tokens, chunk.before) for chunk in chunks]
        done = sum(chunk.completes for chunk in chunks)
        context = self.context if decoding else 0
        return [stage.iteration(parts, done, decoding, context) for stage in self.pipeline.stages]

    def _run_through(
        self,
        starts_s: Sequence[float],
        costs: Sequence[IterationCost],
        chunks: Sequence[Chunk],
        decoding: int,
    ) -> simpy.Timeout:
        """Begin an iteration; the event is its end on the last stage."""
        now = self.env.now
        if chunks:  # the begun prompt is among them, if there is one
            self.prefilling = [chunk.request for chunk in chunks]
            self._partial, self._chunks = None, chunks
        for request, tokens, _ in chunks:
            if math.isnan(request.scheduled_s):
                request.scheduled_s = now
            self.meter.start_prefill(request, tokens)
        prefill_tokens = sum(chunk.tokens for chunk in chunks)
        self._under_way = [
            Segment(
                start_s, 1, cost.duration_s, 0.0, cost.gpu_s, 0.0, cost.sampling_s,
                cost.flops, 0.0, cost.hbm_bytes, 0.0,
                len(chunks) + decoding, decoding, prefill_tokens,
            )
            for start_s, cost in zip(starts_s, costs, strict=True)
        ]  # fmt: skip
        last = self._under_way[-1]
        return self.env.timeout(last.start_s + last.duration_s - now)

    def _end_iteration(self, chunks: Sequence[Chunk], decoding: int) -> None:
        self._close(self._under_way)
        self._chunks = ()
        if decoding:
            self.iteration += 1
            self.context += decoding
            self._complete_due()
        if chunks:
            self.prefilling = []
        for chunk in chunks:
            self.meter.stop_prefill(chunk.request, chunk.tokens)
            if chunk.completes:
                self._emit_first(chunk.request)
            else:
                chunk.request.computed_tokens = chunk.before + chunk.tokens
                self._partial = chunk.request
                self.prefilling = [chunk.request]

    def _emit_first(self, request: Request) -> None:
        """Take the token that a prefill ends with."""
        tokens = request.prefill_tokens
        request.computed_tokens = 0
        request.generated_tokens += 1
        if math.isnan(request.first_token_s):
            request.first_token_s = self.env.now
            self.first_tokens.append(request)
        if request.generated_tokens == request.output_tokens:
            self.kv.release_prompt(tokens)
            self._complete(request)
        else:
            self._join(request, tokens + 1)

    def _decode(self) -> Process:
        """Decode until something foreseeable, or an interrupt, ends the run."""
        segment = self._plan()
        self._under_way = [segment]
        self._interruptible = True
        try:
            yield self.env.timeout(segment.elapsed_s(segment.iterations))
            done = segment.iterations
        except simpy.Interrupt:
            elapsed_s = self.env.now - segment.start_s
            done = segment.first_boundary(elapsed_s)
            rest_s = segment.elapsed_s(done) - elapsed_s
            if rest_s > 0:
                yield self.env.timeout(rest_s)
        self._interruptible = False
        self._close([segment.prefix(done)])
        self.kv.advance(self.iteration, done)
        self.iteration += done
        self.context += done * len(self.running)
        self._complete_due()

    def _plan(self) -> Segment:
        """Return the longest run of decode iterations that nothing foreseeable ends earlier."""
        batch, context, finishing = len(self.running), self.context, self._finishing
        while finishing[0][2].join_id != finishing[0][1]:
            heapq.heappop(finishing)  # left by a preemption
        wanted = finishing[0][0] - self.iteration
        if self._stepwise or (
            # Held back because room was just made by an eviction: to be tried again at once.
            self.waiting and self.scheduler.can_admit(self.waiting[0], batch, self.kv)
        ):
            wanted = 1
        iterations = self.kv.affordable_iterations(self.iteration, wanted)
        cost = self.pipeline.stages[0].decode(batch, context)
        if context < cost.context_limit < math.inf:  # attention windows fill up
            iterations = min(iterations, math.ceil((cost.context_limit - context) / batch))
        gpu_s = cost.gpu_s + cost.gpu_s_per_context * context
        gpu_step_s = cost.gpu_s_per_context * batch
        if cost.host_s > gpu_s:  # the host sets the pace until the growing context overtakes it
            iterations = min(iterations, int((cost.host_s - gpu_s) / gpu_step_s) + 1)
            duration_s, duration_step_s = cost.host_s, 0.0
        else:
            duration_s, duration_step_s = gpu_s, gpu_step_s
        duration_s += cost.sampling_s + cost.serial_s
        return Segment(
            self.env.now, iterations, duration_s, duration_step_s, gpu_s, gpu_step_s,
            cost.sampling_s,
            cost.flops + cost.flops_per_context * context, cost.flops_per_context * batch,
            cost.hbm_bytes + cost.hbm_bytes_per_context * context,
            cost.hbm_bytes_per_context * batch,
            batch, batch, 0,
        )  # fmt: skip

    def _close(self, segments: Sequence[Segment]) -> None:
        self.meter.record(segments)
        self._under_way = []

    def _join(self, request: Request, context: int) -> None:
        request.joined_context = context
        request.joined_iteration = self.iteration
        request.finish_iteration = self.iteration + request.output_tokens - request.generated_tokens
        request.join_id = next(self._joins)
        heapq.heappush(self._finishing, (request.finish_iteration, request.join_id, request))
        self.running[request] = None
        self.context += context
        self.kv.join(context, self.iteration)
        self.meter.start_decode(request)

    def _leave(self, request: Request) -> None:
        context = request.context_at(self.iteration)
        del self.running[request]
        self.context -= context
        self.kv.leave(context, self.iteration)
        self.meter.stop_decode(request)
        request.join_id = -1

    def _complete_due(self) -> None:
        finishing = self._finishing
        while finishing and finishing[0][0] <= self.iteration:
            _, join_id, request = heapq.heappop(finishing)
            if request.join_id == join_id:
                request.generated_tokens = request.output_tokens
                self._leave(request)
                self._complete(request)

    def _complete(self, request: Request) -> None:
        request.finish_s = self.env.now
        request.outcome = Outcome.COMPLETED
        self.ended.append(request)

    def _make_room(self) -> bool:
        """Evict the youngest until the next decodes' blocks are there; tell if any run then."""
        while self.running and self.kv.blocks_needed(self.iteration, 1) > self.kv.free:
            if self._partial is not None:
                victim, self._partial, self.prefilling = self._partial, None, []
                self.kv.release_prompt(self.scheduler.held_tokens(victim))
                victim.computed_tokens = 0
            else:
                victim = next(reversed(self.running))
                victim.generated_tokens = victim.output_tokens - (
                    victim.finish_iteration - self.iteration
                )
                self._leave(victim)
            victim.preemptions += 1
            self.preemptions += 1
            self.waiting.appendleft(victim)
        return bool(self.running)
