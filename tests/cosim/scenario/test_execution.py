"""Keys of the execution: the engine, its sampler and its front end in the deployment."""

from __future__ import annotations

from typing import Any

import pytest

from cosim.scenario.cluster import ClusterKeys
from inference_sim.execution import find_engine
from inference_sim.pool_config import PoolConfig


def pool_of(**execution: Any) -> PoolConfig:
    keys = {"model": "Qwen/Qwen3-8B", "gpu": "h100-sxm-80gb", "execution": execution}
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
