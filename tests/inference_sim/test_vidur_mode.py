"""Vidur's iteration time, requests and KV plan; tests/cosim/studies/reproduce has whole runs."""

from __future__ import annotations

import math
from itertools import islice, pairwise
from typing import Any

import pytest

from inference_sim.errors import InferenceSimError
from inference_sim.execution import ExecutionModel, Stage, pipeline_stages
from inference_sim.execution.vidur import VidurExecution, vidur_blocks
from inference_sim.execution.vidur_fit import vidur_execution
from inference_sim.hardware import GpuSpec, find_gpu, find_node
from inference_sim.models import ModelSpec, find_model
from inference_sim.workload.vidur_compat import arrival_times_s, vidur_stream, zipf_totals

A100 = find_gpu("a100-sxm-80gb")
LLAMA3_8B = find_model("meta-llama/Meta-Llama-3-8B")
LLAMA2_7B = find_model("meta-llama/Llama-2-7b-hf")


@pytest.mark.parametrize(
    ("model", "tensor_parallel", "pipeline_parallel", "kv_tokens"),
    [
        ("microsoft/phi-2", 1, 1, 217_088),
        ("meta-llama/Llama-2-7b-hf", 1, 1, 118_784),
        ("meta-llama/Meta-Llama-3-8B", 1, 1, 483_328),
        ("internlm/internlm-20b", 1, 1, 28_672),
        ("codellama/CodeLlama-34b-Instruct-hf", 1, 1, 53_248),
        ("codellama/CodeLlama-34b-Instruct-hf", 2, 1, 446_464),
        ("codellama/CodeLlama-34b-Instruct-hf", 4, 1, 1_232_896),
        ("meta-llama/Llama-2-70b-hf", 2, 1, 53_248),
        ("meta-llama/Llama-2-70b-hf", 2, 2, 524_288),
        ("meta-llama/Meta-Llama-3-70B", 2, 1, 53_248),
        ("meta-llama/Meta-Llama-3-70B", 2, 2, 524_288),
        ("Qwen/Qwen-72B", 2, 1, 4096),
        ("Qwen/Qwen-72B", 2, 2, 57_344),
    ],
)
def test_kv_plan(model: str, tensor_parallel: int, pipeline_parallel: int, kv_tokens: int) -> None:
    """KV tokens that Vidur itself plans on A100s."""
    blocks = vidur_blocks(find_model(model), A100, tensor_parallel, pipeline_parallel)
    assert blocks * 16 == kv_tokens


def test_kv_plan_without_room() -> None:
    with pytest.raises(InferenceSimError, match="no room for one request of 4096 tokens"):
        vidur_blocks(find_model("meta-llama/Llama-2-70b-hf"), A100)


class TestRequests:
    def test_known_draws(self) -> None:
        """The first requests with seed 42."""
        first = list(islice(vidur_stream(6.45, 1024), 3))
        assert [one.prompt_tokens for one in first] == [1266, 3566, 2362]
        assert [one.output_tokens for one in first] == [63, 178, 118]
        assert first[0].time_s == pytest.approx(-math.log(1 - 0.6394267984578837) / 6.45)

    def test_lengths(self) -> None:
        requests = list(vidur_stream(6.45, 16_384))
        assert sum(one.prompt_tokens for one in requests) / 16_384 == pytest.approx(1841, rel=0.01)
        assert sum(one.output_tokens for one in requests) / 16_384 == pytest.approx(92, rel=0.01)
        totals = list(islice(zipf_totals(0.6, 1024, 4096), 16_384))
        assert min(totals) == 1024
        assert max(totals) <= 4096

    def test_gaps_are_clipped(self) -> None:
        times = list(islice(arrival_times_s(2.0), 20_000))
        gaps = [later - earlier for earlier, later in pairwise([0.0, *times])]
        assert max(gaps) == pytest.approx(1.5)
        assert sum(gaps) / len(gaps) == pytest.approx((1 - math.exp(-3)) / 2, rel=0.01)

    def test_more_requests_begin_alike(self) -> None:
        assert list(vidur_stream(6.45, 10)) == list(islice(vidur_stream(6.45, 100), 10))

    @pytest.mark.parametrize(
        ("changes", "message"),
        [
            ({"theta": 1.0}, "theta other than 1"),
            ({"min_tokens": 4096}, "min_tokens"),
            ({"min_tokens": 4, "prefill_decode_ratio": 20.0}, "without a prompt or an output"),
        ],
    )
    def test_what_vidur_cannot_draw(self, changes: dict[str, Any], message: str) -> None:
        with pytest.raises(InferenceSimError, match=message):
            vidur_stream(1.0, 10, **changes)


class TestExecution:
    def test_decode_is_the_iteration_without_prompts(self) -> None:
        execution = vidur_execution(LLAMA3_8B, A100)
        for batch, context in [(1, 2000), (4, 400), (32, 50_000), (128, 250_000)]:
            affine = execution.decode(batch)
            plain = execution.iteration([], 0, batch, context)
            duration_s = max(affine.gpu_s + affine.gpu_s_per_context * context, affine.host_s)
            assert plain.duration_s == pytest.approx(duration_s)
            assert plain.flops == pytest.approx(affine.flops + affine.flops_per_context * context)
            assert plain.hbm_bytes == pytest.approx(
                affine.hbm_bytes + affine.hbm_bytes_per_context * context
            )

    def test_flops_are_the_papers(self) -> None:
        execution = vidur_execution(LLAMA3_8B, A100, 2, Stage(16, last=False))
        parameters = 16 * (4096 * 128 * (32 + 16 + 32) // 2 + 3 * 4096 * 14336 // 2)
        attention = 4 * 16 * 16 * 128
        cost = execution.iteration([(100, 200)], 1, 3, 1000)
        expected = 2 * 103 * parameters + attention * (100 * 300 + 3 + 1000)
        assert cost.flops == pytest.approx(expected)
        assert execution.peak_flops == 312 * 2**40

    def test_kernels_of_llama3_8b(self) -> None:
        """Against medians of Vidur's profile [ms a layer]: linear ones, then with attention."""
        times = vidur_execution(LLAMA3_8B, A100).times
        assert times.dense_ms(128) == pytest.approx(0.412, rel=0.01)
        assert times.dense_ms(2048) == pytest.approx(4.49, rel=0.03)
        for batch, tokens, measured_ms in [(4, 512, 0.026), (32, 864, 0.087), (128, 2048, 0.668)]:
            attention = times.decode_attention(batch)
            affine_ms = attention.ms + attention.ms_per_context * batch * tokens
            assert max(affine_ms, attention.floor_ms) == pytest.approx(measured_ms, rel=0.11)

    def test_batched_attention_costs_a_tenth_more_with_grouped_queries(self) -> None:
        def slope(model: ModelSpec, batch: int) -> float:
            return vidur_execution(model, A100).decode(batch).gpu_s_per_context

        assert slope(LLAMA3_8B, 2) == pytest.approx(1.1 * slope(LLAMA3_8B, 1))
        assert slope(LLAMA2_7B, 2) == pytest.approx(slope(LLAMA2_7B, 1))

    @pytest.mark.parametrize("tokens", [4096, 8192, 20_000])
    def test_beyond_the_profile(self, tokens: int) -> None:
        """Held at the last ratio to the formula, so about linear."""
        times = vidur_execution(LLAMA3_8B, A100).times
        assert times.dense_ms(tokens) == pytest.approx(
            times.dense_ms(4096) * tokens / 4096, rel=0.02
        )

    def test_tensor_parallel_splits_and_reduces(self) -> None:
        model, dgx = find_model("codellama/CodeLlama-34b-Instruct-hf"), find_node("dgx")
        one, two, four = (vidur_execution(model, A100, tp, node=dgx) for tp in (1, 2, 4))
        prompt_s = [e.iteration([(2048, 0)], 1).gpu_s for e in (one, two, four)]
        assert prompt_s[0] > 1.7 * prompt_s[1] > 1.7 * 1.5 * prompt_s[2]
        pairs = vidur_execution(model, A100, 4, node=find_node("pairwise_nvlink"))
        dearer_s = 26e-6 + 2 * 2048 * 8192 * (1 / 15.7e9 - 1 / 103e9)  # of one all-reduce
        paired_s = pairs.iteration([(2048, 0)], 1).gpu_s
        assert paired_s - prompt_s[2] == pytest.approx(2 * 48 * dearer_s)

    def test_stages_add_up_to_the_model_and_a_hand_over(self) -> None:
        whole = vidur_execution(LLAMA3_8B, A100).iteration([(1000, 0)], 1)
        parts = [
            vidur_execution(LLAMA3_8B, A100, stage=stage).iteration([(1000, 0)], 1)
            for stage in pipeline_stages(32, 2)
        ]
        link = find_node(A100.node).send_receive_link(A100.link_name)
        hand_over_s = link.latency_us * 1e-6 + 2 * 4096 * 1000 / (link.bandwidth_gb_per_s * 1e9)
        assert sum(part.gpu_s for part in parts) == pytest.approx(whole.gpu_s + hand_over_s)
        assert sum(part.flops for part in parts) == pytest.approx(whole.flops)

    @pytest.mark.parametrize("gpu", ["a100-sxm-80gb", "h100-sxm-80gb", "a40"])
    @pytest.mark.parametrize("model", ["microsoft/phi-2", "Qwen/Qwen-72B", LLAMA2_7B.name])
    def test_models_without_a_profile(self, model: str, gpu: str) -> None:
        """Sane with scaled constants: the memory and compute bounds hold, roughly."""
        spec, device = find_model(model), find_gpu(gpu)
        execution = vidur_execution(spec, device)
        prompt = execution.iteration([(2048, 0)], 1)
        assert 0.3 < prompt.flops / prompt.gpu_s / device.peak_flops < 0.95
        decode = execution.iteration([], 0, 8, 8 * 1000)
        assert 0.4 < decode.hbm_bytes / decode.gpu_s / device.peak_bytes_per_s < 1.05

    @pytest.mark.parametrize(
        ("model", "gpu", "tensor_parallel", "message"),
        [
            (LLAMA3_8B, find_gpu("b200-sxm-180gb"), 1, "no profile of GPU 'b200-sxm-180gb'"),
            (LLAMA3_8B, A100, 3, "cannot be split over 3 GPUs"),
            (LLAMA3_8B, find_gpu("a40"), 8, "no all-reduce cost is known for 8 GPUs"),
            (find_model("Qwen/Qwen3-30B-A3B"), A100, 1, "no mixtures of experts"),
        ],
    )
    def test_what_cannot_be(
        self, model: ModelSpec, gpu: GpuSpec, tensor_parallel: int, message: str
    ) -> None:
        with pytest.raises(InferenceSimError, match=message):
            vidur_execution(model, gpu, tensor_parallel)


def test_vidur_execution_is_an_execution_model() -> None:
    execution: ExecutionModel = vidur_execution(LLAMA3_8B, A100)
    assert isinstance(execution, VidurExecution)
