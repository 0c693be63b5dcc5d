"""The queue of deferred requests: they may wait, but not past their deadline.

Requests of deferrable classes are deferred in front of the gateway and released at a rate that a
controller sets, the most urgent first. Each has a latest start, its deadline less a reserve in
which it is served: at that time it is released whatever the rates are, and passes the gateway too.
Without a controller the rate is unlimited, and no request is deferred.
"""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import simpy

from inference_sim.gateway import TokenLine
from inference_sim.request import Request

_ROUNDING_S = 1e-9


@dataclass(frozen=True, slots=True)
class ServiceClass:
    """A class of requests as the cluster knows it.

    Attributes:
        name: Its name.
        deferrable: Whether its requests may be deferred.
        deadline_s: From arrival to the latest completion [s]; infinite for none.
        reserve_s: Time before the deadline that is kept for serving it [s].
    """

    name: str
    deferrable: bool = False
    deadline_s: float = math.inf
    reserve_s: float = 0.0

    def latest_start_s(self, arrival_s: float) -> float:
        """Return the time until which a request that arrived at `arrival_s` may be deferred [s]."""
        return arrival_s + max(self.deadline_s - self.reserve_s, 0.0)


class DeferralLine(TokenLine):
    """Queue of deferred requests, the most urgent first.

    Args:
        env: The cluster's clock.
        release: Called with each request that is released in time.
        force: Called with each request at its latest start.
        classes: The classes, by the number that requests carry.
        rate_per_s: Release rate [requests/s]; infinite for no limit.
    """

    def __init__(
        self,
        env: simpy.Environment,
        release: Callable[[Request], None],
        force: Callable[[Request], None],
        classes: Sequence[ServiceClass],
        *,
        rate_per_s: float = math.inf,
    ) -> None:
        super().__init__(env, rate_per_s)
        self._release, self._force, self._classes = release, force, classes
        self._line: list[tuple[float, int, Request]] = []  # heap: (latest start, number, request)
        self._due: simpy.Event | None = None  # only the latest counts
        self._due_s = math.inf

    @property
    def waiting(self) -> list[Request]:
        """The deferred requests, the most urgent first."""
        return [request for _, _, request in sorted(self._line)]

    @property
    def slack_s(self) -> float:
        """Least time until one of them must start [s]; infinite if none must."""
        return self._line[0][0] - self.env.now if self._line else math.inf

    def submit(self, request: Request) -> None:
        """Release `request`, or defer it."""
        if math.isinf(self._rate_per_s) and not self._line:
            self._release(request)
            return
        self._accrue()
        latest_s = self._classes[request.class_id].latest_start_s(request.arrival_s)
        heapq.heappush(self._line, (latest_s, request.request_id, request))
        if self._may_pass():
            self._drain()
        elif len(self._line) == 1:
            self._schedule_wake()
        self._watch_deadline()

    def cancel(self, request: Request) -> bool:
        """Drop a deferred request; return whether it was there."""
        kept = [entry for entry in self._line if entry[2] is not request]
        found = len(kept) < len(self._line)
        if found:
            heapq.heapify(kept)
            self._line = kept
        return found

    def _length(self) -> int:
        return len(self._line)

    def _pass_next(self) -> None:
        self._release(heapq.heappop(self._line)[2])

    def _watch_deadline(self) -> None:
        """Wake up when the most urgent one must start."""
        latest_s = self._line[0][0] if self._line else math.inf
        if latest_s != self._due_s and latest_s < math.inf:
            self._due_s = latest_s
            self._due = simpy.Timeout(self.env, max(0.0, latest_s - self.env.now))
            self._due.callbacks.append(self._on_due)

    def _on_due(self, event: simpy.Event) -> None:
        if event is not self._due:
            return
        self._due_s = math.inf
        while self._line and self._line[0][0] <= self.env.now + _ROUNDING_S:
            self._force(heapq.heappop(self._line)[2])
        self._watch_deadline()
