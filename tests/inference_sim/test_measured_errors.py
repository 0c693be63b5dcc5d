"""Errors by regime: the data file, whom it holds for, and where its numbers come from."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from calibration.clocks import exponents
from calibration.errors import errors_text, half_width, predictions_of
from calibration.measurements import read
from calibration.power_fit import GPUS, held_out
from inference_sim.execution import EngineProfile, find_engine
from inference_sim.execution.measured_errors import ERRORS, measured_errors, regime_name
from inference_sim.hardware import GpuSpec, find_gpu
from inference_sim.models import find_model
from inference_sim.power.ends import ENDS, find_ends
from tests.inference_sim.test_calibration import RUNS, needs_runs
from tests.samples import sizes

H100, VLLM = find_gpu("h100-sxm-80gb"), find_engine("vllm-0.11")
LLAMA = find_model("meta-llama/Llama-3.1-8B-Instruct")
on_gpus = pytest.mark.parametrize(
    "gpus",
    sizes(["b200-sxm-180gb"], GPUS, "errors on all GPUs; every day on the B200"),
    ids=lambda gpus: f"{len(gpus)} GPUs",
)


@pytest.mark.parametrize("name", ERRORS.names)
def test_entries_are_named_by_what_they_hold_for(name: str) -> None:
    errors = ERRORS.find(name)
    assert regime_name(errors.engine, errors.gpu, errors.precision, experts=errors.experts) == name
    gpu, engine = find_gpu(errors.gpu), find_engine(errors.engine)
    assert not gpu.power_uncalibrated
    assert engine.fitted_on is not None
    assert errors.gpu in engine.fitted_on
    for figures in (errors.joules_per_token, errors.power, errors.throughput):
        assert abs(figures.bias) <= figures.mape < 0.25
    assert errors.joules_per_token.mape < errors.within < 0.3  # a mean is less than nine in ten
    assert errors.runs >= 10


@pytest.mark.parametrize(
    ("model", "gpu", "engine", "known"),
    [
        (LLAMA, H100, VLLM, True),
        (LLAMA, H100, VLLM.greedy, True),
        (find_model("openai/gpt-oss-20b"), H100, VLLM, True),
        (LLAMA, find_gpu("b200-sxm-180gb"), find_engine("vllm-0.11-b200"), True),
        (LLAMA.with_precision("fp8"), H100, VLLM, False),
        (LLAMA, find_gpu("h200-sxm-141gb"), VLLM, False),
        (LLAMA, find_gpu("a100-sxm-40gb"), VLLM, False),
        (LLAMA, H100, find_engine("none"), False),
        (LLAMA, replace(H100, max_w=500.0), VLLM, False),
        (LLAMA, H100, replace(VLLM, serial_s=1e-3), False),
    ],
)
def test_a_regime_is_found_or_none(
    model: object, gpu: GpuSpec, engine: EngineProfile, known: bool
) -> None:
    assert (measured_errors(model, gpu, engine) is not None) is known  # type: ignore[arg-type]


@needs_runs
@on_gpus
def test_the_file_is_what_the_script_writes(gpus: list[str]) -> None:
    import inference_sim.execution.measured_errors as module

    groups = predictions_of([row for row in read(RUNS)[0] if row.gpu in gpus])
    file = Path(module.__file__).with_name("measured_errors.yaml")
    header, *entries = file.read_text(encoding="utf-8").split("\n\n")
    ours = [entry for entry in entries if any(f"  gpu: {gpu}\n" in entry for gpu in gpus)]
    assert errors_text(groups).strip().split("\n\n") == [header, *map(str.strip, ours)]
    for name, group in groups.items():
        width = half_width(group)
        inside = [
            abs(1 / (1 + prediction.joules_per_token) - 1) <= width + 1e-12 for prediction in group
        ]
        assert 0.9 <= sum(inside) / len(inside) <= 0.9 + 1.5 / len(inside), name


def test_ends_lie_about_the_default() -> None:
    for name in ENDS.names:
        ends = find_ends(name)
        own = {"idle_w": 130.0, "memory_w": 400.0, "clock_exponent": 2.4}[name]
        assert ends.value(own, high=False) < own < ends.value(own, high=True)
        assert len(ends.sources) > 20


@needs_runs
@on_gpus
def test_the_ends_of_the_power_per_byte_are_those_of_fits_without_one(gpus: list[str]) -> None:
    rows, _ = read(RUNS)
    factors = [
        fit.memory_w / find_gpu(gpu).two_resource.memory_w
        for gpu in gpus
        for fit in held_out(rows, gpu)[1]
    ]
    ends = find_ends("memory_w")
    assert ends.low - 0.01 <= min(factors) < 1 < max(factors) <= ends.high + 0.01
    if len(gpus) == len(GPUS):
        assert (ends.low, ends.high) == pytest.approx((min(factors), max(factors)), abs=0.01)


def test_the_ends_of_the_clock_exponent_are_those_of_measured_sweeps() -> None:
    best, ends = exponents().values(), find_ends("clock_exponent")
    assert (ends.low, ends.high) == (min(best), max(best))
