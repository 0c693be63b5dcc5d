"""Prefill and decode apart in a scenario: what the keys make, and where mistakes are reported."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosim.scenario.cluster import PooledClusterKeys
from cosim.scenario.kv_transfer import KvTransferKeys
from cosim.world.plan import load_plan
from inference_sim.dispatch import Disaggregated
from inference_sim.kv_transfer import KvTransfer
from tests.conftest import Cli
from tests.cosim.builders import SCENARIOS

TEXT = (SCENARIOS / "disaggregated.yaml").read_text(encoding="utf-8")
PREFILL = "{name: prefill, role: prefill, "
DECODE = "{name: decode, role: decode, "
DISPATCH = "{type: disaggregated}"


def test_what_the_keys_make() -> None:
    keys = load_plan(SCENARIOS / "disaggregated.yaml").sites[0].config.cluster
    assert isinstance(keys, PooledClusterKeys)
    config = keys.config()
    assert [pool.role for pool in config.pools] == ["prefill", "decode"]
    assert [pool.prefix_caching for pool in config.pools] == [True, False]
    assert config.dispatch == Disaggregated(local_tokens=0)
    assert config.kv_transfer == KvTransfer(
        bytes_per_s=5e10, latency_s=0.005, links=2, power_w_per_link=15.0, layerwise=True
    )
    gpus_w = sum(pool.peak_it_w for pool in config.pools)
    assert config.peak_power_w == pytest.approx(1.2 * (gpus_w + 2 * 15))


def test_links_are_silent_and_without_overlap_by_default() -> None:
    assert KvTransferKeys(gb_per_s=12).config() == KvTransfer(bytes_per_s=1.2e10)


@pytest.mark.parametrize(
    ("old", "new", "problem"),
    [
        (PREFILL, "{name: prefill, ", "sites.0.cluster: pool 'decode' has role decode: it needs"),
        (DECODE, "{name: decode, ", "sites.0.cluster: pool 'prefill' has role prefill: it needs"),
        (
            DECODE,
            DECODE + "scheduler: {kv_cache_dtype: fp8}, ",
            "must have one KV layout (got 131,072 and 65,536 bytes per token",
        ),
        (
            DECODE + "model: meta-llama/Llama-3.1-8B-Instruct",
            DECODE + "model: Qwen/Qwen2.5-7B-Instruct",
            "must have one model",
        ),
        ("kv_transfer: {gb_per_s: 50, latency: 5ms", "# {", "need kv_transfer"),
        (DISPATCH, "{type: tiers, default: decode}", "need dispatch {type: disaggregated}"),
        (DECODE, DECODE + "pipeline_parallel: 2, ", "pools.1: role decode is not modelled with"),
        (
            DECODE,
            DECODE + "scheduler: {prefix_caching: true}, ",
            "pools.1: prefix_caching is not modelled with role decode",
        ),
        (
            PREFILL,
            PREFILL + "scheduler: {speculative: {draft_tokens: 2, accepted_tokens: 1}}, ",
            "pools.0: role prefill is not modelled with speculative decoding",
        ),
        (PREFILL, PREFILL + "scheduler: {type: sarathi}, ", "pools.0: role prefill goes with"),
        ("links: 2", "links: 0", "kv_transfer.links: must be at least 1 (got 0)"),
        ("gb_per_s: 50", "gb_per_s: 0", "kv_transfer.gb_per_s: must be greater than 0"),
        ("role: decode", "role: decoding", "pools.1.role: expected 'both', 'prefill' or 'decode'"),
    ],
)
def test_mistakes(cosim: Cli, tmp_path: Path, old: str, new: str, problem: str) -> None:
    file = tmp_path / "apart.yaml"
    file.write_text(TEXT.replace(old, new), encoding="utf-8")
    answer = cosim("validate", file)
    assert answer.code == 2
    output = " ".join(answer.err.split())
    assert problem in output
    assert "apart.yaml:" in output


def test_roles_and_links_go_together(cosim: Cli, tmp_path: Path) -> None:
    file = tmp_path / "together.yaml"
    together = TEXT.replace("role: prefill, ", "").replace("role: decode, ", "")
    file.write_text(together, encoding="utf-8")
    answer = cosim("validate", file)
    assert answer.code == 2
    output = " ".join(answer.err.split())
    assert "kv_transfer goes with pools of role prefill and decode; there are none" in output
