"""A trace opened: its format recognised by the first line, its header checked."""

from __future__ import annotations

from collections.abc import Generator, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from inference_sim.errors import TraceError
from inference_sim.workload.text_blocks import Block, read_blocks
from inference_sim.workload.trace_beginning import Beginning
from inference_sim.workload.trace_columns import map_to_write
from inference_sim.workload.trace_formats import TraceFormat, find_format, known_formats
from inference_sim.workload.trace_values import shown


@dataclass(frozen=True, slots=True)
class OpenedTrace:
    """A trace whose format is known.

    Attributes:
        format: The format.
        header: Names of the columns in their order; empty for JSON lines.
        beginning: The first lines after the header, if there are any.
        following: The rest.
        first: The first object of JSON lines.
    """

    format: TraceFormat
    header: tuple[str, ...]
    beginning: Block | None
    following: Generator[Block]
    first: Mapping[str, Any] = field(default_factory=dict)

    def rows(self) -> Iterator[Block]:
        """Yield the lines after the header, once."""
        if self.beginning is not None:
            yield self.beginning
        yield from self.following

    def in_unit(self, time_unit: str) -> OpenedTrace:
        """Return the same trace with its times in a unit, whatever the format says."""
        return replace(self, format=self.format.in_unit(time_unit))

    def in_any_order(self) -> OpenedTrace:
        """Return the same trace, whose requests are to be sorted."""
        return replace(self, format=replace(self.format, any_order=True))

    def close(self) -> None:
        """Close the file."""
        self.following.close()


def recognise_format(path: Path) -> TraceFormat:
    """Return the format of a trace, by its first line.

    Raises:
        TraceError: If it is in none of the formats, or cannot be read.
    """
    return format_as_read(path)


def format_as_read(
    path: Path, name: str | TraceFormat | None = None, time_unit: str | None = None
) -> TraceFormat:
    """Return the format of a trace with the columns that it has; see :func:`open_as`."""
    with closing(open_as(path, name, time_unit)) as trace:
        return trace.format


def map_of_file(path: Path) -> str:
    """Return advice to name the columns of a file, with a guess which they are.

    Raises:
        TraceError: If it cannot be read, or its first line is neither a header nor an object.
    """
    with closing(read_blocks(path)) as blocks:
        for block in blocks:
            if (beginning := block.without_leading_empty_lines) is not None:
                return map_to_write(path, Beginning.of(path, beginning))
    raise TraceError(f"{path}: is empty")


def open_as(
    path: Path, name: str | TraceFormat | None = None, time_unit: str | None = None
) -> OpenedTrace:
    """Open a trace, and check its header; to be closed.

    Args:
        path: The file.
        name: Its format, or the name of it; recognised by the first line if None.
        time_unit: Unit of its times, one of ``TIME_UNITS``; the format's own if None.

    Raises:
        TraceError: If it is not in this format, or in none of the formats.
        UnknownName: If the format is unknown.
    """
    formats = known_formats()
    if isinstance(name, str):
        formats[name] = find_format(name)
    elif name is not None:
        formats[name.name] = name
    trace = open_among(path, formats, name.name if isinstance(name, TraceFormat) else name)
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
    beginning = Beginning.of(path, block)
    wanted = formats[name] if name is not None else None
    candidates = formats.values() if wanted is None else [wanted]
    fitting = [fitted for each in candidates if (fitted := beginning.fitted(each)) is not None]
    if not fitting and wanted is not None:
        others = [each for each in formats.values() if beginning.fitted(each) is not None]
        like = max(others, key=lambda other: len(other.telling), default=None)
        looks = f"; it looks like format '{like.name}'" if like is not None else ""
        raise TraceError(f"{beginning.location}: {beginning.misfit(wanted)}{looks}")
    if not fitting:
        raise TraceError(
            f"{beginning.location}: no known format of request traces (got "
            f"{shown(beginning.text)}; known: {', '.join(formats)}); "
            f"{map_to_write(path, beginning)}"
        )
    if wanted is not None:
        _check_not_another(beginning, wanted, formats)
    most = max(len(fitted.telling) for fitted in fitting)
    fitting = [fitted for fitted in fitting if len(fitted.telling) == most]  # the most specific
    if len(fitting) > 1:
        raise TraceError(
            f"{beginning.location}: has the columns of several formats: "
            f"{', '.join(fitted.name for fitted in fitting)}; `format` says which it is"
        )
    (chosen,) = fitting
    if beginning.is_json:
        return OpenedTrace(chosen, (), block, blocks, beginning.first)
    read = (*chosen.columns, *chosen.talk.names.values())
    if repeated := [column for column in read if beginning.names.count(column) > 1]:
        raise TraceError(
            f"{beginning.location}: the header has {', '.join(repeated)} more than once"
        )
    return OpenedTrace(chosen, beginning.names, block.without_first_line, blocks)


def _check_not_another(
    beginning: Beginning, wanted: TraceFormat, formats: Mapping[str, TraceFormat]
) -> None:
    """Refuse a format whose columns a file has, but with those of one in another unit beside."""
    for other in formats.values():
        alike = other.columns == wanted.columns and other.ticks_per_s != wanted.ticks_per_s
        if alike and len(other.telling) > len(wanted.telling) and beginning.fitted(other):
            raise TraceError(
                f"{beginning.location}: has {', '.join(other.telling)}, as format '{other.name}' "
                f"has, whose times are in {other.time_unit} (got format '{wanted.name}', in "
                f"{wanted.time_unit})"
            )
