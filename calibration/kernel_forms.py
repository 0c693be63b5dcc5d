"""The times of single kernels, on arrays, as the simulator's roofline adds them up; their fits.

Each form takes a few numbers and rows of a table (:mod:`calibration.kernel_tables`). The formulas
are those of :mod:`inference_sim.execution.roofline`; a test holds them together.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from scipy.optimize import least_squares

from calibration.kernel_tables import Rows
from inference_sim.arrays import FloatArray
from inference_sim.execution.shapes import QUANTIZED_BYTES
from inference_sim.hardware import GpuSpec
from inference_sim.models import PRECISIONS

_BYTES = 2.0  # of a bf16 value
_TURN = 0.05  # error from which the pull of a row stays the same: kernels of one form differ so
TABLE_BYTES = {**PRECISIONS, "fp8_block": 1.0, "nvfp4": 4.5 / 8}
"""Bytes per weight in the tables."""


@dataclass(frozen=True, slots=True)
class Number:
    """A fitted number of a form, with its start and its bounds; given with `decimals`."""

    name: str
    start: float
    low: float
    high: float
    decimals: int


@dataclass(frozen=True, slots=True)
class Form:
    """Times of a kernel [s], by its numbers and the rows of a table."""

    numbers: tuple[Number, ...]
    seconds: Callable[[FloatArray, Rows], FloatArray]

    def fit(self, rows: Rows) -> FloatArray:
        """Return the numbers that fit rows best: relative errors, with a soft L1 loss."""
        numbers = self.numbers
        solution = least_squares(
            lambda v: np.log(self.seconds(v, rows) / rows.seconds),
            [n.start for n in numbers],
            bounds=([n.low for n in numbers], [n.high for n in numbers]),
            x_scale=[max(n.start, 1e-3) for n in numbers],
            loss="soft_l1",
            f_scale=_TURN,
        )
        return np.array(
            [round(float(v), n.decimals) for v, n in zip(solution.x, numbers, strict=True)]
        )

    def errors(self, values: FloatArray, rows: Rows) -> FloatArray:
        """Return predicted over measured time, minus 1, shape (rows,)."""
        return self.seconds(values, rows) / rows.seconds - 1

    def held_out(self, rows: Rows) -> FloatArray:
        """Return the errors of each half of the shapes by a fit on the other half."""
        errors = np.empty(len(rows))
        for half in (0, 1):
            tested = rows.shape % 2 == half
            errors[tested] = self.errors(self.fit(rows.where(~tested)), rows.where(tested))
        return errors

    def named(self, values: FloatArray) -> dict[str, float]:
        """Return the numbers by name."""
        return {n.name: float(v) for n, v in zip(self.numbers, values, strict=True)}


def _joined(memory_s: FloatArray, compute_s: FloatArray, p: float) -> FloatArray:
    joined: FloatArray = (memory_s**p + compute_s**p) ** (1 / p)
    return joined


_PRODUCT = (
    Number("t0_us", 5.0, 0.0, 50.0, 2),
    Number("e_bw", 0.85, 0.2, 1.0, 3),
    Number("e_flop", 0.7, 0.1, 1.0, 3),
    Number("p", 3.0, 0.8, 12.0, 3),
)


def products(gpu: GpuSpec, precision: str) -> Form:
    """Return the form of matrix products in a precision."""
    speed = 1.0 if precision == "bf16" else gpu.precision_speed[precision]
    weight_bytes = TABLE_BYTES[precision]
    activation_bytes = QUANTIZED_BYTES.get(precision, _BYTES)
    bandwidth, peak = gpu.peak_bytes_per_s, gpu.peak_flops * speed
    tile = gpu.kernels.tile_tokens if precision == "bf16" else 1

    def seconds(v: FloatArray, rows: Rows) -> FloatArray:
        t0_us, e_bw, e_flop, p = v
        tokens, inputs, outputs = (rows.columns[c] for c in ("tokens", "inputs", "outputs"))
        moved = inputs * outputs * weight_bytes
        moved = moved + tokens * (activation_bytes * inputs + _BYTES * outputs)
        computed = np.where(tokens > tile, np.ceil(tokens / tile) * tile, tokens)
        flops = 2 * inputs * outputs * computed
        time = t0_us * 1e-6 + _joined(moved / (bandwidth * e_bw), flops / (peak * e_flop), p)
        if precision in QUANTIZED_BYTES:
            quantizing = (_BYTES + activation_bytes) * tokens * inputs
            time = time + quantizing / (bandwidth * gpu.kernels.e_el)
        return np.asarray(time)

    return Form(_PRODUCT, seconds)


def decodes(gpu: GpuSpec) -> Form:
    """Return the form of decode attention of a layer."""

    def seconds(v: FloatArray, rows: Rows) -> FloatArray:
        t0a_us, t0s_us, e_kv = v
        read = 2 * _BYTES * rows.columns["kv_heads"] * rows.columns["head_dim"]
        read = read * rows.columns["sequences"] * rows.columns["context"]
        fixed_us = t0a_us + t0s_us * rows.columns["sequences"]
        return np.asarray(fixed_us * 1e-6 + read / (gpu.peak_bytes_per_s * e_kv))

    numbers = (
        Number("t0a_us", 10.0, 0.0, 100.0, 2),
        Number("t0s_us", 0.03, 0.0, 1.0, 4),
        Number("e_kv", 0.85, 0.2, 1.0, 3),
    )
    return Form(numbers, seconds)


def experts(gpu: GpuSpec, precision: str) -> Form:
    """Return the form of a layer's experts on one GPU."""
    speed = 1.0 if precision == "bf16" else gpu.precision_speed.get(precision, 1.0)
    bandwidth, peak = gpu.peak_bytes_per_s, gpu.peak_flops * speed

    def seconds(v: FloatArray, rows: Rows) -> FloatArray:
        t0_us, e_bw, e_flop, p, passes = v
        tokens, hidden, ffn, per_token, count, shards, groups = (
            rows.columns[c]
            for c in ("tokens", "hidden", "ffn", "per_token", "count", "shards", "groups")
        )
        weights = 3 * hidden * ffn / shards
        pairs = tokens * per_token
        touched = count * (1 - (1 - per_token / count) ** tokens)
        tile = np.where(tokens <= count // groups, 16, 64)
        computed = np.maximum(tile, pairs / touched + tile / 2) * touched / groups
        moved = touched / groups * weights * TABLE_BYTES[precision]
        moved = moved + _BYTES * pairs * 2 * hidden / (shards * groups)
        compute_s = 2 * weights * computed / (peak * e_flop)
        time = t0_us * 1e-6 + _joined(moved / (bandwidth * e_bw), compute_s, p)
        return np.asarray(time + passes * _BYTES * pairs * hidden / bandwidth)

    numbers = (
        Number("t0_us", 30.0, 0.0, 200.0, 1),
        Number("e_bw", 0.7, 0.1, 1.0, 3),
        Number("e_flop", 0.5, 0.05, 1.0, 3),
        Number("p", 2.0, 0.7, 12.0, 3),
        Number("passes", 4.0, 0.0, 30.0, 2),
    )
    return Form(numbers, seconds)


def reduces() -> Form:
    """Return the form of an all-reduce."""

    def seconds(v: FloatArray, rows: Rows) -> FloatArray:
        latency_us, bandwidth_gb_per_s, large_us = v
        size = rows.columns["bytes"]
        fixed_us = latency_us + large_us * size / (size + 1e6)
        return np.asarray(fixed_us * 1e-6 + size / (bandwidth_gb_per_s * 1e9))

    numbers = (
        Number("latency_us", 5.0, 0.0, 100.0, 1),
        Number("bandwidth_gb_per_s", 150.0, 0.1, 2000.0, 1),
        Number("large_us", 5.0, 0.0, 500.0, 1),
    )
    return Form(numbers, seconds)
