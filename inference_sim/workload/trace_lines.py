"""The rows of a trace parsed line by line: slower, and able to name the wrong line."""

from __future__ import annotations

import csv
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from inference_sim.arrays import FloatArray
from inference_sim.errors import TraceError
from inference_sim.workload.text_blocks import Block
from inference_sim.workload.trace_formats import TIME_UNITS
from inference_sim.workload.trace_opening import OpenedTrace
from inference_sim.workload.trace_paths import spans_of, value_at
from inference_sim.workload.trace_talk import Column, Prefixes, picked
from inference_sim.workload.trace_values import (
    MOST_TOKENS,
    has_offset,
    is_number,
    is_stamp,
    misfit_ids,
    number_of,
    other_column,
    repeated_ids,
    shown,
)

_Bad = tuple[NDArray[np.bool_], str]
_SET_UNIT = f"set `time_unit` to one of {', '.join(TIME_UNITS)}"
_SKIP = "; `skip: invalid` leaves such rows out"
EPOCHS_S = (946_684_800.0, 4_102_444_800.0)
"""Seconds since 1970 that are taken for a time of a trace: the years 2000 to 2099."""


@dataclass(frozen=True, slots=True)
class Columns:
    """Values of the lines of a block.

    Attributes:
        lines: Their numbers in the file.
        ticks: Times in the units of the format, from its own origin, of shape (lines,).
        prompt_tokens, output_tokens: Lengths [tokens], of shape (lines,).
        skipped: Number of invalid lines that were left out.
        more: Other columns that are read, by kind (``TalkColumns.names``).
    """

    lines: Sequence[int]
    ticks: NDArray[Any]
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    skipped: int = 0
    more: Mapping[str, Column] = field(default_factory=dict)


class _LacksValue(ValueError):
    """An object that is whole, but without a value that a request has."""


class LineParser:
    """Parser of the lines of one trace.

    Args:
        path: The file, for errors.
        trace: The trace that was opened.
        skip_invalid: Whether invalid lines are left out.
        more: Other columns to read: their names, by kind.

    Attributes:
        with_offset: Whether its stamps have an offset from UTC; None until the first is known.
        more: The other columns.
    """

    def __init__(
        self,
        path: Path,
        trace: OpenedTrace,
        *,
        skip_invalid: bool = False,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self.more = more or {}
        self._path = path
        self._skip_invalid = skip_invalid
        self._format = trace.format
        self._header = trace.header
        self.with_offset: bool | None = None

    def parsed(self, block: Block) -> Columns:
        """Return the columns of a block.

        Raises:
            TraceError: At the first line with a wrong value, or without the shape of a row, unless
                such lines are left out.
        """
        lines: list[int] = []
        rows: list[tuple[Any, ...]] = []
        misshapen: TraceError | None = None
        skipped = 0
        for number, line in block.numbered_lines():
            for fields in self._fields(line):
                if not isinstance(fields, ValueError):
                    lines.append(number)
                    rows.append(fields)
                    continue
                skipped += 1
                if self._skip_invalid:
                    continue
                ends = block.is_last and number == block.first_line + block.line_count - 1
                whole = isinstance(fields, _LacksValue)
                cut = "; the file ends here and may have been cut off" if ends and not whole else ""
                misshapen = TraceError(f"{self._path}:{number}: {fields}{cut}")
                break
            if misshapen is not None:
                break  # unless a line above it is wrong too
        columns = self._columns(lines, rows, skipped)
        if misshapen is not None:
            raise misshapen
        return columns

    def _columns(
        self, lines: Sequence[int], rows: Sequence[tuple[Any, ...]], skipped: int
    ) -> Columns:
        read: list[Sequence[Any]] = [*zip(*rows, strict=True)] if rows else []
        times, prompts, outputs, *others = read or [()] * (3 + len(self.more))
        ticks, problems = self._stamps(times) if self._format.stamps else self._seconds(times)
        output = self._numbers(outputs)
        least_output = np.full(len(lines), 0 if self._format.fails_at_zero else 1)
        least_prompt = np.where(output == 0, least_output, 1)
        prompt = self._numbers(prompts)
        time, *names = self._format.columns
        problems_found = [
            *(_Problem(time, times, bad, wrong) for bad, wrong in problems),
            _not_tokens(names[0], prompts, prompt, least_prompt),
            _not_tokens(names[1], outputs, output, least_output),
        ]
        more: dict[str, Column] = {}
        for (kind, name), values in zip(self.more.items(), others, strict=True):
            more[kind], bad, wrong = other_column(kind, values, self._format.talk.block_tokens)
            problems_found.append(_Problem(name, values, bad, wrong, _SKIP))
            if isinstance(prefixes := more[kind], Prefixes):
                problems_found += _of_ids(name, values, prefixes, prompt)
        problems_found = [problem for problem in problems_found if problem.any]
        if problems_found and not self._skip_invalid:
            first = min(problems_found, key=lambda problem: problem.row)
            raise TraceError(f"{self._path}:{lines[first.row]}: {first.text(lines[-1])}")
        for problem in problems_found:
            if problem.of_file:
                raise TraceError(f"{self._path}:{lines[problem.row]}: {problem.text(lines[-1])}")
        if problems_found:
            good = ~np.logical_or.reduce([problem.bad for problem in problems_found])
            skipped += len(lines) - int(np.count_nonzero(good))
            lines = np.asarray(lines)[good].tolist()
            ticks, prompt, output = ticks[good], prompt[good], output[good]
            more = picked(more, good)
        return Columns(
            lines, ticks, prompt.astype(np.int64), output.astype(np.int64), skipped, more
        )

    def _seconds(self, values: Sequence[Any]) -> tuple[NDArray[Any], list[_Bad]]:
        numbers = self._numbers(values)
        finite = np.isfinite(numbers)
        unit = f"; {_SET_UNIT}" if values and is_stamp(values[0]) else ""
        problems = [
            (~finite, f"is not a finite number{unit}"),
            (finite & (numbers < 0), "is negative"),
        ]
        if self._format.epoch:
            other = finite & ((numbers < EPOCHS_S[0]) | (numbers >= EPOCHS_S[1]))
            problems.append((other, f"is not in seconds since 1970; {_SET_UNIT}"))
        if self._format.whole_ticks:
            fraction = finite & (numbers != np.floor(numbers))
            unit = self._format.time_unit
            problems.append(
                (
                    fraction,
                    f"has a fraction, where {self._format.name} has whole {unit}; {_SET_UNIT}",
                )
            )
        return numbers, problems

    def _stamps(self, values: Sequence[Any]) -> tuple[NDArray[Any], list[_Bad]]:
        texts = [value if isinstance(value, str) else repr(value) for value in values]
        column = pd.Series(texts, dtype=object)
        stamps = pd.to_datetime(column, errors="coerce", utc=True, format="ISO8601")
        plain = np.array([is_number(text) for text in texts], dtype=bool)
        no_stamp = stamps.isna().to_numpy() | plain
        offsets = np.array([has_offset(text) for text in texts], dtype=bool)
        if self.with_offset is None and not no_stamp.all():
            self.with_offset = bool(offsets[~no_stamp][0])
        differs = (
            "lacks the offset from UTC that the rows above have"
            if self.with_offset
            else "has an offset from UTC, which the rows above lack"
        )
        ticks = stamps.dt.tz_convert(None).to_numpy(dtype="datetime64[ns]").view(np.int64)
        problems = [
            (no_stamp, "is not a time stamp"),
            ((offsets != bool(self.with_offset)) & ~no_stamp, differs),
        ]
        if self.with_offset is None:  # not one stamp so far: they are not meant as stamps
            problems.insert(0, (plain, f"is a plain number, not a time stamp; {_SET_UNIT}"))
        return ticks, problems

    def _numbers(self, values: Sequence[Any]) -> FloatArray:
        """Return the values as floats; NaN for values that are not numbers."""
        kinds = (int, float) if self._format.json_lines else (str,)
        return np.array([number_of(value, kinds) for value in values], dtype=np.float64)

    def _fields(self, line: bytes) -> Iterator[tuple[Any, ...] | ValueError]:
        """Yield the values of the requests of a line, or the problem of one."""
        try:
            if not self._format.json_lines:
                yield self._csv_fields(line)
                return
            content = self._object(line)
        except ValueError as error:
            yield error
            return
        for each in spans_of(content) if self._format.spans else [content]:
            try:
                yield self._json_fields(each)
            except ValueError as error:
                yield error

    def _csv_fields(self, line: bytes) -> tuple[Any, ...]:
        text = line.decode("utf-8", "backslashreplace")
        try:
            fields = next(csv.reader([text], strict=True))
        except csv.Error as error:
            raise ValueError(f"is not a row of CSV: {error}") from error
        if len(fields) != len(self._header):
            raise ValueError(
                f"has {len(fields)} column{'' if len(fields) == 1 else 's'} where the header has "
                f"{len(self._header)}"
            )
        names = (*self._format.columns, *self.more.values())
        return tuple(fields[self._header.index(name)] for name in names)

    def _object(self, line: bytes) -> dict[str, Any]:
        try:
            content = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise ValueError(f"is not a JSON object of one line: {error}") from error
        if not isinstance(content, dict):
            raise ValueError(f"is not a JSON object (got {shown(content)})")
        return content

    def _json_fields(self, content: dict[str, Any]) -> tuple[Any, ...]:
        values: list[Any] = []
        missing: list[str] = []
        for name in self._format.columns:
            try:
                values.append(content[name] if name in content else value_at(content, name))
            except KeyError:
                missing.append(name)
        if missing:
            raise _LacksValue(f"the object lacks {', '.join(missing)}{_SKIP}")
        for name in self.more.values():
            try:
                values.append(value_at(content, name))
            except KeyError:
                values.append(None)
        return tuple(values)


@dataclass(frozen=True, slots=True)
class _Problem:
    """Problem of a column, and the rows of a block that have it; with a way out of it, if any."""

    name: str
    values: Sequence[Any]
    bad: NDArray[np.bool_]
    wrong: str
    way_out: str = ""

    @property
    def any(self) -> bool:
        return bool(self.bad.any())

    @property
    def of_file(self) -> bool:
        """Whether the file is read in a wrong unit, not a row wrong."""
        return _SET_UNIT in self.wrong

    @property
    def row(self) -> int:
        return int(self.bad.argmax())

    def text(self, last_line: int) -> str:
        count = int(np.count_nonzero(self.bad))
        others = f"; {count} such rows up to line {last_line}" if count > 1 else ""
        got = f"got {shown(self.values[self.row])}{others}"
        return f"column {self.name} {self.wrong} ({got}){self.way_out}"


def _of_ids(
    name: str, values: Sequence[Any], prefixes: Prefixes, prompt_tokens: FloatArray
) -> list[_Problem]:
    """Return the problems of hash ids that are whole numbers."""
    misfit = misfit_ids(prefixes, prompt_tokens)
    wrong = ""
    if misfit.any():
        row = int(misfit.argmax())
        blocks = math.ceil(prompt_tokens[row] / prefixes.block_tokens)
        wrong = (
            f"has {len(prefixes.of(row))} ids, where {prompt_tokens[row]:,.0f} prompt tokens need "
            f"{blocks} for blocks of {prefixes.block_tokens}"
        )
    twice = "has an id twice, which stands for all tokens before it too"
    return [
        _Problem(name, values, misfit, wrong, _SKIP),
        _Problem(name, values, repeated_ids(prefixes), twice, _SKIP),
    ]


def _not_tokens(
    name: str, values: Sequence[Any], numbers: FloatArray, least: NDArray[np.int64]
) -> _Problem:
    good = (numbers == np.floor(numbers)) & (numbers >= least) & (numbers <= MOST_TOKENS)
    lowest = int(least[(~good).argmax()]) if len(least) else 1
    wrong = f"is not a whole number from {lowest} to {MOST_TOKENS:,}"
    return _Problem(name, values, ~good, wrong, _SKIP)
