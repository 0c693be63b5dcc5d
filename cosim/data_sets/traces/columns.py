"""The columns of a trace as the command line names them, checked as those of a scenario are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from cosim.errors import ScenarioError
from inference_sim.errors import InferenceSimError
from inference_sim.workload.trace_columns import mapped_format
from inference_sim.workload.trace_formats import MAPPED, TraceFormat
from inference_sim.workload.trace_opening import map_of_file
from inference_sim.workload.traces import Reading


def reading_of(
    path: Path,
    trace_format: str | None,
    columns: Sequence[str],
    time_unit: str | None,
    *,
    prefix_block_tokens: int | None = None,
    skip_invalid: bool = False,
    sort: bool = False,
) -> Reading:
    """Return how a trace is read, by options of the command line.

    Args:
        path: The file.
        trace_format: Name of its format; None to recognise it by the first line.
        columns: Columns as ``kind=name``.
        time_unit: Unit of its times; that of the format if None.
        prefix_block_tokens: Tokens of a block of the column ``prefix``.
        skip_invalid: Whether invalid rows are left out and counted.
        sort: Whether it is sorted by time.

    Raises:
        ScenarioError: If the options do not go together, or it is a folder of ServeGen.
    """
    if path.is_dir() and any(path.glob("chunk-*-trace.csv")):
        raise ScenarioError(
            f"{path}: is a folder of clients, which send requests as a run goes on: "
            f"`workload.trace: {{type: servegen, path: {path}}}`"
        )
    try:
        chosen = _format(path, trace_format, columns, time_unit, prefix_block_tokens)
    except InferenceSimError as error:
        raise ScenarioError(str(error)) from error
    return Reading(chosen, time_unit, skip_invalid, sort)


def _format(
    path: Path,
    trace_format: str | None,
    columns: Sequence[str],
    time_unit: str | None,
    prefix_block_tokens: int | None,
) -> str | TraceFormat | None:
    named: dict[str, str] = {}
    for column in columns:
        kind, equals, name = column.partition("=")
        if not equals or not name:
            raise ScenarioError(f"--column is KIND=NAME, such as time=timestamp (got {column!r})")
        named[kind.strip()] = name
    if trace_format not in MAPPED:
        if named or prefix_block_tokens is not None:
            needed = "--column" if named else "--prefix-block-tokens"
            raise ScenarioError(f"{needed} goes with --format {' or '.join(MAPPED)}")
        return trace_format
    if not named or time_unit is None:
        missing = "--time-unit" if named else "--column"
        raise ScenarioError(f"--format {trace_format} needs {missing}: {map_of_file(path)}")
    return mapped_format(trace_format, named, time_unit, block_tokens=prefix_block_tokens or 0)
