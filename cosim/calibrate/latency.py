"""Fits an engine's own time, and factors on the GPU's, on a user's measured latencies.

The time of an iteration is ``max(factor * gpu, host) + sampling + serial`` (see
:class:`inference_sim.execution.EngineProfile`). Latency alone does not separate the sampling of
a sequence, in which the GPU is busy, from the host's time for it, in which the GPU waits: one of
them is fitted, the other one is the base profile's.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray

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
from cosim.calibrate.table import Table
from inference_sim.arrays import FloatArray
from inference_sim.execution import EngineProfile, IterationCost
from inference_sim.hardware import GpuSpec

TERMS: dict[str, tuple[str, ...]] = {
    "sampling": ("serial_s", "sampling_s_per_sequence"),
    "serial": ("serial_s", "serial_s_per_sequence"),
    "host": ("host_s", "host_s_per_sequence"),
}
FACTOR = "time_factor"
PER_LAYER = ("serial_s_per_layer", "serial_s_per_layer_and_doubling")


@dataclass(frozen=True)
class LatencyRows:
    """Rows that latency is fitted on; a row has a few kinds of iterations, each with its weight.

    Attributes:
        measured: Mean time of an iteration, shape (rows,) [s].
        weights: Shape (rows, kinds).
        gpu_s: The GPU's time, shape (rows, kinds) [s].
        factors: Of which fitted factor that is, shape (rows, factors), 1 or 0; no columns where
            none is fitted.
        host: Host time by the engine's fitted numbers, shape (rows, kinds, numbers).
        added: The same of sampling and serial time together.
        host_s, added_s: Parts of both that are not fitted, shape (rows, kinds) [s].
    """

    measured: FloatArray
    weights: FloatArray
    gpu_s: FloatArray
    factors: FloatArray
    host: FloatArray
    added: FloatArray
    host_s: FloatArray
    added_s: FloatArray

    def subset(self, rows: Index) -> Self:
        """Return some of the rows."""
        return replace(self, **{name: value[rows] for name, value in vars(self).items()})

    @property
    def numbers(self) -> int:
        """Number of fitted numbers of the engine; the factors come after them."""
        return int(self.host.shape[2])

    def host_bound(self, values: FloatArray) -> NDArray[np.bool_]:
        """Return whether the host sets the pace, shape (rows, kinds)."""
        gpu_s = self.gpu_s
        if self.factors.shape[1]:
            gpu_s = gpu_s * (self.factors @ values[self.numbers :])[:, None]
        bound: NDArray[np.bool_] = self.host @ values[: self.numbers] + self.host_s > gpu_s
        return bound

    def linear(self, values: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the terms linear in the numbers and factors, and the rest."""
        bound = self.host_bound(values)
        added = np.einsum("rk,rkn->rn", self.weights, self.added)
        added += np.einsum("rk,rkn->rn", self.weights * bound, self.host)
        gpu_s = (self.weights * ~bound * self.gpu_s).sum(axis=1)
        rest = (self.weights * (self.added_s + bound * self.host_s)).sum(axis=1)
        if not self.factors.shape[1]:
            return added, rest + gpu_s
        return np.hstack([added, self.factors * gpu_s[:, None]]), rest


@dataclass(frozen=True, slots=True)
class LatencyFit:
    """Result of a fit.

    Attributes:
        numbers: Of the engine profile, by name [s, s per sequence].
        factors: On the GPU's time, by model.
        standard_errors: Of both, by name and by model; NaN at the bound.
        errors, base_errors, held_out: Of the mean time of an iteration, as in ``PowerFit``.
    """

    table: Table
    numbers: dict[str, float]
    factors: dict[str, float]
    standard_errors: dict[str, float]
    notes: list[str]
    names: list[str]
    measured: FloatArray
    errors: FloatArray
    base_errors: FloatArray
    held_out: HeldOut


def default_terms(engine: EngineProfile) -> list[str]:
    """Return the terms of an engine that can be fitted: sampling or a waiting GPU, and a host."""
    waits = any(getattr(engine, field) for field in ("serial_s_per_sequence", *PER_LAYER))
    paced = any(getattr(engine, field) for field in TERMS["host"])
    return ["serial" if waits else "sampling", *(["host"] if paced else [])]


def fit_latency(
    path: Path,
    gpu: GpuSpec,
    engine: EngineProfile,
    terms: Sequence[str],
    *,
    models: Sequence[str] = (),
    mixed: bool = True,
) -> LatencyFit:
    """Fit an engine profile on a file of measured paces.

    Args:
        path: The file; see :mod:`cosim.calibrate.rows`.
        gpu: The GPU that was measured.
        engine: The profile whose other numbers stay.
        terms: Terms to fit: names of :data:`TERMS`, and :data:`FACTOR`.
        models: See :func:`cosim.calibrate.rows.read_rows`.
        mixed: Whether the engine computes prompts beside decodes.

    Raises:
        CalibrationError: With everything that is wrong with the file.
    """
    table = Table(path, {"power_w", *COLUMNS})
    measured = read_rows(table, models, gpu, mixed=mixed)
    batches = {row.batch for row in measured}
    if measured and len(batches) < 3:
        table.fault_in_file(
            f"expected 3 different batches or more (got {len(batches)}): what an engine adds to "
            "an iteration, and to a sequence of it, cannot be distinguished otherwise", "batch",
        )  # fmt: skip
    table.check()
    names = [field for term in TERMS if term in terms for field in TERMS[term]]
    of_model = list(dict.fromkeys(row.model.name for row in measured)) if FACTOR in terms else []
    labels = names + [f"{FACTOR} of {model}" for model in of_model]
    count = len(labels)
    if len(measured) < 2 * count:
        table.fault_in_file(
            f"too few rows: {count} numbers ({', '.join(labels)}) "
            f"need {2 * count} rows or more (got {len(measured)}); add rows, or fit less (--fit)"
        )
    table.check()
    rows = _rows(measured, gpu, engine, names, of_model, mixed=mixed)
    values = _refit(rows)
    together = [labels[i] for i in collinear(rows, values)]
    if together:
        table.fault_in_file(
            f"{', '.join(sorted(together, key=labels.index))} cannot be distinguished: in these "
            "rows their factors are collinear; add rows that differ more in batch and in "
            "context, or fit less (--fit)"
        )
    for model, factor in zip(of_model, values[len(names) :], strict=True):
        if factor == 0:
            table.fault_in_file(
                f"no factor on the GPU's time fits '{model}': its measured time does not grow "
                "with what it computes"
            )
    table.check()
    before = _rows(measured, gpu, engine, [], [], mixed=mixed)
    by_group = [row.group for row in measured]
    return LatencyFit(
        table,
        dict(zip(names, values.tolist(), strict=False)),
        dict(zip(of_model, values[len(names) :].tolist(), strict=True)),
        dict(zip([*names, *of_model], standard_errors(rows, values).tolist(), strict=True)),
        _notes(rows, values, labels),
        [row.name for row in measured],
        rows.measured,
        relative_errors(rows, values),
        relative_errors(before, np.zeros(0)),
        # A factor belongs to a model: without its rows there is none.
        cross_validate(
            rows, _refit, [""] * len(measured) if of_model else by_group,
            "group" if table.has("group") else "model",
        ),
    )  # fmt: skip


def _refit(rows: LatencyRows) -> FloatArray:
    """Return the fit, begun without a host and with hosts of several paces."""
    factors = rows.factors.shape[1]
    start = np.concatenate([np.zeros(rows.numbers), np.ones(factors)])
    starts = [start]
    paced = np.flatnonzero(rows.host.any(axis=(0, 1)))
    if len(paced):
        for share in (0.0, 0.25, 0.5, 0.75, 1.0):
            other = start.copy()
            other[paced[0]] = np.quantile(rows.measured, share)
            starts.append(other)
    values = fit(rows, starts)
    values[[i for i in unseen(rows, values) if i < rows.numbers]] = 0.0
    if factors:
        unmet = ~rows.factors.any(axis=0)
        values[rows.numbers :][unmet] = 1.0
    return values


def _rows(
    measured: Sequence[Row],
    gpu: GpuSpec,
    engine: EngineProfile,
    names: Sequence[str],
    of_model: Sequence[str],
    *,
    mixed: bool,
) -> LatencyRows:
    """Return the rows as the solver takes them: how each number counts is asked of the simulator.

    An engine's times are linear in its numbers, so that each counts by what an engine with a 1 in
    its place takes more than one with a 0.
    """
    rest = dict.fromkeys(names, 0.0)
    if "serial_s" in names:
        rest |= dict.fromkeys(PER_LAYER, 0.0)  # serial_s stands for them
    empty = engine.with_numbers(rest)
    if of_model:
        empty = replace(empty, time_factors={})
    costs = _costs(measured, gpu, empty, mixed=mixed)
    probes = [_costs(measured, gpu, empty.with_numbers({name: 1.0}), mixed=mixed) for name in names]
    size = (len(measured), 2, len(names))
    host, added = np.zeros(size), np.zeros(size)
    weights, gpu_s, host_s, added_s = (np.zeros(size[:2]) for _ in range(4))
    for i, (row, own) in enumerate(zip(measured, costs, strict=True)):
        state = row.state(gpu, empty, mixed=mixed)
        weights[i, : len(own)] = state.weights
        for k, cost in enumerate(own):
            gpu_s[i, k], host_s[i, k], added_s[i, k] = cost.gpu_s, cost.host_s, _added(cost)
            for n, probe in enumerate(probes):
                host[i, k, n] = probe[i][k].host_s - cost.host_s
                added[i, k, n] = _added(probe[i][k]) - _added(cost)
    return LatencyRows(
        measured=np.array([row.batch / row.tokens_per_s for row in measured]),
        weights=weights,
        gpu_s=gpu_s,
        factors=np.array(
            [[float(row.model.name == model) for model in of_model] for row in measured]
        ),
        host=host,
        added=added,
        host_s=host_s,
        added_s=added_s,
    )


def _costs(
    measured: Sequence[Row], gpu: GpuSpec, engine: EngineProfile, *, mixed: bool
) -> list[list[IterationCost]]:
    return [[cost for _, cost in row.state(gpu, engine, mixed=mixed).phases] for row in measured]


def _added(cost: IterationCost) -> float:
    return cost.sampling_s + cost.serial_s


def _notes(rows: LatencyRows, values: FloatArray, labels: Sequence[str]) -> list[str]:
    """Return notes on the numbers."""
    notes, blind = [], unseen(rows, values)
    if any(labels[i].startswith("host") for i in blind):
        notes.append("the host sets the pace in no row: its time is taken as 0")
    bound = int((rows.host_bound(values) & (rows.weights > 0)).any(axis=1).sum())
    if bound:
        notes.append(f"the host sets the pace in {bound} of {len(rows.measured)} rows")
    for i, label in enumerate(labels):
        if values[i] == 0 and i not in blind:
            notes.append(f"{label} is at its bound: the rows ask for a negative value")
    return notes
