"""Studies from Python, with controllers that stand in no file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import cloudpickle
import pandas as pd
import pytest

import cosim
from cosim.api.scenario import tree_of_scenario
from cosim.scenario.loading import document_of
from cosim.studies.frame.cases import make_run
from cosim.studies.frame.spec import run_specs
from tests.conftest import Cli
from tests.cosim.api.samples import Cap, base
from tests.cosim.builders import BASE, write

SCRIPT = """
import cosim
from tests.cosim.api.samples import base

class Here(cosim.Controller):
    actuators = frozenset({"batch_cap"})
    sees_carbon = False
    def __init__(self, *, cap: int = 2): self.cap = cap
    def reset(self, context): pass
    def step(self, observation): return cosim.SiteAction(batch_cap=self.cap)

policies = {"class": {"type": Here, "cap": 3}, "object": Here(cap=3), "failing": Here(cap=-1)}
made = cosim.evaluate(base(), policies, seeds=2, baselines=False, workers=2)
print(*made.runs["changes"], *made.failures)
"""


def test_policies_are_compared_as_by_the_command(tmp_path: Path, cosim: Cli) -> None:
    from cosim import evaluate

    path = write(tmp_path / "s.yaml", BASE)
    options = ("--seeds", "1", "--no-baselines", "--no-decoys", "--quiet")
    names = "noop,carbon_threshold"
    answer = cosim("evaluate", path, "--controllers", names, *options, "-o", "out")
    assert answer.code == 0
    made = evaluate(path, names.split(","), seeds=1, baselines=False, decoys=False, workers=1)
    frames = {"policies": made.table, "runs": made.runs}
    for name, frame in frames.items():
        written = pd.read_parquet(tmp_path / "out" / f"{name}.parquet")
        pd.testing.assert_frame_equal(frame, written, check_dtype=False)
    saved = made.save(tmp_path / "saved")
    assert {path.name for path in saved.iterdir()} | {"runs"} == {
        path.name for path in (tmp_path / "out").iterdir()
    }
    page = (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert made.report(tmp_path / "page.html").read_text(encoding="utf-8") == page
    assert made.failures == ()
    assert "carbon_threshold" in made._repr_html_()


def test_runs_with_classes_are_never_taken_from_before(tmp_path: Path) -> None:
    """A class of the same name may do something else by now."""
    cases = {"noop": {"controllers": []}, "cap": {"controllers": [Cap]}}
    for caps in (1, 2):
        cosim.sweep(base(), cases=cases, results=tmp_path, workers=1)
        assert len(list((tmp_path / "runs").iterdir())) == 1 + caps  # noop is kept


def test_a_class_that_no_module_has_can_be_sent() -> None:
    """As one of a notebook; its run has the same key in the process that gets it."""

    class Here(Cap):
        pass

    tree = tree_of_scenario(cosim.load(base(), set={"controllers": [Here(cap=1), "noop"]}))
    for spec in run_specs(document_of(tree.root, tree.base_dir), [1, 2]):
        sent = cloudpickle.loads(cloudpickle.dumps(spec))
        assert make_run(sent) == make_run(spec)


@pytest.mark.nightly("policies of a script in two processes; every day one that is sent to none")
def test_classes_of_a_script_go_to_other_processes(tmp_path: Path) -> None:
    """Without a guard of its main part, and with an error that names its line."""
    script = write(tmp_path / "script.py", SCRIPT)
    root = Path(__file__).parents[3]
    done = subprocess.run(
        [sys.executable, str(script)],
        env={"PYTHONPATH": str(root)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    changes, _, failure = done.stdout.partition(" controller 'Here'")
    assert changes.split() == ["0", "0", "1", "1", "1", "1", "0", "0"]
    assert "batch_cap" in failure


def test_variants_are_compared() -> None:
    made = cosim.sweep(
        base(),
        {"sites.0.cluster.replicas": [1, 2]},
        cases={"free": {"controllers": []}, "capped": {"controllers": [Cap, "noop"]}},
        baseline="capped",
        workers=1,
    )
    assert list(made.table["case"]) == ["free", "free", "capped", "capped"]
    assert list(made.runs["replicas"]) == [1, 2, 1, 2]
    assert made.notes
    with pytest.raises(cosim.ScenarioError, match="replicas"):
        cosim.sweep(base(), {"sites.0.cluster.replicas": [1, -2]})


def test_a_study_file_is_swept(tmp_path: Path) -> None:
    write(tmp_path / "s.yaml", BASE)
    text = "name: caps\nscenario: s.yaml\ngrid: {sites.0.cluster.replicas: [1, 2]}\n"
    made = cosim.sweep_file(
        write(tmp_path / "study.yaml", text), results=tmp_path / "out", workers=1
    )
    same = cosim.sweep(tmp_path / "s.yaml", {"sites.0.cluster.replicas": [1, 2]}, workers=1)
    pd.testing.assert_frame_equal(made.table, same.table)
    pd.testing.assert_frame_equal(made.table, pd.read_parquet(tmp_path / "out" / "cases.parquet"))


def test_a_policy_that_fails_has_no_saving_and_is_last() -> None:
    policies = {"failing": Cap(cap=13), "good": Cap(cap=3)}
    made = cosim.evaluate(base(), policies, seeds=1, decoys=False, baselines=False, workers=1)
    assert list(made.table["policy"]) == ["noop", "good", "failing"]
    failed = made.table.iloc[-1]
    assert (failed["no_saving"], failed["failures"]) == ("failed", 1)
    assert failed[["saving", "timing", "by_day", "against_blind"]].isna().all()
    assert not failed["saving_sure"]
