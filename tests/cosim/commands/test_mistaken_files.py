"""Files that are not there, or are for another command: the answer names the one that is meant."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.conftest import Cli
from tests.cosim.builders import BASE, write

STUDY = "name: loads\nscenario: s.yaml\ngrid: {sites.0.cluster.replicas: [1, 2]}\n"


@pytest.mark.parametrize("command", ["run", "validate", "evaluate", "capacity", "sweep"])
@pytest.mark.parametrize(
    ("name", "hint"),
    [
        ("baes.yaml", "; did you mean 'base.yaml'?"),
        ("quickstart", "; `cosim scenarios copy quickstart` copies it here"),
        (
            "quickstar",
            "; did you mean 'quickstart'? `cosim scenarios copy quickstart` copies it here",
        ),
        ("zzz", ""),
    ],
)
def test_a_name_that_is_nearly_one(cosim: Cli, command: str, name: str, hint: str) -> None:
    write("base.yaml", BASE)
    answer = cosim(command, name)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == f"error: no such file (got '{name}'){hint}\n"


def test_a_name_that_is_nearly_one_in_a_folder(cosim: Cli) -> None:
    Path("scenarios").mkdir()
    write(Path("scenarios/quickstart.yaml"), BASE)
    assert cosim("run", "scenarios/quickstrat.yaml").err == (
        "error: no such file (got 'scenarios/quickstrat.yaml'); did you mean "
        "'scenarios/quickstart.yaml'?\n"
    )


@pytest.mark.parametrize("command", ["run", "capacity", "evaluate", "tune"])
def test_a_study_in_place_of_a_scenario(cosim: Cli, command: str) -> None:
    write("s.yaml", BASE)
    options = ("--policy", "mpc") if command == "tune" else ()
    answer = cosim(command, write("study.yaml", STUDY), *options)
    assert answer.code == 2
    assert answer.err == (
        "error: 'study.yaml' is a study, which varies a scenario: `cosim sweep study.yaml` runs "
        "it\n"
    )


def test_a_scenario_in_place_of_a_study(cosim: Cli) -> None:
    answer = cosim("sweep", write("s.yaml", BASE))
    assert answer.code == 2
    assert answer.err == (
        "error: 's.yaml' is a scenario: `cosim run s.yaml` runs it; a study names a `scenario`, "
        "and varies it by `grid` or `cases`\n"
    )


def test_a_setting_by_the_name_of_its_entry_is_said_once(cosim: Cli) -> None:
    answer = cosim("validate", write("s.yaml", BASE), "--set", "sites.dc.cluster.gpus=2")
    assert answer.err.startswith("error: --set sites.dc.cluster.gpus: unknown key")
    answer = cosim("validate", "s.yaml", "--set", "sites.dc.cluster={gpus: 2}")
    assert "error: --set sites.dc.cluster, sites.0.cluster.gpus: unknown key" in answer.err


def test_the_runs_of_a_study_that_has_not_ended(cosim: Cli) -> None:
    Path("out/runs").mkdir(parents=True)
    assert "'out' holds runs of a study that has not ended" in cosim("report", "out").err
