"""GPUs and node types: the catalogue, and GPUs from a few lines of YAML."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference_sim.errors import InferenceSimError, UnknownName
from inference_sim.hardware import find_gpu, find_node, gpu_names, node_names


@pytest.mark.parametrize("name", gpu_names())
def test_every_gpu_is_plausible_and_says_where_it_comes_from(name: str) -> None:
    gpu = find_gpu(name)
    assert 0 < gpu.loaded_idle_w < gpu.max_w
    assert all(0 < value <= 1 for value in (gpu.kernels.e_bw, gpu.kernels.e_kv, gpu.kernels.e_flop))
    assert gpu.sources
    assert gpu.name in find_node(gpu.node).all_reduce


def test_node_types() -> None:
    assert node_names() == ("dgx", "pairwise_nvlink", "pcie")
    slow = find_node("pairwise_nvlink").all_reduce_link("a100-sxm-80gb", 4)
    assert (slow.latency_us, slow.bandwidth_gb_per_s, slow.estimate) == (55, 15.7, False)
    with pytest.raises(UnknownName, match="did you mean 'dgx'"):
        find_node("dgx2")


def test_unknown_width_lists_what_is_known() -> None:
    with pytest.raises(
        InferenceSimError,
        match="8 GPUs of type 'h100-sxm-80gb' in a 'pairwise_nvlink' node; known: dgx: "
        "tensor_parallel 1, 2, 4, 8; pairwise_nvlink: tensor_parallel 1, 2, 4; pcie",
    ):
        find_node("pairwise_nvlink").all_reduce_link("h100-sxm-80gb", 8)
    with pytest.raises(InferenceSimError, match="no send/receive cost"):
        find_node("pairwise_nvlink").send_receive_link("l40s")


def test_gpu_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "h100-nvl.yaml"
    path.write_text(
        "base: h100-sxm-80gb\nmemory_gib: 94\nmemory_bandwidth_tb_per_s: 3.9\n"
        "kernels: {e_kv: 0.8}\n"
    )
    gpu, base = find_gpu(str(path)), find_gpu("h100-sxm-80gb")
    assert (gpu.name, gpu.memory_gib, gpu.kernels.e_kv) == ("h100-nvl", 94, 0.8)
    assert gpu.kernels.e_bw == base.kernels.e_bw
    assert gpu.all_reduce == base.all_reduce
    assert "those of h100-sxm-80gb" in gpu.uncalibrated
    assert gpu.power_uncalibrated == "the power of h100-sxm-80gb, not measured"
    with path.open("a") as file:
        file.write("two_resource: {base_w: 150}\nsleep_w: 10\n")
    find_gpu.cache_clear()
    measured = find_gpu(str(path))
    assert (measured.two_resource.base_w, measured.power_uncalibrated) == (150, "")
    assert measured.two_resource.memory_w == base.two_resource.memory_w
    assert (measured.asleep_w, gpu.asleep_w) == (10, 70)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("memory_gib: 94\n", "missing .* required"),
        ("base: h100-sxm\n", "did you mean 'h100-sxm-80gb'"),
        ("base: h100-sxm-80gb\nmemory: 94\n", "unexpected field 'memory'"),
        ("base: h100-sxm-80gb\nkernels: {e_kw: 1}\n", "unexpected field 'e_kw'"),
        ("base: h100-sxm-80gb\nmemory_gib: -1\n", r"'memory_gib' must be a number above 0 \(got"),
        ("base: a40\nsleep_w: none\n", r"'sleep_w' must be a number from 0 \(got 'none'\)"),
        ("base: a40\nloaded_idle_w: -1\n", "'loaded_idle_w' must be a number from 0"),
        (
            "base: a40\ntwo_resource: {memory_w: -1}\n",
            r"'two_resource.memory_w' must be a number from 0 \(got -1\)",
        ),
        ("- 1\n", "expected 'name: value' lines"),
        ("base: [\n", "cannot read the GPU file"),
    ],
)
def test_unusable_gpu_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "gpu.yaml"
    path.write_text(text)
    with pytest.raises(InferenceSimError, match=message):
        find_gpu(str(path))
