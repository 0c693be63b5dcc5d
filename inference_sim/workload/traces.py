"""Recorded request traces, in memory or left in their files.

A file is read block by block, each checked and turned into arrays before the next one is read. A
trace of ordinary size is then held as arrays (24 bytes a request). :func:`open_trace` gives a
larger file as a :class:`TraceFile`, which is read once to check it and again by each stream: its
memory does not grow with the file. The formats are those of ``trace_formats``.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np

from inference_sim.errors import TraceError
from inference_sim.workload.trace_classes import ClassNumbers
from inference_sim.workload.trace_formats import TraceFormat
from inference_sim.workload.trace_opening import OpenedTrace, open_as
from inference_sim.workload.trace_requests import RequestTrace, Totals, totals_of
from inference_sim.workload.trace_rows import read_rows
from inference_sim.workload.trace_talk import Talk

IN_MEMORY_BYTES = 200_000_000
"""Size of the largest file that is held in memory; about five million requests."""


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

    @property
    def class_counts(self) -> Sequence[int]:
        """Number of requests of each class; empty if the trace does not tell classes."""
        ...

    def parts(self) -> Iterator[RequestTrace]:
        """Yield the requests in parts of bounded size; times count from the first of all."""
        ...


@dataclass(frozen=True, slots=True)
class Reading:
    """How a trace is read.

    Attributes:
        trace_format: Its format, or the name of it; None to recognise it by the first line.
        time_unit: Unit of its times, one of ``TIME_UNITS``; the format's own if None.
        skip_invalid: Whether invalid rows are left out and counted.
        sort: Whether it is sorted by time, as a log needs whose rows were written at the end of
            each request; it is held in memory for that.
        classes: Numbers of the classes that its class column names; None to leave that out.
        talk: Whether sessions, turns and prefixes are read.
    """

    trace_format: str | TraceFormat | None = None
    time_unit: str | None = None
    skip_invalid: bool = False
    sort: bool = False
    classes: ClassNumbers | None = None
    talk: bool = False


@dataclass(frozen=True, slots=True)
class TraceFile:
    """A trace that stays in its file, which each stream reads anew; made by :func:`open_trace`."""

    path: Path
    reading: Reading
    totals: Totals

    @property
    def span_s(self) -> float:
        """Time from the first arrival to the last [s]."""
        return self.totals.span_s

    @property
    def requests(self) -> int:
        """Number of requests."""
        return self.totals.requests

    @property
    def peak_rate_per_s(self) -> float:
        """The busiest minute's mean rate [requests/s]."""
        return self.totals.peak_rate_per_s

    @property
    def failures(self) -> int:
        """Number of requests that were recorded as failed, and left out."""
        return self.totals.failures

    @property
    def skipped(self) -> int:
        """Number of invalid rows that were left out."""
        return self.totals.skipped

    @property
    def class_counts(self) -> Sequence[int]:
        """Number of requests of each class; empty if the trace does not tell classes."""
        return self.totals.class_counts

    def parts(self) -> Iterator[RequestTrace]:
        """Yield the requests in parts of bounded size."""
        for piece in read_pieces(self.path, self.reading):
            yield from piece.parts()


def open_trace(
    path: Path,
    trace_format: str | TraceFormat | None = None,
    time_unit: str | None = None,
    *,
    skip_invalid: bool = False,
    sort: bool = False,
    classes: ClassNumbers | None = None,
    talk: bool = False,
    in_memory_bytes: int = IN_MEMORY_BYTES,
) -> RequestTrace | TraceFile:
    """Read a request trace, or only check it if its file is larger than `in_memory_bytes`.

    Args:
        path: The file.
        trace_format: As in :class:`Reading`, and so the following.
        time_unit: Unit of its times.
        skip_invalid: Whether invalid rows are left out and counted.
        sort: Whether it is sorted by time.
        classes: Numbers of the classes.
        talk: Whether sessions, turns and prefixes are read.
        in_memory_bytes: Size of the largest file that is held in memory.

    Raises:
        TraceError: If the file cannot be read as such a trace; the message names the first bad row.
    """
    reading = Reading(trace_format, time_unit, skip_invalid, sort, classes, talk)
    if not path.is_file() or path.stat().st_size <= in_memory_bytes:
        return _whole(path, reading)
    return TraceFile(path, reading, totals_of(read_pieces(path, reading)))


def read_trace(
    path: Path,
    trace_format: str | TraceFormat | None = None,
    time_unit: str | None = None,
    *,
    skip_invalid: bool = False,
) -> RequestTrace:
    """Read a request trace into memory, without classes and sessions.

    Args:
        path: The file.
        trace_format: As in :class:`Reading`, and so the following.
        time_unit: Unit of its times.
        skip_invalid: Whether invalid rows are left out and counted.

    Raises:
        TraceError: If the file cannot be read as such a trace; the message names the first bad row.
    """
    return _whole(path, Reading(trace_format, time_unit, skip_invalid))


def _whole(path: Path, reading: Reading) -> RequestTrace:
    pieces = [*read_pieces(path, reading)]
    full = [piece for piece in pieces if piece.requests]
    class_ids = [piece.class_ids for piece in full if piece.class_ids is not None]
    talk = [piece.talk for piece in full if piece.talk is not None]
    return RequestTrace(
        np.concatenate([piece.times_s for piece in full]),
        np.concatenate([piece.prompt_tokens for piece in full]),
        np.concatenate([piece.output_tokens for piece in full]),
        sum(piece.failures for piece in pieces),
        sum(piece.skipped for piece in pieces),
        np.concatenate(class_ids) if class_ids else None,
        Talk.joined(talk) if talk else None,
    )


def count_longer(path: Path, reading: Reading, most_tokens: int) -> tuple[int, int]:
    """Return how many requests of a file are longer than some tokens, and the first one's line.

    Args:
        path: The file.
        reading: How it is read.
        most_tokens: Most tokens of prompt and output together.

    Raises:
        TraceError: If the file cannot be read as such a trace.
    """
    count = line = 0
    with closing(_opened(path, reading)) as trace:
        for rows in read_rows(path, trace, skip_invalid=reading.skip_invalid):
            longer = np.flatnonzero(rows.prompt_tokens + rows.output_tokens > most_tokens)
            if len(longer) and not count:
                line = rows.lines[int(longer[0])]
            count += len(longer)
    return count, line


def _opened(path: Path, reading: Reading) -> OpenedTrace:
    opened = open_as(path, reading.trace_format, reading.time_unit)
    return opened.in_any_order() if reading.sort else opened


def read_pieces(path: Path, reading: Reading | None = None) -> Iterator[RequestTrace]:
    """Yield the requests of a file piece by piece, checked; times count from the first of all.

    A piece has no requests if none of its rows is a served one.

    Args:
        path: The file.
        reading: How it is read; by its first line if None.

    Raises:
        TraceError: If the file cannot be read as such a trace; the message names the first bad row.
    """
    reading = reading or Reading()
    origin, failures, skipped = None, 0, 0
    with closing(_opened(path, reading)) as trace:
        for rows in read_rows(
            path,
            trace,
            skip_invalid=reading.skip_invalid,
            classes=reading.classes,
            talk=reading.talk,
        ):
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
                rows.class_ids,
                rows.talk,
            )
    if origin is None:
        left_out = [f"{failures:,} that failed"] if failures else []
        left_out += [f"{skipped:,} invalid rows"] if skipped else []
        raise TraceError(
            f"{path}: holds no requests" + (f" but {' and '.join(left_out)}" if left_out else "")
        )
