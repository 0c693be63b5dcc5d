"""Transfers of KV blocks between engines, over links that they share.

Each transfer takes at most one link; more transfers than links share all of them evenly, as network
cards serve the queues of their connections in turn (processor sharing). So the bytes that each
transfer under way has sent since time 0 grow alike, and one number, the work that a transfer from
the start on would have got, tells when each one ends: a start or an end changes how fast it grows,
and nothing else.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import cast

import simpy
from mypy_extensions import mypyc_attr

from inference_sim.kv_transfer import KvTransfer


@mypyc_attr(allow_interpreted_subclasses=True)
class KvTransfers:
    """The transfers under way on the links of a cluster.

    Args:
        env: The clock.
        config: The links.

    Attributes:
        count: Transfers that have ended.
        total_s: Sum of the times from the call that began each to its end, what ran before left
            out [s].
    """

    def __init__(self, env: simpy.Environment, config: KvTransfer) -> None:
        self.config = config
        self.count = 0
        self.total_s = 0.0
        self._env = env
        self._bytes_per_s, self._latency_s = config.bytes_per_s, config.latency_s
        self._links = config.links
        self._work_s = 0.0  # at the full rate of a link, of a transfer from the start of the run on
        self._since_s = env.now  # when it was brought up to date
        self._under_way: list[tuple[float, int, Callable[[], None], float]] = []  # a heap
        self._started = 0
        self._next_end: simpy.Event | None = None
        self._busy_s = 0.0

    def start(self, size_bytes: float, overlap_s: float, on_end: Callable[[], None]) -> None:
        """Begin a transfer.

        The part of it that ran before, beside a prefill, is taken to have had a link of its own.

        Args:
            size_bytes: Its bytes.
            overlap_s: Time for which it has been under way already [s].
            on_end: Called when it is done.
        """
        work_s = size_bytes / self._bytes_per_s
        latency_s = self._latency_s - overlap_s
        left_s = work_s + min(latency_s, 0.0)
        self._busy_s += work_s - max(left_s, 0.0)
        self._catch_up()
        started_s: float = self._env.now

        def at_end() -> None:
            self.count += 1
            self.total_s += self._env.now - started_s
            on_end()

        if left_s <= 0:
            self._call_after(max(latency_s, 0.0), at_end)
            return
        self._started += 1
        heapq.heappush(
            self._under_way,
            (self._work_s + left_s, self._started, at_end, max(latency_s, 0.0)),
        )
        ends_first = self._under_way[0][1] == self._started
        if ends_first or len(self._under_way) > self._links:
            self._await_next()

    def take_busy_s(self) -> float:
        """Return the time that links were at work since the last call, all together [s]."""
        self._catch_up()
        busy_s, self._busy_s = self._busy_s, 0.0
        return busy_s

    def _catch_up(self) -> None:
        """Count the work done since this was called last."""
        now_s: float = self._env.now
        elapsed_s = now_s - self._since_s
        self._since_s = now_s
        if self._under_way:
            self._work_s += elapsed_s * self._rate
            self._busy_s += elapsed_s * min(len(self._under_way), self._links)

    @property
    def _rate(self) -> float:
        """The share of a link that each transfer under way has."""
        return min(1.0, self._links / len(self._under_way))

    def _await_next(self) -> None:
        """Have the next end of a transfer called back, in place of what was the next before."""
        left_s = max(self._under_way[0][0] - self._work_s, 0.0)
        event = simpy.Timeout(self._env, left_s / self._rate)
        event.callbacks.append(self._on_sent)
        self._next_end = event

    def _on_sent(self, event: simpy.Event) -> None:
        if event is not self._next_end:
            return  # others have come or gone since it was planned
        self._catch_up()
        self._work_s, _, on_end, latency_s = heapq.heappop(self._under_way)
        if self._under_way:
            self._await_next()
        else:
            self._work_s = 0.0
        if latency_s:
            self._call_after(latency_s, on_end)
        else:
            on_end()

    def _call_after(self, delay_s: float, callback: Callable[[], None]) -> None:
        event = simpy.Timeout(self._env, delay_s, callback)
        event.callbacks.append(_call)


def _call(event: simpy.Event) -> None:
    cast(Callable[[], None], event.value)()
