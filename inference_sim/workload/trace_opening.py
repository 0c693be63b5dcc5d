"""A trace opened: its format recognised by the first line, its header checked."""

from __future__ import annotations

import csv
import json
from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path

from inference_sim.errors import TraceError
from inference_sim.workload.text_blocks import Block, read_blocks
from inference_sim.workload.trace_formats import TraceFormat, find_format, known_formats

_SHOWN = 80
"""Characters of a line that an error shows."""


@dataclass(frozen=True, slots=True)
class OpenedTrace:
    """A trace whose format is known.

    Attributes:
        format: The format.
        header: Names of the columns in their order; empty for JSON lines.
        beginning: The first lines after the header, if there are any.
        following: The rest.
    """

    format: TraceFormat
    header: tuple[str, ...]
    beginning: Block | None
    following: Generator[Block]

    def rows(self) -> Iterator[Block]:
        """Yield the lines after the header, once."""
        if self.beginning is not None:
            yield self.beginning
        yield from self.following

    def in_unit(self, time_unit: str) -> OpenedTrace:
        """Return the same trace with its times as numbers in a unit, whatever the format says."""
        return replace(self, format=self.format.in_unit(time_unit))

    def close(self) -> None:
        """Close the file."""
        self.following.close()


def recognise_format(path: Path) -> TraceFormat:
    """Return the format of a trace, by its first line.

    Raises:
        TraceError: If it is in none of the formats, or cannot be read.
    """
    with closing(open_as(path)) as trace:
        return trace.format


def open_as(path: Path, name: str | None = None, time_unit: str | None = None) -> OpenedTrace:
    """Open a trace, and check its header; to be closed.

    Args:
        path: The file.
        name: Its format; recognised by the first line if None.
        time_unit: Unit of its times, one of ``TIME_UNITS``; the format's own if None.

    Raises:
        TraceError: If it is not in this format, or in none of the formats.
        UnknownName: If the format is unknown.
    """
    formats = known_formats() if name is None else {**known_formats(), name: find_format(name)}
    trace = open_among(path, formats, name)
    return trace if time_unit is None else trace.in_unit(time_unit)


def open_among(
    path: Path, formats: Mapping[str, TraceFormat], name: str | None = None
) -> OpenedTrace:
    """Open a trace that is in one of some formats; to be closed.

    Raises:
        TraceError: As :func:`open_as`.
    """
    blocks = read_blocks(path)
    try:
        for block in blocks:
            if (beginning := block.without_leading_empty_lines) is not None:
                return _opened(path, name, beginning, blocks, formats)
        raise TraceError(f"{path}: is empty")
    except BaseException:
        blocks.close()
        raise


def _opened(
    path: Path,
    name: str | None,
    block: Block,
    blocks: Generator[Block],
    formats: Mapping[str, TraceFormat],
) -> OpenedTrace:
    location = f"{path}:{block.first_line}"
    first_line, _, _ = block.text.partition(b"\n")
    text = first_line.rstrip(b"\r").decode("utf-8", "backslashreplace")
    is_json = text.lstrip().startswith(("{", "["))
    names = _json_names(location, text) if is_json else _csv_names(location, text)
    fitting = [
        candidate
        for candidate in formats.values()
        if candidate.json_lines == is_json and candidate.fits(names)
    ]
    fitting.sort(key=lambda candidate: -len(candidate.telling))  # of two, the more specific one
    if name is not None and formats[name] not in fitting:
        looks = f"; it looks like format '{fitting[0].name}'" if fitting else ""
        raise TraceError(
            f"{location}: {_misfit(formats[name], names, text, is_json=is_json)}{looks}"
        )
    if not fitting:
        listed = "; ".join(
            f"{candidate.name}: {', '.join(candidate.columns)}" for candidate in formats.values()
        )
        raise TraceError(
            f"{location}: no known format of request traces (got {shown(text)}; known: {listed})"
        )
    chosen = fitting[0] if name is None else formats[name]
    if is_json:
        return OpenedTrace(chosen, (), block, blocks)
    if repeated := [column for column in chosen.columns if names.count(column) > 1]:
        raise TraceError(f"{location}: the header has {', '.join(repeated)} more than once")
    return OpenedTrace(chosen, names, block.without_first_line, blocks)


def _misfit(wanted: TraceFormat, names: tuple[str, ...], text: str, *, is_json: bool) -> str:
    expected = f"a trace of format '{wanted.name}' has {', '.join(wanted.columns)}"
    if wanted.json_lines and not is_json:
        return f"is not a JSON object (got {shown(text)}; {expected})"
    present = names if wanted.json_lines == is_json else ()
    missing = ", ".join(column for column in wanted.columns if column not in present)
    part = "object" if is_json and wanted.json_lines else "header"
    return f"the {part} lacks {missing} ({expected})"


def _csv_names(location: str, text: str) -> tuple[str, ...]:
    try:
        return tuple(name.strip() for name in next(csv.reader([text], strict=True)))
    except csv.Error as error:
        raise TraceError(
            f"{location}: is not a header of CSV: {error} (got {shown(text)})"
        ) from error


def _json_names(location: str, text: str) -> tuple[str, ...]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TraceError(
            f"{location}: is not a JSON object of one line: {error} (got {shown(text)})"
        ) from error
    if not isinstance(content, dict):
        raise TraceError(
            f"{location}: is not a JSON object (got {shown(text)}; expected one object a line)"
        )
    return tuple(content)


def shown(value: object) -> str:
    """Return a value as an error shows it: quoted, and cut if it is long."""
    text = value if isinstance(value, str) else repr(value)
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return repr(cut) if isinstance(value, str) else cut
