"""Requests of a trace as arrays, and totals over them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference_sim.arrays import FloatArray
from inference_sim.workload.trace_talk import Talk

_PART_ROWS = 4096


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """Requests in order of arrival; arrays of shape (n,).

    Attributes:
        times_s: Arrival times, the first at 0 [s].
        prompt_tokens, output_tokens: Lengths [tokens].
        failures: Requests that were recorded as failed, and left out.
        skipped: Number of invalid rows that were left out.
        class_ids: Numbers of the classes; None if they are not told, or not asked for.
        talk: Sessions and prefixes; None if they were not asked for.
        lap: How often the trace was repeated before.
    """

    times_s: FloatArray
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    failures: int = 0
    skipped: int = 0
    class_ids: NDArray[np.int64] | None = None
    talk: Talk | None = None
    lap: int = 0

    @property
    def totals(self) -> Totals:
        """Totals over the requests."""
        return totals_of([self])

    @property
    def span_s(self) -> float:
        """Time from the first arrival to the last [s]."""
        return float(self.times_s[-1])

    @property
    def requests(self) -> int:
        """Number of requests."""
        return len(self.times_s)

    @property
    def peak_rate_per_s(self) -> float:
        """The busiest minute's mean rate [requests/s]."""
        return self.totals.peak_rate_per_s

    @property
    def class_counts(self) -> Sequence[int]:
        """Number of requests of each class; empty if the trace does not tell classes."""
        return self.totals.class_counts

    def parts(self) -> Iterator[RequestTrace]:
        """Yield the requests in parts of bounded size."""
        for first in range(0, len(self.times_s), _PART_ROWS):
            rows = slice(first, first + _PART_ROWS)
            yield RequestTrace(
                self.times_s[rows],
                self.prompt_tokens[rows],
                self.output_tokens[rows],
                class_ids=None if self.class_ids is None else self.class_ids[rows],
                talk=None if self.talk is None else self.talk.picked(rows),
            )


class Totals:
    """Totals over the pieces of a trace.

    Attributes:
        requests, failures: Requests, and those that were recorded as failed and left out.
        skipped: Number of invalid rows that were left out.
        span_s: Time from the first arrival to the last [s].
        class_counts: Number of requests of each class; empty if they are not told.
        longest_tokens: Prompt and output of the longest request [tokens].
        has_sessions: Whether the trace tells sessions.
        with_prefixes: Requests that have hash ids; None if it does not tell any.
        orphans: Requests that continue one which is not in the trace, or not served.
    """

    def __init__(self) -> None:
        self.requests = 0
        self.failures = 0
        self.skipped = 0
        self.span_s = 0.0
        self.class_counts: list[int] = []
        self.longest_tokens = 0
        self.has_sessions = False
        self.with_prefixes: int | None = None
        self.orphans = 0
        self._busiest = self._in_minute = 0
        self._minute = -1.0

    @property
    def peak_rate_per_s(self) -> float:
        """The busiest minute's mean rate [requests/s]."""
        return self._busiest / min(60.0, max(self.span_s, 1.0))

    def add(self, piece: RequestTrace) -> None:
        """Take the next piece."""
        self.failures += piece.failures
        self.skipped += piece.skipped
        if not piece.requests:
            return
        minutes, counts = np.unique(piece.times_s // 60, return_counts=True)
        if minutes[0] == self._minute:  # the minute began in the piece before
            counts[0] += self._in_minute
        self.requests += piece.requests
        self.span_s = piece.span_s
        self._busiest = max(self._busiest, int(counts.max()))
        self.longest_tokens = max(
            self.longest_tokens, int((piece.prompt_tokens + piece.output_tokens).max())
        )
        if piece.talk is not None:
            self.has_sessions |= piece.talk.sessions is not None
            self.orphans += piece.talk.orphans
            if (added := piece.talk.with_prefixes) is not None:
                self.with_prefixes = (self.with_prefixes or 0) + added
        if piece.class_ids is not None:
            more = np.bincount(piece.class_ids, minlength=len(self.class_counts)).tolist()
            before = [*self.class_counts, *[0] * (len(more) - len(self.class_counts))]
            self.class_counts = [*map(sum, zip(before, more, strict=True))]
        self._minute, self._in_minute = float(minutes[-1]), int(counts[-1])


def totals_of(pieces: Iterable[RequestTrace]) -> Totals:
    """Return the totals over pieces."""
    totals = Totals()
    for piece in pieces:
        totals.add(piece)
    return totals
