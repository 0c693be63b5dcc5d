"""Scenario keys of pools and of their dispatch, and mistakes in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from cosim.scenario.cluster import ClusterKeys, PooledClusterKeys
from cosim.world.plan import load_plan
from inference_sim.dispatch import ByLength, LeastEnergy, Tiers
from tests.conftest import Cli
from tests.cosim.builders import edited, write

ONE = """\
    cluster:
      model: meta-llama/Meta-Llama-3-8B
      gpu: h100-sxm-80gb
"""
POOLS = """\
    cluster:
      pools:
        - {name: large, model: meta-llama/Meta-Llama-3-8B, gpu: h100-sxm-80gb}
        - {name: small, model: meta-llama/Llama-2-7b-hf, gpu: a100-sxm-80gb}
      dispatch: {type: tiers, default: large, shares: {small: 0.25}}
"""
RULE = "{type: tiers, default: large, shares: {small: 0.25}}"
CLUSTER = "s.yaml:14:7 sites.0.cluster: "
DISPATCH = "s.yaml:17:17 sites.0.cluster.dispatch: "
BEFORE_POOLS = (
    "model gpu replicas startup tensor_parallel pipeline_parallel router scheduler execution power "
    "gateway pue memory_utilisation"
)
"""Keys of a cluster in the order in which they are written where nothing else is given."""


def pooled(old: str = "", new: str = "") -> str:
    """The base scenario with two pools, and a piece of these replaced."""
    assert POOLS.count(old) == 1 or not old
    return edited((ONE, POOLS.replace(old, new) if old else POOLS))


def keys(**changes: Any) -> dict[str, Any]:
    """The keys of a pool."""
    return {"model": "meta-llama/Meta-Llama-3-8B", "gpu": "h100-sxm-80gb"} | changes


# One pool


def test_a_cluster_without_pools_is_written_as_it_was() -> None:
    content = ClusterKeys.model_validate(keys()).model_dump(mode="json", exclude_none=True)
    assert " ".join(content) == BEFORE_POOLS
    whole = ClusterKeys.model_validate(
        keys(host_power_w=5, power_cap_w=500, embodied_g_per_gpu_hour=1, precision="fp8", pue=1.1)
    ).model_dump(mode="json", exclude_none=True)
    expected = BEFORE_POOLS.replace("gpu ", "gpu precision ").replace(
        "gateway pue", "gateway host_power_w pue power_cap_w embodied_g_per_gpu_hour"
    )
    assert " ".join(whole) == expected


def test_a_cluster_without_pools_is_a_cluster_of_the_same_pool() -> None:
    one = ClusterKeys.model_validate(keys(replicas=3) | {"pue": 1.2}).config()
    listed = PooledClusterKeys.model_validate(
        {"pools": [keys(replicas=3, name="main")], "pue": 1.2}
    ).config()
    assert repr(one) == repr(listed)
    assert [pool.name for pool in one.pools] == ["main"]


def test_pools_are_written_with_their_defaults_and_read_again() -> None:
    written = {"pools": [keys(name="a"), keys(name="b")], "dispatch": {"type": "least_energy"}}
    cluster = PooledClusterKeys.model_validate(written)
    content = cluster.model_dump(mode="json", exclude_none=True)
    assert content["pools"][0]["scheduler"]["release"] == "0.11"
    again = PooledClusterKeys.model_validate(content)
    assert again.model_dump(mode="json", exclude_none=True) == content
    assert repr(again.config()) == repr(cluster.config())


# Rules


@pytest.mark.parametrize(
    ("written", "rule"),
    [
        (RULE, Tiers("large", {"small": 0.25})),
        (
            "{type: tiers, default: large, by_class: {default: {small: 1}}}",
            Tiers("large", {}, {"default": {"small": 1.0}}),
        ),
        (
            "{type: threshold, prompt_tokens: 100, short: small, long: large}",
            ByLength(100, "small", "large"),
        ),
        ("{type: least_energy, tpot_s: 0.05}", LeastEnergy(0.05)),
        ("{type: least_energy}", LeastEnergy()),
    ],
)
def test_a_dispatch_is_a_rule_of_the_simulator(tmp_path: Path, written: str, rule: object) -> None:
    plan = load_plan(write(tmp_path / "s.yaml", pooled(RULE, written)))
    cluster = plan.sites[0].cluster
    assert cluster is not None
    assert cluster.dispatch == rule
    assert [pool.name for pool in cluster.pools] == ["large", "small"]


# Mistakes


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "small: 0.25",
            "smal: 0.25",
            DISPATCH
            + "shares: no pool is named 'smal'; there are large, small; did you mean 'small'?",
        ),
        ("default: large", "default: big", DISPATCH + "default: no pool is named 'big'"),
        (
            RULE,
            "{type: threshold, prompt_tokens: 9, short: tiny, long: large}",
            DISPATCH + "short: no pool is named 'tiny'",
        ),
        (
            RULE,
            "{type: threshold, prompt_tokens: 9, short: small, long: huge}",
            DISPATCH + "long: no pool is named 'huge'",
        ),
        (
            "small: 0.25",
            "small: 1.25",
            "s.yaml:17:63 sites.0.cluster.dispatch.shares.small: must be at most 1 (got 1.25)",
        ),
        (
            "small: 0.25",
            "small: 0.75, large: 0.75",
            DISPATCH + "shares add up to 1.5: expected 1 at most",
        ),
        (
            "small: 0.25",
            "small: 0.25, large: 0.5",
            DISPATCH + "shares add up to 0.75, with that of 'large', the default: expected 1",
        ),
        (
            "shares: {small: 0.25}",
            "by_class: {default: {smal: 0.5}}",
            DISPATCH + "by_class.default: no pool is named 'smal'",
        ),
        (
            "shares: {small: 0.25}",
            "by_class: {defalt: {small: 0.5}}",
            "s.yaml:17:66 sites.0.cluster.dispatch.by_class.defalt: no class is named 'defalt'; "
            "there are default; did you mean 'default'?",
        ),
        (
            "type: tiers",
            "type: tier",
            "s.yaml:17:24 sites.0.cluster.dispatch.type: unknown type 'tier'; "
            "did you mean 'tiers'?",
        ),
        (
            "meta-llama/Meta-Llama-3-8B",
            "meta-llama/Meta-Llama-3-70B",
            "s.yaml:15:11 sites.0.cluster.pools.0: ",
        ),
        (
            "name: small",
            "name: large",
            "s.yaml:15:9 sites.0.cluster.pools: several pools are named large",
        ),
        (
            f"      dispatch: {RULE}\n",
            "",
            CLUSTER + "2 pools need a `dispatch` that chooses between them",
        ),
        (
            "      pools:",
            "      model: meta-llama/Meta-Llama-3-8B\n      pools:",
            "s.yaml:14:7 sites.0.cluster.model: unknown key (keys: pools, dispatch, kv_transfer, "
            "gateway, pue)",
        ),
        ("name: small, ", "", "s.yaml:16:11 sites.0.cluster.pools.1: missing key 'name'"),
        (
            "gpu: a100-sxm-80gb",
            "gpu: a100-sxm-80gb, quality: {mmlu: -1}",
            "s.yaml:16:94 sites.0.cluster.pools.1.quality.mmlu: must be at least 0 (got -1)",
        ),
        (
            "gpu: a100-sxm-80gb",
            "gpu: a100-sxm-80gb, replicas: 90000, tensor_parallel: 8, pipeline_parallel: 2",
            "s.yaml:16:11 sites.0.cluster.pools.1: a cluster may have 1,000,000 GPUs",
        ),
    ],
)
def test_a_mistake_is_found_with_its_place_when_the_scenario_is_read(
    cosim: Cli, old: str, new: str, message: str
) -> None:
    answer = cosim("validate", write("s.yaml", pooled(old, new)))
    assert answer.code == 2
    assert f"error: {message}" in answer.err


def test_the_gpus_of_all_pools_count(cosim: Cli) -> None:
    many = "gpu: h100-sxm-80gb, replicas: 60000, tensor_parallel: 8, pipeline_parallel: 2}"
    text = edited(
        (
            ONE,
            POOLS.replace("gpu: h100-sxm-80gb}", many).replace(
                "gpu: a100-sxm-80gb}", many.replace("h100", "a100")
            ),
        )
    )
    answer = cosim("validate", write("s.yaml", text))
    assert "cluster.pools: a cluster may have 1,000,000 GPUs (got 1,920,000 over all" in answer.err


def test_each_pool_says_its_memory(cosim: Cli) -> None:
    answer = cosim("validate", write("s.yaml", pooled()))
    assert answer.code == 0
    assert "large: KV cache of" in answer.out
    assert "small: KV cache of" in answer.out
