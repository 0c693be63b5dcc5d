"""Recorded request traces: Azure LLM inference (2023, 2024) and Vidur's own format.

A file is read in pieces, each checked and turned into arrays before the next one is read. A trace
of ordinary size is then held as arrays (24 bytes a request). :func:`open_trace` gives a larger file
as a :class:`TraceFile`, which is read once to check it and again by each stream: slower, but its
memory does not grow with the file.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inference_sim.errors import TraceError

_AZURE = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
_VIDUR = ("arrived_at", "num_prefill_tokens", "num_decode_tokens")
_COLUMNS = {"azure": _AZURE, "vidur": _VIDUR}
FORMATS = tuple(_COLUMNS)

IN_MEMORY_BYTES = 200_000_000
"""Size of the largest file that is held in memory; about five million requests."""
_READ_ROWS = 100_000
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

    def parts(self) -> Iterator[RequestTrace]:
        """Yield the requests in parts of bounded size; times count from the first of all."""
        ...


@dataclass(frozen=True, slots=True)
class RequestTrace:
    """Requests in order of arrival; arrays of shape (n,).

    Attributes:
        times_s: Arrival times, the first at 0 [s].
        prompt_tokens, output_tokens: Lengths [tokens].
    """

    times_s: NDArray[np.float64]
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]

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
        _, _, peak_rate_per_s = _summary([self])
        return peak_rate_per_s

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
    trace_format: str
    span_s: float
    requests: int
    peak_rate_per_s: float

    def parts(self) -> Iterator[RequestTrace]:
        """Yield the requests in parts of bounded size."""
        for piece in _read_pieces(self.path, self.trace_format):
            yield from piece.parts()


def open_trace(
    path: Path, trace_format: str, *, in_memory_bytes: int = IN_MEMORY_BYTES
) -> RequestTrace | TraceFile:
    """Read a request trace, or only check it if its file is larger than `in_memory_bytes`.

    Args:
        path: A CSV file.
        trace_format: As in :func:`read_trace`.
        in_memory_bytes: Size of the largest file that is held in memory.

    Raises:
        TraceError: If the file cannot be read as such a trace; names the first bad row.
    """
    if not path.is_file() or path.stat().st_size <= in_memory_bytes:
        return read_trace(path, trace_format)
    return TraceFile(path, trace_format, *_summary(_read_pieces(path, trace_format)))


def read_trace(path: Path, trace_format: str) -> RequestTrace:
    """Read a request trace into memory.

    Args:
        path: A CSV file.
        trace_format: ``azure`` (``TIMESTAMP,ContextTokens,GeneratedTokens``) or ``vidur``
            (``arrived_at,num_prefill_tokens,num_decode_tokens``, seconds).

    Raises:
        TraceError: If the file cannot be read as such a trace; names the first bad row.
    """
    pieces = list(_read_pieces(path, trace_format))
    return RequestTrace(
        np.concatenate([piece.times_s for piece in pieces]),
        np.concatenate([piece.prompt_tokens for piece in pieces]),
        np.concatenate([piece.output_tokens for piece in pieces]),
    )


def _summary(pieces: Iterable[RequestTrace]) -> tuple[float, int, float]:
    """Return the span [s], the number of requests, and the busiest minute's rate [requests/s]."""
    requests = busiest = in_minute = 0
    minute, span_s = -1.0, 0.0
    for piece in pieces:
        minutes, counts = np.unique(piece.times_s // 60, return_counts=True)
        if minutes[0] == minute:  # it began in the piece before
            counts[0] += in_minute
        requests += piece.requests
        busiest = max(busiest, int(counts.max()))
        minute, in_minute, span_s = float(minutes[-1]), int(counts[-1]), piece.span_s
    return span_s, requests, busiest / min(60.0, max(span_s, 1.0))


def _read_pieces(path: Path, trace_format: str) -> Iterator[RequestTrace]:
    """Yield the requests of a file piece by piece, checked; times count from the first of all."""
    columns = _COLUMNS[trace_format]
    read_times = _stamps_ns if trace_format == "azure" else _numbers
    # Stamps are subtracted as integers: seconds since the epoch leave a float 0.2 us of precision.
    per_second = 1e9 if trace_format == "azure" else 1.0
    origin, span_s = None, 0.0
    for frame in _frames(path, columns):
        missing = [name for name in columns if name not in frame.columns]
        if missing:
            raise TraceError(
                f"{path}:1: the header lacks {', '.join(missing)} "
                f"(a trace of format '{trace_format}' has {', '.join(columns)})"
            )
        if frame.empty:
            raise TraceError(f"{path}: holds no requests")
        time, prompt, output = (frame[name] for name in columns)
        clock = read_times(path, time)
        origin = clock[0] if origin is None else origin
        times_s = (clock - origin) / per_second
        backwards = np.flatnonzero(np.diff(times_s, prepend=span_s) < 0)
        if len(backwards):
            line = frame.index[backwards[0]] + 2
            raise TraceError(f"{path}:{line}: arrives before the row above it")
        span_s = float(times_s[-1])
        yield RequestTrace(times_s, _tokens(path, prompt), _tokens(path, output))


def _frames(path: Path, columns: tuple[str, ...]) -> Iterator[pd.DataFrame]:
    """Yield some columns of a CSV file as text, a bounded number of rows at a time."""
    try:
        with pd.read_csv(
            path, usecols=lambda name: name in columns, dtype=str, chunksize=_READ_ROWS
        ) as frames:
            yield from frames
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise TraceError(f"{path}: cannot be read as CSV: {error}") from error


def _stamps_ns(path: Path, column: pd.Series[str]) -> NDArray[np.int64]:
    stamps = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
    _require(path, column, stamps.notna().to_numpy(), "a time stamp")
    return stamps.dt.tz_convert(None).to_numpy(dtype="datetime64[ns]").astype(np.int64)


def _numbers(path: Path, column: pd.Series[str]) -> NDArray[np.float64]:
    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64)
    _require(path, column, np.isfinite(values), "a finite number")
    return values


def _tokens(path: Path, column: pd.Series[str]) -> NDArray[np.int64]:
    values = _numbers(path, column)
    whole = (values >= 1) & (values == np.floor(values)) & (values < 2.0**63)
    _require(path, column, whole, "a whole number from 1")
    return values.astype(np.int64)


def _require(path: Path, column: pd.Series[str], good: NDArray[np.bool_], expected: str) -> None:
    bad = np.flatnonzero(~good)
    if len(bad):
        row = int(bad[0])
        lines = column.index + 2  # of the file: the header is line 1
        raise TraceError(
            f"{path}:{lines[row]}: column {column.name} is not {expected} "
            f"(got {column.iloc[row]!r}"
            + (f"; {len(bad)} such rows up to line {lines[-1]})" if len(bad) > 1 else ")")
        )
