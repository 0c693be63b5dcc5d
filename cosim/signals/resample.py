"""Finer grids by interpolation through the rows of a file.

By default a signal holds each row's value over its interval, which preserves energy. Interpolation
exists for comparisons, above all with the paper, which interpolated its data to one minute by a
cubic spline; a spline overshoots, so a signal that cannot be negative is clipped at zero.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.interpolate import make_interp_spline

from cosim.signals.series import Series


def resampled(
    series: Series, method: Literal["linear", "cubic"], to_s: float, *, signed: bool
) -> Series:
    """Return a series through the rows of `series`, each standing at its interval's start.

    After the last row its value is held to the end.

    Args:
        series: The rows, at equal distances.
        method: ``linear``, or ``cubic`` (a spline with not-a-knot ends).
        to_s: Length of the new intervals; must divide the old ones [s].
        signed: Whether negative values may stand.

    Raises:
        ValueError: If `to_s` does not divide the spacing, or there are too few rows.
    """
    starts_s = series.starts_s
    spacing_s = (series.end_s - starts_s[0]) / len(series)
    per_row = round(spacing_s / to_s) if to_s else 0
    if per_row < 1 or abs(per_row * to_s - spacing_s) > 1e-6:
        raise ValueError(f"`to` must divide the rows' {spacing_s:g} s (got {to_s:g} s)")
    degree = {"linear": 1, "cubic": 3}[method]
    if len(series) <= degree:
        raise ValueError(f"{method} interpolation needs {degree + 1} rows (got {len(series)})")
    rows_s = np.arange(len(series)) * spacing_s
    grid_s = np.arange(len(series) * per_row) * to_s
    spline = make_interp_spline(rows_s, series.values, k=degree)
    values = spline(np.minimum(grid_s, rows_s[-1]))
    if not signed:
        values = np.maximum(values, 0.0)
    return Series(starts_s[0] + grid_s, series.end_s, values, source=series.source)
