"""``cosim tune``: a policy whose best parameter is known, and what cannot be tuned."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.conftest import Answer, Cli
from tests.cosim.builders import edited, write

SLOW_DOWN = '''"""A controller that sets the clock: lower ones take less energy."""
from typing import Annotated
from pydantic import Field
from controllers import Controller, SiteAction

class SlowDown(Controller):
    actuators = frozenset({"clock_fraction"})

    def __init__(
        self, *, clock: Annotated[float, Field(ge=0.4, le=1)] = 1.0, gain: float = 1.0
    ) -> None:
        self.clock = clock

    def reset(self, context): pass

    def step(self, observation):
        return SiteAction(clock_fraction=self.clock)
'''
NO_CONTROLLERS = ("  - {type: carbon_threshold, high_g_per_kwh: 270, low_g_per_kwh: 200}\n", "")
SCENARIO = edited(
    ("duration: 20min", "duration: 10min"),
    ("step: 60s", "step: 120s"),
    ("{type: typical_day, area: CISO}", "{type: hourly_2022, area: CISO}"),
    ("      solar: {type: clear_sky, peak_power_w: 600}\n", ""),
    ("      battery: {type: clc, capacity_wh: 100, initial_soc: 0.8, min_soc: 0.2}\n", ""),
    NO_CONTROLLERS,
    ("controllers:\n", "evaluation:\n  policies:\n    - {name: still}\n"
     "    - {name: slow, controllers: [{type: './slow_down.py:SlowDown'}]}\n"),
)  # fmt: skip
SMALL = ("--trials", "4", "--weeks", "2", "--test-weeks", "2", "--workers", "1")


def tune(cosim: Cli, policy: str, *arguments: str) -> Answer:
    write("slow_down.py", SLOW_DOWN)
    answer: Answer = cosim("tune", write("s.yaml", SCENARIO), "--policy", policy, *arguments)
    return answer


def test_a_policy_with_a_best_parameter(cosim: Cli) -> None:
    """Lower clocks take less energy here, down to where they cost more time than they save."""
    answer = tune(cosim, "slow", *SMALL, "-o", "out")
    assert answer.code == 0, answer.err
    assert "searched: clock 0.4 to 1" in answer.err
    assert "not searched, for want of a range: gain" in answer.err
    assert "slow beats its defaults by " in answer.out
    content = json.loads(Path("out/tuning.json").read_text())
    trials = content["trials"]
    assert len(trials) == 4
    assert trials[0]["values"] == [1.0]
    best = min(trials, key=lambda trial: trial["carbon_g"])
    assert content["best"] == trials.index(best)
    assert content["difference"]["mean"] > 0.01
    seeds = [run["seed"] for run in trials[0]["runs"]] + [r["seed"] for r in content["tested"][0]]
    assert seeds == [1, 2, 3, 4]
    assert not set(content["tune_weeks"]) & set(content["test_weeks"])
    entry = Path("out/tuned.yaml").read_text()
    assert "name: slow_tuned" in entry
    assert f"clock: {best['values'][0]}" in entry

    page, first = Path("out/report.html"), Path("out/report.html").read_bytes()
    page.unlink()
    assert cosim("report", "out").code == 0
    assert page.read_bytes() == first

    before = {path: path.stat().st_mtime_ns for path in Path("out/runs").iterdir()}
    assert tune(cosim, "slow", *SMALL, "-o", "out", "--quiet").out == ""
    assert {path: path.stat().st_mtime_ns for path in Path("out/runs").iterdir()} == before
    assert page.read_bytes() == first


def test_tpe_goes_on_from_a_design(cosim: Cli) -> None:
    """It draws the same trials again, whose runs were kept."""
    pytest.importorskip("optuna")
    arguments = ("slow", *SMALL, "--trials", "6", "--sampler", "tpe", "--json")
    answer = tune(cosim, *arguments, "-o", "one")
    assert answer.code == 0, answer.err
    content = json.loads(answer.out)
    assert len({tuple(trial["values"]) for trial in content["trials"]}) == 6
    assert tune(cosim, *arguments, "-o", "one").out == answer.out


def test_a_controller_by_name_and_a_small_space(cosim: Cli) -> None:
    """There are no more trials than the parameters have values."""
    answer = tune(
        cosim, "carbon_threshold", *SMALL, "--trials", "9", "--json",
        "--fix", "throttled=0.5", "--fix", "high_quantile=0.6", "--fix", "low_quantile=0.4",
    )  # fmt: skip
    assert answer.code == 0, answer.err
    content = json.loads(answer.out)
    assert [parameter["name"] for parameter in content["parameters"]] == ["actuator"]
    tried = [trial["values"][0] for trial in content["trials"]]
    assert tried[0] == "admission_rate"
    assert 1 < len(tried) == len(set(tried)) < 9
    assert "deferrable_rate" not in tried  # nothing here may be deferred
    assert Path("results/base-tune-carbon_threshold/tuning.json").is_file()


@pytest.mark.parametrize(
    ("policy", "arguments", "message"),
    [
        ("slo", (), "no policy 'slo'; did you mean 'slow'? expected one of still, slow, or the na"),
        ("still", (), "'still' has no controllers: there is nothing to tune"),
        ("./none.py:Foo", (), "no such file for controller './none.py:Foo'"),
        ("slow", ("--fix", "clock=0.5"), "no parameter to tune: give a range of gain by --range"),
        ("slow", ("--range", "clock=0:1"), "--range clock: must lie within 0.4 to 1 (got 0 to 1)"),
        ("slow", ("--range", "clock=1:0.5"), "the first end must be below the second"),
        ("slow", ("--range", "clock"), "expected NAME=LOW:HIGH, such as quantile=0.1:0.5"),
        ("slow", ("--fix", "clock=2"), "clock: must be at most 1 (got 2)"),
        ("slow", ("--weeks", "1"), "--weeks"),
        ("slow", ("--weeks", "200"), "a year has 18"),
        ("slow", ("--set", "time.duration=300d"), "a year has 0 blocks of 300 days"),
        ("carbon_budget_pid", (), "missing key 'budget_g_per_h'"),
        ("slow", ("--set", "evaluation=7"), "evaluation: expected a mapping"),
    ],
)
def test_a_policy_that_cannot_be_tuned(
    cosim: Cli, policy: str, arguments: tuple[str, ...], message: str
) -> None:
    answer = tune(cosim, policy, *arguments)
    assert answer.code == 2
    assert message in answer.err
    assert "Traceback" not in answer.err
    assert not Path("results").exists()


@pytest.mark.nightly("the search of cosim tune with one worker and with two; every day with one")
def test_workers_change_nothing(cosim: Cli) -> None:
    for workers in ("1", "2"):
        answer = tune(cosim, "slow", *SMALL[:-1], workers, "-o", f"w{workers}")
        assert answer.code == 0, answer.err
    for path in Path("w1").glob("*.*"):
        assert path.read_bytes() == (Path("w2") / path.name).read_bytes(), path.name
