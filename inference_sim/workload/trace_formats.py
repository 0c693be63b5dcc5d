"""The formats of request traces: which there are, and how a file is recognised as one.

=========  ==========================================  ===================  ======================
format     columns                                     times                source
=========  ==========================================  ===================  ======================
azure      TIMESTAMP, ContextTokens, GeneratedTokens   ISO 8601 stamps      Azure LLM inference
                                                                            2023, 2024
burstgpt   Timestamp, Request tokens, Response tokens  s; 0 response        Wang et al., 2024,
                                                       tokens: a failure    arXiv:2401.17644
mooncake   timestamp, input_length, output_length      ms; JSON lines       Qin et al., FAST 2025
vidur      arrived_at, num_prefill_tokens,             s                    Agrawal et al., MLSys
           num_decode_tokens                                                2024
=========  ==========================================  ===================  ======================

Other columns are left out, Mooncake's prefix blocks (``hash_ids``) among them.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Generator, Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from inference_sim.errors import TraceError, UnknownName
from inference_sim.workload.text_blocks import Block, read_blocks

_SHOWN = 80
"""Characters of a line that an error shows."""


@dataclass(frozen=True, slots=True)
class TraceFormat:
    """How a trace is written.

    Attributes:
        name: What scenarios call it.
        columns: Names of time, prompt tokens and output tokens.
        about: What it is, in a few words.
        ticks_per_s: Units of its times in a second; 1e9 for stamps, which are read as nanoseconds.
        stamps: Whether times are stamps, not numbers.
        json_lines: Whether each line is a JSON object; CSV with a header if not.
        fails_at_zero: Whether a request without output tokens is one that failed, and not an error.
    """

    name: str
    columns: tuple[str, str, str]
    about: str
    ticks_per_s: float = 1.0
    stamps: bool = False
    json_lines: bool = False
    fails_at_zero: bool = False

    @property
    def time_unit(self) -> str:
        """The unit of its times, in words."""
        return {1.0: "seconds", 1e3: "milliseconds"}.get(self.ticks_per_s, "time stamps")


FORMATS = {
    one.name: one
    for one in (
        TraceFormat(
            "azure",
            ("TIMESTAMP", "ContextTokens", "GeneratedTokens"),
            "Azure LLM inference 2023 and 2024",
            ticks_per_s=1e9,
            stamps=True,
        ),
        TraceFormat(
            "burstgpt",
            ("Timestamp", "Request tokens", "Response tokens"),
            "BurstGPT",
            fails_at_zero=True,
        ),
        TraceFormat(
            "mooncake",
            ("timestamp", "input_length", "output_length"),
            "Mooncake, as JSON lines",
            ticks_per_s=1e3,
            json_lines=True,
        ),
        TraceFormat(
            "vidur", ("arrived_at", "num_prefill_tokens", "num_decode_tokens"), "Vidur's own"
        ),
    )
}
"""The formats by name."""


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


def open_as(path: Path, name: str | None = None) -> OpenedTrace:
    """Open a trace, and check its header; to be closed.

    Args:
        path: The file.
        name: Its format; recognised by the first line if None.

    Raises:
        TraceError: If it is not in this format, or in none of the formats.
        UnknownName: If there is no such format.
    """
    if name is not None and name not in FORMATS:
        raise UnknownName("format of traces", name, FORMATS)
    blocks = read_blocks(path)
    try:
        for block in blocks:
            if (beginning := block.without_leading_empty_lines) is not None:
                return _opened(path, name, beginning, blocks)
        raise TraceError(f"{path}: is empty")
    except BaseException:
        blocks.close()
        raise


def _opened(path: Path, name: str | None, block: Block, blocks: Generator[Block]) -> OpenedTrace:
    where = f"{path}:{block.first_line}"
    first, _, _ = block.text.partition(b"\n")
    text = first.rstrip(b"\r").decode("utf-8", "backslashreplace")
    is_json = text.lstrip().startswith(("{", "["))
    names = _json_names(where, text) if is_json else _csv_names(where, text)
    fitting = [
        one
        for one in FORMATS.values()
        if one.json_lines == is_json and set(one.columns) <= set(names)
    ]
    if name is not None and FORMATS[name] not in fitting:
        looks = f"; it looks like format '{fitting[0].name}'" if fitting else ""
        raise TraceError(f"{where}: {_misfit(FORMATS[name], names, text, is_json=is_json)}{looks}")
    if not fitting:
        known = "; ".join(f"{one.name}: {', '.join(one.columns)}" for one in FORMATS.values())
        raise TraceError(
            f"{where}: no known format of request traces (got {shown(text)}; known: {known})"
        )
    chosen = fitting[0] if name is None else FORMATS[name]
    if is_json:
        return OpenedTrace(chosen, (), block, blocks)
    if repeated := [column for column in chosen.columns if names.count(column) > 1]:
        raise TraceError(f"{where}: the header has {', '.join(repeated)} more than once")
    return OpenedTrace(chosen, names, block.without_first_line, blocks)


def _misfit(wanted: TraceFormat, names: tuple[str, ...], text: str, *, is_json: bool) -> str:
    expected = f"a trace of format '{wanted.name}' has {', '.join(wanted.columns)}"
    if wanted.json_lines and not is_json:
        return f"is not a JSON object (got {shown(text)}; {expected})"
    present = names if wanted.json_lines == is_json else ()
    missing = ", ".join(column for column in wanted.columns if column not in present)
    what = "object" if is_json and wanted.json_lines else "header"
    return f"the {what} lacks {missing} ({expected})"


def _csv_names(where: str, text: str) -> tuple[str, ...]:
    try:
        return tuple(name.strip() for name in next(csv.reader([text], strict=True)))
    except csv.Error as error:
        raise TraceError(f"{where}: is no header of CSV: {error} (got {shown(text)})") from error


def _json_names(where: str, text: str) -> tuple[str, ...]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TraceError(
            f"{where}: is not a JSON object of one line: {error} (got {shown(text)})"
        ) from error
    if not isinstance(content, dict):
        raise TraceError(
            f"{where}: is not a JSON object (got {shown(text)}; expected one object a line)"
        )
    return tuple(content)


def shown(value: object) -> str:
    """Return a value as an error shows it: quoted, and cut if it is long."""
    text = value if isinstance(value, str) else repr(value)
    cut = text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
    return repr(cut) if isinstance(value, str) else cut
