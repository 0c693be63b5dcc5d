"""Scenarios as values: the same from a file and from a mapping, and never changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import numpy as np
import pytest

import cosim
from tests.cosim.api.samples import Cap, base
from tests.cosim.builders import BASE, write


@pytest.fixture(scope="module")
def scenario() -> cosim.Scenario:
    return cosim.load(base())


def test_a_mapping_is_the_same_as_a_file(scenario: cosim.Scenario, tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", BASE)
    assert cosim.load(path).to_dict() == cosim.load(str(path)).to_dict() == scenario.to_dict()
    assert cosim.load(scenario) is scenario


def test_it_can_be_loaded_again(scenario: cosim.Scenario, tmp_path: Path) -> None:
    assert cosim.load(scenario.to_dict()).to_dict() == scenario.to_dict()
    written = write(tmp_path / "written.yaml", scenario.to_yaml())
    assert cosim.load(written).to_dict() == scenario.to_dict()


def test_it_says_what_it_is(scenario: cosim.Scenario) -> None:
    assert (scenario.name, scenario.seed, scenario.sites) == ("base", 1, ("dc",))
    assert scenario.start == datetime(2022, 6, 8, tzinfo=UTC)
    assert (scenario.duration_s, scenario.step_s) == (1200.0, 60)
    assert scenario.controllers == ("carbon_threshold",)
    for text in (repr(scenario), scenario._repr_html_()):
        for part in ("base", "20 min", "dc (meta-llama", "h100", "carbon_threshold"):
            assert part in text


def test_values_of_python_stand_for_those_of_a_file(scenario: cosim.Scenario) -> None:
    changed = scenario.with_(
        set={
            "time.start": datetime(2022, 6, 9, 2, tzinfo=UTC),
            "time.duration": timedelta(minutes=30),
            "sites.0.cluster.replicas": np.int64(2),
            "sites.0.microgrid.battery": None,
        },
        controllers=[],
        seed=7,
    )
    written = cosim.load(
        {**base(), "controllers": []},
        set={
            "time": {"start": "2022-06-09T02:00:00Z", "duration": "30min"},
            "sites.0.cluster.replicas": 2,
            "sites.0.microgrid.battery": None,
        },
        seed=7,
    )
    assert changed.to_dict() == written.to_dict()
    assert scenario.seed == 1
    assert scenario.to_dict()["sites"][0]["microgrid"]["battery"]["capacity_wh"] == 100


def test_relative_paths_start_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write(tmp_path / "base.yaml", BASE)
    write(tmp_path / "load.csv", "time_s,power_w\n0,100\n1200,100\n")
    monkeypatch.chdir(tmp_path)
    extended = cosim.load({"extends": "base.yaml", "name": "mine"})
    monkeypatch.chdir("/")
    assert extended.with_(seed=5).name == "mine"


def test_every_problem_is_reported_at_once() -> None:
    with pytest.raises(cosim.ScenarioError) as caught:
        cosim.load({**base(), "sead": 3}, set={"time.step": "7h", "sites.0.cluster.gpu": "h1000"})
    assert {problem.path for problem in caught.value.problems} >= {"sead", "time"}
    assert "did you mean 'seed'" in str(caught.value)


def test_places_of_a_file_are_kept(tmp_path: Path) -> None:
    path = write(tmp_path / "s.yaml", BASE.replace("seed: 1", "seed: -1"))
    with pytest.raises(cosim.ScenarioError, match=r"s\.yaml:2:7 seed: "):
        cosim.load(path)


@pytest.mark.parametrize(
    ("source", "values", "message"),
    [
        ("name: base\nseed: 1\n", {}, "a text is the path of a file"),
        ("no_such.yaml", {}, "no such file"),
        (None, {"a..b": 1}, "a key is empty"),
        (None, {"name": b"x"}, "name: expected a value that YAML can write"),
        (None, {"controllers": [42]}, "controllers.0: "),
        (None, {"controllers": [{"type": object()}]}, "controllers.0.type: expected .* controller"),
        (None, {"controllers": "noop"}, "controllers: expected a list"),
        (None, {"controllers": Cap(cap=1)}, "controllers: expected a list"),
        (None, {"controllers": [{"type": Cap(), "cap": 3}]}, "controllers.0.cap: .*unknown key"),
        (None, {"controllers": [{"type": Cap, "cap": "3"}]}, "controllers.0.cap: expected a whole"),
        (None, {"controllers": [{"type": Cap, "cap": 0}]}, r"cap is 0 \(.*samples\.py:\d+\)"),
        (None, {"controllers": [cosim.Controller]}, "must define reset and step"),
    ],
)
def test_mistakes_are_one_error_each(
    source: str | None, values: dict[str, object], message: str
) -> None:
    with pytest.raises(cosim.ScenarioError, match=message):
        cosim.load(source or base(), set=values)
