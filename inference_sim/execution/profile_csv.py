"""Columns of Vidur's profile files, and curves through them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from inference_sim.errors import InferenceSimError


class Curve:
    """A time that was profiled at some points, as a function [ms].

    It is linear between the points. Beyond the last it follows the trend of the upper half of the
    range, and notes in `beyond` under `label` the farthest request; below the first it is constant.

    Args:
        values: Times by the quantity that they depend on [ms].
        beyond: Farthest requests, by label; added to.
        label: Name of the curve there.
    """

    def __init__(self, values: pd.Series[float], beyond: dict[str, float], label: str) -> None:
        values = values.sort_index()
        self._x = values.index.to_numpy(dtype=np.float64)
        self._y = values.to_numpy(dtype=np.float64)
        self._beyond, self._label = beyond, label
        upper = self._x >= self._x[-1] / 2
        several = np.count_nonzero(upper) > 1
        self._slope = float(np.polyfit(self._x[upper], self._y[upper], 1)[0]) if several else 0.0

    def __call__(self, x: float) -> float:
        """Return the time at `x` [ms]."""
        excess = x - self._x[-1]
        if excess > 0:
            self._beyond[self._label] = max(x, self._beyond.get(self._label, 0.0))
            return float(self._y[-1] + max(self._slope, 0.0) * excess)
        return float(np.interp(x, self._x, self._y))


def median_column(operation: str) -> str:
    """Return the name of the column with the median time of an operation [ms]."""
    return f"time_stats.{operation}.median"


def read_columns(path: Path, required: Sequence[str], optional: Sequence[str] = ()) -> pd.DataFrame:
    """Read columns of numbers from 0; those that are optional are 0 where they are missing.

    Raises:
        InferenceSimError: If the file or a column is missing, or a value is not such a number; the
            message names the file, the column and the row.
    """
    columns = [*required, *optional]
    try:
        frame = pd.read_csv(path, usecols=lambda name: name in columns)
    except (OSError, UnicodeDecodeError, ValueError) as error:
        raise InferenceSimError(f"{path}: cannot be read as CSV: {error}") from None
    missing = [name for name in required if name not in frame.columns]
    if missing:
        raise InferenceSimError(f"{path}:1: the header lacks {', '.join(missing)}")
    numbers: pd.DataFrame = frame.reindex(columns=columns).apply(pd.to_numeric, errors="coerce")
    numbers[list(optional)] = numbers[list(optional)].fillna(0.0)
    for name in required:
        bad = np.flatnonzero(~(np.isfinite(numbers[name]) & (numbers[name] >= 0)))
        if len(bad):
            raise InferenceSimError(
                f"{path}:{bad[0] + 2}: column {name} is not a number from 0 "
                f"(got {frame[name].iloc[bad[0]]!r})"
            )
    return numbers


def select_rows(path: Path, frame: pd.DataFrame, criteria: Mapping[str, float]) -> pd.DataFrame:
    """Return the rows that meet the criteria.

    Raises:
        InferenceSimError: If none do; the message lists the values of the file.
    """
    for name, value in criteria.items():
        rows: pd.DataFrame = frame[frame[name] == value]
        if rows.empty:
            values = np.unique(frame[name]).tolist()
            raise InferenceSimError(
                f"{path}: has no rows with {name} {value:g} "
                f"(it has {', '.join(f'{present:g}' for present in values) or 'no rows'})"
            )
        frame = rows
    return frame
