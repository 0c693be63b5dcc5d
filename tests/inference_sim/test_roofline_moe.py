"""The roofline: experts, precision, windows, splits, stages, and what is not calibrated."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from inference_sim.errors import InferenceSimError
from inference_sim.execution import Roofline, find_engine, pipeline_stages
from inference_sim.execution.experts import padded_rows, tile_rows
from inference_sim.hardware import find_gpu, find_node
from inference_sim.memory_plan import plan_blocks
from inference_sim.models import find_model
from inference_sim.power import TwoResource, Use
from tests.inference_sim.builders import cost_values

H100, NONE = find_gpu("h100-sxm-80gb"), find_engine("none")
QWEN_MOE, GPT_OSS = find_model("Qwen/Qwen3-30B-A3B"), find_model("openai/gpt-oss-20b")
LLAMA, GEMMA = find_model("meta-llama/Meta-Llama-3-8B"), find_model("google/gemma-3-12b-it")


def roofline(model: Any = LLAMA, *more: Any, **options: Any) -> Roofline:
    return Roofline(model, H100, NONE, *more, **options)


def test_a_token_computes_the_active_parameters() -> None:
    flops = roofline(QWEN_MOE).decode(1).at(0).flops
    embedding = QWEN_MOE.vocab_size * QWEN_MOE.hidden_size  # read, not multiplied
    assert flops == pytest.approx(2 * (QWEN_MOE.active_parameters - embedding), rel=1e-9)


def test_a_large_batch_reads_every_expert_once() -> None:
    one, many = (roofline(QWEN_MOE).decode(batch).at(0).hbm_bytes for batch in (1, 4096))
    weights = QWEN_MOE.weight_bytes - 2 * QWEN_MOE.vocab_size * QWEN_MOE.hidden_size
    assert one < 0.12 * weights
    assert many > weights


def test_rows_of_tiles_that_hold_no_token() -> None:
    """One token fills 1 of 16 rows in each of its experts; dense models have no such tiles."""
    cost = roofline(QWEN_MOE).decode(1).at(0)
    experts, expert = QWEN_MOE.experts, QWEN_MOE.expert_parameters
    assert experts is not None
    useful = 2 * QWEN_MOE.layers * experts.per_token * expert
    assert cost.padding_flops == pytest.approx(15 * useful, rel=1e-9)
    assert roofline(LLAMA).decode(1).at(0).padding_flops == 0
    halves = [roofline(QWEN_MOE, width).decode(8).padding_flops for width in (1, 2)]
    assert halves[1] == pytest.approx(halves[0] / 2)


@pytest.mark.parametrize(
    ("gpu", "precision", "told"),
    [
        (
            "h100-sxm-80gb",
            "fp8",
            "fp8 weights (their bytes count, at the speed of kernel tables; no",
        ),
        ("a100-sxm-80gb", "fp8", "fp8 weights (their bytes count, a100-sxm-80gb computes them in"),
        ("h100-sxm-80gb", "nvfp4", "nvfp4 weights (their bytes count, h100-sxm-80gb computes"),
        ("b200-sxm-180gb", "nvfp4", "nvfp4 weights (their bytes count, at the speed of kernel"),
        ("mi300x-192gb", "int4", "int4 weights (their bytes count, mi300x-192gb computes them in"),
    ],
)
def test_a_precision_that_a_board_does_not_have_is_computed_in_bf16(
    gpu: str, precision: str, told: str
) -> None:
    stage = Roofline(LLAMA.with_precision(precision), find_gpu(gpu), NONE)
    assert told in stage.uncalibrated_because
    bf16 = Roofline(LLAMA, find_gpu(gpu), NONE)
    assert stage.iteration([(8000, 0)], 1).flops == bf16.iteration([(8000, 0)], 1).flops
    assert stage.decode(1).hbm_bytes < bf16.decode(1).hbm_bytes


def test_a_precision_without_kernels_is_refused() -> None:
    with pytest.raises(
        InferenceSimError, match="mi300x-192gb has no kernels for the nvfp4 weights"
    ):
        Roofline(LLAMA.with_precision("nvfp4"), find_gpu("mi300x-192gb"), NONE)


def test_rows_of_an_expert() -> None:
    """Whole tiles of 16, or of 64 where tokens outnumber experts; the last one half full."""
    assert tile_rows(8, 128, 1.1) == 16
    assert tile_rows(128, 128, 8.0) == 16
    assert tile_rows(129, 128, 8.06) == 64
    assert tile_rows(4096, 128, 256.0) == 256 + 32
    for tokens in (1, 100, 128, 129, 1000, 8192):
        assert tile_rows(tokens, 128, 8 * tokens / 128) > 8 * tokens / 128


QWEN_FP8 = find_model("Qwen/Qwen3-235B-A22B-FP8")
TILED = NONE.with_numbers(
    {
        "fp8_expert_tile_tokens": 128,
        "fp8_expert_s_per_layer": 43e-6,
        "fp8_expert_efficiency": 0.5,
    }
)


def test_rows_of_experts_that_have_tiles_to_themselves() -> None:
    """16 of 128 experts on each of 8 GPUs: 2,048 rows from one token on; more with full tiles."""
    experts = QWEN_FP8.experts
    assert experts is not None
    assert [padded_rows(experts, 8, tokens, 128) for tokens in (1, 64, 1024)] == [2048] * 3
    assert padded_rows(experts, 1, 1, 128) == 128 * 128
    assert padded_rows(experts, 8, 4096, 128) == 16 * (4096 * 8 / 128 + 64)


@pytest.mark.parametrize("width", [4, 8])
def test_fp8_experts_take_the_time_of_their_tiles(width: int) -> None:
    """43 us and E_local * 128 * 6 h ff FLOPs at half of 1,980 TFLOP/s a layer, at any batch."""
    gpu = replace(H100, products={}, precise_experts={})
    plain, tiled = (
        Roofline(QWEN_FP8, gpu, engine, width, expert_parallel=width) for engine in (NONE, TILED)
    )
    flops = 128 / width * 128 * 6 * 4096 * 1536
    seconds = QWEN_FP8.layers * (43e-6 + flops / (0.5 * 2 * 990e12))
    one, two = (tiled.decode(batch).gpu_s - _without_experts(tiled, batch) for batch in (1, 8))
    assert one == pytest.approx(seconds, rel=1e-6)
    assert two == pytest.approx(seconds, rel=1e-6)
    assert tiled.decode(1).gpu_s > 1.5 * plain.decode(1).gpu_s
    assert tiled.decode(8).flops == pytest.approx(plain.decode(8).flops)
    assert tiled.decode(8).hbm_bytes == pytest.approx(plain.decode(8).hbm_bytes)
    useful = 2 * QWEN_FP8.expert_parameters * 8 * 8 / width * QWEN_FP8.layers
    padding = flops * QWEN_FP8.layers / 2 - useful  # an fp8 FLOP at half the energy
    assert tiled.decode(8).padding_flops == pytest.approx(padding)


def _without_experts(tiled: Roofline, batch: int) -> float:
    """Return the GPU's time of a decode without its experts, by the same model of free ones."""
    free = TILED.with_numbers({"fp8_expert_s_per_layer": 0.0, "fp8_expert_efficiency": 1e12})
    fast = replace(tiled.gpu, memory_bandwidth_tb_per_s=1e9)
    width = tiled.tensor_parallel
    both = [
        Roofline(QWEN_FP8, gpu, engine, width, expert_parallel=width).decode(batch).gpu_s
        for gpu, engine in ((fast, TILED), (fast, free))
    ]
    return tiled.decode(batch).gpu_s - (both[0] - both[1])


def test_tiles_of_fp8_experts_hold_for_other_precisions_and_models_not() -> None:
    mine = TILED.with_numbers({"fp8_experts_not_of": ("Qwen/",)})
    for model, engine in ((QWEN_FP8, mine), (QWEN_FP8.with_precision("bf16"), TILED)):
        plain, other = (Roofline(model, H100, e, 8).decode(8).gpu_s for e in (NONE, engine))
        assert plain == other


def test_tiles_of_fp8_experts_are_split_over_gpus_that_share_an_expert() -> None:
    """One expert on two GPUs: the same rows on each, of half the width."""
    whole, shared = (
        Roofline(QWEN_FP8, H100, TILED, 2, expert_parallel=groups).decode(8).padding_flops
        for groups in (2, 1)
    )
    assert whole == pytest.approx(shared)


def test_padding_draws_power() -> None:
    """As the same FLOPs do that are of use, at any clock."""
    power = TwoResource.of(H100)
    none, one = np.zeros(1), np.ones(1)
    for clock in (1.0, 0.5):
        uses = [
            Use(mfu * one, 0.2 * one, one, none, one, clock * one, padding * one)
            for mfu, padding in ((0.3, 0.0), (0.1, 0.2))
        ]
        watts = [float(power.busy_w(use)[0]) for use in uses]
        assert watts[0] == pytest.approx(watts[1], rel=1e-12)
        assert watts[0] > float(power.busy_w(uses[1]._replace(padding=none))[0])


def test_precision_halves_the_bytes_of_the_layers() -> None:
    weights_alone = replace(H100, products={})  # activations stay as they are
    bf16, fp8 = (
        Roofline(model, weights_alone, NONE).decode(1)
        for model in (LLAMA, LLAMA.with_precision("fp8"))
    )
    layers = LLAMA.layers * (LLAMA.attention_parameters_per_layer + LLAMA.mlp_parameters_per_layer)
    assert bf16.hbm_bytes - fp8.hbm_bytes == pytest.approx(layers)
    assert fp8.gpu_s < bf16.gpu_s
    assert fp8.flops == bf16.flops


@pytest.mark.parametrize("model", [LLAMA, QWEN_MOE], ids=["dense", "moe"])
def test_tensor_parallelism_halves_the_work(model: Any) -> None:
    one, two = roofline(model).decode(64), roofline(model, 2).decode(64)
    assert two.flops == pytest.approx(one.flops / 2, rel=0.01)  # the router is on every GPU
    assert two.hbm_bytes_per_context == one.hbm_bytes_per_context / 2


@pytest.mark.parametrize("model", [LLAMA, GEMMA, QWEN_MOE], ids=["dense", "windows", "moe"])
def test_stages_add_up(model: Any) -> None:
    whole = roofline(model)
    parts = [roofline(model, 1, stage) for stage in pipeline_stages(model.layers, 3)]
    link = find_node("dgx").send_receive_link(H100.name)
    for batch, context in ((1, 100), (32, 40_000)):
        one = whole.decode(batch, context).at(context)
        costs = [part.decode(batch, context).at(context) for part in parts]
        tensor = 2 * batch * model.hidden_size
        hand_over_s = 20e-6 + link.latency_us * 1e-6 + link.seconds(tensor)
        assert sum(c.gpu_s for c in costs) - 2 * hand_over_s == pytest.approx(one.gpu_s)
        assert sum(c.flops for c in costs) == pytest.approx(one.flops)
        assert sum(c.hbm_bytes for c in costs) == pytest.approx(one.hbm_bytes)


@pytest.mark.parametrize("model", [LLAMA, GEMMA, GPT_OSS], ids=["full", "window", "short window"])
@pytest.mark.parametrize("context", [10, 5_000, 8 * 1024, 100_000])
def test_decode_and_iteration_agree(model: Any, context: int) -> None:
    engine = find_engine("vllm-0.5.4-h100")
    one = Roofline(model, H100, engine)
    assert cost_values(one.decode(8, context).at(context)) == pytest.approx(
        cost_values(one.iteration([], 0, 8, context))
    )


def test_windows_meet_at_the_limit_and_the_default_is_never_below() -> None:
    one = roofline(GEMMA)
    below, beyond = one.decode(8, 0), one.decode(8)
    limit = below.context_limit
    assert limit == 8 * 1024
    assert beyond.context_limit == math.inf
    assert cost_values(below.at(limit)) == pytest.approx(cost_values(beyond.at(limit)))
    assert below.at(limit / 2).gpu_s < beyond.at(limit / 2).gpu_s
    assert roofline(LLAMA).decode(8, 0).context_limit == math.inf


def test_chunks_of_a_windowed_prompt_add_up_to_its_attention() -> None:
    one = roofline(GEMMA)
    whole = one.iteration([(3000, 0)], 0).flops
    parts = sum(one.iteration([(1000, before)], 0).flops for before in (0, 1000, 2000))
    assert parts == pytest.approx(whole)


def test_matrix_products_on_the_a100_come_in_tiles() -> None:
    one = Roofline(LLAMA, find_gpu("a100-sxm-80gb"), NONE)
    t128, t129, t256 = (one.decode(batch).at(0) for batch in (128, 129, 256))
    assert t129.gpu_s - t128.gpu_s > 5 * (t256.gpu_s - t129.gpu_s)
    assert t129.flops == pytest.approx(t128.flops * 129 / 128)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"tensor_parallel": 3}, "cannot be split over 3 GPUs"),
        ({"tensor_parallel": 16}, "no all-reduce cost is known for 16 GPUs .* known: dgx"),
        ({"time_factor": 0.0}, "'time_factor' must be above 0"),
        ({"expert_parallel": 2}, "has no experts"),
    ],
)
def test_impossible_deployments(options: dict[str, Any], message: str) -> None:
    with pytest.raises(InferenceSimError, match=message):
        Roofline(LLAMA, H100, NONE, **options)


def test_experts_split_where_their_ffn_does_not() -> None:
    model = find_model("Qwen/Qwen3-30B-A3B")
    assert Roofline(model, H100, NONE, 2, expert_parallel=2)
    with pytest.raises(InferenceSimError, match="cannot be split over 4 GPUs with expert_parallel"):
        Roofline(model, H100, NONE, 4, expert_parallel=3)


@pytest.mark.parametrize(
    ("model", "gpu", "engine", "tensor_parallel", "reason"),
    [
        (LLAMA, "h100-sxm-80gb", "vllm-0.11", 1, ""),
        (LLAMA, "h100-sxm-80gb", "vllm-0.11", 2, ""),
        (QWEN_MOE, "h100-sxm-80gb", "vllm-0.11", 2, ""),
        (QWEN_MOE, "h100-sxm-80gb", "vllm-0.11", 4, "more than 2 GPUs"),
        (LLAMA, "a100-sxm-80gb", "vllm-0.11", 1, "engine 'vllm-0.11' was fitted on h100"),
        (LLAMA.with_precision("fp8"), "h100-sxm-80gb", "none", 1, "fp8 weights"),
        (GPT_OSS, "h100-sxm-80gb", "none", 1, ""),
        (GPT_OSS, "b200-sxm-180gb", "none", 1, "mxfp4 experts on b200"),
        (QWEN_MOE, "h200-sxm-141gb", "none", 1, "expert kernels were not measured"),
        (LLAMA, "a40", "none", 1, "attention kernels are those of the A100"),
        (LLAMA, "b200-sxm-180gb", "none", 8, ""),
        (LLAMA, "l40s", "none", 2, ""),
        (LLAMA, "h100-sxm-80gb", "vllm-0.17", 1, "was fitted on no runs"),
    ],
)
def test_what_is_not_calibrated_says_so(
    model: Any, gpu: str, engine: str, tensor_parallel: int, reason: str
) -> None:
    one = Roofline(model, find_gpu(gpu), find_engine(engine), tensor_parallel)
    assert one.calibrated == (not reason)
    assert reason in one.uncalibrated_because
    measured = Roofline(model, find_gpu(gpu), find_engine(engine), tensor_parallel, time_factor=1.1)
    assert measured.calibrated


def test_time_factor_scales_the_gpu_alone() -> None:
    engine = find_engine("vllm-0.11")
    one = Roofline(LLAMA, H100, engine).decode(16).at(5000)
    slow = Roofline(LLAMA, H100, engine, time_factor=1.5).decode(16).at(5000)
    assert slow.gpu_s == pytest.approx(1.5 * one.gpu_s)
    assert (slow.sampling_s, slow.flops) == (one.sampling_s, one.flops)


def test_node_type_decides_the_all_reduce() -> None:
    a100 = find_gpu("a100-sxm-80gb")
    dgx, pairs = (
        Roofline(LLAMA, a100, NONE, 4, node=find_node(name)).iteration([(2048, 0)], 1).gpu_s
        for name in ("dgx", "pairwise_nvlink")
    )
    assert pairs > 1.5 * dgx


def test_memory_plan_counts_precision_and_stages() -> None:
    bf16 = plan_blocks(LLAMA, H100, 1, 0.9)
    assert plan_blocks(LLAMA.with_precision("fp8"), H100, 1, 0.9) > bf16
    assert plan_blocks(LLAMA, H100, 1, 0.9, 2) > 2 * bf16
