"""Sessions of a trace, counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import Any

from inference_sim.workload.trace_requests import RequestTrace


@dataclass(frozen=True, slots=True)
class TalkCounts:
    """Numbers of sessions.

    Attributes:
        sessions: Sessions that the trace names.
        requests: Requests that belong to one.
        longest: Requests of the longest session.
    """

    sessions: int
    requests: int
    longest: int

    def to_dict(self) -> dict[str, Any]:
        """Return the figures by name, as JSON has them."""
        return {"count": self.sessions, "requests": self.requests, "longest": self.longest}


class SessionCounter:
    """Counts sessions, piece by piece; memory grows with their number."""

    def __init__(self) -> None:
        self._requests: Counter[str] = Counter()
        self._are_told = False

    def add(self, piece: RequestTrace) -> None:
        """Take the next piece of a trace."""
        sessions = None if piece.talk is None else piece.talk.sessions
        if sessions is not None:
            self._are_told = True
            self._requests.update(name for name in sessions.tolist() if name is not None)

    @property
    def counts(self) -> TalkCounts | None:
        """The numbers; None if the trace does not tell sessions."""
        if not self._are_told:
            return None
        requests = self._requests
        return TalkCounts(len(requests), requests.total(), max(requests.values(), default=0))
