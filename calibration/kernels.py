"""Fits of the kernel coefficients of GPUs, with the roofline class of the simulator.

The tables are decode and prefill latencies of Llama-3.1-8B (bf16, one GPU) that NVIDIA's
aiconfigurator (Apache-2.0) gives for vLLM and TensorRT-LLM. Decode comes in three parts (matrix
products, attention, the rest), so each coefficient is fitted on the part that it describes:

1. t0e, e_el on the rest, and t0a, e_kv on decode attention: straight lines;
2. e_bw, e_flop, p and e_prefill on whole decode steps and prefills of 512 tokens and more.

t0 stays as it is: one model cannot separate it from e_bw (from 0 to 7 us the errors move by 0.2 %),
and larger models need the right one. Vidur's profiles of many models give 4.8 to 5.9 us.

Usage: ``python -m calibration.kernels DECODE.csv PREFILL.csv [--write]``
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
from scipy.optimize import least_squares

from calibration.page import bias, mape, table, write_section
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
    """Return the kernel coefficients that fit the rows; t0 and the size of a tile stay."""
    rest = np.array([row.rest_s for row in steps])
    attention = np.array([row.attention_s for row in steps])
    step = np.array([row.step_s for row in steps])

    def with_rest(v: FloatArray) -> KernelCoefficients:
        return replace(gpu.kernels, t0e_us=float(v[0]), e_el=float(v[1]))

    def with_attention(v: FloatArray) -> KernelCoefficients:
        return replace(gpu.kernels, t0a_us=float(v[0]), e_kv=float(v[1]))

    def part(kernels: KernelCoefficients, without: KernelCoefficients) -> FloatArray:
        """Return the time that a step saves if some kernels cost nothing."""
        on = Roofline(MODEL, replace(gpu, kernels=kernels), find_engine("none"))
        off = Roofline(MODEL, replace(gpu, kernels=without), find_engine("none"))
        return np.array(
            [
                on.decode(row.batch).at(context).gpu_s - off.decode(row.batch).at(context).gpu_s
                for row in steps
                for context in [row.batch * row.context]
            ]
        )

    free = 1e12  # an efficiency at which a part takes no time
    kernels = gpu.kernels
    v = least_squares(
        lambda v: (part(with_rest(v), with_rest(np.array([0, free]))) - rest) / rest, [9.0, 0.8]
    ).x
    kernels = replace(kernels, t0e_us=round(float(v[0]), 1), e_el=round(float(v[1]), 3))
    v = least_squares(
        lambda v: (part(with_attention(v), with_attention(np.array([0, free]))) - attention) / step,
        [14.0, 0.9],
        bounds=([0, 0.3], [60, 1]),
        loss="soft_l1",
        f_scale=0.02,
    ).x
    kernels = replace(kernels, t0a_us=round(float(v[0]), 1), e_kv=round(float(v[1]), 3))

    def with_products(v: FloatArray) -> KernelCoefficients:
        e_bw, e_flop, p, e_prefill = map(float, v)
        return replace(kernels, e_bw=e_bw, e_flop=e_flop, p=p, e_prefill=e_prefill)

    def residuals(v: FloatArray) -> FloatArray:
        candidate = replace(gpu, kernels=with_products(v))
        long = [row for row in prefills if row.batch * row.prompt >= SHORTEST_PREFILL]
        errors = np.concatenate([decode_errors(candidate, steps), prefill_errors(candidate, long)])
        return np.asarray(np.log1p(errors))

    v = least_squares(
        residuals,
        [0.8, 0.8, 2.0, 0.6],
        bounds=([0.3, 0.3, 1.2, 0.2], [1, 1, 6, 1]),
        loss="soft_l1",
        f_scale=0.05,
    ).x
    return with_products(np.array([round(float(x), 3) for x in v]))


def cross_validated(
    gpu: GpuSpec, steps: Sequence[Decode], prefills: Sequence[Prefill]
) -> tuple[FloatArray, FloatArray]:
    """Return errors of decode and of long prefills, each half fitted on the other half."""
    decode, prefill = [], []
    long = [row for row in prefills if row.batch * row.prompt >= SHORTEST_PREFILL]
    for half in (0, 1):
        fitted = replace(gpu, kernels=fit(gpu, steps[half::2], long[half::2]))
        decode.append(decode_errors(fitted, steps[1 - half :: 2]))
        prefill.append(prefill_errors(fitted, long[1 - half :: 2]))
    return np.concatenate(decode), np.concatenate(prefill)


def report(decode: Path, prefill: Path) -> str:
    """Return the tables of the page: errors with the coefficients that ``gpus.yaml`` has."""
    rows = []
    for system, name in GPUS.items():
        gpu = find_gpu(name)
        steps, prefills = read(decode, prefill, system)
        long = [row for row in prefills if row.batch * row.prompt >= SHORTEST_PREFILL]
        short = [row for row in prefills if row.batch * row.prompt < SHORTEST_PREFILL]
        step_errors, long_errors = decode_errors(gpu, steps), prefill_errors(gpu, long)
        held_out = cross_validated(gpu, steps, prefills)
        worst = int(np.argmax(np.abs(step_errors)))
        rows.append(
            [
                name,
                len(steps),
                mape(step_errors),
                mape(held_out[0]),
                bias(step_errors),
                f"{100 * step_errors[worst]:+.0f} (batch {steps[worst].batch}, "
                f"context {steps[worst].context})",
                len(long),
                mape(long_errors),
                mape(held_out[1]),
                mape(prefill_errors(gpu, short)),
            ]
        )
    header = (
        "GPU", "decode rows", "MAPE %", "held out %", "bias %", "worst %",
        "prefill rows", "MAPE %", "held out %", f"below {SHORTEST_PREFILL} tokens %",
    )  # fmt: skip
    return table(header, rows)


def main(arguments: Sequence[str] | None = None) -> None:
    """Print coefficients and errors; with ``--write``, put the errors on the page."""
    parser = argparse.ArgumentParser(prog="python -m calibration.kernels")
    parser.add_argument("decode", type=Path)
    parser.add_argument("prefill", type=Path)
    parser.add_argument("--write", action="store_true", help="put the errors on the page")
    options = parser.parse_args(arguments)
    print("# for inference_sim/hardware/gpus.yaml")
    for system, name in GPUS.items():
        fitted = asdict(fit(find_gpu(name), *read(options.decode, options.prefill, system)))
        print(f"{name}:\n  kernels: {{{', '.join(f'{k}: {v:g}' for k, v in fitted.items())}}}")
    print(text := report(options.decode, options.prefill))
    if options.write:
        write_section("kernels", text)


if __name__ == "__main__":
    main()
