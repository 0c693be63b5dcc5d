"""Recorded request traces, in memory or left in their files.

A file is read block by block, each checked and turned into arrays before the next one is read. A
trace of ordinary size is then held as arrays (24 bytes a request). :func:`open_trace` gives a
larger file as a :class:`TraceFile`, which is read once to check it and again by each stream: its
memory does not grow with the file. The formats are those of ``trace_formats``.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from inference_sim.arrays import FloatArray
from inference_sim.errors import TraceError
from inference_sim.workload.trace_opening import open_as
from inference_sim.workload.trace_rows import read_rows

IN_MEMORY_BYTES = 200_000_000
"""Size of the largest file that is held in memory; about five million requests."""
_PART_ROWS = 4096


class Recording(Protocol):
    """Recorded requests, in order of arrival."""

    @property
    def span_s(self) -> float:
        """Time from the first arrival to the last [s]."""
        ...

    @property
    def requests(self) -> int:
        """Number of requests."""
        ...

    @property
    def peak_rate_per_s(self) -> float:
        """The busiest minute's mean rate [requests/s]."""
        ...

    @property
    def failures(self) -> int:
        """Number of requests that were recorded as failed, and left out."""
        ...

    @property
    def skipped(self) -> int:
        """Number of invalid rows that were left out."""
        ...

    def parts(self) -> Iterator[RequestTrace]:
        """Yield the requests in parts of bounded size; times count from the first of all."""
        ...


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """Requests in order of arrival; arrays of shape (n,).

    Attributes:
        times_s: Arrival times, the first at 0 [s].
        prompt_tokens, output_tokens: Lengths [tokens].
        failures: Requests that were recorded as failed, and left out.
        skipped: Number of invalid rows that were left out.
    """

    times_s: FloatArray
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    failures: int = 0
    skipped: int = 0

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
        return _totals([self]).peak_rate_per_s

    def parts(self) -> Iterator[RequestTrace]:
        """Yield the requests in parts of bounded size."""
        for first in range(0, len(self.times_s), _PART_ROWS):
            rows = slice(first, first + _PART_ROWS)
            yield RequestTrace(
                self.times_s[rows], self.prompt_tokens[rows], self.output_tokens[rows]
            )


@dataclass(frozen=True, slots=True)
class TraceFile:
    """A trace that stays in its file, which each stream reads anew; made by :func:`open_trace`."""

    path: Path
    trace_format: str | None
    time_unit: str | None
    skip_invalid: bool
    span_s: float
    requests: int
    failures: int
    skipped: int
    peak_rate_per_s: float

    def parts(self) -> Iterator[RequestTrace]:
        """Yield the requests in parts of bounded size."""
        for piece in read_pieces(
            self.path, self.trace_format, self.time_unit, skip_invalid=self.skip_invalid
        ):
            yield from piece.parts()


def open_trace(
    path: Path,
    trace_format: str | None = None,
    time_unit: str | None = None,
    *,
    skip_invalid: bool = False,
    in_memory_bytes: int = IN_MEMORY_BYTES,
) -> RequestTrace | TraceFile:
    """Read a request trace, or only check it if its file is larger than `in_memory_bytes`.

    Args:
        path: The file.
        trace_format: As in :func:`read_trace`.
        time_unit: As in :func:`read_trace`.
        skip_invalid: As in :func:`read_trace`.
        in_memory_bytes: Size of the largest file that is held in memory.

    Raises:
        TraceError: If the file cannot be read as such a trace; the message names the first bad row.
    """
    if not path.is_file() or path.stat().st_size <= in_memory_bytes:
        return read_trace(path, trace_format, time_unit, skip_invalid=skip_invalid)
    totals = _totals(read_pieces(path, trace_format, time_unit, skip_invalid=skip_invalid))
    return TraceFile(
        path,
        trace_format,
        time_unit,
        skip_invalid,
        totals.span_s,
        totals.requests,
        totals.failures,
        totals.skipped,
        totals.peak_rate_per_s,
    )


def read_trace(
    path: Path,
    trace_format: str | None = None,
    time_unit: str | None = None,
    *,
    skip_invalid: bool = False,
) -> RequestTrace:
    """Read a request trace into memory.

    Args:
        path: The file.
        trace_format: The name of a format; None to recognise it by the first line.
        time_unit: Unit of its times, one of ``TIME_UNITS``; the format's own if None.
        skip_invalid: Whether invalid rows are left out and counted.

    Raises:
        TraceError: If the file cannot be read as such a trace; the message names the first bad row.
    """
    pieces = list(read_pieces(path, trace_format, time_unit, skip_invalid=skip_invalid))
    return RequestTrace(
        np.concatenate([piece.times_s for piece in pieces]),
        np.concatenate([piece.prompt_tokens for piece in pieces]),
        np.concatenate([piece.output_tokens for piece in pieces]),
        sum(piece.failures for piece in pieces),
        sum(piece.skipped for piece in pieces),
    )


def read_pieces(
    path: Path,
    trace_format: str | None = None,
    time_unit: str | None = None,
    *,
    skip_invalid: bool = False,
) -> Iterator[RequestTrace]:
    """Yield the requests of a file piece by piece, checked; times count from the first of all.

    A piece has no requests if none of its rows is a served one.

    Args:
        path: The file.
        trace_format: As in :func:`read_trace`.
        time_unit: As in :func:`read_trace`.
        skip_invalid: As in :func:`read_trace`.

    Raises:
        TraceError: If the file cannot be read as such a trace; the message names the first bad row.
    """
    origin, failures, skipped = None, 0, 0
    with closing(open_as(path, trace_format, time_unit)) as trace:
        for rows in read_rows(path, trace, skip_invalid=skip_invalid):
            failures += rows.failures
            skipped += rows.skipped
            if origin is None and len(rows.ticks):
                origin = rows.ticks[0]
            # Stamps are subtracted as integers: seconds since the epoch leave a float 0.2 us.
            since = rows.ticks if origin is None else rows.ticks - origin
            yield RequestTrace(
                since / trace.format.ticks_per_s,
                rows.prompt_tokens,
                rows.output_tokens,
                rows.failures,
                rows.skipped,
            )
    if origin is None:
        left_out = [f"{failures:,} that failed"] if failures else []
        left_out += [f"{skipped:,} invalid rows"] if skipped else []
        raise TraceError(
            f"{path}: holds no requests" + (f" but {' and '.join(left_out)}" if left_out else "")
        )


class Totals:
    """Totals over the pieces of a trace.

    Attributes:
        requests, failures: Requests, and those that were recorded as failed and left out.
        skipped: Number of invalid rows that were left out.
        span_s: Time from the first arrival to the last [s].
    """

    def __init__(self) -> None:
        self.requests = 0
        self.failures = 0
        self.skipped = 0
        self.span_s = 0.0
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
        self._minute, self._in_minute = float(minutes[-1]), int(counts[-1])


def _totals(pieces: Iterable[RequestTrace]) -> Totals:
    totals = Totals()
    for piece in pieces:
        totals.add(piece)
    return totals
