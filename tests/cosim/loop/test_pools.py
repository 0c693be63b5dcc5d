"""Runs of sites with several pools: their files, their totals and their controllers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cosim.report.run_data import read_summary
from tests.conftest import Cli
from tests.cosim.builders import CONTROLLER, Ran, controlled, run_text, write, write_controller

POOLS = """\
    cluster:
      pools:
        - {name: large, model: meta-llama/Meta-Llama-3-8B, gpu: h100-sxm-80gb, quality: {mmlu: 0.6}}
        - {name: small, model: meta-llama/Llama-2-7b-hf, gpu: a100-sxm-80gb, replicas: 2,
           embodied_g_per_gpu_hour: 9, quality: {mmlu: 0.4, gsm8k: 0.3}}
      dispatch: {type: tiers, default: large, shares: {small: 0.25}}
      pue: 1.3
"""
ONE = """\
    cluster:
      model: meta-llama/Meta-Llama-3-8B
      gpu: h100-sxm-80gb
"""
CLASSES = """\
  classes:
    - {name: chat, share: 0.8, slo: {ttft_s: 2}}
    - {name: batch, share: 0.2}
"""
SHARE = '{"tier_share"}'


def text(*entries: str) -> str:
    """The base scenario with two classes and two pools, and these controllers."""
    base = controlled(*entries)
    assert base.count(ONE) == 1
    return base.replace(ONE, POOLS).replace("  lengths:", CLASSES + "  lengths:")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return run_text(tmp_path_factory.mktemp("pools"), text())


# Files


def test_each_request_names_the_pool_that_served_it(ran: Ran) -> None:
    requests = ran.requests
    served = requests[requests["replica"] >= 0]
    assert set(served["pool"]) == {"large", "small"}
    assert ((served["replica"] == 0) == (served["pool"] == "large")).all()


def test_the_steps_of_pools_add_up_to_those_of_the_site(ran: Ran) -> None:
    pools = pd.read_parquet(ran.folder / "pools.parquet")
    assert list(pools.columns[:5]) == ["site", "pool", "step", "time_s", "time"]
    assert pools.groupby("pool").size().to_dict() == {"large": 20, "small": 20}
    by_step = pools.groupby("step")
    for column in ("gpu_power_w", "attributed_power_w", "running", "active_replicas"):
        np.testing.assert_allclose(by_step[column].sum(), ran.column(column), rtol=1e-12)
    it_w = (pools["gpu_power_w"] + pools["host_power_w"]).groupby(pools["step"]).sum()
    np.testing.assert_allclose(1.3 * it_w, ran.column("facility_power_w"), rtol=1e-12)
    of_small = pools[pools["pool"] == "small"]
    assert set(of_small["tier_share"]) == {0.25}
    assert "tier_share" not in ran.steps


def test_a_run_of_one_pool_has_no_file_of_pools(tmp_path: Path) -> None:
    one = run_text(tmp_path, controlled())
    assert not (one.folder / "pools.parquet").exists()
    assert "pool" not in one.requests
    assert not {"pools", "quality"} & one.summary["sites"]["dc"].keys()


def test_a_file_that_a_pool_names_is_an_input(tmp_path: Path) -> None:
    write(tmp_path / "mine.yaml", "base: a100-sxm-80gb\nname: mine\n")
    run = run_text(tmp_path, text().replace("gpu: a100-sxm-80gb", "gpu: mine.yaml"))
    inputs = json.loads((run.folder / "manifest.json").read_text())["inputs"]
    assert "sites.0.cluster.pools.1.gpu" in inputs


# Totals


def test_the_totals_of_pools_add_up_to_those_of_the_site(ran: Ran) -> None:
    site = ran.summary["sites"]["dc"]
    pools = site["pools"].values()
    assert "deployment" not in site
    assert sum(sum(pool["completed"].values()) for pool in pools) == site["requests"]["completed"]
    for kind in ("prompt", "output"):
        assert sum(pool[f"{kind}_tokens"] for pool in pools) == site["tokens"][kind]
    assert sum(pool["share"] for pool in pools) == pytest.approx(1, rel=1e-12)
    assert sum(pool["gpus"] for pool in pools) == site["gpu"]["count"] == 3
    it_kwh = sum(pool["gpu_kwh"] + pool["host_kwh"] for pool in pools)
    assert 1.3 * it_kwh == pytest.approx(site["energy_kwh"]["facility"], rel=1e-9)
    embodied_g = sum(pool["embodied_g"] for pool in pools)
    assert embodied_g == pytest.approx(site["carbon_g"]["embodied"], rel=1e-9)
    assert site["pools"]["small"]["embodied_g"] == pytest.approx(2 * 9 / 3, rel=1e-9)
    for pool in pools:
        joules = pool["gpu_kwh"] * 3.6e6 / pool["output_tokens"]
        assert pool["gpu_j_per_output_token"] == pytest.approx(joules, rel=1e-12)


def test_the_energy_of_a_pool_is_that_of_its_requests_and_its_idling(ran: Ran) -> None:
    requests, pools = ran.requests, pd.read_parquet(ran.folder / "pools.parquet")
    for name, mine in requests.groupby("pool", observed=True):
        attributed_j = 60 * pools.loc[pools["pool"] == name, "attributed_power_w"].sum()
        assert mine["gpu_energy_j"].sum() == pytest.approx(attributed_j, rel=1e-9)


def test_quality_is_the_mean_over_the_requests_served(ran: Ran) -> None:
    done = ran.requests[ran.requests["outcome"] == "completed"]
    scores = done["pool"].astype(str).map({"large": 0.6, "small": 0.4})
    expected = scores.groupby(done["class"].astype(str)).mean()
    quality = ran.summary["sites"]["dc"]["quality"]
    assert quality == {
        name: {"mmlu": pytest.approx(expected[name], rel=1e-12)} for name in ("chat", "batch")
    }  # gsm8k is known of one pool alone


def test_a_summary_of_before_pools_is_still_read(tmp_path: Path) -> None:
    one = run_text(tmp_path, controlled())
    summary = one.summary
    summary["sites"]["dc"]["deployment"].pop("kv_cache")
    write(one.folder / "summary.json", json.dumps(summary))
    assert read_summary(one.folder).to_dict()["sites"] == summary["sites"]


def test_a_summary_with_pools_is_read_again(ran: Ran) -> None:
    assert read_summary(ran.folder).to_dict() == ran.summary


# Controllers


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_a_controller_sets_the_share(tmp_path: Path, coupling: str) -> None:
    entry = write_controller(
        tmp_path, 'return SiteAction(tier_share={"small": 1.0}) if step == 10 else None', SHARE
    )
    run = run_text(tmp_path, text(entry), f"coupling={coupling}")
    assert run.summary["status"] == "completed"
    late = run.requests["arrival_s"] > 600
    assert set(run.requests.loc[late, "pool"]) == {"small"}
    assert run.actions[["actuator", "target", "old", "new"]].to_numpy().tolist() == [
        ["tier_share", "small", 0.25, 1.0]
    ]
    use = run.summary["controllers"][0]["settings"]["tier_share"]
    assert use == {"in_force_s": 600.0, "mattered_s": 600.0}


def test_a_pool_that_there_is_not_fails_with_controller_and_step(
    tmp_path: Path, cosim: Cli
) -> None:
    body = 'return SiteAction(tier_share={"smal": 0.5}) if step == 3 else None'
    entry = write_controller(tmp_path, body, SHARE)
    answer = cosim("run", write(tmp_path / "s.yaml", text(entry)), "-o", tmp_path / "out")
    assert answer.code == 1
    assert "mine.py:Mine" in answer.err
    assert "at step 3" in answer.err
    assert "no such pool, expected small; did you mean 'small'?" in answer.err


def test_no_setting_is_in_force_that_nobody_set(tmp_path: Path) -> None:
    write(
        tmp_path / "mine.py",
        CONTROLLER.replace("{actuators}", '{"active_replicas"}').replace("{body}", "return None"),
    )
    run = run_text(tmp_path, text("{type: './mine.py:Mine'}"))
    use = run.summary["controllers"][0]["settings"]["active_replicas"]
    assert use == {"in_force_s": 0.0, "mattered_s": 0.0}


def test_a_policy_that_knows_one_pool_says_so(tmp_path: Path) -> None:
    run = run_text(tmp_path, text("{type: autoscale}"))
    assert run.summary["status"] == "failed"
    assert "site 'dc' has 2 pools" in run.summary["failure"]["message"]
