"""The scenarios that come with the package."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from cosim.authoring import shipped
from cosim.authoring.shipped import copy_scenario, shipped_scenario, shipped_scenarios
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


# Copies


@pytest.mark.parametrize(
    ("name", "files"),
    [
        ("quickstart", ["quickstart.yaml"]),
        ("own_controller", ["own_controller.yaml", "quickstart.yaml", "own_controller.py"]),
        ("azure_trace", ["azure_trace.yaml", "data/azure_sample.csv"]),
        (
            "studies/forecast_weeks",
            ["studies/forecast_weeks.yaml", "studies/flagship_weeks.yaml", "flagship.yaml"],
        ),
    ],
)
def test_a_copy_has_the_files_that_it_reads(tmp_path: Path, name: str, files: list[str]) -> None:
    copy, others = copy_scenario(name, tmp_path / "mine")
    copies = [path.relative_to(tmp_path / "mine").as_posix() for path in (copy, *others)]
    assert copies == [*files, "schema.json"]
    for file in copies:
        assert (tmp_path / "mine" / file).read_bytes() == (ROOT / "scenarios" / file).read_bytes()
    copy_scenario(name, tmp_path / "mine")  # the same again
    (tmp_path / "mine" / files[-1]).write_text("# changed\n")
    (tmp_path / "mine" / "schema.json").unlink()
    with pytest.raises(ScenarioError, match="nothing is written over"):
        copy_scenario(name, tmp_path / "mine")
    assert not (tmp_path / "mine" / "schema.json").exists()


@pytest.mark.parametrize(
    ("name", "command"),
    [("quickstart", "run"), ("studies/loads", "evaluate"), ("studies/battery_and_solar", "sweep")],
)
def test_commands_that_list_and_copy(cosim: Cli, name: str, command: str) -> None:
    *lines, _, hint = cosim("scenarios").out.splitlines()
    assert [line.split()[0] for line in lines[1:]] == list(shipped_scenarios())
    assert max(map(len, lines)) <= 80
    assert hint.startswith("cosim scenarios copy")
    answer = cosim("scenarios", "copy", name, "mine")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines()[-1] == f"  cosim {command} mine/{name}.yaml"
    assert cosim("validate", f"mine/{name}.yaml").code == 0


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
