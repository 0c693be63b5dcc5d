"""Errors of the shipped coefficients on a table of measured runs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from calibration import score
from cosim.calibrate.steady_state import Load, steady_state
from inference_sim.execution import Roofline, find_engine
from inference_sim.hardware import find_gpu
from inference_sim.models import find_model

Scorer = Callable[..., tuple[int, str, str]]

HEADER = (
    "engine,model,precision,gpu_model,num_gpus,dp,ep,avg_batch_size,median_itl_s,"
    "output_tokens_per_s,avg_power_per_gpu_w,avg_output_len,workload,avg_prompt_len"
)


def run_line(**changes: object) -> str:
    """A row whose throughput is half of the simulator's own, of 32 chats on an H100."""
    roofline = Roofline(
        find_model("Qwen/Qwen3-8B"), find_gpu("h100-sxm-80gb"), find_engine("vllm-0.11")
    )
    state = steady_state(roofline, Load(32, 700, 500, 0.7), mixed=True)
    cells = {
        "engine": "vLLM 0.11.2", "model": "Qwen/Qwen3-8B", "precision": "bfloat16",
        "gpu_model": "H100", "num_gpus": 1, "dp": 1, "ep": 1, "avg_batch_size": 32,
        "median_itl_s": 2 * state.decode_s, "output_tokens_per_s": state.tokens_per_s / 2,
        "avg_power_per_gpu_w": 400, "avg_output_len": 500, "workload": "ours",
        "avg_prompt_len": 700,
    }  # fmt: skip
    return ",".join(str(value) for value in {**cells, **changes}.values())


@pytest.fixture
def scored(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Scorer:
    """Score some lines: exit code, standard output, error output."""

    def score_lines(*lines: str, options: tuple[str, ...] = ()) -> tuple[int, str, str]:
        path = tmp_path / "runs.csv"
        path.write_text("\n".join((HEADER, *lines)) + "\n", encoding="utf-8")
        code = score.main([str(path), *options])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return score_lines


def test_errors_of_a_row_that_ran_at_half_the_pace(scored: Scorer) -> None:
    code, out, _ = scored(run_line(), options=("--json",))
    (row,) = json.loads(out)["rows"]
    assert code == 0
    assert row["throughput"] == pytest.approx(1.0)
    assert row["latency"] == pytest.approx(-0.5)
    assert 1 + row["joules_per_token"] == pytest.approx((1 + row["power"]) / 2)
    (regime,) = json.loads(out)["regimes"]
    assert regime["bias"]["throughput"] == pytest.approx(1.0)
    assert (regime["gpu"], regime["precision"]) == ("h100-sxm-80gb", "bf16")


def test_replicas_side_by_side_count_as_one(scored: Scorer) -> None:
    alone = json.loads(scored(run_line(), options=("--json",))[1])["rows"][0]
    rate = float(run_line().split(",")[9])
    lines = run_line(num_gpus=2, dp=2, avg_batch_size=64, output_tokens_per_s=2 * rate)
    both = json.loads(scored(lines, options=("--json",))[1])["rows"][0]
    assert both["throughput"] == pytest.approx(alone["throughput"])
    assert both["power"] == pytest.approx(alone["power"])


def test_precisions_are_regimes_of_their_own(scored: Scorer) -> None:
    _, out, _ = scored(run_line(), run_line(precision="fp8"), options=("--json",))
    found = json.loads(out)
    assert [regime["precision"] for regime in found["regimes"]] == ["bf16", "fp8"]
    assert found["rows"][1]["throughput"] > found["rows"][0]["throughput"]


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"model": "somebody/unheard-of"}, "the catalog has no model 'somebody/unheard-of'"),
        ({"gpu_model": "H900"}, "the catalog has no GPU 'H900'"),
        ({"engine": "vLLM 7.0"}, "no engine profile for 'vLLM 7.0'"),
        ({"precision": "fp2"}, "fp2 weights are not modelled"),
        ({"avg_prompt_len": ""}, "no 'avg_prompt_len', and no length is assumed"),
        ({"num_gpus": 3}, "cannot be split over 3 GPUs"),
        ({"num_gpus": 4, "dp": 2, "ep": 2}, "attention split by sequences"),
    ],
)
def test_rows_that_cannot_be_compared_are_counted(
    scored: Scorer, changes: dict[str, object], reason: str
) -> None:
    code, out, _ = scored(run_line(), run_line(**changes))
    assert code == 0
    assert "### Left out" in out
    assert reason in out


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"avg_batch_size": "many"}, "runs.csv:2: 'avg_batch_size' must be a number above 0"),
        ({"num_gpus": 1.5}, "runs.csv:2: 'num_gpus' must be a whole number (got 1.5)"),
        ({"output_tokens_per_s": ""}, "runs.csv:2: 'output_tokens_per_s' is missing"),
    ],
)
def test_bad_cells_are_named(scored: Scorer, changes: dict[str, object], message: str) -> None:
    code, _, err = scored(run_line(**changes))
    assert code == 2
    assert message in err


def test_another_engine_for_a_gpu(scored: Scorer) -> None:
    option = ("--json", "--engine", "h100-sxm-80gb=none")
    (row,) = json.loads(scored(run_line(), options=option)[1])["rows"]
    assert row["engine"] == "none"
    assert row["throughput"] > 1.0
    code, _, err = scored(run_line(), options=("--engine", "h100=none"))
    assert code == 2
    assert "--engine must be GPU=PROFILE" in err


def test_a_file_that_is_missing(capsys: pytest.CaptureFixture[str]) -> None:
    assert score.main(["nowhere.csv"]) == 2
    assert "nowhere.csv: cannot be read" in capsys.readouterr().err
