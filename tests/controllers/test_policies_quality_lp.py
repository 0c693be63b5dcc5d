"""The policies over tiers, in a run: a constant mix, and one that follows the grid."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Runs
from tests.cosim.builders import write

TIERS = """\
name: tiers
seed: 3
time: {start: 2022-06-08T12:00:00Z, duration: 12h, step: 15min}
workload:
  arrivals: {type: poisson, rate_per_s: 0.6}
  lengths: {type: fixed, prompt_tokens: 300, output_tokens: 100}
sites:
  - name: here
    cluster:
      pools:
        - name: large
          model: meta-llama/Llama-3.1-70B-Instruct
          gpu: h100-sxm-80gb
          tensor_parallel: 4
          quality: {mmlu_pro: 0.66}
        - name: small
          model: meta-llama/Llama-3.1-8B-Instruct
          gpu: h100-sxm-80gb
          quality: {mmlu_pro: 0.48}
      dispatch: {type: tiers, default: large, shares: {small: 0.5}}
    microgrid:
      carbon_intensity: {type: typical_day, area: CISO}
coupling: native
"""


def test_at_equal_quality_it_emits_less_than_a_constant_mix(tmp_path: Path, runs: Runs) -> None:
    path = write(tmp_path / "s.yaml", TIERS)
    policy, mix = (
        runs(path, f"controllers=[{{type: {name}, floor: 0.6}}]")
        for name in ("quality_lp", "fixed_mix")
    )
    for ran in (policy, mix):
        served = ran.summary["quality"]["default"]["mmlu_pro"]
        assert served == pytest.approx(0.6, abs=0.003)  # a request goes one way or the other
        pools = ran.summary["pools"]
        assert sum(pool["share"] for pool in pools.values()) == pytest.approx(1)
        gpu_kwh = sum(pool["gpu_kwh"] for pool in pools.values())
        assert gpu_kwh == pytest.approx(ran.summary["energy_kwh"]["gpu"], rel=1e-9)
    assert policy.summary["requests"]["completed"] == mix.summary["requests"]["completed"]
    assert policy.summary["carbon_g"]["import"] < 0.98 * mix.summary["carbon_g"]["import"]
