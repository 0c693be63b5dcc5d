"""Made-up telemetry, from the project's own models with coefficients that are known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from cosim.calibrate.rows import Row
from cosim.calibrate.steady_state import Load, SteadyState
from inference_sim.arrays import FloatArray
from inference_sim.execution import EngineProfile, find_engine
from inference_sim.hardware import GpuSpec, TwoResourceCoefficients, find_gpu
from inference_sim.models import find_model
from inference_sim.power import TwoResource, Use

H100 = find_gpu("h100-sxm-80gb")
ENGINE = find_engine("vllm-0.11")
LLAMA, QWEN = "meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-14B"


def write(path: Path, header: str, rows: Sequence[Sequence[object]]) -> Path:
    """Write a CSV file whose numbers are exact."""
    lines = [header, *(",".join(map(str, row)) for row in rows)]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def busy_w(gpu: GpuSpec, coefficients: Sequence[float], *use: FloatArray) -> FloatArray:
    """The power of a GPU with these coefficients; `use` is MFU, bandwidth, busy, sampling."""
    own = replace(gpu, two_resource=TwoResourceCoefficients(*coefficients))
    one_each = np.ones_like(use[0])
    return TwoResource.of(own).busy_w(Use(*use, one_each, one_each))


def use_of_a_day(rows: int, seed: int = 0) -> tuple[FloatArray, FloatArray, FloatArray, FloatArray]:
    """Utilisation of made-up runs: mfu, bandwidth, busy fraction, sampling."""
    rng = np.random.default_rng(seed)
    busy = rng.uniform(0.3, 1.0, rows)
    sampling = rng.uniform(0.0, 0.4, rows)
    return busy * rng.uniform(0.01, 0.6, rows), busy * rng.uniform(0.05, 0.9, rows), busy, sampling


def measured_use(path: Path, coefficients: Sequence[float], rows: int, noise: float = 0.0) -> Path:
    """Telemetry with utilisation, of an H100 that has these coefficients."""
    use = use_of_a_day(rows)
    power_w = busy_w(H100, coefficients, *use)
    power_w = power_w * (1 + noise * np.random.default_rng(1).standard_normal(rows))
    header = "power_w,mfu,bandwidth_utilisation,busy_fraction,sampling"
    return write(path, header, [[float(x) for x in row] for row in zip(power_w, *use, strict=True)])


def deployments(batches: Sequence[float], prompts: bool = True) -> list[Row]:
    """Steady states of two models, with prompts or decoding at two contexts."""
    rows = []
    for name in (LLAMA, QWEN):
        for batch in batches:
            for short, long in ((100, 400), (3000, 60), (1500, 300)):
                load = Load(batch, short, long, 0.5) if prompts else None
                context = float("nan") if prompts else float(short)
                rows.append(Row(0, find_model(name), 1, batch, load, context, 0.0, name))
    return rows


def state_power_w(gpu: GpuSpec, coefficients: Sequence[float], state: SteadyState) -> float:
    """The mean power of a steady state at its own pace, from its iterations one by one."""
    joules = seconds = 0.0
    for weight, cost in state.phases:
        use = (
            cost.flops / cost.duration_s / gpu.peak_flops,
            cost.hbm_bytes / cost.duration_s / gpu.peak_bytes_per_s,
            cost.gpu_s / cost.duration_s,
            cost.sampling_s / cost.duration_s,
        )
        watts = busy_w(gpu, coefficients, *(np.array([value]) for value in use))
        joules += weight * cost.duration_s * float(watts[0])
        seconds += weight * cost.duration_s
    return joules / seconds


def served(
    path: Path,
    rows: Sequence[Row],
    engine: EngineProfile = ENGINE,
    coefficients: Sequence[float] | None = None,
    noise: float = 0.0,
) -> Path:
    """What an H100 with this engine, and these power coefficients, would be measured to do."""
    rng = np.random.default_rng(2)
    lines = []
    for row in rows:
        state = row.state(H100, engine, mixed=True)
        jitter = 1 + noise * rng.standard_normal(2)
        watts = 300.0 if coefficients is None else state_power_w(H100, coefficients, state)
        if row.load is None:
            lengths: list[object] = [row.context_tokens]
        else:
            lengths = [row.load.prompt_tokens, row.load.output_tokens, row.load.output_cv2]
        rate = state.tokens_per_s * jitter[0]
        lines.append([row.model.name, row.batch, *lengths, float(rate), float(watts * jitter[1])])
    lengths_header = (
        "context_tokens" if rows[0].load is None else "prompt_tokens,output_tokens,output_cv2"
    )
    return write(path, f"model,batch,{lengths_header},tokens_per_s,power_w", lines)


PAGE_POWER = (95.0, 430.0, 500.0, 450.0)
PAGE_ENGINE = ENGINE.with_numbers({"serial_s": 1.4e-3, "sampling_s_per_sequence": 60e-6})


def page_telemetry() -> str:
    """The table of docs/calibration.md: three models, four batches, two loads, errors of 1 %."""
    rng = np.random.default_rng(7)
    lines = ["model,batch,prompt_tokens,output_tokens,tokens_per_s,power_w"]
    for name in (LLAMA, QWEN, "mistralai/Mistral-7B-Instruct-v0.3"):
        for prompt, output in ((200, 400), (3000, 100)):
            for batch in (4, 16, 48, 96):
                load = Load(batch, prompt, output, 0.0)
                row = Row(0, find_model(name), 1, batch, load, float("nan"), 0.0, name)
                state = row.state(H100, PAGE_ENGINE, mixed=True)
                rate, watts = 1 + 0.01 * rng.standard_normal(2)
                rate *= state.tokens_per_s
                watts *= state_power_w(H100, PAGE_POWER, state)
                lines.append(f"{name},{batch},{prompt},{output},{rate:.0f},{watts:.0f}")
    return "\n".join(lines) + "\n"
