"""A replica: one copy of the model, serving by continuous batching on the segment engine.

A SimPy process alternates between prefills and runs of decode iterations. It waits on one timeout
for a whole run, and is interrupted only by what can change the batch: an arrival that can be
admitted, or a raised batch cap. The iteration under way then completes, and the run ends there.
In ``stepwise`` mode every run is one iteration long; it exists to check the other.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Generator
from itertools import count

import simpy

from inference_sim.execution import Roofline
from inference_sim.kv_cache import KvCache
from inference_sim.meter import Meter, MeterReading
from inference_sim.request import Outcome, Request
from inference_sim.scheduling import VllmScheduler
from inference_sim.segment import Segment

Process = Generator[simpy.Event, object, None]


class Replica:
    """Serves the requests given to :meth:`submit`.

    Attributes:
        waiting: Requests not yet in the batch; a preempted one goes to the front.
        running: The decode batch, oldest first.
        prefilling: The requests of the prefill under way.
        iteration: Decode iterations done so far.
        context: Tokens that the running sequences hold, newest ones included.
        ended: Requests that completed since the cluster last collected them.
        first_tokens: Requests that got their first token since then.
        preemptions: Number of evictions so far.
    """

    def __init__(
        self,
        env: simpy.Environment,
        index: int,
        roofline: Roofline,
        scheduler: VllmScheduler,
        kv: KvCache,
        meter: Meter,
        *,
        stepwise: bool = False,
    ) -> None:
        self.env, self.index = env, index
        self.roofline, self.scheduler, self.kv, self.meter = roofline, scheduler, kv, meter
        self.waiting: deque[Request] = deque()
        self.running: dict[Request, None] = {}
        self.prefilling: list[Request] = []
        self.iteration = 0
        self.context = 0
        self.ended: list[Request] = []
        self.first_tokens: list[Request] = []
        self.preemptions = 0
        self._stepwise = stepwise
        self._finishing: list[tuple[int, int, Request]] = []  # heap: (iteration, join, request)
        self._joins = count()
        self._under_way: Segment | None = None
        self._interruptible = False
        self._wake: simpy.Event | None = None
        self._process = env.process(self._serve())

    @property
    def outstanding(self) -> int:
        """Requests waiting or being served."""
        return len(self.waiting) + len(self.running) + len(self.prefilling)

    @property
    def kv_utilisation(self) -> float:
        """Share of the KV blocks in use now, what the segment under way has taken included."""
        done = 0
        if self._under_way is not None:
            done = self._under_way.first_boundary(self.env.now - self._under_way.start_s) - 1
        return self.kv.utilisation(self.iteration, done)

    def submit(self, request: Request) -> None:
        """Take a request; it is served when the scheduler admits it."""
        request.replica = self.index
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

    def _interrupt_if_admissible(self) -> None:
        # Blocks only get fewer while a run lasts: what does not fit now, will not until it ends.
        if self._interruptible and self.scheduler.can_admit(
            self.waiting[0], len(self.running), self.kv
        ):
            self._interruptible = False
            self._process.interrupt()

    def _serve(self) -> Process:
        while True:
            batch = self.scheduler.take_prefill(self.waiting, len(self.running), self.kv)
            if batch:
                yield from self._prefill(batch)
            elif self.running:
                yield from self._decode()
            else:
                self._wake = self.env.event()
                yield self._wake

    def _prefill(self, batch: list[Request]) -> Process:
        prompts = [request.prefill_tokens for request in batch]
        cost = self.roofline.iteration([(tokens, 0) for tokens in prompts], len(prompts))
        now, meter = self.env.now, self.meter
        self.prefilling = batch
        for request, tokens in zip(batch, prompts, strict=True):
            if math.isnan(request.scheduled_s):
                request.scheduled_s = now
            meter.start_prefill(request, tokens)
        self._under_way = segment = Segment(
            now, 1, cost.duration_s, 0.0, cost.gpu_s, 0.0, cost.sampling_s,
            cost.flops, 0.0, cost.hbm_bytes, 0.0, len(batch), sum(prompts),
        )  # fmt: skip
        yield self.env.timeout(cost.duration_s)
        self._close(segment)
        self.prefilling = []
        now = self.env.now
        for request, tokens in zip(batch, prompts, strict=True):
            meter.stop_prefill(request, tokens)
            request.generated_tokens += 1
            if math.isnan(request.first_token_s):
                request.first_token_s = now
                self.first_tokens.append(request)
            if request.generated_tokens == request.output_tokens:
                self.kv.release_prompt(tokens)
                self._complete(request)
            else:
                self._join(request, tokens + 1)

    def _decode(self) -> Process:
        self._make_room()
        if not self.running:
            return
        segment = self._plan()
        self._under_way = segment
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
        self._close(segment.prefix(done))
        self.kv.advance(self.iteration, done)
        self.iteration += done
        self.context += done * len(self.running)
        self._complete_due()

    def _plan(self) -> Segment:
        """Return the longest run of decode iterations that nothing foreseeable ends earlier."""
        batch, context, finishing = len(self.running), self.context, self._finishing
        while finishing[0][2].join_id != finishing[0][1]:
            heapq.heappop(finishing)  # left by a preemption
        wanted = 1 if self._stepwise else finishing[0][0] - self.iteration
        iterations = self.kv.affordable_iterations(self.iteration, wanted)
        cost = self.roofline.decode(batch)
        gpu_s = cost.gpu_s + cost.gpu_s_per_context * context
        gpu_step_s = cost.gpu_s_per_context * batch
        if cost.host_s > gpu_s:  # the host sets the pace until the growing context overtakes it
            iterations = min(iterations, int((cost.host_s - gpu_s) / gpu_step_s) + 1)
            duration_s, duration_step_s = cost.host_s + cost.sampling_s, 0.0
        else:
            duration_s, duration_step_s = gpu_s + cost.sampling_s, gpu_step_s
        return Segment(
            self.env.now, iterations, duration_s, duration_step_s, gpu_s, gpu_step_s,
            cost.sampling_s,
            cost.flops + cost.flops_per_context * context, cost.flops_per_context * batch,
            cost.hbm_bytes + cost.hbm_bytes_per_context * context,
            cost.hbm_bytes_per_context * batch,
            batch, 0,
        )  # fmt: skip

    def _close(self, segment: Segment) -> None:
        self.meter.record(segment)
        self._under_way = None

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

    def _make_room(self) -> None:
        """Evict the youngest sequences until the next iteration's blocks are there."""
        while self.running and self.kv.blocks_needed(self.iteration, 1) > self.kv.free:
            victim = next(reversed(self.running))
            victim.generated_tokens = victim.output_tokens - (
                victim.finish_iteration - self.iteration
            )
            self._leave(victim)
            victim.preemptions += 1
            self.preemptions += 1
            self.waiting.appendleft(victim)
