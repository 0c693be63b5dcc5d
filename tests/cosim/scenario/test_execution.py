"""Keys of the execution: the engine, its sampler and its front end in the deployment."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cosim.scenario.cluster import ClusterKeys
from inference_sim.execution import find_engine
from inference_sim.execution.kernels import KernelExecution
from inference_sim.models import find_model
from inference_sim.pool_config import PoolConfig
from tests.inference_sim.kernel_tables import write_table

H100 = "h100-sxm-80gb"


def pool_of(**execution: Any) -> PoolConfig:
    keys = {"model": "Qwen/Qwen3-8B", "gpu": H100, "execution": execution}
    return ClusterKeys.model_validate(keys).config().pools[0]


def test_the_sampler_is_top_p_or_takes_no_time() -> None:
    for name, engine in (
        ("top_p", find_engine("vllm-0.11")),
        ("greedy", find_engine("vllm-0.11").greedy),
    ):
        pool = pool_of(type="roofline", engine="vllm-0.11", sampler=name)
        assert pool.engine == engine
        sampling_s = pool.execution_stages()[0].decode(64).sampling_s
        assert (sampling_s > 0) == (name == "top_p")
    assert pool_of(type="roofline", engine="vllm-0.11").engine == find_engine("vllm-0.11")
    with pytest.raises(ValueError, match="sampler"):
        pool_of(type="roofline", sampler="top_k")


def test_a_pool_knows_the_engine_of_its_execution() -> None:
    """Whose front end delays its requests; Vidur's times are without one."""
    assert pool_of(type="roofline").engine == find_engine("vllm-0.11")
    assert pool_of(type="roofline", engine="none").engine == find_engine("none")
    assert pool_of(type="roofline", engine="vllm-0.17").engine.fp8_expert_tile_tokens == 0


def test_a_kernel_table_with_an_engine_on_top(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.json", model=find_model("Qwen/Qwen3-8B"), gpu=H100)
    pool = pool_of(type="kernels", table=str(table), engine="vllm-0.17", sampler="greedy")
    (stage,) = pool.execution_stages()
    assert pool.engine == find_engine("vllm-0.17").greedy
    assert isinstance(stage, KernelExecution)
    assert stage.decode(8).gpu_s_per_context == 20e-9
    assert stage.decode(8).sampling_s == 0.0
    assert stage.decode(8).serial_s == find_engine("vllm-0.17").serial_s
    assert pool_of(type="kernels", table=str(table)).engine == find_engine("none")


def test_a_kernel_table_of_another_gpu_is_refused_when_the_scenario_is_read(tmp_path: Path) -> None:
    table = write_table(tmp_path / "t.json", model=find_model("Qwen/Qwen3-8B"))
    with pytest.raises(ValueError, match=r"on 1 x a100-sxm-80gb, not of 'Qwen/Qwen3-8B' on 1 x h"):
        pool_of(type="kernels", table=str(table))
    with pytest.raises(ValueError, match="no such file"):
        pool_of(type="kernels", table=str(tmp_path / "gone.json"))
