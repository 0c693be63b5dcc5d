"""Power by batch from a user's measurements: the shortest way to model a GPU of one's own."""

from __future__ import annotations

import csv
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from inference_sim.arrays import FloatArray
from inference_sim.errors import InferenceSimError
from inference_sim.hardware import GpuSpec
from inference_sim.power.base import PowerModel, Use

COLUMNS = ("batch", "power_w")


@dataclass(frozen=True, slots=True, kw_only=True)
class PowerTable(PowerModel):
    """Power by the number of sequences in an iteration, linear between the rows of a table.

    Below the first row and above the last one their power holds. Prompts, sampling and host gaps
    are in the rows as measured: the table holds for the measured model and mix of phases.

    Attributes:
        max_w: The highest of `powers_w` [W].
        batches: Batch sizes, rising [sequences].
        powers_w: Power of one GPU at each [W].
    """

    batches: tuple[float, ...]
    powers_w: tuple[float, ...]

    @classmethod
    def of(cls, gpu: GpuSpec, path: Path) -> PowerTable:
        """Return the table in the file `path`, with the idle powers of `gpu` where they are lower.

        Raises:
            InferenceSimError: If the file cannot be used; see :func:`read_table`.
        """
        batches, powers_w = read_table(path)
        lowest_w = min(powers_w)
        return cls(
            idle_w=min(gpu.loaded_idle_w, lowest_w),
            sleep_w=min(gpu.asleep_w, lowest_w),
            max_w=max(powers_w),
            batches=batches,
            powers_w=powers_w,
        )

    @property
    def static_w(self) -> float:
        """The idle power, or the lowest of the table if that is less [W]."""
        return min(self.idle_w, *self.powers_w)

    def dynamic_w(self, use: Use) -> FloatArray:
        """Return the power of the table at each batch above the static part, shape (n,) [W]."""
        return np.interp(use.batch, self.batches, self.powers_w) - self.static_w


def read_table(path: Path) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Return the columns ``batch`` and ``power_w`` of a CSV file; others are ignored.

    Raises:
        InferenceSimError: If the file cannot be read, lacks a column, has fewer than two rows, a
            value that is not a number from 0, or batches that do not rise; with every such row.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file)
            rows = [(reader.line_num, [c.strip() for c in row]) for row in reader if any(row)]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise InferenceSimError(f"{path}: cannot be read as CSV: {error}") from None
    header = rows[0][1] if rows else []
    missing = [name for name in COLUMNS if name not in header]
    if missing:
        raise InferenceSimError(
            f"{path}:1: a table of power has columns {' and '.join(COLUMNS)}; missing: "
            f"{', '.join(missing)} (got {', '.join(header) or 'no header'})"
        )
    indices = [header.index(name) for name in COLUMNS]
    problems: list[str] = []
    values: list[list[float]] = []
    for line, row in rows[1:]:
        cells = [row[index] if index < len(row) else "" for index in indices]
        pair = [_number(cell) for cell in cells]
        problems += [
            f"{path}:{line}: {name} must be a number from 0 (got {cell!r})"
            for name, cell, value in zip(COLUMNS, cells, pair, strict=True)
            if math.isnan(value)
        ]
        if values and pair[0] <= values[-1][0]:
            problems.append(
                f"{path}:{line}: batches must rise (got {pair[0]:g} after {values[-1][0]:g})"
            )
        values.append(pair)
    if len(values) < 2:
        problems.append(f"{path}: a table of power needs two rows or more (got {len(values)})")
    if problems:
        raise InferenceSimError("; ".join(problems))
    batches, powers_w = _columns(values)
    return batches, powers_w


def _number(text: str) -> float:
    """Return a number from 0, or NaN."""
    try:
        value = float(text)
    except ValueError:
        return math.nan
    return value if 0 <= value < math.inf else math.nan


def _columns(values: Sequence[Sequence[float]]) -> list[tuple[float, ...]]:
    return [tuple(column) for column in zip(*values, strict=True)]
