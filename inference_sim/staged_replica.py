"""A replica whose pipeline stages share one scheduler, one queue and one KV cache, as in vLLM v1.

Up to as many batches as stages are in flight. Whenever there is room for one, the scheduler forms
it of all sequences whose last token has come, and of prompts. A prompt that is cut goes on in the
batch behind, without waiting for its first part. The cap of sequences counts those of all batches,
the cap of tokens those of each, and the youngest sequence of all is evicted, even from a batch in
flight. (``EngineCore.step_with_batch_queue`` and ``Scheduler.schedule`` of vLLM.)

An evicted request is admitted again once the token that is in flight has come.
"""

from __future__ import annotations

from collections import deque

import simpy

from inference_sim.cohort import Cohort
from inference_sim.kv_cache import KvCache
from inference_sim.pipeline import Pipeline
from inference_sim.replica import Replica
from inference_sim.request import Outcome, Request
from inference_sim.scheduling import Chunk, Scheduler


class StagedReplica(Replica):
    """A replica with one scheduler for all pipeline stages.

    Args:
        index: Its number in the cluster.
        env: The cluster's clock.
        pipeline: The stages.
        scheduler: The scheduler; its cap is that of the replica.
        kv: The KV cache of all batches.

    Attributes:
        env: The cluster's clock.
        cohorts: Its engines: sequences that decode together, one cohort for each stage.
        queue: Requests not yet in a batch; an evicted one goes to the front.
        arrived: Requests that the scheduler has not seen, as it planned the next batch before.
        admitted: Requests that run, oldest first, each with the cohort that it was last in.
        batch_cap: Most sequences that run at once [sequences].
    """

    def __init__(
        self,
        index: int,
        env: simpy.Environment,
        pipeline: Pipeline,
        scheduler: Scheduler,
        kv: KvCache,
    ) -> None:
        self.admitted: dict[Request, Cohort] = {}
        self.cohorts = [
            Cohort(number, self.admitted, env, pipeline, scheduler, kv)
            for number in range(len(pipeline.stages))
        ]
        super().__init__(index, self.cohorts)
        self.env, self._scheduler, self._kv = env, scheduler, kv
        self.batch_cap = scheduler.batch_cap
        self.queue: deque[Request] = deque()
        self.arrived: deque[Request] = deque()
        self._submitted_s: deque[float] = deque()  # when those in `arrived` came
        self._partial: Request | None = None  # its prompt is planned in part
        self._idle = list(self.cohorts)
        self._in_flight: deque[Cohort] = deque()  # the oldest first, those without a batch included
        self._cancelled: list[Request] = []
        self._asleep = True
        # Async scheduling plans a batch when the one before the last to end has ended, and goes
        # on to the next if there is nothing to plan, so that sequences keep their turns.
        self._ahead = scheduler.release.schedules_ahead
        self._seen_s = self._ended_s = 0.0  # ends of the last two batches

    @property
    def waiting(self) -> int:
        """Requests not yet in a batch."""
        return len(self.queue) + len(self.arrived)

    @property
    def running(self) -> int:
        """Requests in a batch, those whose prompt is being computed included."""
        return len(self.admitted)

    @property
    def outstanding(self) -> int:
        """Requests waiting or being served."""
        return self.waiting + self.running

    @property
    def cached_tokens(self) -> int:
        """Tokens of prefills found in the KV cache so far [tokens]."""
        return self._kv.hit_tokens

    def submit(self, request: Request) -> None:
        """Take a request; it is served when the scheduler admits it."""
        request.replica = self.index
        if self._asleep:
            self.queue.append(request)
            self._asleep = False
            self._call_back(0.0)
        elif self._ahead:
            self.arrived.append(request)
            self._submitted_s.append(self.env.now)
        else:
            self.queue.append(request)

    def cancel(self, request: Request) -> None:
        """Drop a request: at once if it waits, or when it is no longer in flight."""
        if request in self.arrived:
            del self._submitted_s[self.arrived.index(request)]
            self.arrived.remove(request)
            self.cohorts[0].end(request, Outcome.TIMED_OUT)
        elif request in self.queue or request in self.admitted:
            self._cancelled.append(request)
            self._drop_cancelled()

    def set_batch_cap(self, batch_cap: int) -> None:
        """Allow `batch_cap` running sequences from the next batch; none is evicted for it."""
        self.batch_cap = batch_cap

    def take_in_flight(self) -> list[Request]:
        """Return the requests waiting or running, with their energy; this ends the run."""
        for cohort in self.cohorts:
            cohort.settle()
        for request in self.admitted:
            request.outcome = Outcome.RUNNING
        return [*self.queue, *self.arrived, *self.admitted]

    def _call_back(self, delay_s: float) -> None:
        simpy.Timeout(self.env, delay_s).callbacks.append(self._on_time)

    def _on_time(self, event: simpy.Event) -> None:
        """Go on when the oldest batch has left the last stage, or after a sleep."""
        if self._in_flight:
            self._end_oldest()
        else:
            self._seen_s = self._ended_s = self.env.now
        self._go_on()

    def _go_on(self) -> None:
        """Form batches while there is room, then wait for the oldest, or sleep."""
        while True:
            if self.arrived:
                self._see_arrivals()
            if self.queue or self.admitted:
                cohort = self._idle.pop()
                formed = self._form(cohort)
                self._in_flight.append(cohort)
                if self._idle and (self._ahead or (formed and self._in_flight[0].in_flight)):
                    continue
            if not self._in_flight:
                self._fall_asleep()
                return
            oldest = self._in_flight[0]
            if oldest.in_flight:
                self._call_back(max(oldest.ends_s - self.env.now, 0.0))
                return
            self._end_oldest()

    def _see_arrivals(self) -> None:
        """Queue the requests that had come when the next batch was planned.

        That was when the one before the last to end had ended; or is now, if nothing else is here.
        """
        idle = not (self.queue or self.admitted)
        while self.arrived and (idle or self._submitted_s[0] <= self._seen_s):
            self._submitted_s.popleft()
            self.queue.append(self.arrived.popleft())

    def _fall_asleep(self) -> None:
        self._asleep = True
        on_idle = self.cohorts[0].on_idle
        if on_idle is not None:
            on_idle()

    def _form(self, cohort: Cohort) -> bool:
        """Form a batch of a cohort and of prompts; return whether there is anything in it."""
        scheduler, kv = self._scheduler, self._kv
        evicted = self.preemptions
        while cohort.running and cohort.growth() > kv.free:
            self._evict_youngest()
        growth = cohort.growth()
        kv.begin_iteration(growth)
        decoding = len(cohort.running)
        begun = self._partial
        if begun is not None and scheduler.evicts(begun, decoding, kv):
            self._evict_youngest()
        chunks = self._take_prompts(decoding, self.preemptions == evicted)
        for chunk in chunks:
            self.admitted[chunk.request] = cohort
        if chunks:
            last = chunks[-1]
            self._partial = None if last.completes else last.request
        if decoding or chunks:
            cohort.enter(chunks)
            return True
        return False

    def _take_prompts(self, decoding: int, admit: bool) -> list[Chunk]:
        """Return the prompts of the next batch; evicted ones that are in flight must wait."""
        scheduler = self._scheduler
        elsewhere = len(self.admitted) - decoding - (self._partial is not None)
        scheduler.batch_cap = self.batch_cap - elsewhere
        skipped = [
            request
            for cohort in self._in_flight
            for request in cohort.evicted
            if self._must_wait(request) and request in self.queue
        ]
        head: list[Request] = []  # the beginning of the queue, up to the last that must wait
        while not all(request in head for request in skipped):
            head.append(self.queue.popleft())
        self.queue.extendleft(request for request in reversed(head) if request not in skipped)
        chunks = scheduler.take(self.queue, self._partial, decoding, self._kv, admit)
        taken = [chunk.request for chunk in chunks]
        left = [request for request in head if request not in taken]
        for place, request in enumerate(left):
            if request in skipped:
                self.queue.insert(place, request)
        return chunks

    def _must_wait(self, request: Request) -> bool:
        """Return whether an evicted request cannot be admitted yet.

        Its token in flight must have come; with async scheduling, all of it that is in flight.
        """
        if self._ahead:
            return self._computes(request)
        return any(cohort.owes(request) for cohort in self._in_flight)

    def _computes(self, request: Request) -> bool:
        """Return whether a request is in a batch in flight."""
        return any(cohort.computes(request) for cohort in self._in_flight)

    def _evict_youngest(self) -> None:
        """Evict the request that was admitted last to the head of the queue."""
        victim = next(reversed(self.admitted))
        for cohort in self._in_flight:
            if cohort.computes(victim):
                cohort.evicted[victim] = None
        self.admitted.pop(victim).evict(victim)
        if victim is self._partial:
            self._partial = None
        victim.preemptions += 1
        self.queue.appendleft(victim)

    def _end_oldest(self) -> None:
        """Take the oldest batch off the pipeline."""
        self._seen_s, self._ended_s = self._ended_s, self.env.now
        cohort = self._in_flight.popleft()
        if cohort.in_flight:
            evicted = cohort.evicted
            cohort.end_batch()
            for request in evicted:
                if request.outcome is Outcome.COMPLETED:
                    self.queue.remove(request)
        self._idle.append(cohort)
        if self._cancelled:
            self._drop_cancelled()

    def _drop_cancelled(self) -> None:
        """Drop the requests whose clients gave up, but those in flight."""
        still_in_flight: list[Request] = []
        for request in self._cancelled:
            if request is self._partial:
                self._partial = None
            if self._computes(request):
                still_in_flight.append(request)
                continue
            if request in self.queue:
                self.queue.remove(request)
            elif request in self.admitted:
                self.admitted[request].drop(request)
            else:
                continue  # it was served in time
            self.cohorts[0].end(request, Outcome.TIMED_OUT)
        self._cancelled = still_in_flight
