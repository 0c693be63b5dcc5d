"""Runs from Python: the same figures as from the command line, and a result like its folder."""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pandas as pd
import pytest
import yaml

import cosim
from tests.conftest import Cli
from tests.cosim.api.samples import Cap, base, line_of
from tests.cosim.builders import BASE, write


@pytest.fixture(scope="module")
def result() -> cosim.Result:
    return cosim.run(base(), controllers=[Cap(cap=2)])


def test_figures_are_those_of_the_command(tmp_path: Path, cosim: Cli) -> None:
    from cosim import run

    path = write(tmp_path / "s.yaml", BASE)
    assert cosim("run", path, "-o", "out", "--set", "coupling=native").code == 0
    written = json.loads((tmp_path / "out" / "summary.json").read_text(encoding="utf-8"))
    made = json.loads(json.dumps(run(path).summary.to_dict()))
    assert {**made, "wall": 0} == {**written, "wall": 0}


def test_frames_are_those_of_the_folder(result: cosim.Result, tmp_path: Path) -> None:
    """Of one that is saved, of one that was written as it ran, and of a copy."""
    saved = cosim.open_result(result.save(tmp_path / "saved"))
    written = cosim.run(base(), controllers=[Cap(cap=2)], results=tmp_path / "written")
    copied = cosim.Result.load(saved.save(tmp_path / "copied"))
    assert (result.folder, saved.folder) == (None, tmp_path / "saved")
    for other in (saved, written, copied):
        for name in ("steps", "requests", "actions"):
            frame = getattr(result, name)
            assert len(frame) > 0
            pd.testing.assert_frame_equal(getattr(other, name), frame, check_exact=True)
            file = pd.read_parquet(tmp_path / "saved" / f"{name}.parquet")
            pd.testing.assert_frame_equal(frame, file, check_exact=True)
        assert {**other.summary.to_dict(), "wall": 0} == {**result.summary.to_dict(), "wall": 0}
    names = {path.name for path in (tmp_path / "saved").iterdir()}
    assert names == {path.name for path in (tmp_path / "written").iterdir()}
    assert names == {path.name for path in (tmp_path / "copied").iterdir()}


def test_it_says_what_it_is(result: cosim.Result, tmp_path: Path) -> None:
    assert repr(result) == "<cosim.Result 'base': 20 steps, in memory>"
    assert "Carbon" in result._repr_html_()
    assert result.serving.requests.arrived == len(result.requests)
    assert result.totals is result.summary.totals
    assert result.raise_for_failure() is result
    page = result.report(tmp_path / "page.html").read_text(encoding="utf-8")
    assert "cannot be run again by itself" in page


def test_a_failed_run_is_a_result_with_a_reason(tmp_path: Path) -> None:
    failed = cosim.run(base(), controllers=[Cap(cap=13)])
    assert failed.failure is not None
    assert failed.failure.step == 0
    line = line_of('raise RuntimeError("bad luck")')
    assert f"samples.py:{line}" in str(failed.failure)
    assert "failed at step 0" in repr(failed)
    assert "bad luck" in failed._repr_html_()
    with pytest.raises(cosim.RunFailed, match="bad luck"):
        failed.raise_for_failure()
    with pytest.raises(cosim.CosimError, match="no figures"):
        failed.totals  # noqa: B018
    again = cosim.open_result(failed.save(tmp_path / "out"))
    assert str(again.failure) == str(failed.failure)
    assert (tmp_path / "out" / "FAILED").is_file()


def test_a_plain_load_serves_nothing() -> None:
    content = base()
    site = content["sites"][0]
    del site["cluster"], content["workload"], content["controllers"]
    site["load"] = {"type": "constant", "power_w": 100}
    ended = cosim.run(content)
    assert ended.totals.energy_kwh.facility == pytest.approx(0.1 / 3)
    with pytest.raises(cosim.CosimError, match="serves requests"):
        ended.serving  # noqa: B018


def test_ctrl_c_is_ctrl_c(tmp_path: Path) -> None:
    class Interrupting(Cap):
        def step(self, observation: cosim.SiteObservation) -> cosim.SiteAction:
            if observation.step == 3:
                signal.raise_signal(signal.SIGINT)
            return super().step(observation)

    with pytest.raises(KeyboardInterrupt):
        cosim.run(base(), controllers=[Interrupting])
    with pytest.raises(KeyboardInterrupt):
        cosim.run(base(), controllers=[Interrupting], results=tmp_path / "out")
    assert (tmp_path / "out" / "FAILED").is_file()


# controllers


def test_an_object_runs_itself_and_is_reset() -> None:
    policy = Cap(cap=3)
    policy.steps = 99
    first = cosim.run(base(), controllers=[policy])
    assert policy.steps == 20
    second = cosim.run(base(), controllers=[policy])
    assert policy.steps == 20
    pd.testing.assert_frame_equal(first.steps, second.steps)


def test_class_object_entry_and_file_are_the_same_controller(tmp_path: Path) -> None:
    source = Path(__file__).with_name("samples.py").read_text(encoding="utf-8")
    path = write(tmp_path / "mine.py", source)
    specs: list[cosim.ControllerSpec] = [
        Cap(),
        Cap,
        {"type": Cap, "cap": 2, "site": "dc"},
        {"type": Cap(cap=2)},
        {"type": f"{path}:Cap", "cap": 2},
        f"{path}:Cap",
    ]
    steps = [cosim.run(base(), controllers=[spec]).steps for spec in specs]
    assert (steps[0]["batch_cap"] == 2).all()
    for other in steps[1:]:
        pd.testing.assert_frame_equal(other, steps[0])
    with_name = cosim.run(base(), controllers=["carbon_threshold", Cap])
    assert [entry.type for entry in with_name.summary.controllers] == ["carbon_threshold", "Cap"]


def test_results_say_honestly_what_ran(result: cosim.Result, tmp_path: Path) -> None:
    folder = result.save(tmp_path / "out")
    manifest = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))
    (entry,) = manifest["controllers_from_python"]
    assert entry["class_path"] == "tests.cosim.api.samples.Cap"
    assert (entry["given_as"], entry["parameters"]) == ("object", {"cap": 2})
    assert Path(entry["file"]).name == "samples.py"
    text = (folder / "scenario.resolved.yaml").read_text(encoding="utf-8")
    assert "This file alone cannot repeat the run" in text
    assert yaml.safe_load(text)["controllers"] == [{"type": "Cap"}]
    assert not result.repeatable
    assert not cosim.open_result(folder).repeatable
    with pytest.raises(cosim.ScenarioError, match="no controller 'Cap'"):
        cosim.load(folder / "scenario.resolved.yaml")
    plain = cosim.run(base())
    assert plain.repeatable
    assert "controllers_from_python" not in plain.data.manifest


def test_the_hash_knows_the_parameters_of_an_object(result: cosim.Result) -> None:
    same, other = (cosim.run(base(), controllers=[Cap(cap=cap)]) for cap in (2, 3))
    assert same.summary.scenario.hash == result.summary.scenario.hash
    assert other.summary.scenario.hash != result.summary.scenario.hash


def test_an_object_stands_at_one_site() -> None:
    content = base()
    (site,) = content["sites"]
    content["sites"] = [{**site, "share": 0.5}, {**site, "name": "two", "share": 0.5}]
    with pytest.raises(cosim.ScenarioError, match="an object stands at one site"):
        cosim.load({**content, "controllers": [Cap()]})
    placed = [{"type": Cap(cap=2), "site": "dc"}, {"type": Cap(cap=5), "site": "two"}]
    steps = cosim.run({**content, "controllers": placed}).steps
    assert steps.groupby("site")["batch_cap"].unique().map(list).to_dict() == {
        "dc": [2],
        "two": [5],
    }
