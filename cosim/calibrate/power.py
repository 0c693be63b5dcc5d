"""Fits the default power model of a GPU on a user's telemetry.

A row is a steady state with the mean power of one GPU, ``power_w``, and its activity meanwhile:
either measured utilisation (``mfu``, ``bandwidth_utilisation``, with ``busy_fraction`` and
``sampling`` where known), or the load served (see :mod:`cosim.calibrate.rows`), which the simulator
turns into utilisation at the measured pace.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np

from cosim.calibrate.fitting import (
    HeldOut,
    Index,
    collinear,
    cross_validate,
    fit,
    relative_errors,
    standard_errors,
    unseen,
)
from cosim.calibrate.rows import COLUMNS, Row, read_rows
from cosim.calibrate.steady_state import SteadyState
from cosim.calibrate.table import Table
from inference_sim.arrays import FloatArray
from inference_sim.execution import EngineProfile
from inference_sim.hardware import GpuSpec, TwoResourceCoefficients
from inference_sim.power import TwoResource, Use

COEFFICIENTS = {
    "base_w": "whenever an iteration is under way",
    "compute_w": "at full compute (mfu 1)",
    "memory_w": "at full memory bandwidth",
    "sampling_w": "while tokens are sampled",
}
NAMES = tuple(COEFFICIENTS)
MEASURED_USE = ("mfu", "bandwidth_utilisation", "busy_fraction", "sampling")
_AT_LIMIT = 0.97  # of the board's maximum: from there on, power may be clipped
_NODE = 1.15  # times the board's maximum: no single GPU draws that, beyond a meter's error
_LEAST_W = 10.0  # no data-centre GPU draws less with a model loaded


@dataclass(frozen=True)
class PowerRows:
    """Rows that power is fitted on; a row has a few kinds of iterations, each with its share.

    Attributes:
        measured: Mean power of one GPU, shape (rows,) [W].
        shares: Of the time, shape (rows, kinds).
        terms: Factors of the coefficients, shape (rows, kinds, 4).
        max_w: The board's maximum [W].
        kept: Coefficients that are not fitted, shape (4,) [W]; NaN for those that are.
    """

    measured: FloatArray
    shares: FloatArray
    terms: FloatArray
    max_w: float
    kept: FloatArray

    def subset(self, rows: Index) -> Self:
        """Return some of the rows."""
        return replace(
            self, measured=self.measured[rows], shares=self.shares[rows], terms=self.terms[rows]
        )

    @property
    def free(self) -> Index:
        """The coefficients that are fitted."""
        return np.flatnonzero(np.isnan(self.kept))

    def all_values(self, values: FloatArray) -> FloatArray:
        """Return all four coefficients from the fitted ones [W]."""
        result = self.kept.copy()
        result[self.free] = values
        return result

    def linear(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the terms linear in the fitted coefficients, and the rest: clipped, or kept."""
        below = self.terms @ self.all_values(values) < self.max_w
        matrix = np.einsum("rk,rkc->rc", self.shares * below, self.terms)
        clipped = self.max_w * (self.shares * ~below).sum(axis=1)
        kept = np.nan_to_num(self.kept)
        return matrix[:, self.free], clipped + matrix @ kept


def use_terms(
    gpu: GpuSpec,
    mfu: FloatArray,
    bandwidth_utilisation: FloatArray,
    busy_fraction: FloatArray,
    sampling: FloatArray,
) -> FloatArray:
    """Return the factors of the four coefficients, computed by the power model itself.

    Args:
        gpu: The GPU.
        mfu, bandwidth_utilisation, busy_fraction, sampling: Shape (n,) [fractions].

    Returns:
        Shape (n, 4).
    """
    one_each = np.ones_like(mfu)
    use = Use(mfu, bandwidth_utilisation, busy_fraction, sampling, one_each, one_each)
    terms = []
    for name in NAMES:
        coefficients = TwoResourceCoefficients(**{other: float(other == name) for other in NAMES})
        model = TwoResource.of(replace(gpu, two_resource=coefficients, max_w=np.inf))
        terms.append(model.busy_w(use))
    return np.stack(terms, axis=-1)


def state_terms(
    gpu: GpuSpec, state: SteadyState, tokens_per_s: float
) -> tuple[FloatArray, FloatArray]:
    """Return each kind of iteration's share of the time, and its terms, at a measured pace.

    The same work is done in the time that was measured; where that is shorter than simulated,
    kernels and sampling keep their shares of it.

    Returns:
        Shapes (kinds,) and (kinds, 4).
    """
    weights, costs = zip(*state.phases, strict=True)
    seconds = np.array([cost.duration_s for cost in costs])
    pace = tokens_per_s / state.tokens_per_s
    rate, share = pace / seconds, min(pace, 1.0) / seconds
    terms = use_terms(
        gpu,
        np.array([cost.flops + cost.padding_flops for cost in costs]) * rate / gpu.peak_flops,
        np.array([cost.hbm_bytes for cost in costs]) * rate / gpu.peak_bytes_per_s,
        np.array([cost.gpu_s for cost in costs]) * share,
        np.array([cost.sampling_s for cost in costs]) * share,
    )
    time_s = np.array(weights) * seconds
    return time_s / time_s.sum(), terms


@dataclass(frozen=True, slots=True)
class PowerFit:
    """Result of a fit.

    Attributes:
        coefficients: By name [W].
        standard_errors: Of those that were fitted, by name [W]; NaN at the bound.
        notes: Notes for the user.
        names: Name of each row.
        errors, base_errors: Relative errors of all rows: in the fit, and with the coefficients
            that the GPU had before.
        held_out: Those of rows that the fit did not see.
    """

    table: Table
    coefficients: dict[str, float]
    standard_errors: dict[str, float]
    notes: list[str]
    names: list[str]
    measured: FloatArray
    errors: FloatArray
    base_errors: FloatArray
    held_out: HeldOut


def fit_power(
    path: Path,
    gpu: GpuSpec,
    engine: EngineProfile,
    *,
    models: Sequence[str] = (),
    mixed: bool = True,
    keep: Mapping[str, float] | None = None,
) -> PowerFit:
    """Fit the power of a GPU on a file of telemetry.

    Args:
        path: The file.
        gpu: The GPU: its peaks, its maximum, and the coefficients that are kept.
        engine: Tells the share of sampling in rows of batches.
        models: See :func:`cosim.calibrate.rows.read_rows`.
        mixed: Whether the engine computes prompts beside decodes.
        keep: Coefficients that are not fitted, and their values [W].

    Raises:
        CalibrationError: With everything that is wrong with the file.
    """
    table = Table(path, {"power_w", *MEASURED_USE, *COLUMNS})
    keep = keep or {}
    kept = np.array([keep.get(name, np.nan) for name in NAMES])
    measured_use = table.has("mfu") or table.has("bandwidth_utilisation")
    if measured_use:
        names, groups, shares, terms = _measured(table, gpu, keep)
        kind = "group"
    elif table.has("batch"):
        measured = read_rows(table, models, gpu, mixed=mixed)
        names, groups, shares, terms = _simulated(measured, gpu, engine, mixed=mixed)
        kind = "group" if table.has("group") else "model"
        if measured and len({row.batch for row in measured}) < 3:
            table.fault_in_file(
                "expected 3 different batches or more "
                f"(got {len({row.batch for row in measured})}): "
                "compute and memory cannot be distinguished otherwise", "batch",
            )  # fmt: skip
    else:
        table.fault_in_header(
            "the activity of the GPU is unknown: expected the columns 'mfu' and "
            "'bandwidth_utilisation', or 'batch' with the load served"
        )
    power_w = _power(table, gpu)
    free = int(np.isnan(kept).sum())
    if not table.problems and len(table) < 2 * free:
        table.fault_in_file(
            f"too few rows: {free} coefficients need {2 * free} rows or more (got {len(table)}); "
            "add rows, or fit less coefficients (--keep base_w keeps the GPU's)"
        )
    table.check()
    rows = PowerRows(power_w, shares, terms, gpu.max_w, kept)
    values = _refit(rows)
    together = [NAMES[rows.free[i]] for i in collinear(rows, values)]
    if together:
        table.fault_in_file(
            f"{', '.join(sorted(together, key=NAMES.index))} cannot be distinguished: in these "
            "rows their factors are collinear. Add rows that differ (short and long "
            "contexts, prompts, a host that makes the GPU wait), or fit all but one: "
            f"--keep {together[0]} keeps the GPU's, --keep {together[0]}=W sets it"
        )
        table.check()
    coefficients = dict(zip(NAMES, rows.all_values(values).tolist(), strict=True))
    base = replace(rows, kept=np.full(4, np.nan))
    return PowerFit(
        table,
        coefficients,
        {NAMES[rows.free[i]]: float(e) for i, e in enumerate(standard_errors(rows, values))},
        _notes(rows, values, keep, measured_use=measured_use),
        names,
        power_w,
        relative_errors(rows, values),
        relative_errors(base, np.array([getattr(gpu.two_resource, name) for name in NAMES])),
        cross_validate(rows, _refit, groups, kind),
    )


def _refit(rows: PowerRows) -> FloatArray:
    """Return the fitted coefficients; rows near the maximum may be clipped, so begin without."""
    start = np.zeros(len(rows.free))
    below = np.flatnonzero(rows.measured < _AT_LIMIT * rows.max_w)
    starts = [start]
    if len(rows.free) <= len(below) < len(rows.measured):
        starts.insert(0, fit(rows.subset(below), [start]))
    return fit(rows, starts)


def _measured(
    table: Table, gpu: GpuSpec, keep: Mapping[str, float]
) -> tuple[list[str], list[str], FloatArray, FloatArray]:
    """Return names, groups, shares and terms of rows with measured utilisation."""
    fraction = "a fraction from 0 to 1"

    def column(name: str, default: float | None = None) -> FloatArray:
        return table.numbers(
            name, default=default, expected=fraction, holds=lambda v: 0 <= v <= 1,
            hint="divide percent by 100",
        )  # fmt: skip

    mfu, bandwidth = column("mfu"), column("bandwidth_utilisation")
    busy, sampling = column("busy_fraction", 1.0), column("sampling", 0.0)
    groups = table.texts("group") if table.has("group") else [""] * len(table)
    table.fault(
        (mfu == 0) & (bandwidth == 0), "mfu",
        "the GPU did nothing: leave idle rows out, and give their power with --idle-w",
        ["0"] * len(table),
    )  # fmt: skip
    for name, values, coefficient in (
        ("mfu", mfu, "compute_w"), ("bandwidth_utilisation", bandwidth, "memory_w"),
    ):  # fmt: skip
        if table.has(name) and coefficient not in keep and len(table) > 1:
            low, high = float(np.min(values)), float(np.max(values))
            if high - low < 0.05 * high or high == 0:
                table.fault_in_file(
                    f"no spread: all values lie between {low:g} and {high:g}, so that "
                    f"{coefficient} cannot be distinguished from base_w; add rows at other loads, "
                    f"or use --keep {coefficient}", name,
                )  # fmt: skip
    names = [f"mfu {m:.3g}, bandwidth {b:.3g}" for m, b in zip(mfu, bandwidth, strict=True)]
    terms = use_terms(gpu, *(np.nan_to_num(each) for each in (mfu, bandwidth, busy, sampling)))
    return names, groups, np.ones((len(table), 1)), terms[:, None, :]


def _simulated(
    rows: Sequence[Row], gpu: GpuSpec, engine: EngineProfile, *, mixed: bool
) -> tuple[list[str], list[str], FloatArray, FloatArray]:
    """Return names, groups, shares and terms of rows of batches."""
    shares, terms = np.zeros((len(rows), 2)), np.zeros((len(rows), 2, len(NAMES)))
    for i, row in enumerate(rows):
        state = row.state(gpu, engine, mixed=mixed)
        share, term = state_terms(gpu, state, row.tokens_per_s)
        shares[i, : len(share)], terms[i, : len(share)] = share, term
    return [row.name for row in rows], [row.group for row in rows], shares, terms


def _power(table: Table, gpu: GpuSpec) -> FloatArray:
    """Return the measured power of one GPU in each row [W]."""
    power_w = table.numbers(
        "power_w", expected="a number above 0", holds=lambda v: v > 0,
    )  # fmt: skip
    got = [f"{watts:g}" for watts in power_w]
    with np.errstate(invalid="ignore"):
        table.fault(
            power_w > _NODE * gpu.max_w, "power_w",
            f"more than a {gpu.name} draws ({gpu.max_w:g} W); is it the power of a node, or in mW? "
            "Divide by its GPUs, or set the board's limit with --max-w", got,
        )  # fmt: skip
        table.fault(
            power_w < _LEAST_W, "power_w", "less than any GPU draws with a model; is it in kW?", got
        )
    return power_w


def _notes(
    rows: PowerRows, values: FloatArray, keep: Mapping[str, float], *, measured_use: bool
) -> list[str]:
    """Return notes on the coefficients."""
    notes = []
    blind = unseen(rows, values)
    for i, position in enumerate(rows.free):
        name = NAMES[position]
        if i in blind and name == "sampling_w":
            what = (
                "the file has no column 'sampling'"
                if measured_use
                else "the engine does not sample"
            )
            notes.append(f"{name} is 0: {what}, so no row determines it")
        elif values[i] == 0:
            notes.append(f"{name} is at its bound: the rows ask for a negative value")
    if keep:
        notes.append(f"not fitted: {', '.join(keep)}")
    clipped = int((rows.measured >= _AT_LIMIT * rows.max_w).sum())
    if clipped:
        limit = f"{rows.max_w:g} W"
        notes.append(
            f"{clipped} rows within 3 % of the board's limit of {limit} carry less information"
        )
    return notes
