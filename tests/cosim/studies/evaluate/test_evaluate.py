"""``cosim evaluate``: what it runs, keeps and says, and the bound that holds for all policies."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from controllers.lp import solve
from cosim.errors import ScenarioError
from cosim.studies.evaluate.oracle import SiteModel, oracle
from cosim.studies.evaluate.variants import comparison, variant_plan
from cosim.studies.runs.execute import execute
from cosim.world.plan import load_plan
from tests.conftest import Cli
from tests.cosim.builders import SCENARIOS, edited, write
from tests.cosim.report.folders import PLAIN

CLASSES = """  classes:
    - {name: chat, share: 0.5, slo: {ttft_s: 2.0, tpot_s: 0.1}}
    - {name: batch, share: 0.5, deferrable: true, deadline: 2h}
sites:
"""
EVALUATION = """evaluation:
  seeds: 2
  policies:
    - {name: hold, controllers: [{type: suspend_resume}], twin: true}
    - {name: plan, controllers: [{type: mpc, horizon_h: 4, clairvoyant: true}]}
"""
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


def test_the_number_of_workers_changes_nothing(cosim: Cli) -> None:
    one, two = (evaluated(cosim, f"w{n}", "--workers", str(n)) for n in (1, 2))
    for name in ("evaluation.json", "evaluation.md", "report.html"):
        assert (one / name).read_bytes() == (two / name).read_bytes(), name
    for name in ("runs.parquet", "policies.parquet"):
        pd.testing.assert_frame_equal(pd.read_parquet(one / name), pd.read_parquet(two / name))
    found = json.loads((one / "evaluation.json").read_text())
    names = [(row["policy"], row["twin"]) for row in found["policies"]]
    assert names == [("noop", False), ("hold", False), ("hold", True), ("plan", False)]
    assert all(row["completed"] > 250 for row in found["policies"])
    runs = pd.read_parquet(one / "runs.parquet")
    assert (runs["carbon_g"] >= runs["oracle_g"] - 1e-6).all()


def test_what_was_run_is_not_run_again(cosim: Cli) -> None:
    folder = evaluated(cosim, "out", "--seeds", "1")
    before = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*.json")}
    assert len(before) == 4
    broken = min(before)
    broken.write_text('{"key": "')  # as a crash might leave it
    evaluated(cosim, "out", "--seeds", "1")
    after = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*.json")}
    assert {path for path in before if before[path] != after[path]} == {broken}
    evaluated(cosim, "out", "--seeds", "1", "--set", "sites.0.cluster.pue=1.5")
    again = {path: path.stat().st_mtime_ns for path in folder.glob("runs/*.json")}
    assert len(again) == 8
    assert all(after[path] == again[path] for path in after)


def test_controllers_by_name_in_place_of_the_scenarios(cosim: Cli) -> None:
    answer = cosim(
        "evaluate", write("s.yaml", STUDY), "--controllers", "noop,suspend_resume",
        "--seeds", "1", "-o", "out", "--workers", "1",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    lines = answer.out.splitlines()
    assert lines[0].split()[0] == "policy"
    assert [line.split()[0] for line in lines[1:3]] == ["noop", "suspend_resume"]
    assert "One seed: no intervals." in answer.out
    assert not any(ord(letter) < 32 for line in lines for letter in line)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("suspend_resume", "suspend_resum", "no controller 'suspend_resum'; did you mean 'suspend"),
        ("horizon_h: 4", "horizon_h: 0", "horizon_h: must be greater than 0 (got 0)"),
        ("name: plan", "name: hold", "policies must have different names (got hold, hold)"),
        ("name: hold", "name: noop", "the policy 'noop' is the one without controllers"),
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


def test_a_policy_that_fails_is_said(cosim: Cli) -> None:
    write(
        "bad.py",
        "from controllers import Controller\nclass Bad(Controller):\n"
        "    def reset(self, context): pass\n"
        "    def step(self, seen):\n        if seen.step == 9: raise OSError('no disk')\n",
    )
    answer = cosim(
        "evaluate", write("s.yaml", STUDY), "--controllers", "./bad.py:Bad", "--seeds", "1",
        "-o", "out", "--workers", "1",
    )  # fmt: skip
    assert answer.code == 1
    assert "error: some runs failed" in answer.err
    kept = [json.loads(path.read_text()) for path in Path("out/runs").iterdir()]
    failures = {run["case"]: run["figures"]["failure"] for run in kept}
    assert failures["noop"] == ""
    assert "no disk" in failures["Bad"]


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
        "--seeds", "1", "-o", "out", "--workers", "1",
    )  # fmt: skip
    assert answer.code == 1
    assert "error: some runs failed" in answer.err
    rows = {line.split()[0]: line for line in answer.out.splitlines()[1:4]}
    assert "1 failed" in rows["Bad"]
    assert "failed" not in rows["suspend_resume"]


def test_a_plain_load_cannot_be_evaluated(cosim: Cli) -> None:
    answer = cosim("evaluate", write("s.yaml", PLAIN), "--controllers", "noop", "-o", "out")
    assert (answer.code, answer.err) == (
        2,
        "error: no site serves requests: there is nothing to evaluate\n",
    )
    assert not Path("out").exists()


def test_forecasts_by_policy(tmp_path: Path) -> None:
    text = STUDY.replace("twin: true}", "forecasts: {solar: {type: persistence}}}")
    compared = comparison(write(tmp_path / "s.yaml", text))
    kinds = {
        one.name: variant_plan(compared, one, 1).scenario.forecasts.solar.type
        for one in compared.variants
    }
    assert kinds == {
        "noop": "same_hour_yesterday",
        "hold": "persistence",
        "plan": "same_hour_yesterday",
    }
    with pytest.raises(ScenarioError, match=r"t\.yaml:\d+:\d+ .*solar.type: unknown type 'cloudy'"):
        comparison(write(tmp_path / "t.yaml", text.replace("persistence", "cloudy")))


SHORT = ["time.duration=44h", "workload.requests=4000", "workload.arrivals.mean_rate_per_s=0.04"]
"""All have come 12 hours before the end, so that no policy has anything left."""


def test_bounds_are_in_order() -> None:
    plan = load_plan(SCENARIOS / "evaluate_policies.yaml", SHORT)
    kwh = execute(plan).summary.totals.energy_kwh.facility
    found = oracle(plan, kwh)
    assert 0.9 < found.scale < 1.15
    full_g = 1.5 * plan.sites[0].carbon_intensity_g_per_kwh.mean()  # the battery, half empty
    assert -full_g <= found.wide_g < found.all_g < min(found.deferral_g, found.battery_g)
    assert max(found.deferral_g, found.battery_g) < found.nothing_g


@pytest.mark.parametrize("policy", ["suspend_resume", "lowest_window", "mpc", "carbon_threshold"])
def test_no_policy_beats_the_oracle_on_the_models_own_terms(policy: str) -> None:
    """What a policy did, period by period, in the model of the oracle emits no less."""
    entry = {"type": policy}
    if policy == "carbon_threshold":
        entry |= {"actuator": "deferrable_rate", "throttled": 0}
    setting = f"controllers=[{json.dumps(entry)}]"
    plan = load_plan(SCENARIOS / "evaluate_policies.yaml", [*SHORT, setting])
    record = execute(plan).run.recorder.sites["california"]
    problem = SiteModel.of(plan, plan.sites[0]).problem(1.0)
    size = round(problem.period_s / plan.scenario.time.step)
    held = record.column("deferrable_waiting")[size - 1 :: size][: len(problem.arrived)]
    served = problem.arrived - held
    done = np.diff(served, prepend=0.0) / problem.period_s
    assert (done <= problem.room_per_s + 1e-9).all()  # what it did is possible there
    assert (served >= problem.due - 1e-9).all()
    periods = (len(held), size)
    battery_w = record.column("battery_power_w")[: len(held) * size].reshape(periods).mean(axis=1)
    net_w = problem.base_w + problem.slope_j * done + battery_w - problem.solar_w
    grams = problem.intensity_g_per_kwh * problem.period_s / 3.6e6
    battery = problem.battery
    assert battery is not None
    missing_kwh = (battery.start_wh - record.final_soc * battery.capacity_wh) / 1000
    emitted_g = float(grams @ np.maximum(net_w, 0.0)) + missing_kwh * battery.end_g_per_kwh
    assert emitted_g >= solve(problem).objective_g * (1 - 1e-6)
