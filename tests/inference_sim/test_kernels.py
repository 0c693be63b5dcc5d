"""Execution from a kernel table: its times, the roofline's FLOPs, the engine's own time."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

from inference_sim.errors import InferenceSimError
from inference_sim.execution import EngineProfile, Roofline, Stage, find_engine
from inference_sim.execution.kernels import KernelExecution, kernel_execution
from inference_sim.hardware import find_gpu
from inference_sim.models import ModelSpec
from inference_sim.power import TwoResource
from inference_sim.power_cap import CappedStage
from tests.inference_sim.kernel_tables import CONTEXT, write_table
from tests.strategies import A100, LLAMA2_7B

NONE = find_engine("none")
ENGINE = EngineProfile("made-up", 1e-3, 10e-6, 2e-3, 1e-6, "made up", serial_s=3e-3, fitted_on=())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write_table(tmp_path / "t.json")


def execution(path: Path, engine: EngineProfile = NONE, **more: Any) -> KernelExecution:
    return kernel_execution(LLAMA2_7B, A100, path, engine=engine, **more)


def test_a_decode_is_layers_head_and_a_line_in_the_context(path: Path) -> None:
    cost = execution(path).decode(8)
    attention_s = 0.3e-3 + 8 * 5e-6
    assert cost.gpu_s == pytest.approx(1e-3 + 8 * 10e-6 + 0.1e-3 + 8e-6 + attention_s)
    assert cost.gpu_s_per_context == pytest.approx(20e-9)
    assert cost.context_limit == 8 * CONTEXT


def test_prompts_share_their_launch_and_decodes_go_beside_them(path: Path) -> None:
    one = execution(path)
    launch_s = 0.201e-3
    first_s, second_s = 0.3e-3 - launch_s, 0.3e-3 * 1.25 - launch_s
    prompts = one.iteration([(100, 0), (100, 64)], 1)
    dense_s = 1e-3 + 200 * 10e-6 + 0.1e-3 + 1e-6
    assert prompts.gpu_s == pytest.approx(dense_s + launch_s + first_s + second_s)
    mixed = one.iteration([(100, 0), (100, 64)], 1, 4, 400)
    more_s = 4 * 10e-6 + 4e-6 + 0.3e-3 + 4 * 5e-6 + 400 * 20e-9
    assert mixed.gpu_s == pytest.approx(prompts.gpu_s + more_s)
    part = one.iteration([(100, 0)], 0)  # samples nothing: no head
    assert part.gpu_s == pytest.approx(1e-3 + 100 * 10e-6 + 0.3e-3)


def test_an_iteration_without_prompts_is_a_decode(path: Path) -> None:
    one = execution(path, ENGINE).at_clock(0.7)
    assert one.iteration([], 0, 8, 800).duration_s == one.decode(8).at(800).duration_s


def test_all_but_the_kernels_time_is_the_rooflines(path: Path) -> None:
    roofline = Roofline(LLAMA2_7B, A100, ENGINE)
    one = execution(path, ENGINE)
    for got, expected in (
        (one.decode(8).at(900), roofline.decode(8).at(900)),
        (one.iteration([(90, 10)], 1, 3, 300), roofline.iteration([(90, 10)], 1, 3, 300)),
    ):
        for name in ("flops", "hbm_bytes", "sampling_s", "host_s", "serial_s", "padding_flops"):
            assert getattr(got, name) == getattr(expected, name), name
    assert one.decode(8).sampling_s == pytest.approx(1e-3 + 8 * 10e-6)
    assert one.peak_flops == A100.peak_flops


def test_a_lower_clock_slows_as_it_slows_the_roofline(path: Path) -> None:
    full = Roofline(LLAMA2_7B, A100, NONE)
    slow, one = full.at_clock(0.5), execution(path)
    slower = one.at_clock(0.5)
    ratio = slow.iteration([(500, 0)], 1).gpu_s / full.iteration([(500, 0)], 1).gpu_s
    assert ratio > 1.5
    prompt_s = one.iteration([(500, 0)], 1).gpu_s
    assert slower.iteration([(500, 0)], 1).gpu_s == pytest.approx(ratio * prompt_s)
    decode = slow.decode(8).gpu_s / full.decode(8).gpu_s
    assert slower.decode(8).gpu_s == pytest.approx(decode * one.decode(8).gpu_s)
    assert slower.decode(8).clock_fraction == 0.5
    assert slower.at_clock(1.0).decode(8).gpu_s == one.decode(8).gpu_s
    assert one.at_clock(1.0) is one


class TestUncalibrated:
    def test_it_always_says_where_the_times_come_from(self, path: Path) -> None:
        tables = "kernel times of a table (sglang 0.5), not fitted to runs"
        left_out = "host and sampler left out (engine 'none')"
        assert execution(path).uncalibrated_because == f"{tables}; {left_out}"
        unfitted = "engine 'made-up' was fitted on no runs"
        assert execution(path, ENGINE).uncalibrated_because == f"{tables}; {unfitted}"
        others = execution(path, find_engine("vllm-0.17")).uncalibrated_because
        assert "; host and sampler of 'vllm-0.17', not of sglang; engine 'vllm-0.17' was " in others
        wide = write_table(path, extrapolated=["the LM head"])
        reasons = execution(wide).uncalibrated_because
        assert reasons.endswith("; extrapolated in the table: the LM head")

    @pytest.mark.parametrize(
        ("ask", "words"),
        [
            (
                lambda one: one.iteration([(512, 0)] * 3, 0),
                "1,536 tokens in an iteration (of 1,024)",
            ),
            (lambda one: one.iteration([(100, 500)], 1), "a prompt of 600 tokens (of 512)"),
            (lambda one: one.decode(65), "a batch of 65 (of 64)"),
            (lambda one: one.decode(65), "65 sampled sequences (of 64)"),
            (
                lambda one: one.decode(8, 8 * CONTEXT + 1),
                "longer contexts of decodes than were measured",
            ),
            (
                lambda one: one.iteration([(1, 0)], 1, 8, 8 * CONTEXT + 1),
                "longer contexts of decodes than were measured",
            ),
        ],
    )
    def test_it_says_how_far_requests_went_beyond_the_table(
        self, path: Path, ask: Any, words: str
    ) -> None:
        one = execution(path)
        one.iteration([(512, 0), (500, 12)], 2, 12, 12 * CONTEXT)  # all within
        one.decode(64, 64 * CONTEXT)
        one.decode(64, math.inf)
        assert "beyond" not in one.uncalibrated_because
        ask(one)
        assert "beyond the kernel table: " in one.uncalibrated_because
        assert words in one.uncalibrated_because

    def test_clocks_and_caps_pass_it_on(self, path: Path) -> None:
        one = execution(path)
        stage = CappedStage(one, 1.0, TwoResource.of(A100), 300, A100.peak_bytes_per_s, {1.0: one})
        stage.at_clock(0.9).decode(65, 6500)
        assert "a batch of 65 (of 64)" in stage.uncalibrated_because
        assert "a batch of 65 (of 64)" in one.uncalibrated_because

    def test_the_line_goes_on_beyond_the_end(self, path: Path) -> None:
        within, beyond = (execution(path).decode(8, context) for context in (0, 8 * CONTEXT))
        assert beyond.context_limit == math.inf
        assert beyond.at(1e4).gpu_s == within.at(1e4).gpu_s


class TestMismatches:
    def test_another_gpu_or_width(self, path: Path) -> None:
        message = (
            r"t\.json' holds kernel times of 'meta-llama/Llama-2-7b-hf' on 1 x a100-sxm-80gb, not "
            r"of 'meta-llama/Llama-2-7b-hf' on 2 x h100-sxm-80gb: gpu a100-sxm-80gb, not "
            r"h100-sxm-80gb; tensor_parallel 1, not 2"
        )
        with pytest.raises(InferenceSimError, match=message):
            kernel_execution(LLAMA2_7B, find_gpu("h100-sxm-80gb"), path, 2, engine=NONE)

    @pytest.mark.parametrize(
        ("model", "difference"),
        [
            (LLAMA2_7B.with_precision("fp8"), "precision bf16, not fp8"),
            (
                ModelSpec("deep", 40, 4096, 32, 32, LLAMA2_7B.ffn_size, 32000, 4096),
                "layers 32, not 40",
            ),
        ],
    )
    def test_another_model(self, path: Path, model: ModelSpec, difference: str) -> None:
        with pytest.raises(InferenceSimError, match=f"not of '{model.name}'.*: {difference}$"):
            kernel_execution(model, A100, path, engine=NONE)

    def test_pipeline_stages(self, path: Path) -> None:
        with pytest.raises(InferenceSimError, match="pipeline_parallel must be 1"):
            execution(path, stage=Stage(16, last=False))
