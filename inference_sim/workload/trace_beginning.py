"""The beginning of a trace: which formats its first lines fit, and why they do not fit one."""

from __future__ import annotations

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any

from inference_sim.errors import TraceError
from inference_sim.workload.text_blocks import Block
from inference_sim.workload.trace_formats import MAPPED, TraceFormat
from inference_sim.workload.trace_paths import (
    SPAN_OUTPUTS,
    SPAN_PROMPTS,
    SPAN_TIMES,
    has_value,
    paths_of,
    spans_of,
)
from inference_sim.workload.trace_values import is_stamp, shown

_LINES_TRIED = 200
"""First lines in which columns are looked for that not every one has."""
_MOST_LISTED = 20
_DELIMITERS = {";": "semicolons", "\t": "tabs", "|": "vertical bars"}


@dataclass(frozen=True)
class Beginning:
    """First lines of a trace.

    Attributes:
        location: File and line of the first one.
        text: The first line.
        names: Names of its columns; of JSON lines, the keys of the first object.
        first: The first object of JSON lines; empty for CSV.
        block: The lines.
    """

    location: str
    text: str
    names: tuple[str, ...]
    first: dict[str, Any]
    block: Block

    @classmethod
    def of(cls, path: Path, block: Block) -> Beginning:
        """Return the beginning of a file.

        Raises:
            TraceError: If the first line is neither a header of CSV nor an object.
        """
        location = f"{path}:{block.first_line}"
        line, _, _ = block.text.partition(b"\n")
        text = line.rstrip(b"\r").decode("utf-8", "backslashreplace")
        if text.lstrip().startswith(("{", "[")):
            first = _object(location, text)
            return cls(location, text, tuple(first), first, block)
        return cls(location, text, _header(location, text), {}, block)

    @property
    def is_json(self) -> bool:
        """Whether each line is an object."""
        return bool(self.first)

    @cached_property
    def objects(self) -> list[dict[str, Any]]:
        """Objects of the first lines, spans of OpenTelemetry apart; none of CSV."""
        objects: list[dict[str, Any]] = []
        for line in islice(self.block.text.split(b"\n"), _LINES_TRIED if self.is_json else 0):
            try:
                content = json.loads(line)
            except (ValueError, RecursionError):
                continue
            objects += [content] if isinstance(content, dict) else []
        return objects

    @property
    def columns(self) -> list[str]:
        """Names of its columns; of JSON lines, the paths of the values in the first object."""
        return [*paths_of(self.first)] if self.is_json else [name for name in self.names if name]

    def has(self, name: str) -> bool:
        """Return whether it has a column."""
        return has_value(self.first, name) if self.is_json else name in self.names

    def has_somewhere(self, name: str) -> bool:
        """Return whether it has a column that may be missing in some lines."""
        return self.has(name) or any(has_value(content, name) for content in self.objects)

    def fitted(self, candidate: TraceFormat) -> TraceFormat | None:
        """Return a format with the columns that the file has; None if it is in another one."""
        if candidate.json_lines != self.is_json:
            return None
        if candidate.spans:
            return self._of_spans(candidate)
        return None if self._missing(candidate) else candidate.with_talk_of(self.has_somewhere)

    @property
    def delimiter_hint(self) -> str:
        """A hint at what may separate its columns, if it has one alone; empty otherwise."""
        if self.is_json or len(self.names) != 1:
            return ""
        name = next((name for mark, name in _DELIMITERS.items() if mark in self.text), None)
        return f"its columns seem to be separated by {name} (expected commas)" if name else ""

    def misfit(self, wanted: TraceFormat) -> str:
        """Return why the file is not in a format."""
        expected = f"a trace of format '{wanted.name}' has {', '.join(wanted.columns)}"
        if wanted.name in MAPPED:
            more = ", ..." if len(self.columns) > _MOST_LISTED else ""
            expected = f"it has {', '.join(self.columns[:_MOST_LISTED])}{more}"
        if wanted.json_lines and not self.is_json:
            return f"is not a JSON object (got {shown(self.text)}; {expected})"
        missing = self._missing(wanted) if wanted.json_lines == self.is_json else wanted.columns
        part = "object" if wanted.json_lines else "header"
        hint = f"; {self.delimiter_hint}" if self.delimiter_hint else ""
        return f"the {part} lacks {', '.join(missing)} ({expected}){hint}"

    def _missing(self, wanted: TraceFormat) -> Sequence[str]:
        needed = [*wanted.columns, *wanted.telling]
        missing = [name for name in needed if not self.has(name)]
        if wanted.name in MAPPED:  # whose columns are named by the user, not by habit
            talk = wanted.talk.names.values()
            missing += [name for name in talk if not self.has_somewhere(name)]
        return missing

    def _of_spans(self, candidate: TraceFormat) -> TraceFormat | None:
        """Return the format of spans with the names that the first request among them has."""
        for content in self.objects if b"gen_ai" in self.block.text else ():
            for span in spans_of(content):
                times = [name for name in SPAN_TIMES if name in span]
                for prompt, output in zip(SPAN_PROMPTS, SPAN_OUTPUTS, strict=True):
                    if times and has_value(span, prompt) and has_value(span, output):
                        unit = "ns" if times[0] in SPAN_TIMES[:2] else "epoch"
                        unit = "iso" if is_stamp(span[times[0]]) else unit
                        return replace(candidate, columns=(times[0], prompt, output)).in_unit(unit)
        return None


def _header(location: str, text: str) -> tuple[str, ...]:
    try:
        return tuple(name.strip() for name in next(csv.reader([text], strict=True)))
    except csv.Error as error:
        raise TraceError(
            f"{location}: is not a header of CSV: {error} (got {shown(text)})"
        ) from error


def _object(location: str, text: str) -> dict[str, Any]:
    try:
        content = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise TraceError(
            f"{location}: is not a JSON object of one line: {error} (got {shown(text)})"
        ) from error
    if not isinstance(content, dict) or not content:
        raise TraceError(
            f"{location}: is not a JSON object (got {shown(content)}; expected one object a line)"
        )
    return content
