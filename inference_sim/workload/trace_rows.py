"""The rows of a trace, block by block, each of them checked.

A block is parsed at once by Arrow; where that finds an unusual value, it is parsed line by line,
which gives the same arrays, or the line that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from inference_sim.errors import TraceError
from inference_sim.workload.trace_arrow import parsed_at_once
from inference_sim.workload.trace_classes import ClassNumbers
from inference_sim.workload.trace_formats import TraceFormat
from inference_sim.workload.trace_lines import Columns, LineParser
from inference_sim.workload.trace_opening import OpenedTrace
from inference_sim.workload.trace_talk import Talk, joined, picked
from inference_sim.workload.trace_turns import TurnFollower

_YEAR_S = 365.25 * 86400
_MOST_YEARS = 100  # a sign of times in other units


@dataclass(frozen=True, slots=True)
class Rows:
    """Requests of some lines, in order of arrival; arrays of shape (n,), which may be 0.

    Attributes:
        ticks: Times in the units of the format, from its own origin.
        prompt_tokens, output_tokens: Lengths [tokens].
        failures: Number of rows left out because their requests had failed.
        skipped: Number of invalid rows left out.
        class_ids: Numbers of their classes, if they were asked for and the trace has them.
        talk: Their sessions and prefixes, if they were asked for and the trace has any.
        lines: Their lines in the file.
    """

    ticks: NDArray[Any]
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    failures: int
    skipped: int = 0
    class_ids: NDArray[np.int64] | None = None
    talk: Talk | None = None
    lines: Sequence[int] = ()


def read_rows(
    path: Path,
    trace: OpenedTrace,
    *,
    skip_invalid: bool = False,
    classes: ClassNumbers | None = None,
    talk: bool = False,
) -> Iterator[Rows]:
    """Yield the rows of one block after the other; of a trace in any order, all at once.

    Args:
        path: The file, for errors.
        trace: The trace that was opened.
        skip_invalid: Whether invalid rows are left out. Rows out of order are an error in any case:
            the whole file is wrong then.
        classes: Numbers of the classes; None to leave them out.
        talk: Whether sessions and prefixes are read.

    Raises:
        TraceError: At the first wrong row; the message names file and line.
    """
    more = {
        kind: name
        for kind, name in trace.format.talk.names.items()
        if (classes is not None if kind == "class" else talk)
    }
    parser = LineParser(path, trace, skip_invalid=skip_invalid, more=more)
    parsed: Iterator[Columns] = (
        parsed_at_once(trace, block, parser) or parser.parsed(block) for block in trace.rows()
    )
    if trace.format.any_order:
        parsed = iter([sorted_columns([*parsed])])
    follower = TurnFollower(path) if more.keys() - {"class"} else None
    first: Any = None
    latest: Any = None
    for columns in parsed:
        ticks, prompt, output = columns.ticks, columns.prompt_tokens, columns.output_tokens
        if not len(ticks):
            yield Rows(ticks, prompt, output, 0, columns.skipped)
            continue
        first = ticks[0] if first is None else first
        _check_times(path, trace.format, columns, first, first if latest is None else latest)
        latest = ticks[-1]
        served = output > 0
        failures = len(served) - int(np.count_nonzero(served))
        rows_talk = None
        if follower is not None:
            rows_talk = follower.talk(columns.more, columns.lines, served)
        lines = columns.lines
        if failures:
            ticks, prompt, output = ticks[served], prompt[served], output[served]
            lines = np.asarray(lines)[served].tolist()
        class_ids = None
        if classes is not None and "class" in more:
            names = columns.more["class"][served].tolist()  # type: ignore[index]
            class_ids = classes.of(path, more["class"], names, lines)
        yield Rows(ticks, prompt, output, failures, columns.skipped, class_ids, rows_talk, lines)


def sorted_columns(parts: Sequence[Columns]) -> Columns:
    """Return the columns of all blocks of a trace, in order of arrival; equal times stay as read.

    Args:
        parts: Columns of the blocks, of which there is one at least.
    """
    ticks = np.concatenate([part.ticks for part in parts])
    order = np.argsort(ticks, kind="stable")
    more = joined([part.more for part in parts if len(part.ticks)])
    return Columns(
        np.concatenate([np.asarray(part.lines, dtype=np.int64) for part in parts])[order].tolist(),
        ticks[order],
        np.concatenate([part.prompt_tokens for part in parts])[order],
        np.concatenate([part.output_tokens for part in parts])[order],
        sum(part.skipped for part in parts),
        picked(more, order),
    )


def _check_times(
    path: Path, trace_format: TraceFormat, columns: Columns, first: Any, latest: Any
) -> None:
    """Refuse times that go back, or over more years than a trace has."""
    earlier = np.diff(columns.ticks, prepend=latest) < 0
    if earlier.any():
        raise TraceError(
            f"{path}:{columns.lines[int(earlier.argmax())]}: arrives before the row above it "
            "(a trace must be in order of arrival; `sort: true` sorts one)"
        )
    years = (columns.ticks - first) / (trace_format.ticks_per_s * _YEAR_S)
    if years[-1] > _MOST_YEARS:
        raise TraceError(
            f"{path}:{columns.lines[int((years > _MOST_YEARS).argmax())]}: arrives "
            f"{years[-1]:.3g} years after the first request: is {trace_format.columns[0]} in "
            f"{trace_format.time_unit}? `time_unit` sets another unit"
        )
