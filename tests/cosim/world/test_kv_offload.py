"""Host memory behind the KV caches, from a scenario to its results."""

from __future__ import annotations

from pathlib import Path

import pytest
from pandas.testing import assert_frame_equal

from cosim.errors import ScenarioError
from cosim.world.plan import load_plan
from tests.conftest import Runs
from tests.cosim.builders import write

CODE = """
from controllers import Controller, SiteAction

class Half(Controller):
    actuators = frozenset({"cache_host_gib"})

    def reset(self, context):
        self.whole_gib = context.limits["cache_host_gib"].maximum

    def step(self, observation):
        assert observation.cache_host_gib in (self.whole_gib, self.whole_gib / 2)
        assert observation.pools["main"].loaded_tokens == observation.serving.loaded_tokens
        if observation.step == 6:
            assert observation.serving.loaded_tokens > 0
            return SiteAction(cache_host_gib=self.whole_gib / 2)
"""
OFFLOAD = "kv_offload: {host_gib: 64, host_gb_per_s: 50, w_per_gib: 0.5}"
SCENARIO = f"""\
name: talks
seed: 4
time: {{start: 2022-06-08T00:00:00Z, duration: 10min, step: 60s}}
workload:
  arrivals: {{type: poisson, rate_per_s: 0.3}}
  lengths: {{type: uniform, min_tokens: 200, max_tokens: 900, prefill_decode_ratio: 3}}
  sessions:
    turns: {{type: geometric, mean: 5}}
    think: {{type: lognormal, median: 20s, sigma: 0.7}}
    system_prompt: {{tokens: 800, groups: 2}}
sites:
  - name: here
    cluster:
      model: meta-llama/Meta-Llama-3-8B
      gpu: h100-sxm-80gb
      host_power_w: 0
      replicas: 2
      router: session_sticky
      pue: 1.0
      scheduler: {{prefix_caching: true, kv_blocks: 700}}
      {OFFLOAD}
    microgrid: {{carbon_intensity: {{type: constant, value_g_per_kwh: 300}}}}
controllers:
  - {{type: "./half.py:Half"}}
"""


def scenario(folder: Path, *changes: tuple[str, str]) -> Path:
    write(folder / "half.py", CODE)
    text = SCENARIO
    for old, new in changes:
        assert old in text
        text = text.replace(old, new)
    return write(folder / "s.yaml", text)


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_a_run_says_what_it_saved(tmp_path: Path, runs: Runs, coupling: str) -> None:
    ran = runs(scenario(tmp_path), f"coupling={coupling}")
    steps, tokens = ran.steps, ran.summary["tokens"]
    assert steps["cache_host_gib"].tolist() == [64.0] * 6 + [32.0] * 4
    assert steps["host_power_w"].tolist() == [64.0] * 6 + [32.0] * 4  # of two replicas
    assert tokens["loaded"] == steps["loaded_tokens"].sum() > 0
    assert tokens["cached"] == steps["cached_tokens"].sum()
    log = ran.requests
    served = log[log["scheduled_s"].notna()]
    found = tokens["prefilled"] + tokens["cached"] + tokens["loaded"]
    assert found == pytest.approx(served["prompt_tokens"].sum(), rel=0.01)  # some are begun
    hours = 10 / 60
    gpus_g = 2 * 37.5 * hours
    memory_g = 2 * 64 * 0.00266 * hours
    assert ran.summary["carbon_g"]["embodied"] == pytest.approx(gpus_g + memory_g)


def test_both_couplings_agree(tmp_path: Path, runs: Runs) -> None:
    path = scenario(tmp_path)
    native, mosaik = (runs(path, f"coupling={name}").steps for name in ("native", "mosaik"))
    assert_frame_equal(native, mosaik, check_exact=True)


def test_without_it_there_are_no_such_figures(tmp_path: Path, runs: Runs) -> None:
    without = ((f"      {OFFLOAD}\n", ""), ('  - {type: "./half.py:Half"}\n', "  []\n"))
    ran = runs(scenario(tmp_path, *without))
    assert not {"loaded_tokens", "cache_host_gib"} & set(ran.steps.columns)
    assert "loaded" not in ran.summary["tokens"]


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        ("host_gib: 0, host_gb_per_s: 50", "kv_offload.host_gib: must be greater than 0 (got 0)"),
        ("host_gib: 1e6, host_gb_per_s: 50", "host_gib: must be at most 65536 (got 1000000.0)"),
        ("host_gib: 0.001, host_gb_per_s: 50", "host_gib must be at least 0.00195, one KV block"),
        ("host_gib: 64, host_gb_per_s: 0", "host_gb_per_s: must be greater than 0 (got 0)"),
        ("host_gib: 64", "kv_offload: missing key 'host_gb_per_s' (Bandwidth from host"),
    ],
)
def test_sizes_that_make_no_sense(tmp_path: Path, keys: str, message: str) -> None:
    path = scenario(tmp_path, (OFFLOAD, f"kv_offload: {{{keys}}}"))
    with pytest.raises(ScenarioError) as error:
        load_plan(path)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("prefix_caching: true", "prefix_caching: false"), "kv_offload goes with prefix_caching"),
        (("{prefix_caching: true, kv_blocks: 700}", "{type: vllm}"), "goes with prefix_caching"),
        (("replicas: 2", "pipeline_parallel: 2"), "does not go with pipeline_parallel above 1"),
        (
            (
                "kv_offload: {host_gib: 64",
                "kv_offloading_size: 64\n      kv_offload: {host_gib: 64",
            ),
            "vLLM's kv_offloading_size is 'kv_offload.host_gib' here",
        ),
    ],
)
def test_what_it_does_not_go_with(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    with pytest.raises(ScenarioError) as error:
        load_plan(scenario(tmp_path, change))
    assert message in str(error.value)
