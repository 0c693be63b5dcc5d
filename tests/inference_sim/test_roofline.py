"""Iteration cost: against NVIDIA's tables of measured kernels, and against itself."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_sim.execution import EngineProfile, Roofline, find_engine
from inference_sim.hardware import find_gpu, find_node, gpu_names
from inference_sim.hardware.nodes import Link
from inference_sim.models import find_model, model_names
from tests.inference_sim.builders import approx, prefill
from tests.samples import examples
from tests.strategies import A100, LLAMA2_7B

NONE = find_engine("none")
KERNELS = A100.kernels


class TestPartsOfLlama2OnAnA100:
    """Every part of the formula, written out with the numbers of the data files."""

    BW, PEAK = 2.039e12, 312e12

    def linear_s(self, inputs: int, outputs: int, tokens: int) -> float:
        k = KERNELS
        tiled = tokens if tokens <= k.tile_tokens else -(-tokens // k.tile_tokens) * k.tile_tokens
        memory_s = 2 * (inputs * outputs + tokens * (inputs + outputs)) / (self.BW * k.e_bw)
        compute_s = 2 * inputs * outputs * tiled / (self.PEAK * k.e_flop)
        return k.t0_us * 1e-6 + (memory_s**k.p + compute_s**k.p) ** (1 / k.p)

    def dense_s(self, tokens: int) -> float:
        shapes = [(4096, 3 * 4096), (4096, 4096), (4096, 2 * 11008), (11008, 4096)]
        elementwise = 2 * tokens * (7 * 4096 + 2 * 128 * 64 + 3 * 11008)
        layer_s = sum(self.linear_s(*shape, tokens) for shape in shapes)
        return layer_s + KERNELS.t0e_us * 1e-6 + elementwise / (self.BW * KERNELS.e_el)

    @pytest.mark.parametrize("batch", [1, 7, 128])
    def test_decode(self, batch: int) -> None:
        cost = Roofline(LLAMA2_7B, A100, NONE).decode(batch)
        head_s = self.linear_s(4096, 32000, batch)
        expected = 32 * (self.dense_s(batch) + KERNELS.t0a_us * 1e-6) + head_s
        assert cost.gpu_s == approx(expected, 1e-12)
        assert cost.gpu_s_per_context == approx(32 * 16384 / (self.BW * KERNELS.e_kv), 1e-12)
        layer = 4 * 4096**2 + 3 * 4096 * 11008
        assert cost.flops == approx(2 * batch * (32 * layer + 4096 * 32000), 1e-12)
        assert cost.flops_per_context == 32 * 4 * 4096
        assert cost.hbm_bytes_per_context == 32 * 16384

    @pytest.mark.parametrize("prompts", [[1], [777], [300, 20, 1000]])
    def test_prefill(self, prompts: list[int]) -> None:
        cost = prefill(Roofline(LLAMA2_7B, A100, NONE), prompts)
        attention = 4 * 4096 * sum(q * q / 2 for q in prompts)
        layer_s = self.dense_s(sum(prompts)) + attention / (self.PEAK * KERNELS.e_prefill)
        head_s = self.linear_s(4096, 32000, len(prompts))  # of the last tokens only
        assert cost.gpu_s == approx(32 * layer_s + head_s, 1e-12)
        layer = 2 * (4 * 4096**2 + 3 * 4096 * 11008) * sum(prompts)
        head = 2 * 4096 * 32000 * len(prompts)
        assert cost.flops == approx(32 * (layer + attention) + head, 1e-12)

    def test_bytes_of_a_decode_iteration_are_weights_kv_and_activations(self) -> None:
        cost = Roofline(LLAMA2_7B, A100, NONE).decode(1)
        weights = 2 * (LLAMA2_7B.parameters - 32000 * 4096)  # the embedding is looked up, not read
        assert weights < cost.hbm_bytes < weights * 1.002


@settings(max_examples=examples(100))
@given(
    gpu=st.sampled_from(gpu_names()),
    model=st.sampled_from([name for name in model_names() if not find_model(name).state]),
    batch=st.integers(1, 256),
)
def test_decode_and_prefill_of_one_token_each_differ_by_attention_only(
    gpu: str, model: str, batch: int
) -> None:
    """The same tokens go through the same matrices. States: see test_model_families.py."""
    roofline = Roofline(find_model(model), find_gpu(gpu), find_engine("vllm-0.11"))
    decode, computed = roofline.decode(batch, 0.0), prefill(roofline, [1] * batch)
    kernels, spec = roofline.gpu.kernels, roofline.model
    per_pair = 4 * spec.query_heads * spec.head_dim
    if spec.latent:
        per_pair = 2 * spec.query_heads * (spec.latent.key_dim + spec.latent.value_dim)
    causal = spec.layers * per_pair * batch / 2
    attention_s = causal / (roofline.gpu.peak_flops * kernels.e_prefill)
    overhead_s = spec.layers * (kernels.t0a_us + kernels.t0s_us * batch) * 1e-6
    assert decode.gpu_s - overhead_s == approx(computed.gpu_s - attention_s, 1e-12)
    assert decode.flops == approx(computed.flops - causal, 1e-12)
    kv_bytes = spec.layers * spec.kv_bytes_per_token_per_layer()
    assert decode.hbm_bytes == approx(computed.hbm_bytes - kv_bytes * batch, 1e-12)
    assert decode.hbm_bytes_per_context == approx(kv_bytes, 1e-15)
    assert (decode.sampling_s, decode.host_s) == (computed.sampling_s, computed.host_s)


@settings(max_examples=examples(100))
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
        node = replace(find_node("dgx"), graph_all_reduce={})
        roofline = Roofline(LLAMA2_7B, A100, NONE, 4, node=node)
        expected = 20e-6 + 29e-6 + 2 * tokens * 4096 / 103e9
        link = node.all_reduce_link("a100-sxm-80gb", 4)
        assert roofline._all_reduce_s(link, 2 * tokens * 4096) == approx(expected, 1e-12)
        at_no_cost = replace(node, all_reduce={"a100-sxm-80gb": {4: Link(0.0, math.inf)}})
        no_latency = replace(NONE, all_reduce_latency_factor=0.0)
        free = Roofline(LLAMA2_7B, A100, no_latency, 4, node=at_no_cost)
        took_s = prefill(roofline, [tokens]).gpu_s - prefill(free, [tokens]).gpu_s
        assert took_s == approx(32 * 2 * expected, 1e-9)

    def test_bandwidth_follows_the_clock_below_its_own(self) -> None:
        """From 0.7 of the clock on the memory is as fast as ever; at 0.35 half as fast."""
        gpu = replace(find_gpu("h100-sxm-80gb"), bandwidth_clock=0.7)
        roofline = Roofline(LLAMA2_7B, gpu, NONE)
        full, knee, half = (
            roofline.at_clock(clock).decode(1).gpu_s_per_context for clock in (1.0, 0.7, 0.35)
        )
        assert knee == full
        assert half == approx(2 * full, 1e-12)
        never = replace(gpu, bandwidth_clock=0.0)
        assert Roofline(LLAMA2_7B, never, NONE).at_clock(0.35).decode(1).gpu_s_per_context == full

    @pytest.mark.parametrize(("gpus", "gain"), [(2, 1.0), (4, 1.5), (8, 1.75)])
    def test_all_reduce_within_cuda_graphs(self, gpus: int, gain: float) -> None:
        """Three numbers; with sums in the switch each GPU sends once, not 2 (n - 1) / n times."""
        name, size = "a100-sxm-80gb", 3e6
        link = Link(5.0, 120.0, large_us=8.0, launch_us=0.0, sums_in_switch=True)
        node = replace(find_node("dgx"), graph_all_reduce={name: {gpus: link}})
        assert node.engine_all_reduce_link(name, gpus) == link
        ring = 8e-6 * 3 / 4 + size / 120e9
        engines = (NONE, NONE.with_numbers({"sums_in_switch": True}))
        for engine, expected in zip(engines, (ring, ring / gain), strict=True):
            roofline = Roofline(LLAMA2_7B, A100, engine, gpus, node=node)
            assert roofline._all_reduce_s(link, size) == approx(5e-6 + expected, 1e-12)

    def test_kv_heads_are_copied_when_there_are_fewer_than_gpus(self) -> None:
        model = find_model("meta-llama/Llama-3.1-8B-Instruct")  # 8 KV heads
        assert model.kv_bytes_per_token_per_layer(8) == 2 * 128 * 2
        assert model.kv_bytes_per_token_per_layer(16) == 2 * 128 * 2


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


def test_top_p_sampling_takes_time_for_each_entry_of_the_vocabulary() -> None:
    engine = EngineProfile("x", 1e-3, 1e-4, 0.0, 0.0, "made up", sampling_s_per_logit=1e-9)
    for model in (LLAMA2_7B, find_model("google/gemma-2-2b-it")):
        roofline = Roofline(model, A100, engine)
        each_s = 1e-4 + 1e-9 * model.vocab_size
        assert roofline.decode(7).sampling_s == approx(1e-3 + 7 * each_s, 1e-12)
        assert prefill(roofline, [100, 200]).sampling_s == approx(1e-3 + 2 * each_s, 1e-12)


def test_the_gpu_waits_for_the_host_with_each_prompt_that_ends() -> None:
    engine = replace(NONE, serial_s=1e-3, serial_s_per_sequence=1e-4, serial_s_per_prompt=5e-3)
    roofline = Roofline(LLAMA2_7B, A100, engine)
    assert roofline.decode(7).serial_s == approx(1.7e-3, 1e-12)
    assert prefill(roofline, [100, 200]).serial_s == approx(1.2e-3 + 10e-3, 1e-12)
    beside = roofline.iteration([(100, 0), (50, 200)], 1, 7, 700)  # one prompt goes on
    assert beside.serial_s == approx(1.8e-3 + 5e-3, 1e-12)
    assert roofline.iteration([(50, 0)], 0).serial_s == 0.0  # nothing is sampled
