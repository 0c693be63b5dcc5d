"""The front end of an engine: requests on their way from the client to the scheduler.

HTTP, tokenizer and the hand-over between processes take a time in which no GPU works. It is part of
the time to first token, and the same for each request, so that requests keep their order.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable

import simpy

from inference_sim.request import Request


class FrontEnd:
    """A delay on the way to an engine.

    Args:
        env: The clock.
        seconds: The delay [s].
        forward: Takes a request when its delay is over.

    Attributes:
        waiting: Requests on their way, in order of arrival.
    """

    def __init__(
        self, env: simpy.Environment, seconds: float, forward: Callable[[Request], None]
    ) -> None:
        self.waiting: deque[Request] = deque()
        self._env, self._seconds, self._forward = env, seconds, forward
        self._given_up: set[int] = set()

    def submit(self, request: Request) -> None:
        """Take a request."""
        self.waiting.append(request)
        event = simpy.Timeout(self._env, self._seconds)
        event.callbacks.append(self._on_through)

    def cancel(self, request: Request) -> bool:
        """Drop a request if it is here; return whether it was."""
        if request not in self.waiting or id(request) in self._given_up:
            return False
        self._given_up.add(id(request))
        return True

    def in_flight(self) -> list[Request]:
        """Return the requests on their way whose clients still wait."""
        return [request for request in self.waiting if id(request) not in self._given_up]

    def _on_through(self, event: simpy.Event) -> None:
        request = self.waiting.popleft()
        if id(request) in self._given_up:
            self._given_up.remove(id(request))
        else:
            self._forward(request)
