"""The data files: complete, plausible, with sources, and part of the package."""

from __future__ import annotations

import subprocess
import sys
import tomllib
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path

import pytest

from inference_sim.errors import InferenceSimError, UnknownName
from inference_sim.execution import find_engine
from inference_sim.execution.engine_profile import engine_names
from inference_sim.files.catalogue import read_data
from inference_sim.hardware import find_gpu, gpu_names
from inference_sim.models import find_model

DATA = [
    ("inference_sim.hardware", "gpus.yaml"),
    ("inference_sim.models", "models.yaml"),
    ("inference_sim.execution", "engines.yaml"),
    ("inference_sim.execution", "measured_errors.yaml"),
    ("inference_sim.power", "ends.yaml"),
]


@pytest.mark.parametrize("name", gpu_names())
def test_gpu(name: str) -> None:
    gpu = find_gpu(name)
    assert gpu.name == name
    assert gpu.description
    assert len(gpu.sources) > 20
    assert 16 <= gpu.memory_gib <= 300
    assert 50e12 <= gpu.peak_flops <= 5e15
    assert 0.2e12 <= gpu.peak_bytes_per_s <= 10e12
    assert gpu.least_cap_w < gpu.max_w
    assert gpu.lowest_clock < 0.3
    assert not set(gpu.without) & set(gpu.precision_speed)
    assert gpu.cold_idle_w is not None
    assert 0 < gpu.cold_idle_w < gpu.loaded_idle_w < gpu.max_w <= 1500
    assert 0 < gpu.embodied_g_per_gpu_hour < 200
    kernels = gpu.kernels
    for efficiency in (kernels.e_bw, kernels.e_flop, kernels.e_el, kernels.e_kv, kernels.e_prefill):
        assert 0.3 < efficiency < 1
    for overhead_us in (kernels.t0_us, kernels.t0e_us, kernels.t0a_us):
        assert 0 <= overhead_us < 50
    assert 1 <= kernels.p <= 4
    power = gpu.two_resource
    assert 0 < power.base_w < gpu.max_w
    assert min(power.compute_w, power.memory_w, power.sampling_w) >= 0
    # Neither resource alone draws less than the idle board, in full use.
    assert power.base_w + min(power.compute_w, power.memory_w) > gpu.loaded_idle_w
    if gpu.mfu_power_law is not None:
        law = gpu.mfu_power_law
        assert 0 < law.idle_w < law.max_w <= gpu.max_w
        assert 0 < law.mfu_sat < 1
        assert 0 < law.gamma <= 1
    for width, cost in gpu.all_reduce.items():
        assert width in {2, 4, 8, 16}
        assert 1 < cost.latency_us < 200
        assert 5 < cost.bandwidth_gb_per_s < 900


def test_kv_bytes() -> None:
    """Published per-token sizes: 16 KiB a layer for Llama-2-7b, 4 KiB for Llama-3-8B."""
    assert find_model("meta-llama/Llama-2-7b-hf").kv_bytes_per_token_per_layer() == 16384
    assert find_model("meta-llama/Meta-Llama-3-8B").kv_bytes_per_token_per_layer() == 4096


@pytest.mark.parametrize("name", engine_names())
def test_engine(name: str) -> None:
    engine = find_engine(name)
    assert engine.name == name
    assert engine.sources
    for fixed_s in (engine.sampling_s, engine.host_s):
        assert 0 <= fixed_s < 0.02
    for per_sequence_s in (engine.sampling_s_per_sequence, engine.host_s_per_sequence):
        assert 0 <= per_sequence_s < 1e-3


def test_found_once_and_kept() -> None:
    assert find_gpu("a100-sxm-80gb") is find_gpu("a100-sxm-80gb")
    assert find_model("meta-llama/Llama-2-7b-hf") is find_model("meta-llama/Llama-2-7b-hf")


@pytest.mark.parametrize(
    ("find", "name", "text"),
    [
        (
            find_gpu,
            "a100-sxm-8gb",
            "unknown GPU (got 'a100-sxm-8gb'); did you mean 'a100-sxm-80gb'? kn",
        ),
        (
            find_gpu,
            "tpu",
            f"unknown GPU (got 'tpu'); known: {', '.join(sorted(gpu_names()))}",
        ),
        (
            find_model,
            "meta-llama/Llama-2-7b",
            "unknown model (got 'meta-llama/Llama-2-7b'); did you mean 'meta-llama/Llama-2-7b-hf'? "
            "85 are known (`cosim models` lists them)",
        ),
        (
            find_engine,
            "vllm",
            "unknown engine profile (got 'vllm'); did you mean 'vllm-0.17'? known: n",
        ),
    ],
)
def test_unknown_names(find, name: str, text: str) -> None:
    with pytest.raises(UnknownName) as caught:
        find(name)
    assert str(caught.value).startswith(text)
    assert isinstance(caught.value, InferenceSimError)


@pytest.mark.parametrize(("package", "file_name"), DATA)
def test_data_files_ship(package: str, file_name: str) -> None:
    assert files(package).joinpath(file_name).is_file()
    assert read_data(package, file_name)
    pyproject = Path(__file__).parents[2] / "pyproject.toml"
    setuptools = tomllib.loads(pyproject.read_text())["tool"]["setuptools"]
    assert any(fnmatch(file_name, pattern) for pattern in setuptools["package-data"]["*"])
    assert any(fnmatch(package, pattern) for pattern in setuptools["packages"]["find"]["include"])


def test_the_simulator_starts_without_pydantic() -> None:
    """It is loaded when the first entry is read: it would make a fifth of the imports."""
    command = "import sys, inference_sim.cluster; print('pydantic' in sys.modules)"
    answer = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert answer.stdout == "False\n"
