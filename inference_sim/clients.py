"""Clients: they wait for answers, think, and go on; or give up, and perhaps try again.

The stream of a cluster brings the first request of each session. Whatever depends on how it is
served comes from here: the next turns of a session, the next sessions of a client in a closed loop,
time-outs and retries. A request costs one event more, the end of the time to think; all time-outs
together are one timer.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from math import inf
from typing import Protocol

import simpy

from inference_sim.request import Outcome, Request
from inference_sim.workload.sessions import Session, Sessions
from inference_sim.workload.stream import Arrival

_AFTER_FAILURE_S = 1.0
"""Least time after a request that failed for good until its client goes on: it may fail at once."""


@dataclass(frozen=True, slots=True)
class Patience:
    """How long clients wait, and how often they try.

    Attributes:
        timeout_s: Time from a request to giving it up [s]; infinite for never.
        retries: Most times that a request is sent again.
        backoff_s: Time from a failure to the next try [s].
    """

    timeout_s: float = inf
    retries: int = 0
    backoff_s: float = 0.0


class Server(Protocol):
    """A cluster, as its clients see it."""

    env: simpy.Environment

    def send(self, arrival: Arrival, retries: int = 0) -> None:
        """Send a request, now."""
        ...

    def cancel(self, request: Request) -> None:
        """Give up a request."""
        ...

    def refusal(self, tokens: int) -> str:
        """Return why a request of so many tokens can never be served; empty if it can."""
        ...


class _Sent:
    """A request under way: as it arrived, its session and its turn, and earlier tries."""

    __slots__ = ("arrival", "retries", "session", "turn")

    def __init__(self, arrival: Arrival, session: Session | None, turn: int) -> None:
        self.arrival = arrival
        self.session = session
        self.turn = turn
        self.retries = 0


class Clients:
    """Clients of one cluster, for one run.

    Args:
        sessions: The sessions whose first requests the cluster's stream brings; None if its
            requests are on their own.
        patience: How long they wait, and how often they try.
        requests: Most requests that come, retries not counted; None for no bound.
        class_until_s: Time after which no more requests of each class come [s].

    Attributes:
        sent: Requests that came, retries not counted.
        retried: Retries.
        given_up: Requests that failed for good: each try timed out or was rejected.
        cut: Sessions that ended because the next prompt would not have fit into the context.
        pending: Requests that will still come, from clients that think or wait to try again.
    """

    def __init__(
        self,
        sessions: Sessions | None = None,
        patience: Patience | None = None,
        *,
        requests: int | None = None,
        class_until_s: Sequence[float] = (inf,),
    ) -> None:
        self.sent = self.retried = self.given_up = self.cut = self.pending = 0
        self._sessions = sessions
        self._closed = sessions is not None and sessions.clients > 0
        self._patience = patience or Patience()
        self._requests = requests
        self._until_s = class_until_s
        self._server: Server | None = None
        self._coming: _Sent | None = None
        self._under_way: dict[Request, _Sent] = {}
        self._deadlines: deque[tuple[float, Request]] = deque()

    @property
    def full(self) -> bool:
        """Whether as many requests have come as may."""
        return self._requests is not None and self.sent >= self._requests

    def serve_by(self, server: Server) -> None:
        """Let them send their requests to a cluster."""
        self._server = server

    def on_sent(self, arrival: Arrival, request: Request) -> None:
        """Note a request that has just arrived, before anybody serves it."""
        sent, self._coming = self._coming, None
        if sent is None:  # of the stream
            if self._patience.retries and arrival.content is None:
                # It is sent again with the same text, which no other request has.
                own = -1 - 2 * request.request_id
                arrival = arrival._replace(
                    content=((own, arrival.prompt_tokens),), answer_stream=own - 1
                )
                request.content, request.answer_stream = arrival.content, arrival.answer_stream
            session = None
            if self._sessions is not None:
                session = self._sessions.session(arrival.session)
            sent = _Sent(arrival, session, 0)
        if sent.retries:
            self.retried += 1
        else:
            self.sent += 1
        self._under_way[request] = sent
        if self._patience.timeout_s < inf:
            self._deadlines.append((request.arrival_s + self._patience.timeout_s, request))
            if len(self._deadlines) == 1:
                self._call_back(self._patience.timeout_s, self._on_timeout)

    def on_end(self, request: Request) -> None:
        """Go on after a request that ended, however it did."""
        sent = self._under_way.pop(request)
        if request.outcome is Outcome.COMPLETED:
            self._go_on(sent)
        elif sent.retries < self._patience.retries and request.reason in ("", "admission_rate"):
            sent.retries += 1
            self._send_after(self._patience.backoff_s, sent)
        else:
            self.given_up += 1
            self._end_session(sent, _AFTER_FAILURE_S)

    def _go_on(self, sent: _Sent) -> None:
        """Plan the next request after an answer."""
        session, turn = sent.session, sent.turn + 1
        if session is None or self._sessions is None or self._server is None:
            return
        if turn == len(session.texts):
            self._end_session(sent, 0.0)
            return
        arrival = self._sessions.turn(session, turn, 0.0)
        if self._server.refusal(arrival.prompt_tokens + arrival.output_tokens):
            self.cut += 1
            self._end_session(sent, 0.0)
            return
        self._send_after(session.think_s[turn - 1], _Sent(arrival, session, turn))

    def _end_session(self, sent: _Sent, least_s: float) -> None:
        """Let the client of a closed loop begin its next session, `least_s` from now or later."""
        session = sent.session
        if not self._closed or session is None or self._sessions is None:
            return
        number = session.number + self._sessions.clients
        following = self._sessions.session(number)
        arrival = self._sessions.turn(following, 0, 0.0)
        self._send_after(max(session.think_s[-1], least_s), _Sent(arrival, following, 0))

    def _send_after(self, delay_s: float, sent: _Sent) -> None:
        self.pending += 1
        self._call_back(delay_s, partial(self._on_due, sent))

    def _on_due(self, sent: _Sent, event: simpy.Event) -> None:
        self.pending -= 1
        self._send(sent)

    def _send(self, sent: _Sent) -> None:
        """Send a request, unless no more come."""
        server = self._server
        if server is None or (self.full and not sent.retries):
            return
        now_s: float = server.env.now
        if now_s >= self._until_s[sent.arrival.class_id]:
            if now_s < max(self._until_s):  # another class goes on
                self._end_session(sent, _AFTER_FAILURE_S)
            return
        self._coming = sent
        server.send(sent.arrival, sent.retries)

    def _on_timeout(self, event: simpy.Event) -> None:
        """Give up the requests whose time is over, and wait for the next one that is not."""
        server = self._server
        if server is None:
            return
        now_s: float = server.env.now
        deadlines = self._deadlines
        while deadlines:
            deadline_s, request = deadlines[0]
            under_way = request in self._under_way
            if under_way and deadline_s > now_s:
                self._call_back(deadline_s - now_s, self._on_timeout)
                return
            deadlines.popleft()
            if under_way:
                server.cancel(request)

    def _call_back(self, delay_s: float, callback: Callable[[simpy.Event], None]) -> None:
        if self._server is not None:
            event = simpy.Timeout(self._server.env, delay_s)
            event.callbacks.append(callback)
