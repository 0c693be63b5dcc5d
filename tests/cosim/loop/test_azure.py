"""A recorded trace of 19,366 conversations through the whole loop, with nothing lost."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from tests.conftest import Runs
from tests.cosim.builders import SCENARIOS, Ran, data_file

REQUESTS = 19366
TRACE = "traces/AzureLLMInferenceTrace_conv.csv"


@pytest.fixture(scope="module")
def ran(runs: Runs) -> Ran:
    trace = data_file(TRACE)
    path = SCENARIOS / "azure_trace.yaml"
    return runs(path, f"workload.trace.path={trace}", "coupling=native")


@pytest.fixture(scope="module")
def recorded() -> pd.DataFrame:
    trace = pd.read_csv(data_file(TRACE), parse_dates=["TIMESTAMP"])
    return trace.sort_values("TIMESTAMP", kind="stable").reset_index(drop=True)


def test_every_request_is_counted(ran: Ran) -> None:
    counts = ran.summary["requests"]
    assert ran.summary["status"] == "completed"
    assert counts["arrived"] == counts["admitted"] == counts["completed"] == REQUESTS
    assert counts["rejected"] == counts["waiting"] == counts["running"] == 0
    for name in ("arrived", "admitted", "completed", "rejected"):
        assert ran.column(name).sum() == counts[name]


def test_every_request_is_listed_as_it_was_recorded(ran: Ran, recorded: pd.DataFrame) -> None:
    requests = ran.requests.sort_values("request_id")
    assert requests["request_id"].tolist() == list(range(REQUESTS))
    assert set(requests["outcome"]) == {"completed"}
    assert requests["prompt_tokens"].tolist() == recorded["ContextTokens"].tolist()
    assert requests["output_tokens"].tolist() == recorded["GeneratedTokens"].tolist()
    stamps = recorded["TIMESTAMP"]
    since_s = (stamps - stamps.iloc[0]) / pd.Timedelta(seconds=1)
    np.testing.assert_allclose(requests["arrival_s"], since_s, atol=1e-5)


def test_the_tokens_add_up(ran: Ran, recorded: pd.DataFrame) -> None:
    tokens = ran.summary["tokens"]
    assert tokens["prompt"] == recorded["ContextTokens"].sum()
    assert tokens["output"] == recorded["GeneratedTokens"].sum()
    assert tokens["output"] == ran.requests["generated_tokens"].sum()


def test_energy_and_carbon_add_up(ran: Ran) -> None:
    energy, steps = ran.summary["energy_kwh"], ran.steps
    idle_j = (steps["gpu_power_w"] - steps["attributed_power_w"]).sum() * 60
    spent_j = ran.requests["gpu_energy_j"].sum() + idle_j
    assert spent_j == pytest.approx(energy["gpu"] * 3.6e6, rel=1e-9)
    assert (ran.requests["gpu_energy_j"] > 0).all()
    assert energy["solar"] > 0
    assert energy["battery_discharge"] > 0
    carbon = ran.summary["carbon_g"]
    assert 0 <= carbon["import"] < carbon["gross"]
    assert ran.summary["slo"]["by_class"].keys() == {"chat"}
