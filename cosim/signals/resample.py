"""Finer grids by interpolation through the rows of a file.

By default a signal holds each row's value over its interval, which preserves energy; so does
``mean_preserving``, without the jumps. The others exist for comparisons, above all with the paper,
which interpolated its data to one minute by a cubic spline; a spline overshoots, so a signal that
cannot be negative is clipped at zero.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

import numpy as np

from cosim.signals.even import even, lengths_us_of
from cosim.signals.series import Series
from inference_sim.arrays import FloatArray

if TYPE_CHECKING:
    from scipy.interpolate import PchipInterpolator

FINEST_S = 0.001
"""Shortest interval [s]."""
MAX_VALUES = 50_000_000
"""Most values of a series: 19 months of seconds."""
Method = Literal["hold", "linear", "pchip", "cubic", "mean_preserving"]
_FEWEST_ROWS: dict[Method, int] = {
    "hold": 1,
    "linear": 2,
    "pchip": 2,
    "cubic": 4,
    "mean_preserving": 1,
}


def resampled(series: Series, method: Method, to_s: float, *, signed: bool) -> Series:
    """Return a series through the rows of `series`, each standing at its interval's start.

    After the last row its value is held to the end. ``mean_preserving`` is another kind: a row is
    the mean of its interval, and stays so. It is the slope of a monotone curve through the
    integral, and is not negative where no row is.

    Args:
        series: The rows; of one length, unless they are held.
        method: ``hold``, ``linear``, ``pchip`` (a cubic without overshoot), ``cubic`` (a spline
            with not-a-knot ends), or ``mean_preserving``.
        to_s: Length of the new intervals; must divide the old ones [s].
        signed: Whether negative values may stand.

    Raises:
        ValueError: If `to_s` does not divide the spacing, there are too few rows, or they are of
            several lengths and a curve is wanted.
    """
    lengths_us = lengths_us_of(series)
    if method != "hold" and lengths_us.min() < lengths_us.max():
        raise ValueError(
            f"{method} interpolation needs rows of one length (got {lengths_us.min() / 1e6:g} to "
            f"{lengths_us.max() / 1e6:g} s); `method: hold` takes any"
        )
    series = even(series)
    starts_s, rows = series.starts_s, len(series)
    spacing_s = (series.end_s - starts_s[0]) / rows
    if not to_s >= FINEST_S:
        raise ValueError(f"`to` must be at least {FINEST_S:g} s (got {to_s:g} s)")
    per_row = round(spacing_s / to_s)
    if rows * per_row > MAX_VALUES:
        raise ValueError(
            f"a signal may have {MAX_VALUES:,} values (`to` of {to_s:g} s makes {rows * per_row:,})"
        )
    if per_row < 1 or abs(per_row * to_s - spacing_s) > 1e-6:
        raise ValueError(f"`to` must divide the rows' {spacing_s:g} s (got {to_s:g} s)")
    if rows < _FEWEST_ROWS[method]:
        raise ValueError(f"{method} interpolation needs {_FEWEST_ROWS[method]} rows (got {rows})")
    rows_s = np.arange(rows) * spacing_s
    grid_s = np.arange(rows * per_row) * to_s
    held_s = np.minimum(grid_s, rows_s[-1])
    values: FloatArray
    if method == "hold":
        values = np.repeat(series.values, per_row)
    elif method == "mean_preserving":
        values = _mean_preserving(series.values, per_row)
    elif method == "pchip":
        values = _pchip(rows_s, series.values)(held_s)
    else:
        from scipy.interpolate import make_interp_spline  # slow to import, and few need it

        degree = 1 if method == "linear" else 3
        values = make_interp_spline(rows_s, series.values, k=degree)(held_s)
    if not signed:
        values = np.maximum(values, 0.0)
    return replace(series, starts_s=starts_s[0] + grid_s, values=values)


def _pchip(places: FloatArray, values: FloatArray) -> PchipInterpolator:
    from scipy.interpolate import PchipInterpolator

    with np.errstate(over="ignore"):  # slopes next to none have reciprocals beyond all numbers
        return PchipInterpolator(places, values)


def _mean_preserving(means: FloatArray, per_row: int) -> FloatArray:
    """Return `per_row` values for each mean; they have that mean."""
    rows = np.arange(len(means) + 1.0)
    integral = _pchip(rows, np.append(0.0, np.cumsum(means)))
    inner = integral(np.arange(len(means) * per_row + 1) / per_row)
    values = np.diff(inner).reshape(len(means), per_row) * per_row
    # Large sums lose digits: put the means back to the last of them.
    values += (means - values.mean(axis=1))[:, np.newaxis]
    result: FloatArray = values.ravel()
    return result
