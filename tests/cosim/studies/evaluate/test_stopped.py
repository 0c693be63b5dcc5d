"""An evaluation that is stopped keeps what it has, and goes on from there."""

from __future__ import annotations

from pathlib import Path

import pytest

from cosim.studies.evaluate import measure
from cosim.studies.evaluate.evaluation import evaluate
from cosim.studies.evaluate.measure import RunFigures
from cosim.studies.evaluate.variants import Comparison, Variant, comparison
from cosim.world.plan import Plan
from tests.cosim.builders import controlled, write

TEXT = controlled() + "evaluation: {seeds: 3, policies: [{name: still}]}\n"


@pytest.fixture
def compared(tmp_path: Path) -> Comparison:
    return comparison(write(tmp_path / "s.yaml", TEXT))


def made(folder: Path) -> dict[str, int]:
    return {one.name: one.stat().st_mtime_ns for one in folder.iterdir()}


def test_runs_that_ended_are_kept_and_not_made_again(
    compared: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = measure.measure

    def stopped(plan: Plan, variant: Variant) -> RunFigures:
        if plan.scenario.seed == 3:
            raise KeyboardInterrupt
        return real(plan, variant)

    runs = tmp_path / "runs"
    with monkeypatch.context() as patch:
        patch.setattr(measure, "measure", stopped)
        with pytest.raises(KeyboardInterrupt):
            evaluate(compared, runs, workers=1)
    before = made(runs)
    assert set(before) == {"still--1.json", "still--2.json"}

    found = evaluate(compared, runs, workers=1)
    assert [one.seed for one in found.runs] == [1, 2, 3]
    after = made(runs)
    assert set(after) == set(before) | {"still--3.json"}
    assert all(after[name] == before[name] for name in before)


@pytest.mark.parametrize(
    "content", ["", "[]", "null", "{}", '{"key": "KEY"}', '{"key": "KEY", "figures": {"seed": 1}}']
)
def test_what_is_no_run_is_made_anew(compared: Comparison, tmp_path: Path, content: str) -> None:
    """Files of another version among them, with this one's key."""
    runs = tmp_path / "runs"
    figures = measure.measure_kept(compared, compared.variants[0], 1, runs)
    (path,) = runs.iterdir()
    whole = path.read_text()
    key = whole.partition('"key": "')[2].partition('"')[0]
    path.write_text(content.replace("KEY", key))
    assert measure.measure_kept(compared, compared.variants[0], 1, runs) == figures
    assert path.read_text() == whole
