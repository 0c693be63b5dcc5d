"""An engine: continuous batching of the requests given to it, on the segment engine.

It forms batch after batch. A run of decode iterations in which the batch does not change is one
event on the SimPy clock, and is cut short only by events that can change the batch: an arrival that
can be admitted, a raised batch cap, another clock. The iteration under way then completes, and the
run ends there. An iteration that computes prompts is an event of its own. In ``stepwise`` mode
every run is one iteration long, to check the other.

The events call back instead of resuming a process: there are several for each request, and a
simulation spends most of its time here.
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Sequence
from typing import cast

import simpy
from simpy.events import Timeout

from inference_sim.arrays import FloatArray
from inference_sim.execution import IterationCost
from inference_sim.kv_cache import KvCache
from inference_sim.meter import Meter
from inference_sim.pipeline import Pipeline
from inference_sim.request import Outcome, Request
from inference_sim.scheduling import Chunk, Scheduler
from inference_sim.segment import Segment
from inference_sim.speculative import Speculative

_ROUNDING = 1e-6


class Engine:
    """An engine that serves the requests given to :meth:`submit`, on one pipeline stage.

    Attributes:
        waiting: Requests not yet in the batch; a preempted one goes to the front.
        arrived: Requests that the scheduler has not seen, as it planned the iteration under way
            before they came.
        loading: Requests whose KV blocks are loaded from host memory before they are queued again.
        running: The decode batch, oldest first.
        prefilling: Requests whose prompts are being computed, or have been in part.
        chunks: Prompts, or parts of them, of the iteration under way.
        iteration: Decode iterations done so far; with drafts the tokens that they gave a sequence
            that was there all the time, by which blocks and ends are counted.
        caught_up: Tokens of the run under way whose blocks the KV cache has taken already [tokens].
        context: Tokens that the running sequences hold, newest ones included.
        ended: Requests that completed, or were dropped, since they were last collected.
        first_tokens: Requests that got their first token since then.
        preemptions: Number of evictions so far.
        prefilled_tokens: Tokens of prefills computed so far [tokens].
        on_idle: Called when no request is left to serve; may be None.
        on_end: Called with each request that completes or is dropped; may be None.
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
        self.env, self.pipeline = env, pipeline
        self.scheduler, self.kv, self.meter = scheduler, kv, meter
        self.waiting: deque[Request] = deque()
        self.arrived: deque[Request] = deque()
        self.loading: dict[Request, None] = {}
        self.running: dict[Request, None] = {}
        self.prefilling: list[Request] = []
        self.iteration = 0
        self.context = 0
        self.ended: list[Request] = []
        self.first_tokens: list[Request] = []
        self.preemptions = 0
        self.prefilled_tokens = 0
        self.on_idle: Callable[[], None] | None = None
        self.on_end: Callable[[Request], None] | None = None
        self._stepwise = stepwise
        self._speculative = speculative
        self.caught_up = 0
        self._decodes = 0  # decode iterations done, however many tokens they gave
        self._growth = 1.0 if speculative is None else speculative.tokens_per_iteration
        # Tokens of each sequence for which an iteration needs blocks.
        self._reach = 1 if speculative is None else 1 + speculative.lookahead_tokens
        self._mixes = scheduler.mixes
        self._keeps_free = 1 if scheduler.needs_a_free_block else 0  # blocks
        self._cancelled: list[Request] = []
        self._ahead = scheduler.release.schedules_ahead and len(pipeline.stages) == 1
        self._seen_s = 0.0  # start of the iteration that ended last, when the next was planned
        self._submitted_s: deque[float] = deque()  # when those in `arrived` came
        self._partial: Request | None = None
        self.chunks: list[Chunk] = []
        self._beside = 0  # sequences that decode beside these chunks
        self._finishing: list[tuple[int, int, Request]] = []  # heap: (iteration, join, request)
        self._joins = 0
        self._under_way: list[Segment] = []
        self._planned = 0  # iterations after which the run under way ends
        self._cuttable = False
        self._asleep = True
        self._ending: simpy.Event | None = None  # of the run under way; others are out of date

    @property
    def outstanding(self) -> int:
        """Requests waiting or being served."""
        return self.queued + len(self.running) + len(self.prefilling)

    @property
    def queued(self) -> int:
        """Requests not yet in the batch."""
        return len(self.waiting) + len(self.arrived) + len(self.loading)

    @property
    def kv_utilisation(self) -> float:
        """Share of the KV blocks in use now, those of a run under way included."""
        caught_up = self.caught_up
        return self.kv.utilisation(self.iteration + caught_up, self._tokens_done() - caught_up)

    def submit(self, request: Request) -> None:
        """Take a request; it is served when the scheduler admits it."""
        if self._ahead and self._under_way:
            self.arrived.append(request)
            self._submitted_s.append(self.env.now)
            if len(self.arrived) == 1:
                self._cut_for_next()
            return
        self.waiting.append(request)
        if self._asleep:
            self._wake()
        elif len(self.waiting) == 1:
            self._cut_if_admissible(request)

    def holds(self, request: Request) -> bool:
        """Return whether a request waits or is served here."""
        return (
            request in self.running
            or request in self.prefilling
            or request in self.waiting
            or request in self.arrived
            or request in self.loading
        )

    def cancel(self, request: Request) -> None:
        """Drop a request: at once if it waits, or with the iteration under way."""
        if request in self.loading:
            del self.loading[request]  # its blocks are given back when they are there
            self._end(request, Outcome.TIMED_OUT)
        elif request in self.waiting and not self.kv.held(request):
            self.waiting.remove(request)
            self._end(request, Outcome.TIMED_OUT)
            self._cut_for_next()
        elif request in self.arrived:
            del self._submitted_s[self.arrived.index(request)]
            self.arrived.remove(request)
            self._end(request, Outcome.TIMED_OUT)
            self._cut_for_next()
        else:
            self._cancelled.append(request)
            self._end_iteration_early()

    def set_batch_cap(self, batch_cap: int) -> None:
        """Allow `batch_cap` running sequences from the next iteration; none is evicted for it."""
        self.scheduler.batch_cap = batch_cap
        self._cut_for_next()

    def resize_host(self, blocks: int) -> None:
        """Make room for so many KV blocks in host memory."""
        self.kv.resize_host(blocks)
        self._cut_for_next()

    def change_pace(self) -> None:
        """Let the stages' new times hold from the next iteration."""
        if self._cuttable:
            self._cut()

    def take_rows(self, since_s: float, until_s: float) -> tuple[FloatArray, int]:
        """Return the segments of an interval [s], shape (rows, fields), and how many have ended."""
        return self.meter.take_rows(since_s, until_s, self._under_way)

    def catch_up(self) -> None:
        """Let the KV cache be as it is now: without the text in blocks that decodes have taken.

        An iteration takes its blocks when it begins.
        """
        if len(self._under_way) != 1 or self._under_way[0].prefill_tokens:
            return
        kv, done = self.kv, self._iterations_done()
        tokens = self._tokens_in(done)
        if tokens > self.caught_up:
            kv.advance(self.iteration + self.caught_up, tokens - self.caught_up)
            self.caught_up = tokens
        if done < self._planned:
            now_given = self._tokens_in(done + 1) - tokens
            kv.take_ahead(kv.blocks_needed(self.iteration + tokens, now_given))

    def settle(self) -> None:
        """Bring requests still being served up to now, as the run ends: their tokens and energy.

        The energy is that metered up to the last flush. The iterations that are done count.
        """
        iterations = self._iterations_done()
        if iterations:
            run = self._under_way[0]
            part = run.window(run.start_s, self.env.now)
            part.iterations = iterations
            self.meter.count([part])
        done = self.iteration + self._tokens_done()
        for request in self.running:
            request.generated_tokens = request.output_tokens - (request.finish_iteration - done)
        self.meter.attribution.credit_in_flight(self.running, self.chunks)

    def _tokens_done(self) -> int:
        """Return the tokens that the run of decodes under way has given each sequence."""
        done = self._iterations_done()
        return self._tokens_in(done) if done else 0

    def _iterations_done(self) -> int:
        """Return how many iterations of the run of decodes under way are done."""
        if len(self._under_way) != 1 or self._under_way[0].prefill_tokens:
            return 0
        run = self._under_way[0]
        return run.first_boundary(self.env.now - run.start_s) - 1

    def _tokens_in(self, iterations: int) -> int:
        """Return the tokens that the next decode iterations give each sequence."""
        if self._speculative is None:
            return iterations
        return self._speculative.tokens(self._decodes + iterations) - self.iteration

    def _iterations_for(self, tokens: int) -> int:
        """Return the number of the next decode iterations that give each sequence `tokens`."""
        if self._speculative is None:
            return tokens
        iterations = max(int(tokens / self._growth) - 1, 1)
        while self._tokens_in(iterations) < tokens:
            iterations += 1
        return iterations

    def _context_read(self) -> float:
        """Return the context that the next iteration reads [tokens].

        It grows evenly from iteration to iteration, where drafts give now more tokens and now less.
        """
        if self._speculative is None:
            return self.context
        return self.context + len(self.running) * (self._growth * self._decodes - self.iteration)

    def _call_back(self, delay_s: float, callback: Callable[[simpy.Event], None]) -> None:
        """Have `callback` called after `delay_s` [s], unless something else takes its place."""
        event = Timeout(self.env, delay_s)
        event.callbacks.append(callback)
        self._ending = event

    def _end_iteration_early(self) -> None:
        """Drop the cancelled requests with the iteration under way, or now if there is none."""
        if self._asleep:
            self._drop_cancelled()
            self._wake()
        elif self._cuttable:
            self._cut()

    def _wake(self) -> None:
        if self._asleep:
            self._asleep = False
            self._call_back(0.0, self._on_wake)

    def _cut_for_next(self) -> None:
        """End the run of decodes under way in time for the head of the queue, if it is admissible.

        One that has come since the iteration under way began is seen an iteration later.
        """
        if self.waiting:
            self._wake()
            self._cut_if_admissible(self.waiting[0])
        elif self.arrived and self._cuttable:
            run = self._under_way[0]
            done = run.first_boundary(self.env.now - run.start_s) - 1
            unseen = self._submitted_s[0] > run.start_s + run.elapsed_s(done)
            self._cut_if_admissible(self.arrived[0], 1 if unseen else 0)

    def _cut_if_admissible(self, head: Request, ahead: int = 0) -> None:
        # Blocks only get fewer while a run lasts: a request that does not fit now must wait for it.
        # Where windows give some back, the next run is planned for it.
        if self._cuttable and (
            self.kv.frees_while_decoding
            or self.scheduler.can_admit(head, len(self.running), self.kv)
        ):
            self._cut(ahead)

    def _cut(self, ahead: int = 0) -> None:
        """End the run of decodes under way with its present iteration, or so many after it."""
        self._cuttable = ahead > 0
        run = self._under_way[0]
        elapsed_s = self.env.now - run.start_s
        done = run.first_boundary(elapsed_s) + ahead
        if done < self._planned:
            self._planned = done
            self._call_back(max(run.elapsed_s(done) - elapsed_s, 0.0), self._on_decoded)

    def _on_wake(self, event: simpy.Event) -> None:
        if self._cancelled:  # since the wake-up began
            self._drop_cancelled()
        self._go_on()

    def _go_on(self) -> None:
        """Begin the next activity: an iteration with prompts, a run of decodes, or a sleep."""
        if self.arrived:
            self._see_arrivals()
        while self.waiting or self.running or self._partial is not None:
            evicted = self.preemptions
            if self.waiting or self._partial is not None:
                chunks = self._take_prompts()
                if chunks:
                    beside = len(self.running) if self._mixes else 0
                    costs = self._costs(chunks, beside)
                    end_s = self._begin_iteration([self.env.now], costs, chunks, beside)
                    self._call_back(end_s - self.env.now, self._on_computed)
                    return
            if self._make_room():
                run = self._plan()
                self._under_way = [run]
                self._planned = run.iterations
                self._cuttable = True
                self._call_back(run.elapsed_s(run.iterations), self._on_decoded)
                return
            if self.preemptions == evicted and self._waits_for_loads():
                break
        self._fall_asleep()

    def _see_arrivals(self) -> None:
        """Queue the requests that had come when the next iteration was planned.

        That was when the one that has just ended began; or is now, if there was nothing to plan.
        """
        while self.arrived and self._submitted_s[0] <= self._seen_s:
            self._submitted_s.popleft()
            self.waiting.append(self.arrived.popleft())
        if not (self.waiting or self.running or self._partial is not None):
            self._submitted_s.clear()
            self.waiting.extend(self.arrived)
            self.arrived.clear()

    def _fall_asleep(self) -> None:
        self._asleep = True
        if self.on_idle is not None:
            self.on_idle()

    def _on_computed(self, event: simpy.Event) -> None:
        self._end_iteration()
        self._go_on()

    def _on_decoded(self, event: simpy.Event) -> None:
        if event is not self._ending:
            return  # the run was cut short
        self._cuttable = False
        done, run = self._planned, self._under_way[0]
        run.iterations = done
        self._close()
        tokens = self._tokens_in(done)
        self.kv.advance(self.iteration + self.caught_up, tokens - self.caught_up)
        self.caught_up = 0
        self._decodes += done
        self.iteration += tokens
        self.context += tokens * len(self.running)
        self._complete_due()
        if self._cancelled:
            self._drop_cancelled()
        self._go_on()

    def _take_prompts(self) -> list[Chunk]:
        """Return the prompts of the next iteration, and take the blocks of decodes beside them."""
        scheduler, kv = self.scheduler, self.kv
        beside = self._mixes and len(self.running) > 0
        evicted = self.preemptions
        if beside:
            self._make_room()
        growth = spare = 0
        if beside and self.running:
            growth = kv.blocks_needed(self.iteration, self._tokens_in(1))
            if self._speculative is not None:
                spare = kv.blocks_needed(self.iteration, self._reach) - growth
        kv.begin_iteration(growth)
        kv.free -= spare
        begun = self._partial
        if begun is not None and scheduler.evicts(begun, len(self.running), kv):
            self._evict_begun(begun)
        admit = self.preemptions == evicted or not self.running
        chunks = scheduler.take(self.waiting, self._partial, len(self.running), kv, admit)
        kv.free += spare
        if not chunks:
            kv.undo_iteration(growth)
        if kv.begun_loads:
            self._begin_loads()
        return chunks

    def _begin_loads(self) -> None:
        """Have the requests that the scheduler took off the queue loaded from host memory."""
        now_s: float = self.env.now
        for request in self.kv.begun_loads:
            self.loading[request] = None
            loaded = Timeout(self.env, self.kv.ready_s(request, now_s) - now_s, request)
            loaded.callbacks.append(self._on_loaded)
        self.kv.begun_loads = []

    def _on_loaded(self, event: simpy.Event) -> None:
        """Queue a request again, behind those that were loaded before and ahead of all others."""
        request = cast(Request, event.value)
        self.kv.end_load(request)
        if request not in self.loading:  # its client has given up
            self._cancelled.append(request)
            self._end_iteration_early()
            return
        del self.loading[request]
        place = 0
        while place < len(self.waiting) and self.kv.held(self.waiting[place]):
            place += 1
        self.waiting.insert(place, request)
        self._cut_for_next()

    def _waits_for_loads(self) -> bool:
        """Return whether the head of the queue, which does not fit, waits for loads to end.

        If none is under way, others in the queue hold too many blocks: the last one loses its own.
        """
        if self.kv.loads_under_way:
            return True
        holders = [request for request in self.waiting if self.kv.held(request)]
        if holders and holders[-1] is not self.waiting[0]:
            self.kv.give_back(holders[-1], False)
        return False

    def _costs(self, chunks: list[Chunk], beside: int) -> list[IterationCost]:
        """Return the cost of an iteration on each stage."""
        parts = [(chunk.tokens, chunk.before) for chunk in chunks]
        done = 0
        for chunk in chunks:
            if chunk.completes:
                done += 1
        context = self._context_read() if beside else 0
        return [stage.iteration(parts, done, beside, context) for stage in self.pipeline.stages]

    def _begin_iteration(
        self,
        starts_s: Sequence[float],
        costs: Sequence[IterationCost],
        chunks: list[Chunk],
        decoding: int,
    ) -> float:
        """Begin an iteration; return its end on the last stage [s]."""
        prefill_tokens = 0
        if chunks:  # the begun prompt is among them, if there is one
            self.prefilling = [chunk.request for chunk in chunks]
            self._partial = None
            for chunk in chunks:
                prefill_tokens += chunk.tokens
                if math.isnan(chunk.request.scheduled_s):
                    chunk.request.scheduled_s = self.env.now
        self.prefilled_tokens += prefill_tokens
        self.chunks, self._beside = chunks, decoding
        under_way = self._under_way = []
        end_s = 0.0
        for start_s, cost in zip(starts_s, costs, strict=True):
            duration_s = cost.duration_s
            under_way.append(
                Segment(
                    start_s, 1, duration_s, 0.0, cost.gpu_s, 0.0, cost.sampling_s,
                    cost.flops, 0.0, cost.hbm_bytes, 0.0,
                    len(chunks) + decoding, decoding, prefill_tokens, cost.clock_fraction,
                    cost.padding_flops,
                )
            )  # fmt: skip
            end_s = start_s + duration_s
        return end_s

    def _end_iteration(self) -> None:
        self._close()
        chunks, self.chunks = self.chunks, []
        if self._beside:
            if chunks:
                self.kv.end_iteration(self.iteration)
            tokens = self._tokens_in(1)
            self._decodes += 1
            self.iteration += tokens
            self.context += tokens * self._beside
            self._complete_due()
        if chunks:
            self.prefilling = []
        for chunk in chunks:
            self.meter.credit_prefill(chunk.request, chunk.tokens)
            self.kv.end_chunk(chunk.before, chunk.tokens)
            if chunk.completes:
                self._emit_first(chunk.request)
            else:
                chunk.request.computed_tokens = chunk.before + chunk.tokens
                self._partial = chunk.request
                self.prefilling = [chunk.request]
        if self._cancelled:
            self._drop_cancelled()

    def _emit_first(self, request: Request) -> None:
        """Take the token that a prefill ends with."""
        tokens = request.prefill_tokens
        self._count_first(request)
        if request.generated_tokens == request.output_tokens:
            self.kv.release(request, tokens, True)
            self._complete(request)
        else:
            self._join(request, tokens + 1)

    def _count_first(self, request: Request) -> None:
        request.computed_tokens = 0
        request.generated_tokens += 1
        if math.isnan(request.first_token_s):
            request.first_token_s = self.env.now
            self.first_tokens.append(request)

    def _plan(self) -> Segment:
        """Return the longest run of decode iterations that nothing foreseeable ends earlier."""
        batch, context, finishing = len(self.running), self._context_read(), self._finishing
        while finishing[0][2].join_id != finishing[0][1]:
            heapq.heappop(finishing)  # left by a preemption
        wanted = self._iterations_for(finishing[0][0] - self.iteration)
        if (
            self._stepwise
            or self.arrived
            or (
                # Not admitted because an eviction just made room: to be tried again at once.
                self.waiting and self._may_admit(self.waiting[0], wanted)
            )
        ):
            wanted = 1
        iterations = self._affordable_iterations(wanted)
        cost = self.pipeline.stages[0].decode(batch, context)
        grown = batch * self._growth
        if context < cost.context_limit < math.inf:  # attention windows fill up
            to_limit = (cost.context_limit - context) / grown
            iterations = min(iterations, max(math.ceil(to_limit - _ROUNDING), 1))
        gpu_s = cost.gpu_s + cost.gpu_s_per_context * context
        gpu_step_s = cost.gpu_s_per_context * grown
        if cost.host_s > gpu_s:  # the host bounds the time until the growing context overtakes it
            iterations = min(iterations, int((cost.host_s - gpu_s) / gpu_step_s) + 1)
            duration_s, duration_step_s = cost.host_s, 0.0
        else:
            duration_s, duration_step_s = gpu_s, gpu_step_s
        duration_s += cost.sampling_s + cost.serial_s
        return Segment(
            self.env.now, iterations, duration_s, duration_step_s, gpu_s, gpu_step_s,
            cost.sampling_s,
            cost.flops + cost.flops_per_context * context, cost.flops_per_context * grown,
            cost.hbm_bytes + cost.hbm_bytes_per_context * context,
            cost.hbm_bytes_per_context * grown,
            batch, batch, 0, cost.clock_fraction, cost.padding_flops,
        )  # fmt: skip

    def _may_admit(self, head: Request, wanted: int) -> bool:
        """Return whether a request may be admitted now, or within the next decode iterations."""
        kv = self.kv
        freed = kv.most_freed(self.iteration, self._tokens_in(wanted))
        kv.free += freed
        admitted = self.scheduler.can_admit(head, len(self.running), kv)
        kv.free -= freed
        return admitted

    def _close(self) -> None:
        if self._ahead:
            last = self._under_way[0]
            self._seen_s = last.start_s + last.elapsed_s(last.iterations - 1)
        self.meter.record(self._under_way)
        self._under_way = []

    def _join(self, request: Request, context: int) -> None:
        request.joined_context = context
        request.joined_iteration = self.iteration
        request.finish_iteration = self.iteration + request.output_tokens - request.generated_tokens
        request.join_id = self._joins
        self._joins += 1
        heapq.heappush(self._finishing, (request.finish_iteration, request.join_id, request))
        self.running[request] = None
        self.context += context
        self.kv.join(context, self.iteration)
        self.meter.start_decode(request)

    def _leave(self, request: Request, ended: bool) -> None:
        del self.running[request]
        self.context -= request.context_at(self.iteration)
        self.kv.leave(request, self.iteration, ended)
        self.meter.stop_decode(request)
        request.join_id = -1

    def _complete_due(self) -> None:
        finishing = self._finishing
        while finishing and finishing[0][0] <= self.iteration:
            _, join_id, request = heapq.heappop(finishing)
            if request.join_id == join_id:
                request.generated_tokens = request.output_tokens
                self._leave(request, True)
                self._complete(request)

    def _complete(self, request: Request) -> None:
        request.finish_s = self.env.now
        self._end(request, Outcome.COMPLETED)

    def _end(self, request: Request, outcome: Outcome) -> None:
        request.outcome = outcome
        self.ended.append(request)
        if self.on_end is not None:
            self.on_end(request)

    def _drop_cancelled(self) -> None:
        """Drop the requests whose clients gave up during the iteration that has just ended."""
        for request in self._cancelled:
            if request is self._partial:
                self._partial, self.prefilling = None, []
                self.kv.release(request, self.scheduler.held_tokens(request), True)
            elif request in self.running:
                request.generated_tokens = request.output_tokens - (
                    request.finish_iteration - self.iteration
                )
                self._leave(request, True)
            elif request in self.waiting:  # it was loaded, or evicted meanwhile
                self.waiting.remove(request)
                self.kv.give_back(request, True)
            elif self.kv.held(request):  # it has ended
                self.kv.give_back(request, True)
                continue
            else:
                continue  # it was served in time
            self._end(request, Outcome.TIMED_OUT)
        self._cancelled = []

    def _make_room(self) -> bool:
        """Evict the youngest until the next decodes have blocks; return whether any still run."""
        kv = self.kv
        while self.running and not (
            kv.surely_fit(self._reach, self._keeps_free)
            or kv.blocks_needed(self.iteration, self._reach) + self._spare(self.iteration)
            <= kv.free
        ):
            if self._partial is not None:
                self._evict_begun(self._partial)
                continue
            victim = next(reversed(self.running))
            victim.generated_tokens = victim.output_tokens - (
                victim.finish_iteration - self.iteration
            )
            self._leave(victim, False)
            self._return(victim)
        return bool(self.running)

    def _affordable_iterations(self, wanted: int) -> int:
        """Return how many of the next `wanted` decode iterations there are blocks for."""
        if self._speculative is not None:
            return self._affordable_drafting(wanted)
        if self.kv.surely_fit(wanted, self._keeps_free):
            return wanted
        affordable = self.kv.affordable_iterations(self.iteration, wanted)
        if not self._keeps_free:
            return affordable
        # The blocks taken so far only grow: just the last ones may leave none free.
        while affordable and (
            self.kv.blocks_needed(self.iteration, affordable)
            + self._spare(self.iteration + affordable - 1)
            > self.kv.free
        ):
            affordable -= 1
        return affordable

    def _affordable_drafting(self, wanted: int) -> int:
        """Return the same where each iteration needs blocks for drafts beyond its own tokens."""
        most = self._tokens_in(wanted - 1) + self._reach
        room = self.kv.affordable_iterations(self.iteration, most)
        if room >= most:
            return wanted
        iterations = min(wanted, int((room - self._reach) / self._growth) + 2)
        while iterations > 1 and self._tokens_in(iterations - 1) + self._reach > room:
            iterations -= 1
        return iterations

    def _spare(self, iteration: int) -> int:
        """Return the blocks that must be free beyond those taken: 1 if the youngest takes none."""
        if not self._keeps_free:
            return 0
        youngest = next(reversed(self.running))
        takes = (youngest.context_at(iteration) - 1) % self.kv.block_size == 0
        return 0 if takes else 1

    def _evict_begun(self, victim: Request) -> None:
        """Evict the request whose prompt is computed in part: it is the youngest."""
        self._partial, self.prefilling = None, []
        self.kv.release(victim, self.scheduler.held_tokens(victim), False)
        victim.computed_tokens = 0
        self._return(victim)

    def _return(self, victim: Request) -> None:
        """Put an evicted request at the head of the queue."""
        victim.preemptions += 1
        self.preemptions += 1
        self.waiting.appendleft(victim)
