"""Traces with columns of their own: a format from a map of names, and the map that a file may need.

The map, as a scenario has it::

    trace:
      format: csv
      path: log.csv
      columns: {time: ts, prompt: in_tokens, output: out_tokens, class: tier}
      time_unit: s
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from inference_sim.errors import TraceError, did_you_mean
from inference_sim.workload.trace_beginning import Beginning
from inference_sim.workload.trace_formats import MAPPED, TalkColumns, TraceFormat
from inference_sim.workload.trace_paths import value_at
from inference_sim.workload.trace_values import is_number, is_stamp

KINDS = ("time", "prompt", "output", "class", "session", "request", "parent", "turn", "prefix")
"""Columns that a map can name; the first three are needed."""
_GUESSES = {
    "time": r"^ts$|time|stamp|arriv|start|receiv|submit|begin|created|date|^at$",
    "prompt": r"prompt|input|(^|[^a-z])in([^a-z]|$)|context|prefill|request.?tokens",
    "output": r"output|(^|[^a-z])out([^a-z]|$)|completion|generat|response|decode",
}
_NO_TOKENS = re.compile(r"cached|price|cost|text|_id$|latency|duration", re.I)
_UNITS = ((1e17, "ns"), (1e14, "us"), (1e11, "ms"))


def mapped_format(
    name: str, columns: Mapping[str, str], time_unit: str, *, block_tokens: int = 0
) -> TraceFormat:
    """Return the format of a file with columns of its own.

    Args:
        name: ``csv`` or ``jsonl``.
        columns: Names of columns by kind (`KINDS`); of JSON lines, dotted paths.
        time_unit: Unit of the times, one of ``TIME_UNITS``.
        block_tokens: Tokens of a block of ``prefix``.

    Raises:
        TraceError: If the map lacks a column, or names one twice.
    """
    if unknown := [kind for kind in columns if kind not in KINDS]:
        raise TraceError(
            f"the columns can be {', '.join(KINDS)} (got {unknown[0]}"
            f"{did_you_mean(unknown[0], KINDS)})"
        )
    if missing := [kind for kind in KINDS[:3] if kind not in columns]:
        raise TraceError(f"the columns lack {', '.join(missing)} (got {', '.join(columns)})")
    needed = (columns["time"], columns["prompt"], columns["output"])
    if len(set(needed)) < 3:
        raise TraceError(f"time, prompt and output are different columns (got {', '.join(needed)})")
    if "parent" in columns and "request" not in columns:
        raise TraceError("`parent` names other requests: expected the column `request` beside it")
    if ("prefix" in columns) != (block_tokens > 0):
        raise TraceError("a column `prefix` goes with `prefix_block_tokens`, and they with it")
    plain = TraceFormat(name, needed, MAPPED[name], json_lines=name == "jsonl")
    talk = TalkColumns(
        request_class=columns.get("class", ""),
        session=columns.get("session", ""),
        request=columns.get("request", ""),
        parent=columns.get("parent", ""),
        turn=columns.get("turn", ""),
        prefix=columns.get("prefix", ""),
        block_tokens=block_tokens,
    )
    return replace(plain, talk=talk).in_unit(time_unit)


def map_to_write(path: Path, beginning: Beginning) -> str:
    """Return advice to name the columns of a file, with a guess which they are.

    Of one whose columns are not separated by commas, the advice is that they should be.
    """
    if beginning.delimiter_hint:
        return beginning.delimiter_hint
    listed = beginning.columns
    guess: dict[str, str] = {}
    for kind, pattern in _GUESSES.items():
        likely = [name for name in listed if re.search(pattern, name, re.I)]
        likely = [name for name in likely if name not in guess.values()]
        if kind != "time":
            likely = [name for name in likely if not _NO_TOKENS.search(name)]
            likely.sort(key=lambda name: "token" not in name.lower())
        guess[kind] = likely[0] if likely else f"{kind.upper()}_COLUMN"
    unit = _likely_unit(_first_value(guess["time"], beginning))
    columns = ", ".join(f"{kind}: {_quoted(name)}" for kind, name in guess.items())
    form = "jsonl" if beginning.is_json else "csv"
    return (
        f"name its columns, such as `trace: {{format: {form}, path: {_quoted(str(path))}, "
        f"columns: {{{columns}}}, time_unit: {unit}}}`"
    )


def _first_value(name: str, beginning: Beginning) -> Any:
    if beginning.is_json:
        return value_at(beginning.first, name) if beginning.has(name) else None
    rows = beginning.block.without_first_line
    line = next(rows.numbered_lines(), (0, b""))[1] if rows is not None else b""
    fields = line.decode("utf-8", "replace").split(",")
    names = beginning.names
    return fields[names.index(name)] if name in names and len(fields) == len(names) else None


def _likely_unit(value: Any) -> str:
    """Return the unit of a time: that of stamps since 1970 by their size, seconds otherwise."""
    if is_stamp(value):
        return "iso"
    number = float(value) if isinstance(value, str) and is_number(value) else value
    if isinstance(number, int | float):
        return next((unit for least, unit in _UNITS if number >= least), "s")
    return "s"


def _quoted(name: str) -> str:
    """Return a name as YAML has it."""
    return name if re.fullmatch(r"[A-Za-z_./][\w./-]*", name) else f"'{name}'"
