"""Non-negative least squares of piecewise linear models, and how far such a fit can be trusted.

A model is linear in its coefficients as long as the same limits bind: power is clipped at the
board's maximum, an iteration lasts as long as the slower of GPU and host. So it is fitted in
rounds: solve the linear problem, see which limits bind now, solve again (Lawson and Hanson, Solving
Least Squares Problems, 1974, for the linear part). Errors are relative: 1 % counts the same at low
and at high power.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, Self, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.optimize import nnls

from inference_sim.arrays import FloatArray

Index = NDArray[np.int64]

WORST_CONDITION = 30.0
"""Condition index from which on columns are called collinear: Belsley, Kuh and Welsch, Regression
Diagnostics (1980), chapter 3."""
_SHARE = 0.5  # of a coefficient's variance, for it to take part in a collinearity (ibid.)
_TINY = 1e-12  # a singular value below it is 0 but for rounding
_ROUNDS = 50
_FOLDS = 5


class PiecewiseLinear(Protocol):
    """Rows of measurements, and a piecewise linear model of them.

    Attributes:
        measured: Shape (rows,), above 0.
    """

    @property
    def measured(self) -> FloatArray: ...  # noqa: D102

    def linear(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the piece that holds at `values`: a matrix (rows, coefficients), and the rest."""
        ...

    def subset(self, rows: Index) -> Self:
        """Return some of the rows."""
        ...


M = TypeVar("M", bound=PiecewiseLinear)


def predict(model: PiecewiseLinear, values: FloatArray) -> FloatArray:
    """Return the predictions of the model, shape (rows,)."""
    matrix, rest = model.linear(values)
    return matrix @ values + rest


def relative_errors(model: PiecewiseLinear, values: FloatArray) -> FloatArray:
    """Return prediction over measurement, minus 1, shape (rows,)."""
    return predict(model, values) / model.measured - 1.0


def fit(model: PiecewiseLinear, starts: Sequence[FloatArray]) -> FloatArray:
    """Return the coefficients, none below 0, with the least sum of squared relative errors.

    Args:
        model: The rows.
        starts: Coefficients to begin from, each in turn: the problem can have several minima.
    """
    best, least = starts[0], np.inf
    for start in starts:
        values = start
        for _ in range(_ROUNDS):
            matrix, rest = model.linear(values)
            solution = _solve(matrix / model.measured[:, None], 1.0 - rest / model.measured)
            cost = float(np.sum(relative_errors(model, solution) ** 2))
            if cost < least:
                best, least = solution, cost
            if np.array_equal(solution, values):
                break
            values = solution
    return best


def _solve(matrix: FloatArray, target: FloatArray) -> FloatArray:
    """Return the solution that is not negative, on columns of length 1."""
    length = np.linalg.norm(matrix, axis=0)
    length[length == 0] = 1.0
    solution: FloatArray = nnls(matrix / length, target, maxiter=100 * matrix.shape[1])[0]
    solution /= length
    return solution


def collinear(model: PiecewiseLinear, values: FloatArray) -> list[int]:
    """Return the coefficients that these rows cannot distinguish; none, if they can.

    The first one is that without which the others can be distinguished best. Coefficients on which
    no row depends are left out: see :func:`unseen`.
    """
    matrix, _ = model.linear(values)
    matrix = matrix / model.measured[:, None]
    length = np.linalg.norm(matrix, axis=0)
    seen = np.flatnonzero(length > 0)
    columns = matrix[:, seen] / length[seen]
    if _condition(columns) <= WORST_CONDITION:
        return []
    _, singular, right = np.linalg.svd(columns, full_matrices=False)
    parts = (right / np.maximum(singular, _TINY)[:, None]) ** 2
    shares = parts[-1] / parts.sum(axis=0)
    concerned = [i for i in range(len(seen)) if shares[i] > _SHARE]
    concerned.sort(key=lambda i: _condition(np.delete(columns, i, axis=1)))
    return [int(seen[i]) for i in concerned]


def _condition(columns: FloatArray) -> float:
    """Return the condition index of columns of length 1: highest over lowest singular value."""
    singular = np.linalg.svd(columns, compute_uv=False)
    return float(singular[0] / max(singular[-1], _TINY)) if len(singular) else 1.0


def standard_errors(model: PiecewiseLinear, values: FloatArray) -> FloatArray:
    """Return the standard error of each coefficient; NaN where it is 0 or no row depends on it.

    That of ordinary least squares: independent relative errors of one size, other coefficients
    at their bounds left out.
    """
    matrix, _ = model.linear(values)
    used = np.flatnonzero((values > 0) & matrix.any(axis=0))
    columns = (matrix / model.measured[:, None])[:, used]
    errors = relative_errors(model, values)
    variance = float(errors @ errors) / max(len(errors) - len(used), 1)
    result = np.full(len(values), np.nan)
    result[used] = np.sqrt(variance * np.diag(np.linalg.pinv(columns.T @ columns)))
    return result


def unseen(model: PiecewiseLinear, values: FloatArray) -> list[int]:
    """Return the coefficients on which no row depends."""
    matrix, _ = model.linear(values)
    return [int(i) for i in np.flatnonzero(~matrix.any(axis=0))]


@dataclass(frozen=True, slots=True)
class HeldOut:
    """Relative errors of rows that the fit did not see.

    Attributes:
        errors: Shape (rows,).
        how: Description of the rows left out at a time.
    """

    errors: FloatArray
    how: str


def cross_validate(
    model: M, refit: Callable[[M], FloatArray], groups: Sequence[str], kind: str
) -> HeldOut:
    """Return the errors of each row, predicted by a fit on other rows.

    Each group is left out in turn, if there are 3 or more. Otherwise the rows are dealt into 5
    parts, by chance but always the same, or are left out one by one if there are less than 10.

    Args:
        model: All rows.
        refit: Fits some of them.
        groups: Group of each row.
        kind: Name of a group.
    """
    count, names = len(model.measured), sorted(set(groups))
    if len(names) >= 3:
        part = np.array([names.index(fold) for fold in groups])
        how = f"each {kind} left out"
    elif count < 2 * _FOLDS:
        part, how = np.arange(count), "each row left out"
    else:
        part = np.random.default_rng(0).permutation(count) % _FOLDS
        how = f"in {_FOLDS} parts, each left out"
    errors = np.empty(count)
    for fold in range(int(part.max()) + 1):
        out = np.flatnonzero(part == fold)
        values = refit(model.subset(np.flatnonzero(part != fold)))
        errors[out] = relative_errors(model.subset(out), values)
    return HeldOut(errors, how)


def mape(relative_errors: ArrayLike) -> float:
    """Return the mean absolute error [%] of errors given as fractions."""
    return float(100 * np.mean(np.abs(np.asarray(relative_errors))))


def bias(relative_errors: ArrayLike) -> float:
    """Return the mean error [%] of errors given as fractions."""
    return float(100 * np.mean(np.asarray(relative_errors)))
