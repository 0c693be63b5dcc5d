"""A release of vLLM in a scenario: its defaults, its flags' names, and the size of its cache."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cosim.scenario.cluster import ClusterKeys
from inference_sim.pool_config import PoolConfig
from tests.conftest import Cli
from tests.cosim.builders import SCENARIOS

QUICKSTART = str(SCENARIOS / "quickstart.yaml")
LLAMA = {"model": "meta-llama/Llama-3.1-8B-Instruct", "gpu": "h100-sxm-80gb"}


def pool(scheduler: dict[str, Any] | None = None, **keys: Any) -> PoolConfig:
    return ClusterKeys(**{**LLAMA, "scheduler": scheduler or {}, **keys}).config().pool


def caps(pool: PoolConfig) -> tuple[Any, ...]:
    return (pool.batch_cap, pool.batch_tokens, pool.memory_utilisation, pool.prefix_caching)


def test_a_release_brings_its_defaults() -> None:
    assert caps(pool({"type": "sarathi"})) == (128, 512, 0.9, False)
    assert pool() == pool({"release": "0.11"})
    assert caps(pool({"release": "0.11"})) == (1024, 8192, 0.9, True)
    assert caps(pool({"release": "0.33"})) == (1024, 8192, 0.92, True)
    assert caps(pool({"release": 0.33}, gpu="l40s", model="Qwen/Qwen3-8B")) == (
        256, 2048, 0.92, True,
    )  # fmt: skip


def test_what_is_given_comes_first() -> None:
    given = {"batch_cap": 64, "max_batch_tokens": 512, "prefix_caching": False}
    pinned = pool({"release": "0.33", **given}, memory_utilisation=0.5)
    assert caps(pinned) == (64, 512, 0.5, False)
    assert caps(pool({"release": "0.11", "max_batch_tokens": 512}))[:2] == (512, 512)


def test_kv_cache_keys() -> None:
    plain = pool()
    assert pool({"kv_cache_dtype": "fp8"}).blocks() == pytest.approx(2 * plain.blocks(), abs=2)
    assert pool({"block_size": 32}).blocks() == pytest.approx(plain.blocks() / 2, abs=1)
    assert pool({"kv_blocks": 9000, "release": "0.11"}).blocks() == 9000


@pytest.mark.parametrize(
    ("setting", "name"),
    [
        ("scheduler.max_num_seqs=8", "batch_cap"),
        ("scheduler.max_num_batched_tokens=8", "max_batch_tokens"),
        ("scheduler.enable_prefix_caching=true", "prefix_caching"),
        ("scheduler.num_gpu_blocks_override=8", "kv_blocks"),
        ("scheduler.gpu_memory_utilization=0.5", "cluster.memory_utilisation"),
        ("gpu_memory_utilization=0.5", "memory_utilisation"),
        ("tensor_parallel_size=2", "tensor_parallel"),
        ("max_model_len=2048", "scheduler.max_model_len"),
        ("max_num_seqs=8", "scheduler.batch_cap"),
    ],
)
def test_flags_of_vllm_are_understood(cosim: Cli, setting: str, name: str) -> None:
    answer = cosim("validate", QUICKSTART, "--set", f"sites.0.cluster.{setting}")
    flag = setting.partition("=")[0].rpartition(".")[2]
    assert answer.code == 2
    assert f"unknown key; vLLM's {flag} is '{name}' here" in answer.err


def validated(cosim: Cli, *settings: str) -> tuple[str, dict[str, Any]]:
    """Validate the quickstart with vLLM's default cap of a batch, and settings."""
    settings = ("scheduler.batch_cap=1024", *settings)
    options = [part for setting in settings for part in ("--set", f"sites.0.cluster.{setting}")]
    text = cosim("validate", QUICKSTART, *options)
    told = cosim("validate", QUICKSTART, "--json", *options)
    assert (text.code, told.code) == (0, 0), text.err
    return text.out, json.loads(told.out)


def test_validate_tells_the_size_of_the_cache(cosim: Cli) -> None:
    text, told = validated(cosim, "scheduler.type=sarathi")
    assert text == f"{QUICKSTART}: ok\n"
    cache = told["sites"]["california"]["kv_cache"]
    assert cache == {"gib_per_gpu": 57.043, "tokens": 467_296, "sequences": 57.04}
    text, told = validated(cosim)
    assert "KV cache of 51.44 GiB on each GPU: 421,376 tokens, 51.44 requests of 8,192" in text
    assert told["sites"]["california"]["kv_cache"]["gib_per_gpu"] == pytest.approx(51.38, rel=0.03)


def test_validate_warns_where_a_percent_decides(cosim: Cli) -> None:
    qwen = ("model=Qwen/Qwen3-32B", "gpu=h100-sxm-80gb", "scheduler.max_model_len=16384")
    text, told = validated(cosim, *qwen)
    warning = "warning: california: a percent of memory_utilisation is 18 % of the KV cache"
    assert warning in text
    assert any(warning in note for note in told["notes"])
    pinned, _ = validated(cosim, "scheduler.kv_blocks=2000", *qwen)
    assert "warning" not in pinned


def test_the_report_tells_it_too(cosim: Cli) -> None:
    answer = cosim(
        "run", QUICKSTART, "-o", "out",
        "--set", "time.duration=10min",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    assert "Memory   KV cache of 55.39 GiB on each GPU: 453,760 tokens" in answer.out
