"""Whole iterations of Llama-3.1-8B against the kernels, and what single kernels do not tell.

The tables are decode and prefill latencies of Llama-3.1-8B (bf16, one GPU) that NVIDIA's
aiconfigurator (Apache-2.0) gives for vLLM and TensorRT-LLM. Decode comes in three parts (matrix
products, attention, the rest). Products and attention are fitted on tables of single kernels
(:mod:`calibration.kernels`); here t0e and e_el are fitted on the rest, and e_prefill on prefills of
512 tokens and more. The errors of whole steps check all of them together.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from calibration.page import bias, mape, table
from inference_sim.arrays import FloatArray
from inference_sim.execution import Roofline, find_engine
from inference_sim.hardware import GpuSpec, KernelCoefficients, find_gpu
from inference_sim.models import find_model

GPUS = {
    "a100_sxm": "a100-sxm-80gb",
    "h100_sxm": "h100-sxm-80gb",
    "h200_sxm": "h200-sxm-141gb",
    "b200_sxm": "b200-sxm-180gb",
    "l40s": "l40s",
}
MODEL = find_model("meta-llama/Llama-3.1-8B-Instruct")
SHORTEST_PREFILL = 512  # tokens; shorter ones are reported, not fitted
DECODE_TARGET, PREFILL_TARGET = 5.0, 10.0  # %


@dataclass(frozen=True, slots=True)
class Decode:
    """One decode step: `batch` sequences of `context` tokens each; times in s."""

    batch: int
    context: int
    step_s: float
    attention_s: float
    rest_s: float


@dataclass(frozen=True, slots=True)
class Prefill:
    """One prefill of `batch` prompts of `prompt` tokens."""

    batch: int
    prompt: int
    seconds: float


def read(decode: Path, prefill: Path, system: str) -> tuple[list[Decode], list[Prefill]]:
    """Return the rows of one system."""
    with decode.open(encoding="utf-8") as file:
        steps = [
            Decode(
                int(row["batch"]),
                int(row["context_len"]),
                float(row["step_ms"]) * 1e-3,
                float(row["attention_ms"]) * 1e-3,
                float(row["other_ms"]) * 1e-3,
            )
            for row in csv.DictReader(file)
            if row["system"] == system
        ]
    with prefill.open(encoding="utf-8") as file:
        prefills = [
            Prefill(int(row["batch"]), int(row["isl"]), float(row["prefill_ms"]) * 1e-3)
            for row in csv.DictReader(file)
            if row["system"] == system
        ]
    return steps, prefills


def decode_errors(gpu: GpuSpec, rows: Sequence[Decode]) -> FloatArray:
    """Return predicted over measured time of decode steps, minus 1."""
    roofline = Roofline(MODEL, gpu, find_engine("none"))
    return np.array(
        [
            roofline.decode(row.batch).at(row.batch * row.context).gpu_s / row.step_s - 1
            for row in rows
        ]
    )


def prefill_errors(gpu: GpuSpec, rows: Sequence[Prefill]) -> FloatArray:
    """Return predicted over measured time of prefills, minus 1."""
    roofline = Roofline(MODEL, gpu, find_engine("none"))
    return np.array(
        [
            roofline.iteration([(row.prompt, 0)] * row.batch, row.batch).gpu_s / row.seconds - 1
            for row in rows
        ]
    )


def fit(gpu: GpuSpec, steps: Sequence[Decode], prefills: Sequence[Prefill]) -> KernelCoefficients:
    """Return the coefficients of a GPU with t0e, e_el and e_prefill fitted on the rows."""
    rest = np.array([row.rest_s for row in steps])

    def with_rest(v: FloatArray) -> GpuSpec:
        return replace(gpu, kernels=replace(gpu.kernels, t0e_us=float(v[0]), e_el=float(v[1])))

    def step_s(candidate: GpuSpec) -> FloatArray:
        roofline = Roofline(MODEL, candidate, find_engine("none"))
        return np.array(
            [roofline.decode(row.batch).at(row.batch * row.context).gpu_s for row in steps]
        )

    without = step_s(with_rest(np.array([0.0, _FREE])))
    v = least_squares(
        lambda v: (step_s(with_rest(v)) - without - rest) / rest,
        [9.0, 0.8],
        bounds=([0, 0.3], [50, 1]),
    ).x
    gpu = with_rest(np.array([round(float(v[0]), 1), round(float(v[1]), 3)]))
    long = [row for row in prefills if row.batch * row.prompt >= SHORTEST_PREFILL]

    def with_prefill(v: FloatArray) -> GpuSpec:
        return replace(gpu, kernels=replace(gpu.kernels, e_prefill=float(v[0])))

    v = least_squares(
        lambda v: np.log1p(prefill_errors(with_prefill(v), long)),
        [0.5],
        bounds=([0.2], [1]),
        loss="soft_l1",
        f_scale=0.05,
    ).x
    return with_prefill(np.array([round(float(v[0]), 3)])).kernels


_FREE = 1e12  # an efficiency at which a part takes no time


def report(decode: Path, prefill: Path) -> str:
    """Return the table of the page: errors with the coefficients that ``gpus.yaml`` has."""
    rows = []
    for system, name in GPUS.items():
        gpu = find_gpu(name)
        steps, prefills = read(decode, prefill, system)
        long = [row for row in prefills if row.batch * row.prompt >= SHORTEST_PREFILL]
        short = [row for row in prefills if row.batch * row.prompt < SHORTEST_PREFILL]
        step_errors, long_errors = decode_errors(gpu, steps), prefill_errors(gpu, long)
        worst = int(np.argmax(np.abs(step_errors)))
        rows.append(
            [
                name,
                len(steps),
                mape(step_errors),
                bias(step_errors),
                f"{100 * step_errors[worst]:+.0f} (batch {steps[worst].batch}, "
                f"context {steps[worst].context})",
                len(long),
                mape(long_errors),
                bias(long_errors),
                mape(prefill_errors(gpu, short)),
            ]
        )
    header = (
        "GPU", "decode rows", "MAPE %", "bias %", "worst %", "prefill rows", "MAPE %", "bias %",
        f"below {SHORTEST_PREFILL} tokens %",
    )  # fmt: skip
    return table(header, rows)
