"""Served latencies of the wheel: which rows are read, and that a run is found again."""

from __future__ import annotations

import importlib.util
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from calibration import served

HEADER = (
    "silicon_data_source,backend,model_path,system,precision,mode,isl,osl,batch_size,tp_size,"
    "silicon_ttft_ms,silicon_tpot_ms"
)
ROWS = (
    "a.csv,vllm,Qwen/Qwen3-32B,h100_sxm,,agg,1024,64,4.0,2.0,100,20",
    "dynamo 1,vllm,Qwen/Qwen3-32B,h100_sxm,fp8,agg,1024,64,4.0,2.0,100,20",
    "a.csv,vllm,Qwen/Qwen3-32B,h100_sxm,fp8,disagg,1024,64,,,100,20",
    "a.csv,vllm,Qwen/Qwen3-32B,b200_sxm,,agg,1024,64,4.0,2.0,100,20",
    "a.csv,sglang,Qwen/Qwen3-32B,h100_sxm,,agg,1024,64,4.0,2.0,100,20",
    "a.csv,vllm,openai/gpt-oss-120b,h100_sxm,,agg,1024,64,4.0,2.0,100,20",
    "a.csv,vllm,Qwen/Qwen3-235B-A22B,h200_sxm,fp8,agg,1024,64,4.0,2.0,100,20",
)


def test_only_dense_rows_of_vllm_on_two_gpus_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.whl"
    with zipfile.ZipFile(path, "w") as archive:
        text = "\n".join((HEADER, *ROWS)) + "\n"
        archive.writestr("aiconfigurator_core/systems/silicon_sample.csv", text)
    first, second = served.read(path)
    assert first == served.Served(
        "Qwen/Qwen3-32B", "h100-sxm-80gb", "bf16", "", 2, 4, 1024, 64, 0.1, 0.02
    )
    assert second.regime == "Qwen3-32B in fp8, H100 (Dynamo)"


def test_a_simulated_run_is_found_again(capsys: pytest.CaptureFixture[str]) -> None:
    run = served.Served("Qwen/Qwen3-32B", "h100-sxm-80gb", "bf16", "", 2, 4, 512, 32, 0.1, 0.02)
    outcome = served.simulate(run)
    same = replace(
        run, ttft_s=run.ttft_s * (1 + outcome.ttft), tpot_s=run.tpot_s * (1 + outcome.tpot)
    )
    again = served.simulate(same)
    assert again.ttft == pytest.approx(0)
    assert again.tpot == pytest.approx(0)
    assert served.main(["nowhere.whl"]) == 2
    assert "nowhere.whl: cannot be read" in capsys.readouterr().err


@pytest.mark.skipif(
    importlib.util.find_spec("aiconfigurator_core") is None,
    reason="needs NVIDIA's package: pip install '.[kernels]'",
)
def test_a_run_on_a_kernel_table_is_near_the_one_on_the_roofline() -> None:
    run = served.Served("Qwen/Qwen3-32B", "h100-sxm-80gb", "bf16", "", 2, 4, 512, 32, 0.1, 0.02)
    roofline, table = served.simulate(run), served.simulate(run, kernels=True)
    assert 1 + table.tpot == pytest.approx(1 + roofline.tpot, rel=0.1)
    assert table.tpot != roofline.tpot
