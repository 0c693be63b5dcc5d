"""``cosim evaluate``: what it runs, keeps and says."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.conftest import Cli
from tests.cosim.builders import edited, write
from tests.cosim.report.folders import PLAIN

CLASSES = """  classes:
    - {name: chat, share: 0.5, slo: {ttft_s: 2.0, tpot_s: 0.1}}
    - {name: batch, share: 0.5, deferrable: true, deadline: 2h}
sites:
"""
PLAN = "    - {name: plan, controllers: [{type: mpc, horizon_h: 4, clairvoyant: true}]}\n"
EVALUATION = f"""evaluation:
  seeds: 2
  decoys: [12h]
  other_days: 0
  baselines: false
  policies:
    - {{name: hold, controllers: [{{type: suspend_resume}}], twin: true}}
{PLAN}"""
STUDY = edited(
    ("duration: 20min", "duration: 4h"),
    ("step: 60s", "step: 300s"),
    ("workload:\n", "workload:\n  requests: 300\n"),
    ("rate_per_s: 0.5", "rate_per_s: 0.05"),
    ("sites:\n", CLASSES),
).replace("  - {type: carbon_threshold, high_g_per_kwh: 270, low_g_per_kwh: 200}\n", "")
STUDY = STUDY.replace("controllers:\n", EVALUATION)


def evaluated(cosim: Cli, out: str, *arguments: str, text: str = STUDY) -> Path:
    answer = cosim("evaluate", write("s.yaml", text), "-o", out, "--quiet", *arguments)
    assert answer.code == 0, answer.err
    return Path(out)


def content_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((folder / "evaluation.json").read_text())
    return content


@pytest.mark.usefixtures("quick_bounds")
def test_the_number_of_workers_changes_nothing(cosim: Cli) -> None:
    text = STUDY.replace(PLAN, "")
    arguments = ("--seeds", "1", "--workers")
    one, two = (evaluated(cosim, f"w{n}", *arguments, str(n), text=text) for n in (1, 2))
    for name in ("evaluation.json", "evaluation.md", "report.html"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    for name in ("runs.parquet", "policies.parquet"):
        pd.testing.assert_frame_equal(pd.read_parquet(one / name), pd.read_parquet(two / name))
    found = content_of(one)
    names = [(row["policy"], row["kind"], row["decoy"]) for row in found["policies"]]
    assert names == [
        ("noop", "baseline", ""),
        ("hold", "policy", ""),
        ("hold", "decoy", "moved by 12 h"),
        ("hold", "twin", ""),
    ]
    assert all(row["completed"] > 250 for row in found["policies"])
    assert all(row["timing"] is not None for row in found["policies"] if row["kind"] == "policy")
    runs = pd.read_parquet(one / "runs.parquet")
    assert set(runs.columns) >= {"left_by_class.chat", "left_by_class.batch"}


@pytest.mark.usefixtures("quick_bounds")
def test_what_was_run_is_not_run_again(cosim: Cli) -> None:
    few = ("--seeds", "1", "--no-decoys")
    folder = evaluated(cosim, "out", *few)
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*.json")}
    assert len(before) == 4
    broken = min(before)
    broken.write_text('{"key": "')  # as a crash might leave it
    evaluated(cosim, "out", *few)
    after = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*.json")}
    assert {path for path in before if before[path] != after[path]} == {broken}
    evaluated(cosim, "out", *few, "--set", "sites.0.cluster.pue=1.5")
    again = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*.json")}
    assert len(again) == 8
    assert all(after[path] == again[path] for path in after)


@pytest.mark.usefixtures("quick_bounds")
def test_controllers_by_name_in_place_of_the_scenarios(cosim: Cli) -> None:
    answer = cosim(
        "evaluate", write("s.yaml", STUDY), "--controllers", "noop,suspend_resume",
        "--seeds", "1", "-o", "out", "--workers", "1", "--no-decoys",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0].split()[0] == "policy"
    assert [line.split()[0] for line in lines[1:3]] == ["noop", "suspend_resume"]
    assert "One seed: no intervals." in answer.out
    assert not any(ord(letter) < 32 for line in lines for letter in line)


@pytest.mark.usefixtures("quick_bounds")
def test_weeks_and_blind_baselines(cosim: Cli) -> None:
    """Of replicas alone: one evaluation with all the runs that nobody listed."""
    text = STUDY.replace("    cluster:\n", "    cluster:\n      replicas: 2\n")
    arguments = ["--set", "evaluation.weeks=2", "--set", "evaluation.baselines=true"]
    arguments += ["--set", 'workload.classes=[{"name": "chat", "share": 1}]']
    arguments += ["--set", 'evaluation.policies=[{"name": "still"}]']
    folder = evaluated(cosim, "out", "--seeds", "1", *arguments, text=text)
    found = content_of(folder)
    assert (found["seeds"], len(found["weeks"]), len(found["bounds"])) == ([1], 2, 2)
    assert [each and each["timing_g"] for each in found["bounds"]] == [1, None]
    assert [(run["policy"], run["week"], run["seed"]) for run in found["runs"]] == [
        ("still", 0, 1),
        ("still", 1, 2),
        ("right_sized", 0, 1),
        ("right_sized", 1, 2),
    ]
    assert found["bulk_hour_utc"] is None
    evaluated(cosim, "without", "--seeds", "1", *arguments, "--no-baselines", text=text)
    assert {run["policy"] for run in content_of(Path("without"))["runs"]} == {"still"}


@pytest.mark.usefixtures("quick_bounds")
def test_bulk_at_the_best_hour_is_a_baseline(cosim: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """Eight hours are tried beforehand, and the best one is run again with every seed."""
    bars: list[str] = []

    @contextmanager
    def bar(title: str, total: int, *, quiet: bool) -> Iterator[Callable[[object], None]]:
        bars.append(f"{title}: {total}")
        yield lambda run: None

    monkeypatch.setattr("cosim.commands.bars.run_bar", bar)
    baselines = "evaluation.baselines=true"
    arguments = ("--seeds", "1", "--no-decoys", "--set", baselines)
    found = content_of(evaluated(cosim, "out", *arguments, text=STUDY.replace(PLAN, "")))
    kinds = {row["policy"]: row["kind"] for row in found["policies"] if row["kind"] != "twin"}
    assert list(kinds.items()) == [("noop", "baseline"), ("bulk", "baseline"), ("hold", "policy")]
    assert found["bulk_hour_utc"] in range(0, 24, 3)
    assert bars[0] == "trying hours for the baseline bulk: 8"
    assert [text.partition(":")[0] for text in bars[1:]] == ["evaluate"]
    kept = [json.loads(path.read_text()) for path in Path("out/runs").iterdir()]
    trials = [run["figures"] for run in kept if run["case"].startswith("bulk at ")]
    assert len(trials) == 8
    (bulk,) = [row for row in found["policies"] if row["policy"] == "bulk"]
    served = [run for run in trials if run["completed"] >= 0.99 * run["arrived"]] or trials
    assert bulk["import_g"] in [run["import_g"] for run in served]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("suspend_resume", "suspend_resum", "no controller 'suspend_resum'; did you mean 'suspend"),
        ("horizon_h: 4", "horizon_h: 0", "horizon_h: must be greater than 0 (got 0)"),
        ("name: plan", "name: hold", "policies must have different names (got hold, hold)"),
        ("name: hold", "name: noop", "the policy 'noop' is the one without controllers"),
        ("decoys: [12h]", "decoys: [0h]", "decoys.0: must be greater than 0 (got '0h')"),
    ],
)
def test_a_policy_that_cannot_be(cosim: Cli, old: str, new: str, message: str) -> None:
    path = write("s.yaml", STUDY.replace(old, new, 1))
    answer = cosim("evaluate", path)
    assert cosim("validate", path).err == answer.err
    assert answer.code == 2
    assert answer.err.startswith("error: s.yaml:")
    assert message in answer.err
    assert not Path("results").exists()


def test_a_scenario_without_an_evaluation(cosim: Cli) -> None:
    answer = cosim("evaluate", write("s.yaml", STUDY.replace(EVALUATION, "controllers: []\n")))
    assert answer.code == 2
    assert "name policies with --controllers" in answer.err


@pytest.mark.usefixtures("quick_bounds")
def test_a_policy_that_fails_is_said(cosim: Cli) -> None:
    write(
        "bad.py",
        "from controllers import Controller\nclass Bad(Controller):\n"
        "    sees_carbon = False\n"
        "    def reset(self, context): pass\n"
        "    def step(self, seen):\n        if seen.step == 9: raise OSError('no disk')\n",
    )
    answer = cosim(
        "evaluate", write("s.yaml", STUDY), "--controllers", "./bad.py:Bad", "--seeds", "1",
        "-o", "out", "--workers", "1", "--no-baselines",
    )  # fmt: skip
    assert answer.code == 1
    assert "error: some runs failed" in answer.err
    kept = [json.loads(path.read_text()) for path in Path("out/runs").iterdir()]
    failures = {run["case"]: run["figures"]["failure"] for run in kept}
    assert failures["noop"] == ""
    assert "no disk" in failures["Bad"]


@pytest.mark.usefixtures("quick_bounds")
def test_a_policy_that_fails_at_once_is_said_too(cosim: Cli) -> None:
    """The others are compared all the same."""
    write(
        "bad.py",
        "from controllers import Controller\nclass Bad(Controller):\n"
        "    def reset(self, context): pass\n"
        "    def step(self, seen): raise OSError('no disk')\n",
    )
    answer = cosim(
        "evaluate", write("s.yaml", STUDY), "--controllers", "./bad.py:Bad,suspend_resume",
        "--seeds", "1", "-o", "out", "--workers", "1", "--no-decoys", "--no-baselines",
    )  # fmt: skip
    assert answer.code == 1
    assert "error: some runs failed" in answer.err
    rows = {line.split()[0]: line for line in answer.out.splitlines()[1:4]}
    assert "1 failed" in rows["Bad"]
    assert "failed" not in rows["suspend_resume"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            "noop,suspend_resum",
            "no controller 'suspend_resum'; did you mean 'suspend_resume'?",
        ),
        ("noop,./none.py:Mine", "no such file"),
        ("noop,a b", "must match the pattern"),
    ],
)
def test_wrong_controllers_are_placed_at_their_option(cosim: Cli, names: str, message: str) -> None:
    answer = cosim("evaluate", write("s.yaml", STUDY), "--controllers", names)
    assert answer.code == 2
    assert all(line.startswith("error: --controllers: ") for line in answer.err.splitlines())
    assert message in answer.err


def test_a_plain_load_cannot_be_evaluated(cosim: Cli) -> None:
    answer = cosim("evaluate", write("s.yaml", PLAIN), "--controllers", "noop", "-o", "out")
    assert (answer.code, answer.err) == (
        2,
        "error: no site serves requests: there is nothing to evaluate\n",
    )
    assert not Path("out").exists()
