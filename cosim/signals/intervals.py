"""From rows to a series: numbers, the intervals that they hold for, gaps filled if asked for."""

from __future__ import annotations

import numpy as np
import pandas as pd

from cosim.signals.dialect import Dialect, written_otherwise
from cosim.signals.faults import BoolArray, Faults, IntArray, Texts
from cosim.signals.gaps import Fill, Rows, filled
from cosim.signals.series import Series
from cosim.signals.spacing import Stamp, row_lengths, stamps_of
from inference_sim.arrays import FloatArray

_MISSING = ("", "-", "nan", "na", "n/a", "n/e", "null", "none")


def is_missing(texts: pd.Series[str]) -> BoolArray:
    """Return which texts stand for a missing value."""
    return texts.str.lower().isin(_MISSING).to_numpy(dtype=bool)


def parse_numbers(
    texts: pd.Series[str],
    faults: Faults,
    *,
    blank: bool = False,
    what: str = "the value",
    dialect: Dialect | None = None,
) -> FloatArray:
    """Return numbers; other text becomes NaN, and a fault.

    Args:
        texts: How they are written.
        faults: Collector of faults.
        blank: Whether a number may be missing.
        what: Name of the missing value, for the fault.
        dialect: How numbers are written, where the user can say it; by default as in Python.
    """
    missing = is_missing(texts)
    plain = texts if dialect is None else dialect.plain(texts)
    parsed = pd.to_numeric(plain, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    is_number = ~np.isnan(parsed)
    # Once more, as float() rounds correctly and the parser of pandas does not promise to.
    values = np.full(len(texts), np.nan)
    values[is_number] = plain.to_numpy(dtype=object)[is_number].astype(np.float64)
    if not blank:
        faults.add(missing, f"{what} is missing; 'fill' says how to fill gaps", texts)
    wrong = ~is_number & ~missing
    hint = ""
    if dialect is not None and wrong.any() and written_otherwise(texts.iloc[int(wrong.argmax())]):
        hint = "; 'decimal' and 'thousands' say how the numbers of the file are written"
    faults.add(wrong, f"expected a number{hint}", texts)
    return values


def scaled_values(
    values: FloatArray, factor: float, texts: Texts, faults: Faults, *, signed: bool
) -> FloatArray:
    """Return values times `factor`; those that are infinite, or negative unless signed, are faults.

    Args:
        values: The values; NaN where there is none.
        factor: Factor of each value.
        texts: How they are written, for the faults.
        faults: Collector of faults.
        signed: Whether values may be negative.
    """
    with np.errstate(over="ignore"):
        values = values * factor
    faults.add(np.isinf(values), "expected a finite number", texts)
    if not signed:
        faults.add(values < 0, "expected a value that is not negative", texts)
    return values


def regular_series(
    times_us: IntArray | None,
    values: FloatArray,
    faults: Faults,
    *,
    stamp: Stamp = "start",
    lengths_us: IntArray | None = None,
    fill: Fill | None = None,
) -> Series:
    """Return the series of rows that follow each other.

    Args:
        times_us: Stamp of each row, in microseconds since the Unix epoch; None if it has faults.
        values: Value of each row; NaN where it is missing.
        faults: Faults of the rows so far.
        stamp: Whether a stamp is the start or the end of its interval.
        lengths_us: Length of the interval of each row [us], where the file states it; by default
            the distances between rows, see :func:`cosim.signals.spacing.row_lengths`.
        fill: How gaps are filled; they are errors by default.

    Raises:
        SignalError: If there are faults, or stamps that do not follow each other so.
    """
    if times_us is None:
        faults.stop()
    lengths_us = row_lengths(
        times_us,
        lengths_us,
        faults,
        stamp=stamp,
        fill_limit_s=fill.limit_s if fill is not None else None,
    )
    missing = np.isnan(values)
    if not faults.problems:
        faults.add(np.isinf(values), "expected a finite number", values.tolist())
    if fill is None and not faults.problems:
        faults.add(
            missing, "the value is missing; 'fill' says how to fill gaps", stamps_of(times_us)
        )
    if missing.all() and not faults.problems:
        faults.add(missing, "no row has a value", stamps_of(times_us))
    if faults.problems:
        faults.stop()
    starts_us = times_us - lengths_us if stamp == "end" else times_us
    rows = Rows(starts_us, lengths_us, values)
    if fill is not None:
        units_us = lengths_us[:-1] if stamp == "start" else lengths_us[1:]
        rows = filled(rows, units_us, fill, faults)
    end_us = rows.starts_us[-1] + rows.lengths_us[-1]
    return Series(
        rows.starts_us / 1e6,
        end_us / 1e6,
        rows.values,
        source=str(faults.path),
        notes=tuple(faults.notes),
    )
