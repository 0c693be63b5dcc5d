"""The rows of a trace, block by block, each of them checked.

A block is parsed at once by Arrow, without a Python object a row. Where Arrow cannot, or finds an
unusual value (a wrong one, but also an empty line, a quoted field or ``10.0`` tokens), the block is
parsed line by line: that gives the same arrays, or the line that is wrong.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.csv
import pyarrow.json
from numpy.typing import NDArray

from inference_sim.errors import TraceError
from inference_sim.workload.text_blocks import Block
from inference_sim.workload.trace_lines import MOST_TOKENS, Columns, LineParser, has_offset
from inference_sim.workload.trace_opening import OpenedTrace

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
    """

    ticks: NDArray[Any]
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    failures: int
    skipped: int = 0


def read_rows(path: Path, trace: OpenedTrace, *, skip_invalid: bool = False) -> Iterator[Rows]:
    """Yield the rows of one block after the other.

    Args:
        path: The file, for errors.
        trace: The trace that was opened.
        skip_invalid: Whether invalid rows are left out. Rows out of order are an error in any case:
            the whole file is wrong then.

    Raises:
        TraceError: At the first wrong row; the message names file and line.
    """
    parser = LineParser(path, trace, skip_invalid=skip_invalid)
    first: Any = None
    latest: Any = None
    for block in trace.rows():
        columns = parsed_at_once(trace, block, parser) or parser.parsed(block)
        ticks, prompt, output = columns.ticks, columns.prompt_tokens, columns.output_tokens
        if not len(ticks):
            yield Rows(ticks, prompt, output, 0, columns.skipped)
            continue
        first = ticks[0] if first is None else first
        earlier = np.diff(ticks, prepend=first if latest is None else latest) < 0
        if earlier.any():
            raise TraceError(
                f"{path}:{columns.lines[int(earlier.argmax())]}: arrives before the row above it "
                "(a trace must be in order of arrival)"
            )
        years = (ticks - first) / (trace.format.ticks_per_s * _YEAR_S)
        if years[-1] > _MOST_YEARS:
            raise TraceError(
                f"{path}:{columns.lines[int((years > _MOST_YEARS).argmax())]}: arrives "
                f"{years[-1]:.3g} years after the first request: is "
                f"{trace.format.columns[0]} in {trace.format.time_unit}? "
                "`time_unit` sets another unit"
            )
        latest = ticks[-1]
        served = output > 0
        failures = len(served) - int(np.count_nonzero(served))
        if failures:
            ticks, prompt, output = ticks[served], prompt[served], output[served]
        yield Rows(ticks, prompt, output, failures, columns.skipped)


def parsed_at_once(trace: OpenedTrace, block: Block, parser: LineParser) -> Columns | None:
    """Return the columns of a block; None if any value is unusual."""
    if trace.format.json_lines and trace.format.stamps:  # to Arrow they are text
        return None
    try:
        table = _json(trace, block) if trace.format.json_lines else _csv(trace, block, parser)
    except pa.ArrowInvalid:
        return None
    columns = [table.column(name) for name in trace.format.columns]
    # As many rows as lines: then the lines of rows are known, and no object spans several.
    if table.num_rows != block.line_count or any(column.null_count for column in columns):
        return None
    ticks, prompt, output = (column.to_numpy() for column in columns)
    if trace.format.stamps:
        ticks = ticks.astype("datetime64[ns]").view(np.int64)
    elif not np.isfinite(ticks).all() or (
        trace.format.whole_ticks and (ticks != np.floor(ticks)).any()
    ):
        return None
    served = (prompt >= 1) & (output >= 1)
    if trace.format.fails_at_zero:
        served |= (prompt >= 0) & (output == 0)
    if not (served & (prompt <= MOST_TOKENS) & (output <= MOST_TOKENS)).all():
        return None
    lines = range(block.first_line, block.first_line + table.num_rows)
    return Columns(lines, ticks, prompt, output)


def _csv(trace: OpenedTrace, block: Block, parser: LineParser) -> pa.Table:
    time, *tokens = trace.format.columns
    kinds: dict[str, pa.DataType] = dict.fromkeys(tokens, pa.int64())
    kinds[time] = pa.float64()
    with_offset = parser.with_offset
    if trace.format.stamps:
        if with_offset is None:
            first, _, _ = block.text.partition(b"\n")
            fields = first.rstrip(b"\r").split(b",")
            column = trace.header.index(time)
            with_offset = column < len(fields) and has_offset(
                fields[column].decode("ascii", "replace")
            )
        kinds[time] = pa.timestamp("ns", tz="UTC" if with_offset else None)
    # Columns that are not read may share a name; Arrow requires different names.
    names = [name if name in kinds else f"#{index}" for index, name in enumerate(trace.header)]
    table = pyarrow.csv.read_csv(
        pa.BufferReader(block.text),
        read_options=pyarrow.csv.ReadOptions(
            column_names=names, use_threads=False, block_size=len(block.text) + 1
        ),
        # A quote that is never closed would swallow rows: quoted fields are left to the lines.
        parse_options=pyarrow.csv.ParseOptions(quote_char=False),
        convert_options=pyarrow.csv.ConvertOptions(
            include_columns=list(kinds),
            column_types=kinds,
            null_values=[""],
            check_utf8=False,
            timestamp_parsers=[pyarrow.csv.ISO8601],
        ),
    )
    parser.with_offset = with_offset
    return table


def _json(trace: OpenedTrace, block: Block) -> pa.Table:
    time, *tokens = trace.format.columns
    schema = pa.schema({time: pa.float64()} | dict.fromkeys(tokens, pa.int64()))
    return pyarrow.json.read_json(
        pa.BufferReader(block.text),
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(block.text) + 1),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=schema, unexpected_field_behavior="ignore"
        ),
    )
