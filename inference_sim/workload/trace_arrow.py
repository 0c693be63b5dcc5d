"""Blocks of a trace parsed at once by Arrow, without a Python object a row.

It gives nothing where it cannot, or finds an unusual value: a wrong one, but also an empty line, a
quoted field or ``10.0`` tokens.
"""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.json

from inference_sim.arrays import FloatArray
from inference_sim.workload.text_blocks import Block
from inference_sim.workload.trace_formats import TraceFormat
from inference_sim.workload.trace_lines import EPOCHS_S, Columns, LineParser
from inference_sim.workload.trace_opening import OpenedTrace
from inference_sim.workload.trace_talk import Column, Prefixes
from inference_sim.workload.trace_values import MOST_TOKENS, has_offset, misfit_ids, repeated_ids


def parsed_at_once(trace: OpenedTrace, block: Block, parser: LineParser) -> Columns | None:
    """Return the columns of a block; None if any value is unusual."""
    if not _plain(trace, block, parser):
        return None
    try:
        read = _json if trace.format.json_lines else _csv
        table = read(trace, block, parser)
        columns = [table.column(name) for name in trace.format.columns]
        # As many rows as lines: then the lines of rows are known, and no object spans several.
        if table.num_rows != block.line_count or any(column.null_count for column in columns):
            return None
        more = _other_columns(table, parser, trace.format.talk.block_tokens)
    except (pa.ArrowInvalid, UnicodeDecodeError):
        return None
    ticks, prompt, output = (column.to_numpy() for column in columns)
    if trace.format.stamps:
        ticks = ticks.astype("datetime64[ns]").view(np.int64)
    elif not _plain_times(trace.format, ticks):
        return None
    served = (prompt >= 1) & (output >= 1)
    if trace.format.fails_at_zero:
        served |= (prompt >= 0) & (output == 0)
    if not (served & (prompt <= MOST_TOKENS) & (output <= MOST_TOKENS)).all() or more is None:
        return None
    prefixes = more.get("prefix")
    if isinstance(prefixes, Prefixes) and (
        misfit_ids(prefixes, prompt).any() or repeated_ids(prefixes).any()
    ):
        return None
    lines = range(block.first_line, block.first_line + table.num_rows)
    return Columns(lines, ticks, prompt, output, more=more)


def _plain_times(trace_format: TraceFormat, ticks: FloatArray) -> bool:
    """Return whether all times are as the format has them."""
    if trace_format.whole_ticks and (ticks != np.floor(ticks)).any():
        return False
    least, most = EPOCHS_S if trace_format.epoch else (0.0, np.inf)
    return bool((np.isfinite(ticks) & (ticks >= least) & (ticks < most)).all())


def _plain(trace: OpenedTrace, block: Block, parser: LineParser) -> bool:
    """Return whether Arrow reads a block as the lines are read."""
    names = (*trace.format.columns, *parser.more.values())
    if trace.format.json_lines:  # to Arrow, stamps are text, and a path is one key
        return (
            not trace.format.stamps
            and not trace.format.spans
            and all(name in trace.first for name in names)
        )
    # Two kinds of one column are read once; a quote is a part of a name to Arrow, and ids are text.
    quoted = bool(parser.more) and b'"' in block.text
    return len(set(names)) == len(names) and not quoted and "prefix" not in parser.more


def _other_columns(
    table: pa.Table, parser: LineParser, block_tokens: int
) -> dict[str, Column] | None:
    """Return the columns that are not read of every trace; None if a value is unusual."""
    columns: dict[str, Column] = {}
    for kind, name in parser.more.items():
        column = table.column(name).combine_chunks()
        if kind == "prefix":
            ids = column.flatten()
            if ids.null_count:
                return None
            counts = pc.fill_null(pc.list_value_length(column), 0).to_numpy(zero_copy_only=False)
            offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
            columns[kind] = Prefixes(ids.to_numpy(zero_copy_only=False), offsets, block_tokens)
        elif kind == "turn":
            turns = pc.fill_null(column, -1).to_numpy(zero_copy_only=False).astype(np.int64)
            if ((turns < -1) | (turns > MOST_TOKENS)).any():
                return None
            columns[kind] = turns
        else:
            names = column.cast(pa.string()).to_numpy(zero_copy_only=False)
            names[names == ""] = None
            columns[kind] = names
    return columns


def _csv(trace: OpenedTrace, block: Block, parser: LineParser) -> pa.Table:
    time, *tokens = trace.format.columns
    kinds: dict[str, pa.DataType] = dict.fromkeys(tokens, pa.int64())
    for kind, name in parser.more.items():
        kinds[name] = pa.int64() if kind == "turn" else pa.string()
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
            strings_can_be_null=True,
            check_utf8=False,
            timestamp_parsers=[pyarrow.csv.ISO8601],
        ),
    )
    parser.with_offset = with_offset
    return table


def _json(trace: OpenedTrace, block: Block, parser: LineParser) -> pa.Table:
    time, *tokens = trace.format.columns
    kinds = {time: pa.float64()} | dict.fromkeys(tokens, pa.int64())
    for kind, name in parser.more.items():
        is_number = kind == "turn" or type(trace.first[name]) is int
        plain = pa.int64() if is_number else pa.string()
        kinds[name] = pa.list_(pa.int64()) if kind == "prefix" else plain
    return pyarrow.json.read_json(
        pa.BufferReader(block.text),
        read_options=pyarrow.json.ReadOptions(use_threads=False, block_size=len(block.text) + 1),
        parse_options=pyarrow.json.ParseOptions(
            explicit_schema=pa.schema(kinds), unexpected_field_behavior="ignore"
        ),
    )
