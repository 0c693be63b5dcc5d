"""The rows of a trace parsed line by line: slower, and able to say which line is wrong."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inference_sim.arrays import FloatArray
from inference_sim.errors import TraceError
from inference_sim.workload.text_blocks import Block
from inference_sim.workload.trace_formats import OpenedTrace, shown

_Bad = tuple[NDArray[np.bool_], str]
MOST_TOKENS = 2**31 - 1
"""Longest prompt or output that is taken for one [tokens]."""
_OFFSET = re.compile(r":.*(?:[Zz]|[+-]\d\d(?::?\d\d)?)$")


@dataclass(frozen=True, slots=True)
class Columns:
    """What the lines of a block hold.

    Attributes:
        lines: Their numbers in the file.
        ticks: Times in the units of the format, from its own origin, of shape (lines,).
        prompt_tokens, output_tokens: Lengths [tokens], of shape (lines,).
    """

    lines: Sequence[int]
    ticks: NDArray[Any]
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]


class LineParser:
    """Parses the lines of one trace.

    Args:
        path: The file, for errors.
        trace: The trace that was opened.

    Attributes:
        with_offset: Whether its stamps have an offset from UTC; None until the first is known.
    """

    def __init__(self, path: Path, trace: OpenedTrace) -> None:
        self._path = path
        self._format = trace.format
        self._header = trace.header
        self.with_offset: bool | None = None

    def parsed(self, block: Block) -> Columns:
        """Return the columns of a block.

        Raises:
            TraceError: At the first line with a wrong value, or that has not the shape of a row.
        """
        fields = self._json_fields if self._format.json_lines else self._csv_fields
        lines: list[int] = []
        rows: list[tuple[Any, ...]] = []
        misshapen: TraceError | None = None
        for number, line in block.numbered_lines():
            try:
                rows.append(fields(line))
            except ValueError as error:
                ends = block.is_last and number == block.first_line + block.line_count - 1
                cut = "; the file ends here and may have been cut off" if ends else ""
                misshapen = TraceError(f"{self._path}:{number}: {error}{cut}")
                break  # unless a line above it is wrong too
            lines.append(number)
        columns = self._columns(lines, rows)
        if misshapen is not None:
            raise misshapen
        return columns

    def _columns(self, lines: Sequence[int], rows: Sequence[tuple[Any, ...]]) -> Columns:
        times, prompts, outputs = zip(*rows, strict=True) if rows else ((), (), ())
        ticks, problems = self._stamps(times) if self._format.stamps else self._seconds(times)
        output = self._numbers(outputs)
        least_output = np.full(len(lines), 0 if self._format.fails_at_zero else 1)
        least_prompt = np.where(output == 0, least_output, 1)
        prompt = self._numbers(prompts)
        time, *names = self._format.columns
        found = [
            *(_Problem(time, times, bad, wrong) for bad, wrong in problems),
            _not_tokens(names[0], prompts, prompt, least_prompt),
            _not_tokens(names[1], outputs, output, least_output),
        ]
        if first := min((one for one in found if one.any), key=lambda one: one.row, default=None):
            raise TraceError(f"{self._path}:{lines[first.row]}: {first.text(lines[-1])}")
        return Columns(lines, ticks, prompt.astype(np.int64), output.astype(np.int64))

    def _seconds(self, values: Sequence[Any]) -> tuple[NDArray[Any], list[_Bad]]:
        numbers = self._numbers(values)
        return numbers, [(~np.isfinite(numbers), "is not a finite number")]

    def _stamps(self, values: Sequence[Any]) -> tuple[NDArray[Any], list[_Bad]]:
        texts = pd.Series(list(values), dtype=object)
        stamps = pd.to_datetime(texts, errors="coerce", utc=True, format="ISO8601")
        offsets = np.array([has_offset(text) for text in values], dtype=bool)
        if self.with_offset is None and len(offsets):
            self.with_offset = bool(offsets[0])
        differs = (
            "lacks the offset from UTC that the rows above have"
            if self.with_offset
            else "has an offset from UTC, which the rows above lack"
        )
        ticks = stamps.dt.tz_convert(None).to_numpy(dtype="datetime64[ns]").view(np.int64)
        no_stamp = stamps.isna().to_numpy()
        return ticks, [
            (no_stamp, "is not a time stamp"),
            ((offsets != bool(self.with_offset)) & ~no_stamp, differs),
        ]

    def _numbers(self, values: Sequence[Any]) -> FloatArray:
        """Return the values as floats; NaN for what is no number."""
        kinds = (int, float) if self._format.json_lines else (str,)
        return np.array([_number(value, kinds) for value in values], dtype=np.float64)

    def _csv_fields(self, line: bytes) -> tuple[Any, ...]:
        text = line.decode("utf-8", "backslashreplace")
        try:
            fields = next(csv.reader([text], strict=True))
        except csv.Error as error:
            raise ValueError(f"is no row of CSV: {error}") from error
        if len(fields) != len(self._header):
            raise ValueError(
                f"has {len(fields)} column{'' if len(fields) == 1 else 's'} where the header has "
                f"{len(self._header)}"
            )
        return tuple(fields[self._header.index(name)] for name in self._format.columns)

    def _json_fields(self, line: bytes) -> tuple[Any, ...]:
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"is not a JSON object of one line: {error}") from error
        if not isinstance(content, dict):
            raise ValueError(f"is not a JSON object (got {shown(content)})")
        if missing := [name for name in self._format.columns if name not in content]:
            raise ValueError(f"the object lacks {', '.join(missing)}")
        return tuple(content[name] for name in self._format.columns)


@dataclass(frozen=True, slots=True)
class _Problem:
    """What is wrong with a column, and in which rows of a block."""

    name: str
    values: Sequence[Any]
    bad: NDArray[np.bool_]
    wrong: str

    @property
    def any(self) -> bool:
        return bool(self.bad.any())

    @property
    def row(self) -> int:
        return int(self.bad.argmax())

    def text(self, last_line: int) -> str:
        count = int(np.count_nonzero(self.bad))
        more = f"; {count} such rows up to line {last_line}" if count > 1 else ""
        return f"column {self.name} {self.wrong} (got {shown(self.values[self.row])}{more})"


def _not_tokens(
    name: str, values: Sequence[Any], numbers: FloatArray, least: NDArray[np.int64]
) -> _Problem:
    good = (numbers == np.floor(numbers)) & (numbers >= least) & (numbers <= MOST_TOKENS)
    lowest = int(least[(~good).argmax()]) if len(least) else 1
    wrong = f"is not a whole number from {lowest} to {MOST_TOKENS:,}"
    return _Problem(name, values, ~good, wrong)


def has_offset(stamp: str) -> bool:
    """Tell whether a time stamp says how far its clock is from UTC."""
    return bool(_OFFSET.search(stamp.strip()))


def _number(value: Any, kinds: tuple[type, ...]) -> float:
    if type(value) not in kinds or (isinstance(value, str) and "_" in value):
        return math.nan
    try:
        return float(value)
    except ValueError:
        return math.nan
    except OverflowError:
        return math.inf
