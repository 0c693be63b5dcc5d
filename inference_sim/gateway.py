"""The gateway: a token bucket in front of the cluster, with a queue.

A request that arrives while a token is available passes at once and takes it. Otherwise it is
queued, first come first served, or rejected (``overflow="reject"``). Tokens accrue at the admission
rate, up to ``burst``. The rate can change at any time; the queue and the tokens are kept.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable
from typing import Literal

import simpy

from inference_sim.request import Outcome, Request

_ROUNDING = 1e-9  # tokens; a wake-up may come that much early in floating point


class TokenLine(ABC):
    """A queue that a token bucket lets through, one token a request.

    Args:
        env: The cluster's clock.
        rate_per_s: Rate at which tokens accrue [requests/s]; infinite for no limit.
        burst: Most tokens that accrue [requests].
    """

    def __init__(self, env: simpy.Environment, rate_per_s: float, burst: int = 1) -> None:
        self.env = env
        self._rate_per_s = rate_per_s
        self._burst = float(burst)
        self._tokens = self._burst
        self._accrued_s: float = env.now
        self._wake: simpy.Event | None = None  # only the latest counts

    @property
    def rate_per_s(self) -> float:
        """Rate in force [requests/s]."""
        return self._rate_per_s

    def set_rate(self, rate_per_s: float) -> None:
        """Change the rate from now on [requests/s]; 0 releases no requests."""
        self._accrue()
        self._rate_per_s = rate_per_s
        self._drain()

    @abstractmethod
    def _length(self) -> int:
        """Return the number of queued requests."""

    @abstractmethod
    def _pass_next(self) -> None:
        """Take the next request off the queue and let it through."""

    def _may_pass(self) -> bool:
        rate = self._rate_per_s
        return math.isinf(rate) or (rate > 0 and self._tokens >= 1.0 - _ROUNDING)

    def _accrue(self) -> None:
        now_s = self.env.now
        if math.isinf(self._rate_per_s):
            self._tokens = self._burst
        else:
            grown = self._tokens + (now_s - self._accrued_s) * self._rate_per_s
            self._tokens = min(self._burst, grown)
        self._accrued_s = now_s

    def _drain(self) -> None:
        """Let requests through while tokens last, and wake up for the next one."""
        while self._length() and self._may_pass():
            self._tokens -= 1.0
            self._pass_next()
        self._tokens = max(self._tokens, 0.0)
        self._schedule_wake()

    def _schedule_wake(self) -> None:
        self._wake = None
        if not self._length() or self._rate_per_s <= 0:
            return
        delay_s = max(0.0, (1.0 - self._tokens) / self._rate_per_s)
        self._wake = simpy.Timeout(self.env, delay_s)
        self._wake.callbacks.append(self._on_wake)

    def _on_wake(self, event: simpy.Event) -> None:
        if event is self._wake:
            self._accrue()
            # The token is due. Late in a long run the clock may be too coarse to add its last
            # fraction: waiting for that would be waiting for ever.
            self._tokens = max(self._tokens, 1.0)
            self._drain()


class Gateway(TokenLine):
    """Gateway that admits requests at no more than the admission rate, first come first served.

    Args:
        env: The cluster's clock.
        release: Called with each request that passes.
        rate_per_s: Admission rate [requests/s]; infinite for no limit.
        burst: Most tokens that accrue [requests].
        overflow: Fate of a request without a token: it is queued, or rejected.

    Attributes:
        waiting: The queue.
        rejected: Requests rejected since this was last emptied.
        admitted: Requests that passed so far.
        on_reject: Called with each request that is rejected; may be None.
    """

    def __init__(
        self,
        env: simpy.Environment,
        release: Callable[[Request], None],
        *,
        rate_per_s: float = math.inf,
        burst: int = 1,
        overflow: Literal["wait", "reject"] = "wait",
    ) -> None:
        super().__init__(env, rate_per_s, burst)
        self.waiting: deque[Request] = deque()
        self.rejected: list[Request] = []
        self.admitted = 0
        self.on_reject: Callable[[Request], None] | None = None
        self._release, self._overflow = release, overflow

    def submit(self, request: Request) -> None:
        """Admit `request`, queue it, or reject it."""
        if math.isinf(self._rate_per_s) and not self.waiting:
            self.admit(request)
            return
        self._accrue()
        if not self.waiting and self._may_pass():
            self._tokens -= 1.0
            self.admit(request)
        elif self._overflow == "reject":
            request.outcome = Outcome.REJECTED
            request.reason = "admission_rate"
            self.rejected.append(request)
            if self.on_reject is not None:
                self.on_reject(request)
        else:
            self.waiting.append(request)
            if len(self.waiting) == 1:
                self._schedule_wake()

    def admit(self, request: Request) -> None:
        """Let `request` through, token or not."""
        request.admitted_s = self.env.now
        self.admitted += 1
        self._release(request)

    def cancel(self, request: Request) -> bool:
        """Drop a request from the queue; return whether it was there."""
        if request not in self.waiting:
            return False
        self.waiting.remove(request)
        return True

    def _length(self) -> int:
        return len(self.waiting)

    def _pass_next(self) -> None:
        self.admit(self.waiting.popleft())
