"""A study that is stopped keeps the runs that have ended, and goes on from there."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from cosim.studies.evaluate.comparison import comparison
from cosim.studies.evaluate.evaluation import needed_runs
from cosim.studies.evaluate.variants import Comparison
from cosim.studies.frame import cases
from cosim.studies.frame.cases import CaseRuns, EndedRun, run_cases
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.measure import run_figures
from cosim.studies.runs.processes import Processes
from cosim.world.plan import Plan
from tests.cosim.builders import controlled, write

TEXT = controlled() + "evaluation: {seeds: 3, policies: [{name: still}]}\n"


@pytest.fixture
def compared(tmp_path: Path) -> Comparison:
    return comparison(write(tmp_path / "s.yaml", TEXT))


@pytest.fixture
def one(compared: Comparison) -> CaseRuns[Any]:
    """A single run, of the first seed."""
    return replace(needed_runs(compared), seeds=[1])


def kept_or_made(one: CaseRuns[Any], folder: Path) -> tuple[RunFigures, bool]:
    """The figures of a single run, and whether they were made now."""
    ended: list[EndedRun] = []
    run_cases(one, folder, pool=Processes(1), on_run=ended.append)
    (run,) = ended
    return run.figures, run.made


def times_of(folder: Path) -> dict[str, int]:
    return {path.name: path.stat().st_mtime_ns for path in folder.iterdir()}


def test_runs_that_ended_are_kept_and_not_made_again(
    compared: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def stopped(plan: Plan) -> RunFigures:
        if plan.scenario.seed == 3:
            raise KeyboardInterrupt
        return run_figures(plan)

    runs = tmp_path / "runs"
    with monkeypatch.context() as patch:
        patch.setattr(cases, "run_figures", stopped)
        with pytest.raises(KeyboardInterrupt):
            run_cases(needed_runs(compared), runs, pool=Processes(1))
    before = times_of(runs)
    contents = [json.loads((runs / name).read_text()) for name in before]
    assert sorted((run["case"], run["figures"]["seed"]) for run in contents) == [
        ("still", 1),
        ("still", 2),
    ]

    (still,) = run_cases(needed_runs(compared), runs, pool=Processes(1))
    assert [run.seed for run in still] == [1, 2, 3]
    after = times_of(runs)
    assert len(after) == 3
    assert all(after[name] == before[name] for name in before)


@pytest.mark.parametrize(
    "content", ["", "[]", "null", "{}", '{"key": "KEY"}', '{"key": "KEY", "figures": {"seed": 1}}']
)
def test_a_damaged_file_is_made_anew(one: CaseRuns[Any], tmp_path: Path, content: str) -> None:
    """Files of another version among them, with this one's key."""
    runs = tmp_path / "runs"
    figures, made = kept_or_made(one, runs)
    assert made
    (path,) = runs.iterdir()
    whole = path.read_text()
    path.write_text(content.replace("KEY", path.stem))
    assert kept_or_made(one, runs) == (figures, True)
    assert path.read_text() == whole


@pytest.mark.parametrize("change", ["fewer", "more"])
def test_a_file_with_other_figures_is_made_anew(
    one: CaseRuns[Any], tmp_path: Path, change: str
) -> None:
    figures, _ = kept_or_made(one, tmp_path / "runs")
    (path,) = (tmp_path / "runs").iterdir()
    content = json.loads(path.read_text())
    if change == "fewer":
        del content["figures"]["rejected"]  # which has a default
    else:
        content["figures"]["policy"] = "still"
    path.write_text(json.dumps(content))
    assert kept_or_made(one, tmp_path / "runs") == (figures, True)
    assert kept_or_made(one, tmp_path / "runs") == (figures, False)


@pytest.mark.parametrize("value", [0.0, float("nan"), "a lot", None])
def test_figures_that_were_changed_by_hand_are_made_anew(
    one: CaseRuns[Any], tmp_path: Path, value: object
) -> None:
    figures, _ = kept_or_made(one, tmp_path / "runs")
    (path,) = (tmp_path / "runs").iterdir()
    whole = path.read_text()
    content = json.loads(whole)
    assert content["figures"]["facility_kwh"] > 0
    content["figures"]["facility_kwh"] = value
    path.write_text(json.dumps(content))
    assert kept_or_made(one, tmp_path / "runs") == (figures, True)
    assert path.read_text() == whole


def test_a_run_that_broke_off_is_kept_and_not_taken(
    one: CaseRuns[Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cases, "run_figures", lambda plan: RunFigures(seed=1, failure="no disk"))
    for _ in range(2):
        figures, made = kept_or_made(one, tmp_path / "runs")
        assert made
        assert figures.failure == "no disk"
    (path,) = (tmp_path / "runs").iterdir()
    assert json.loads(path.read_text())["figures"]["failure"] == "no disk"
