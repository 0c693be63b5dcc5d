"""GPUs and node types: the catalogue, and GPUs from a few lines of YAML."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference_sim.errors import InferenceSimError, UnknownName
from inference_sim.execution import find_engine
from inference_sim.execution.engine_profile import engine_names
from inference_sim.hardware import find_gpu, find_node, gpu_names, node_names


@pytest.mark.parametrize("name", gpu_names())
def test_every_gpu_is_plausible_and_says_where_it_comes_from(name: str) -> None:
    gpu = find_gpu(name)
    assert 0 < gpu.loaded_idle_w < gpu.max_w
    assert all(0 < value <= 1 for value in (gpu.kernels.e_bw, gpu.kernels.e_kv, gpu.kernels.e_flop))
    assert gpu.sources
    assert gpu.link_name in find_node(gpu.node).all_reduce


def test_node_types() -> None:
    assert node_names() == ("dgx", "pairwise_nvlink", "pcie")
    slow = find_node("pairwise_nvlink").all_reduce_link("a100-sxm-80gb", 4)
    assert (slow.latency_us, slow.bandwidth_gb_per_s, slow.estimate) == (55, 15.7, False)
    with pytest.raises(UnknownName, match="did you mean 'dgx'"):
        find_node("dgx2")


NOT_MEASURED = {
    "b300-sxm-288gb", "gb200-nvl72-186gb", "h20-sxm-96gb", "l4", "mi300x-192gb",
    "rtx-pro-6000-96gb",
}  # fmt: skip


def test_gpus_by_their_data_sheets_say_so() -> None:
    """In all three parts: kernels, experts and power."""
    for name in NOT_MEASURED:
        gpu = find_gpu(name)
        assert gpu.calibrated == "not"
        assert all((gpu.uncalibrated, gpu.experts_uncalibrated, gpu.power_uncalibrated))
        assert "not measured" in gpu.sources
    assert find_gpu("h100-sxm-80gb").calibrated == "time, power"
    assert find_gpu("h200-sxm-141gb").calibrated == "time"


def test_borrowed_power_is_that_of_the_kin_per_flop_and_byte() -> None:
    b200, b300, gb200 = map(find_gpu, ("b200-sxm-180gb", "b300-sxm-288gb", "gb200-nvl72-186gb"))
    h100, h20 = find_gpu("h100-sxm-80gb"), find_gpu("h20-sxm-96gb")
    for kin, gpu in ((b200, b300), (b200, gb200), (h100, h20)):
        per_flop = gpu.two_resource.compute_w / gpu.peak_tflops
        per_byte = gpu.two_resource.memory_w / gpu.memory_bandwidth_tb_per_s
        assert per_flop == pytest.approx(kin.two_resource.compute_w / kin.peak_tflops, rel=0.005)
        assert per_byte == pytest.approx(
            kin.two_resource.memory_w / kin.memory_bandwidth_tb_per_s, rel=0.005
        )


def test_clocks_and_caps_of_boards() -> None:
    """NVIDIA DGX H100 and DGX B200 user guides: "AllowableMin": 200."""
    assert [find_gpu(name).least_cap_w for name in ("h100-sxm-80gb", "b200-sxm-180gb")] == [200] * 2
    assert find_gpu("h100-sxm-80gb").lowest_clock == pytest.approx(345 / 1980)
    assert find_gpu("gb200-nvl72-186gb").lowest_clock == 0  # not known


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
        (
            "memory_gib: 94\n",
            "1:1: missing description, peak_tflops, memory_bandwidth_tb_per_s, max_w, "
            "loaded_idle_w, kernels, experts, two_resource, embodied_g_per_gpu_hour, "
            "sources; give them, or 'base: <known GPU>' to take the rest from one",
        ),
        (
            "base: h100-sxm\n",
            "1:7 base: unknown GPU (got 'h100-sxm'); did you mean 'h100-sxm-80gb'?",
        ),
        ("base: a40\nmemory: 94\n", "2:1 memory: unknown key; did you mean 'memory_gib'?"),
        ("base: a40\nkernels: {e_kw: 1}\n", "2:11 kernels.e_kw: unknown key; did you mean 'e_kv'?"),
        ("base: a40\nmemory_gib: -1\n", "2:13 memory_gib: must be greater than 0 (got -1)"),
        ("base: a40\nsleep_w: none\n", "2:10 sleep_w: expected a number (got 'none', a string)"),
        (
            "base: a40\nmax_w: '700'\n",
            "2:8 max_w: expected a number (got '700', a string; write it",
        ),
        ("base: a40\nloaded_idle_w: -1\n", "2:16 loaded_idle_w: must be at least 0 (got -1)"),
        (
            "base: a40\ntwo_resource: {memory_w: -1, base_w: yes}\n",
            "2:26 two_resource.memory_w: must be at least 0 (got -1); "
            "{path}:2:38 two_resource.base_w: expected a number (got 'yes', a string)",
        ),
        ("base: a40\ntwo_resource: 3\n", "2:15 two_resource: expected a mapping (got 3)"),
        ("- 1\n", "1:1: a GPU is a mapping of keys such as 'name: …' (got a list)"),
        ("base: [\n", "2:1: expected the node content, but found '<stream end>'"),
    ],
)
def test_unusable_gpu_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "gpu.yaml"
    path.write_text(text)
    with pytest.raises(InferenceSimError) as caught:
        find_gpu(str(path))
    assert str(caught.value).startswith(f"{path}:{message.format(path=path)}")


def test_numbers_are_read_as_in_scenarios(tmp_path: Path) -> None:
    """``7e2`` is text to YAML 1.1."""
    path = tmp_path / "gpu.yaml"
    path.write_text("base: h100-sxm-80gb\nmax_w: 7e2\nkernels: {tile_tokens: 1e2}\n")
    gpu = find_gpu(str(path))
    assert (gpu.max_w, gpu.kernels.tile_tokens) == (700, 100)


def test_the_entries_of_the_catalogue_name_their_base(tmp_path: Path) -> None:
    """The two boards of the A100 are one chip: what they share stands once."""
    small, large = find_gpu("a100-sxm-40gb"), find_gpu("a100-sxm-80gb")
    assert (small.kernels, small.experts) == (large.kernels, large.experts)
    assert (small.memory_gib, large.memory_gib) == (40, 80)
    assert (small.two_resource.memory_w, large.two_resource.memory_w) == (318, 417)
    assert (large.link_name, large.uncalibrated) == ("a100-sxm-80gb", "")
    path = tmp_path / "gpu.yaml"
    path.write_text("base: a100-sxm-80gb\nmax_w: 300\n")
    assert find_gpu(str(path)).kernels == large.kernels


@pytest.mark.parametrize("name", gpu_names())
def test_the_default_engine_is_that_of_the_gpu_or_of_the_h100(name: str, tmp_path: Path) -> None:
    newest = find_gpu("h100-sxm-80gb").default_engine
    versions = [engine for engine in engine_names() if f"{engine}-".startswith(f"{newest}-")]
    fitted = {gpu for engine in versions for gpu in find_engine(engine).fitted_on}
    assert {"h100-sxm-80gb", "b200-sxm-180gb"} <= fitted
    engine, kin = find_engine(find_gpu(name).default_engine), {name, find_gpu(name).link_name}
    assert engine.name in versions
    assert kin & set(engine.fitted_on) if kin & fitted else engine.name == newest
    path = tmp_path / "gpu.yaml"
    path.write_text(f"base: {name}\nmax_w: 300\n")
    assert find_gpu(str(path)).default_engine == find_gpu(name).default_engine
