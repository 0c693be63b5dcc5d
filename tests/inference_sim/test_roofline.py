"""Iteration cost: against NVIDIA's tables of measured kernels, and against itself."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_sim.errors import InferenceSimError
from inference_sim.execution import EngineProfile, Roofline, find_engine
from inference_sim.hardware import find_gpu, gpu_names
from inference_sim.models import find_model, model_names
from tests.inference_sim.builders import approx, prefill
from tests.strategies import A100, LLAMA2_7B

TABLES = Path(__file__).parents[3] / "shared" / "data" / "kernel_tables"
SYSTEMS = {
    "h100_sxm": "h100-sxm-80gb",
    "a100_sxm": "a100-sxm-80gb",
    "b200_sxm": "b200-sxm-180gb",
}
LLAMA31_8B = find_model("meta-llama/Llama-3.1-8B-Instruct")
NONE = find_engine("none")
needs_tables = pytest.mark.skipif(not TABLES.is_dir(), reason="the kernel tables are not there")


def table(phase: str, system: str) -> pd.DataFrame:
    rows = pd.read_csv(TABLES / f"aic_{phase}_llama31_8b.csv")
    return rows[rows["system"] == system]


def errors(rows: pd.DataFrame, system: str) -> pd.Series:
    """Relative error of every row."""
    roofline = Roofline(LLAMA31_8B, find_gpu(SYSTEMS[system]), NONE)
    if "prefill_ms" in rows:
        pairs = zip(rows["batch"], rows["isl"], strict=True)
        got = [prefill(roofline, [length] * batch).gpu_s for batch, length in pairs]
        return got / (rows["prefill_ms"] * 1e-3) - 1
    got = []
    for batch, context in zip(rows["batch"], rows["context_len"], strict=True):
        cost = roofline.decode(batch)
        got.append(cost.gpu_s + cost.gpu_s_per_context * batch * context)
    return got / (rows["step_ms"] * 1e-3) - 1


@needs_tables
@pytest.mark.parametrize(
    ("system", "vllm", "both"),
    [("h100_sxm", 0.030, 0.030), ("a100_sxm", 0.029, 0.055), ("b200_sxm", 0.023, 0.035)],
)
def test_decode_error(system: str, vllm: float, both: float) -> None:
    """On vLLM's kernels, which the coefficients were fitted on, and with TensorRT-LLM's."""
    rows = table("decode", system)
    error = errors(rows, system)
    assert len(rows) == 44
    assert error[rows["backend"] == "vllm"].abs().mean() < vllm
    assert abs(error[rows["backend"] == "vllm"].mean()) < 0.005  # no bias
    assert error.abs().mean() < both


@needs_tables
@pytest.mark.parametrize(
    ("system", "vllm", "both"),
    [("h100_sxm", 0.027, 0.035), ("a100_sxm", 0.015, 0.030), ("b200_sxm", 0.015, 0.050)],
)
def test_prefill_error(system: str, vllm: float, both: float) -> None:
    """From 512 tokens on; below, launch overheads that the tables contain are not modelled."""
    rows = table("prefill", system)
    rows = rows[rows["total_tokens"] >= 512]
    error = errors(rows, system)
    assert len(rows) == 20
    assert error[rows["backend"] == "vllm"].abs().mean() < vllm
    assert error.abs().mean() < both


@needs_tables
def test_order_of_the_gpus() -> None:
    """The tables and the model rank the GPUs alike, row by row."""
    for phase, column in (("decode", "step_ms"), ("prefill", "prefill_ms")):
        measured, modelled = {}, {}
        for system in SYSTEMS:
            rows = table(phase, system)
            rows = rows[rows["backend"] == "vllm"]
            measured[system] = rows[column].to_numpy()
            modelled[system] = measured[system] * (1 + errors(rows, system).to_numpy())
        for ranked in (measured, modelled):
            assert (ranked["b200_sxm"] < ranked["h100_sxm"]).all()
            assert (ranked["h100_sxm"] < ranked["a100_sxm"]).all()


class TestPartsOfLlama2OnAnA100:
    """Every part of the formula, written out with the numbers of the data files."""

    BW, PEAK = 2.039e12, 312e12

    def linear_s(self, inputs: int, outputs: int, tokens: int) -> float:
        memory_s = 2 * (inputs * outputs + tokens * (inputs + outputs)) / (self.BW * 0.763)
        compute_s = 2 * inputs * outputs * tokens / (self.PEAK * 0.836)
        return 8e-6 + (memory_s**1.66 + compute_s**1.66) ** (1 / 1.66)

    def dense_s(self, tokens: int) -> float:
        shapes = [(4096, 3 * 4096), (4096, 4096), (4096, 2 * 11008), (11008, 4096)]
        elementwise = 2 * tokens * (7 * 4096 + 2 * 128 * 64 + 3 * 11008)
        layer_s = sum(self.linear_s(*shape, tokens) for shape in shapes)
        return layer_s + 9.1e-6 + elementwise / (self.BW * 0.868)

    @pytest.mark.parametrize("batch", [1, 7, 128])
    def test_decode(self, batch: int) -> None:
        cost = Roofline(LLAMA2_7B, A100, NONE).decode(batch)
        head_s = self.linear_s(4096, 32000, batch)
        expected = 32 * (self.dense_s(batch) + 25.6e-6) + head_s
        assert cost.gpu_s == approx(expected, 1e-12)
        assert cost.gpu_s_per_context == approx(32 * 16384 / (self.BW * 0.805), 1e-12)
        layer = 4 * 4096**2 + 3 * 4096 * 11008
        assert cost.flops == approx(2 * batch * (32 * layer + 4096 * 32000), 1e-12)
        assert cost.flops_per_context == 32 * 4 * 4096
        assert cost.hbm_bytes_per_context == 32 * 16384

    @pytest.mark.parametrize("prompts", [[1], [777], [300, 20, 1000]])
    def test_prefill(self, prompts: list[int]) -> None:
        cost = prefill(Roofline(LLAMA2_7B, A100, NONE), prompts)
        attention = 4 * 4096 * sum(q * q / 2 for q in prompts)
        layer_s = self.dense_s(sum(prompts)) + attention / (self.PEAK * 0.66)
        head_s = self.linear_s(4096, 32000, len(prompts))  # of the last tokens only
        assert cost.gpu_s == approx(32 * layer_s + head_s, 1e-12)
        layer = 2 * (4 * 4096**2 + 3 * 4096 * 11008) * sum(prompts)
        head = 2 * 4096 * 32000 * len(prompts)
        assert cost.flops == approx(32 * (layer + attention) + head, 1e-12)

    def test_bytes_of_a_decode_iteration_are_weights_kv_and_activations(self) -> None:
        cost = Roofline(LLAMA2_7B, A100, NONE).decode(1)
        weights = 2 * (LLAMA2_7B.parameters - 32000 * 4096)  # the embedding is looked up, not read
        assert weights < cost.hbm_bytes < weights * 1.002


@settings(max_examples=100, deadline=None)
@given(
    gpu=st.sampled_from(gpu_names()),
    model=st.sampled_from(model_names()),
    batch=st.integers(1, 256),
)
def test_decode_and_prefill_of_one_token_each_differ_by_attention_only(
    gpu: str, model: str, batch: int
) -> None:
    """The same tokens go through the same matrices."""
    roofline = Roofline(find_model(model), find_gpu(gpu), find_engine("vllm-0.11"))
    decode, computed = roofline.decode(batch), prefill(roofline, [1] * batch)
    kernels, spec = roofline.gpu.kernels, roofline.model
    causal = spec.layers * 4 * spec.hidden_size * batch / 2
    attention_s = causal / (roofline.gpu.peak_flops * kernels.e_prefill)
    overhead_s = spec.layers * kernels.t0a_us * 1e-6
    assert decode.gpu_s - overhead_s == approx(prefill.gpu_s - attention_s, 1e-12)
    assert decode.flops == approx(prefill.flops - causal, 1e-12)
    kv_bytes = spec.layers * spec.kv_bytes_per_token_per_layer()
    assert decode.hbm_bytes == approx(prefill.hbm_bytes - kv_bytes * batch, 1e-12)
    assert decode.hbm_bytes_per_context == approx(kv_bytes, 1e-15)
    assert (decode.sampling_s, decode.host_s) == (prefill.sampling_s, prefill.host_s)


@settings(max_examples=100, deadline=None)
@given(
    gpu=st.sampled_from(gpu_names()),
    prompts=st.lists(st.integers(1, 2000), min_size=1, max_size=8),
)
def test_costs_grow_with_the_work(gpu: str, prompts: list[int]) -> None:
    """More tokens take longer, and one batch takes no longer than its prompts one by one."""
    roofline = Roofline(LLAMA2_7B, find_gpu(gpu), NONE)
    cost, longer = prefill(roofline, prompts), prefill(roofline, [*prompts, 1])
    for name in ("gpu_s", "flops", "hbm_bytes"):
        assert getattr(longer, name) > getattr(cost, name)
    assert cost.gpu_s <= sum(prefill(roofline, [one]).gpu_s for one in prompts) * (1 + 1e-9)
    assert cost.flops / roofline.gpu.peak_flops < cost.gpu_s  # never above the roof
    assert cost.hbm_bytes / roofline.gpu.peak_bytes_per_s < cost.gpu_s
    here, there = roofline.decode(len(prompts)), roofline.decode(len(prompts) + 1)
    assert there.gpu_s > here.gpu_s


class TestTensorParallel:
    def test_halves_weights_and_kv(self) -> None:
        """On each of two GPUs; the activations of a layer's input and output are not split."""
        one, two = (Roofline(LLAMA2_7B, A100, NONE, width) for width in (1, 2))
        assert two.decode(1).hbm_bytes == approx(one.decode(1).hbm_bytes / 2, 1e-3)
        assert two.decode(9).flops == approx(one.decode(9).flops / 2, 1e-12)
        assert two.decode(9).flops_per_context == one.decode(9).flops_per_context / 2
        assert two.decode(9).gpu_s_per_context == one.decode(9).gpu_s_per_context / 2
        assert prefill(two, [500]).flops == approx(prefill(one, [500]).flops / 2, 1e-12)

    def test_all_reduce(self) -> None:
        """Two a layer: 20 us of launch, latency, and the activations over the link's bandwidth."""
        tokens = 1000
        roofline = Roofline(LLAMA2_7B, A100, NONE, 4)
        expected = 20e-6 + 29e-6 + 2 * tokens * 4096 / 103e9
        assert roofline._all_reduce_s(tokens) == approx(expected, 1e-12)
        free = Roofline(LLAMA2_7B, A100, NONE, 4)
        free._all_reduce_s = lambda tokens: 0.0  # type: ignore[method-assign]
        took_s = prefill(roofline, [tokens]).gpu_s - prefill(free, [tokens]).gpu_s
        assert took_s == approx(32 * 2 * expected, 1e-9)

    def test_kv_heads_are_copied_when_there_are_fewer_than_gpus(self) -> None:
        model = find_model("meta-llama/Llama-3.1-8B-Instruct")  # 8 KV heads
        assert model.kv_bytes_per_token_per_layer(8) == 2 * 128 * 2
        assert model.kv_bytes_per_token_per_layer(16) == 2 * 128 * 2

    def test_unknown_width(self) -> None:
        with pytest.raises(InferenceSimError) as caught:
            Roofline(find_model("meta-llama/Llama-3.1-70B-Instruct"), A100, NONE, 16)
        assert str(caught.value) == (
            "no all-reduce cost is known for 16 GPUs of type 'a100-sxm-80gb' "
            "(known tensor_parallel: 1, 2, 4, 8)"
        )
        with pytest.raises(InferenceSimError, match=r"\(known tensor_parallel: 1\)"):
            Roofline(LLAMA2_7B, find_gpu("b200-sxm-180gb"), NONE, 2)

    def test_indivisible_heads(self) -> None:
        with pytest.raises(InferenceSimError) as caught:
            Roofline(LLAMA2_7B, A100, NONE, 3)
        assert str(caught.value) == (
            "'meta-llama/Llama-2-7b-hf' cannot be split over 3 GPUs: "
            "it has 32 attention heads and an FFN of 11008"
        )


def test_engine_times() -> None:
    """Sampling adds to the iteration; the host only bounds it from below."""
    bare = prefill(Roofline(LLAMA2_7B, A100, NONE), [100, 200])
    engine = EngineProfile("x", 1e-3, 1e-4, 0.5, 0.01, "made up")
    slow = prefill(Roofline(LLAMA2_7B, A100, engine), [100, 200])
    assert slow.gpu_s == bare.gpu_s == bare.duration_s
    assert slow.sampling_s == approx(1.2e-3, 1e-12)
    assert slow.host_s == approx(0.52, 1e-12)
    assert slow.duration_s == approx(0.5212, 1e-12)
    assert np.isclose(Roofline(LLAMA2_7B, A100, engine).decode(7).sampling_s, 1.7e-3)
