"""Finer grids: what each way of interpolation keeps."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.signals.resample import Method, resampled
from cosim.signals.series import Series

METHODS: tuple[Method, ...] = ("hold", "linear", "pchip", "cubic", "mean_preserving")
ROWS = st.lists(st.floats(0, 1e4), min_size=4, max_size=40)


def series(values: list[float], step_s: float = 3600.0) -> Series:
    starts_s = 1.6e9 + step_s * np.arange(len(values))
    return Series(
        starts_s, starts_s[-1] + step_s, values, source="f", kind="average", notes=("a note",)
    )


@pytest.mark.parametrize("method", METHODS)
@given(ROWS)
def test_grid_and_what_is_known_of_it_stay(method: Method, values: list[float]) -> None:
    rows = series(values)
    fine = resampled(rows, method, 300.0, signed=False)
    assert len(fine) == 12 * len(rows)
    assert (fine.starts_s[0], fine.end_s) == (rows.starts_s[0], rows.end_s)
    assert (np.diff(fine.starts_s) == 300).all()
    assert (fine.source, fine.kind, fine.notes) == (rows.source, rows.kind, rows.notes)
    assert fine.values.min() >= 0


@pytest.mark.parametrize("method", ["linear", "pchip", "cubic"])
@given(ROWS)
def test_through_the_rows(method: Method, values: list[float]) -> None:
    fine = resampled(series(values), method, 300.0, signed=False)
    assert fine.values[::12] == pytest.approx(values, rel=1e-9, abs=1e-6)


@pytest.mark.parametrize("method", ["hold", "linear", "pchip"])
@given(ROWS)
def test_between_the_rows(method: Method, values: list[float]) -> None:
    """A cubic spline is not; that is why it is clipped."""
    fine = resampled(series(values), method, 300.0, signed=True).values
    for index, pair in enumerate(pairwise(values)):
        piece = fine[12 * index : 12 * index + 13]
        assert min(pair) - 1e-6 <= piece.min()
        assert piece.max() <= max(pair) + 1e-6


@pytest.mark.parametrize("method", ["hold", "mean_preserving"])
@given(ROWS)
def test_means_are_kept(method: Method, values: list[float]) -> None:
    rows = series(values)
    fine = resampled(rows, method, 300.0, signed=False)
    means = fine.step_means(float(rows.starts_s[0]), 3600.0, len(rows))
    assert means == pytest.approx(values, rel=1e-9, abs=1e-6)


def test_mean_preserving_has_no_jumps() -> None:
    """A rising line stays one, within 1 %; held, it would jump by 100."""
    fine = resampled(series([100.0, 200, 300, 400, 500]), "mean_preserving", 1800, signed=False)
    assert fine.values[2:-2] == pytest.approx([175, 225, 275, 325, 375, 425], rel=0.01)
    assert (np.diff(fine.values) > 0).all()


def test_linear_holds_the_last_row() -> None:
    fine = resampled(series([1.0, 3.0]), "linear", 900, signed=False)
    assert fine.values.tolist() == [1, 1.5, 2, 2.5, 3, 3, 3, 3]


def test_what_cannot_be() -> None:
    for method, rows in {"linear": 2, "pchip": 2, "cubic": 4}.items():
        with pytest.raises(ValueError, match=rf"needs {rows} rows \(got {rows - 1}\)"):
            resampled(series([1.0] * (rows - 1)), method, 60, signed=False)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="must divide the rows' 3600 s"):
        resampled(series([1.0, 2.0]), "hold", 7000, signed=False)
