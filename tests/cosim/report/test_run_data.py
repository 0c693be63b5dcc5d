"""A run in memory has the values that its folder would have."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cosim.report.run_data import ACTIONS, REQUESTS, STEPS, RunData
from cosim.report.run_report import run_page
from cosim.studies.runs.execute import execute
from cosim.world.plan import Plan, load_plan
from tests.cosim.builders import edited, write


@pytest.fixture(scope="module")
def plan(tmp_path_factory: pytest.TempPathFactory) -> Plan:
    text = edited(
        ("high_g_per_kwh: 270, low_g_per_kwh: 200", "high_g_per_kwh: 9, low_g_per_kwh: 8")
    )
    return load_plan(write(tmp_path_factory.mktemp("memory") / "s.yaml", text))


@pytest.fixture(scope="module")
def in_memory(plan: Plan) -> RunData:
    data = execute(plan, in_memory=True).data
    assert data is not None
    return data


@pytest.fixture(scope="module")
def folder(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("folder") / "out"
    execute(plan, out)
    return out


@pytest.mark.parametrize("name", [STEPS, REQUESTS, ACTIONS])
def test_its_tables_are_those_of_the_folder(in_memory: RunData, folder: Path, name: str) -> None:
    """Value for value, with the same types, as pandas reads them from the files."""
    read = pd.read_parquet(folder / name)
    assert len(read) > 0
    pd.testing.assert_frame_equal(in_memory.frame(name), read, check_exact=True)
    pd.testing.assert_frame_equal(RunData.load(folder).frame(name), read, check_exact=True)


def test_so_is_all_else(in_memory: RunData, folder: Path) -> None:
    read = RunData.load(folder)
    assert in_memory.path is None
    assert in_memory.scenario == read.scenario
    assert in_memory.scenario_text == read.scenario_text
    assert in_memory.actions == read.actions
    assert {**in_memory.manifest, "wall": 0} == {**read.manifest, "wall": 0}
    assert {**in_memory.summary.to_dict(), "wall": 0} == {**read.summary.to_dict(), "wall": 0}
    assert list(in_memory.steps["dc"]) == list(read.steps["dc"])
    for name, values in read.steps["dc"].items():
        np.testing.assert_array_equal(in_memory.steps["dc"][name], values)


def test_so_is_its_page(in_memory: RunData, folder: Path) -> None:
    assert run_page(in_memory).html() == (folder / "report.html").read_text(encoding="utf-8")
