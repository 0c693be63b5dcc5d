"""Recorded request traces: Azure LLM inference (2023, 2024) and Vidur's own format."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inference_sim.errors import TraceError

_AZURE = ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
_VIDUR = ("arrived_at", "num_prefill_tokens", "num_decode_tokens")
_COLUMNS = {"azure": _AZURE, "vidur": _VIDUR}
FORMATS = tuple(_COLUMNS)


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
    def peak_rate_per_s(self) -> float:
        """The busiest minute's mean rate [requests/s]."""
        _, per_minute = np.unique(self.times_s // 60, return_counts=True)
        span_s = min(60.0, max(float(self.times_s[-1]), 1.0))
        return float(per_minute.max()) / span_s


def read_trace(path: Path, trace_format: str) -> RequestTrace:
    """Read a request trace.

    Args:
        path: A CSV file.
        trace_format: ``azure`` (``TIMESTAMP,ContextTokens,GeneratedTokens``) or ``vidur``
            (``arrived_at,num_prefill_tokens,num_decode_tokens``, seconds).

    Raises:
        TraceError: If the file cannot be read as such a trace; names the first bad row.
    """
    columns = _COLUMNS[trace_format]
    try:
        frame = pd.read_csv(path, usecols=lambda name: name in columns, dtype=str)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise TraceError(f"{path}: cannot be read as CSV: {error}") from error
    missing = [name for name in columns if name not in frame.columns]
    if missing:
        raise TraceError(
            f"{path}:1: the header lacks {', '.join(missing)} "
            f"(a trace of format '{trace_format}' has {', '.join(columns)})"
        )
    if frame.empty:
        raise TraceError(f"{path}: holds no requests")
    time, prompt, output = (frame[name] for name in columns)
    times_s = _stamps_s(path, time) if trace_format == "azure" else _numbers(path, time)
    times_s = times_s - times_s[0]
    backwards = np.flatnonzero(np.diff(times_s) < 0)
    if len(backwards):
        raise TraceError(f"{path}:{backwards[0] + 3}: arrives before the row above it")
    return RequestTrace(times_s, _tokens(path, prompt), _tokens(path, output))


def _stamps_s(path: Path, column: pd.Series[str]) -> NDArray[np.float64]:
    stamps = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
    _require(path, column, stamps.notna().to_numpy(), "a time stamp")
    nanoseconds = stamps.dt.tz_convert(None).to_numpy(dtype="datetime64[ns]").astype(np.int64)
    # Subtract as integers: seconds since the epoch leave only 0.2 us of a float's precision.
    seconds: NDArray[np.float64] = (nanoseconds - nanoseconds[0]) / 1e9
    return seconds


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
        raise TraceError(
            f"{path}:{row + 2}: column {column.name} is not {expected} (got {column.iloc[row]!r}"
            + (f"; {len(bad)} such rows)" if len(bad) > 1 else ")")
        )
