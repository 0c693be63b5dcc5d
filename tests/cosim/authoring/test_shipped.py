"""The scenarios that come with the package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cosim.authoring import shipped
from cosim.authoring.shipped import shipped_scenario, shipped_scenarios
from cosim.errors import ScenarioError
from tests.conftest import ROOT, Cli


def test_all_of_a_checkout() -> None:
    files = {*(ROOT / "scenarios").glob("*.yaml"), *(ROOT / "scenarios" / "studies").glob("*.yaml")}
    assert set(shipped_scenarios().values()) == files
    assert {"quickstart", "flagship", "studies/loads"} <= set(shipped_scenarios())


@pytest.mark.parametrize("name", ["quickstart", "quickstart.yaml", "studies/loads"])
def test_by_name(name: str) -> None:
    assert shipped_scenario(name) == ROOT / "scenarios" / (name.removesuffix(".yaml") + ".yaml")


def test_a_mistyped_name() -> None:
    with pytest.raises(ScenarioError, match="did you mean 'quickstart'"):
        shipped_scenario("quikstart")


@pytest.mark.parametrize("name", ["elsewhere", "../scenarios/quickstart", "", "/etc/passwd"])
def test_unknown_names(name: str) -> None:
    with pytest.raises(ScenarioError, match=r"no scenario '.*' comes with cosim"):
        shipped_scenario(name)


def test_a_wheel_holds_them_and_all_that_they_need(
    tmp_path: Path, cosim: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    """`setup.py` copies them into the build: no second copy stands in git."""
    pytest.importorskip("setuptools", minversion="64")
    subprocess.run(
        [sys.executable, "setup.py", "--quiet", "build_py", "--build-lib", tmp_path / "lib"],
        env=os.environ | {"COSIM_COMPILE": "0"},
        cwd=ROOT,
        check=True,
    )
    monkeypatch.setattr(shipped, "_IN_WHEEL", tmp_path / "lib/cosim/authoring/scenarios")
    packed = shipped_scenarios()
    assert {name: path.read_bytes() for name, path in packed.items()} == {
        path.relative_to(ROOT / "scenarios").with_suffix("").as_posix(): path.read_bytes()
        for path in (ROOT / "scenarios").rglob("*.yaml")
    }
    answer = cosim("validate", *(path for name, path in packed.items() if "/" not in name))
    assert (answer.code, answer.err) == (0, "")
