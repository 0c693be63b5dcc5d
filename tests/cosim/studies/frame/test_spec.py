"""A run in itself: its key, and a machine that has nothing but it and the contents of its files."""

from __future__ import annotations

import pickle
import shutil
import tempfile
from pathlib import Path

import pytest

from cosim.errors import CosimError, ScenarioError
from cosim.scenario.loading import read_document
from cosim.studies.frame import cases, spec
from cosim.studies.frame.spec import RunSpec, run_specs
from cosim.studies.runs.figures import run_figures
from tests.cosim.builders import SCENARIOS, edited, write, write_controller

INTENSITY = (
    "time,intensity\n2022-06-08T00:00:00Z,300\n2022-06-08T00:10:00Z,200\n2022-06-08T00:20:00Z,250\n"
)


def with_files(folder: Path) -> Path:
    """A scenario that reads a signal, and a controller of the user's."""
    folder.mkdir()
    write(folder / "intensity.csv", INTENSITY)
    entry = write_controller(folder, "return SiteAction(batch_cap=3 if step > 5 else 7)")
    return write(
        folder / "s.yaml",
        edited(
            ("{type: typical_day, area: CISO}", "{type: csv, path: intensity.csv, unit: g/kWh}"),
            ("{type: carbon_threshold, high_g_per_kwh: 270, low_g_per_kwh: 200}", entry),
        ),
    )


def spec_of(path: Path, *settings: str) -> RunSpec:
    return run_specs(read_document(path, settings), [1])[0]


def test_the_contents_of_its_files_are_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    run = spec_of(with_files(tmp_path / "here"))
    assert set(run.files) == {"sites.0.microgrid.carbon_intensity.path", "controllers.0.type"}
    figures = run_figures(run.plan())
    contents = [file.content() for file in run.files.values()]
    sent = pickle.loads(pickle.dumps(run))  # noqa: S301
    shutil.rmtree(tmp_path / "here")
    assert cases.make_run(sent, *contents) == (run.key, figures)
    unpacked = {path.name: path for path in tmp_path.glob("cosim-files-*/*/*")}
    assert set(unpacked) == {"intensity.csv", "mine.py"}
    times = {path: path.stat().st_mtime_ns for path in unpacked.values()}
    assert cases.make_run(sent, *contents) == (run.key, figures)
    assert {path: path.stat().st_mtime_ns for path in unpacked.values()} == times
    unpacked["intensity.csv"].write_text("damaged")
    assert cases.make_run(sent, *contents) == (run.key, figures)


def test_a_file_that_changes_under_way_is_refused(tmp_path: Path) -> None:
    run = spec_of(with_files(tmp_path / "here"))
    write(tmp_path / "here" / "intensity.csv", INTENSITY.replace("300", "301"))
    with pytest.raises(ScenarioError, match="was changed while the study ran"):
        run.plan()
    with pytest.raises(CosimError, match=r"intensity.csv' was changed while the study ran"):
        next(iter(run.files.values())).content()


def test_the_key_is_that_of_contents_and_code(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = with_files(tmp_path / "here")
    key = spec_of(path).key
    assert spec_of(with_files(tmp_path / "there")).key == key
    assert spec_of(path, "seed=1").key == key != spec_of(path, "time.step=120s").key
    assert [run.key == key for run in run_specs(read_document(path), [1, 2])] == [True, False]
    with monkeypatch.context() as patch:
        patch.setattr(spec, "code_hash", lambda: "another")
        assert spec_of(path).key != key
    write(tmp_path / "here" / "intensity.csv", INTENSITY.replace("300", "301"))
    assert spec_of(path).key != key


@pytest.mark.parametrize("name", ["azure_trace", "own_controller", "paper_table2", "two_sites"])
def test_shipped_scenarios_have_the_key_of_their_plan(name: str) -> None:
    """Which a plan is checked against: traces, signals, a controller in a file, several sites."""
    assert spec_of(SCENARIOS / f"{name}.yaml").plan().scenario.seed == 1
