"""``cosim controllers new`` writes what works as it is, and ``check`` tells what does not."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from controllers.conformance import check_controller
from controllers.policies.noop import Noop
from cosim.authoring.scaffold import class_name
from tests.conftest import Cli
from tests.cosim.builders import write, write_controller
from tests.warm import run_warm

FILES = ["night_shift.py", "night_shift.yaml", "test_night_shift.py"]
CHECKS = [one.check for one in check_controller(Noop)]


def pytest_of(path: str) -> subprocess.CompletedProcess[str]:
    """Run pytest as a user would, without the settings of this project."""
    return run_warm("-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", path)


# new


def test_it_writes_three_files_and_says_what_is_next(cosim: Cli) -> None:
    answer = cosim("controllers", "new", "night_shift")
    assert (answer.code, answer.err) == (0, "")
    assert sorted(path.name for path in Path().iterdir()) == FILES
    assert answer.out == (
        "night_shift.py       the controller\n"
        "test_night_shift.py  its test\n"
        "night_shift.yaml     a scenario\n"
        "\n"
        "Next:\n"
        "  cosim controllers check ./night_shift.py:NightShift\n"
        "  pytest test_night_shift.py\n"
        "  cosim run night_shift.yaml\n"
    )


def test_what_it_says_works_in_a_folder_too(cosim: Cli) -> None:
    answer = cosim("controllers", "new", "night_shift", "-o", "mine/own")
    assert sorted(path.name for path in Path("mine/own").iterdir()) == FILES
    check, test, run = (line.split() for line in answer.out.splitlines()[-3:])
    assert test[0] == "pytest"
    done = pytest_of(test[1])
    assert done.returncode == 0, done.stdout
    assert "4 passed" in done.stdout
    answer = cosim(*check[1:])
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.splitlines() == [f"ok    {one}" for one in CHECKS]
    answer = cosim(*run[1:], "-o", "out", "--quiet")
    assert (answer.code, answer.err) == (0, "")
    own = json.loads(Path("out/summary.json").read_text())
    answer = cosim(*run[1:], "-o", "noop", "--quiet", "--set", "controllers=[]")
    free = json.loads(Path("noop/summary.json").read_text())
    assert own["requests"]["completed"] == free["requests"]["completed"] == 2000
    gpu_kwh = [run["energy_kwh"]["gpu"] for run in (own, free)]
    assert own["carbon_g"]["import"] < free["carbon_g"]["import"]
    assert gpu_kwh[0] < 0.95 * gpu_kwh[1]
    assert own["sites"]["california"]["slo"]["attainment"] > 0.99


def test_its_test_fails_where_the_controller_does_something_else(cosim: Cli) -> None:
    cosim("controllers", "new", "night_shift")
    code = Path("night_shift.py").read_text()
    write("night_shift.py", code.replace("now <= self.share", "now >= self.share"))
    assert pytest_of("test_night_shift.py").returncode == 1
    write("night_shift.py", code.replace('{"deferrable_rate"}', '{"batch_cap"}'))
    done = pytest_of("test_night_shift.py")
    assert "it sets only the actuators that it declares" in done.stdout


@pytest.mark.parametrize("there", FILES)
def test_nothing_is_written_over(cosim: Cli, there: str) -> None:
    write(there, "two years of work")
    answer = cosim("controllers", "new", "night_shift")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        f"error: {there} is there already, and nothing is written over; choose another name, or "
        "another folder with -o\n"
    )
    assert [path.name for path in Path().iterdir()] == [there]
    assert Path(there).read_text() == "two years of work"


@pytest.mark.parametrize("name", ["Night", "night-shift", "3rd", "", "../x", "class", "_x", "x.py"])
def test_names_that_will_not_do(cosim: Cli, name: str) -> None:
    answer = cosim("controllers", "new", name)
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == (
        "error: expected a name in small letters, digits and underscores, such as night_shift "
        f"(got '{name}')\n"
    )
    assert not list(Path().iterdir())


@pytest.mark.parametrize("name", ["controllers", "statistics", "numpy", "pytest"])
def test_names_that_would_hide_a_module(cosim: Cli, name: str) -> None:
    answer = cosim("controllers", "new", name)
    assert answer.code == 2
    assert answer.err == (
        f"error: {name}.py would hide the Python module '{name}' from its test; choose another "
        "name\n"
    )


def test_names_of_classes() -> None:
    assert [class_name(one) for one in ("a", "night_shift", "b_2")] == ["A", "NightShift", "B2"]


def test_every_name_that_will_do_makes_python_that_compiles(cosim: Cli) -> None:
    for name in ("a", "x_", "a__b", "z9"):
        assert cosim("controllers", "new", name).code == 0
        assert cosim("validate", f"{name}.yaml").code == 0, name


def test_one_that_a_package_offers_is_a_name_like_any_other(
    cosim: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    site = Path("site").absolute()
    cosim("controllers", "new", "night_shift", "-o", str(site))
    info = site / "green-1.0.dist-info"
    info.mkdir()
    write(info / "METADATA", "Metadata-Version: 2.1\nName: green\nVersion: 1.0\n")
    offer = "[cosim.controllers]\nnights = night_shift:NightShift\n"
    write(info / "entry_points.txt", offer)
    scenario = (
        (site / "night_shift.yaml").read_text().replace("./night_shift.py:NightShift", "nights")
    )
    write("s.yaml", scenario)
    assert "no controller 'nights'" in cosim("validate", "s.yaml").err
    monkeypatch.syspath_prepend(str(site))
    answer = cosim("validate", "s.yaml")
    assert (answer.code, answer.out.splitlines()[0], answer.err) == (0, "s.yaml: ok", "")
    line = [one for one in cosim("controllers", "list").out.splitlines() if "nights" in one]
    assert line[0].split()[:3] == ["nights", "Releases", "deferrable"]
    assert cosim("controllers", "check", "nights").code == 0
    answer = cosim("run", "s.yaml", "--quiet", "-o", "out", "--set", "time.duration=1h")
    assert (answer.code, answer.err) == (0, "")
    summary = json.loads(Path("out/summary.json").read_text())
    assert summary["controllers"][0]["type"] == "nights"


# check


def test_parameters_are_those_of_the_controller(cosim: Cli) -> None:
    settings = ("--set", "high_g_per_kwh=270", "--set", "low_g_per_kwh=200")
    assert cosim("controllers", "check", "carbon_threshold", *settings).code == 0
    for setting, message in (
        ("high_quantil=0.2", "--set high_quantil: unknown key; did you mean 'high_quantile'?"),
        ("window_h=-1", "--set window_h: must be greater than 0 (got -1)"),
        ("every=5min", "--set every: says where a controller stands in a scenario; here only "),
        ("window_h", "--set window_h: expected key=value"),
    ):
        answer = cosim("controllers", "check", "carbon_threshold", "--set", setting)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err.startswith(f"error: {message}")


def test_a_controller_that_fails_a_check(cosim: Cli) -> None:
    write_controller(Path(), "return SiteAction(clock_fraction=0.5)")
    answer = cosim("controllers", "check", "./mine.py:Mine")
    assert (answer.code, answer.err) == (1, "")
    lines = answer.out.splitlines()
    assert (
        "FAIL  it sets only the actuators that it declares: it set clock_fraction at step 0, "
        in (answer.out)
    )
    assert [line.split("  ")[0] for line in lines] == ["ok", "FAIL", "ok", "ok", "ok", "ok"]


def test_a_setting_that_never_matters_is_a_warning(cosim: Cli) -> None:
    write_controller(Path(), "return SiteAction(batch_cap=64)")
    answer = cosim("controllers", "check", "./mine.py:Mine")
    assert (answer.code, answer.err) == (0, "")
    *others, last = answer.out.splitlines()
    assert last == "warn  what it sets matters: batch_cap in force 0 steps, mattered in 0"
    assert all(line.startswith("ok    ") for line in others)


def test_a_controller_that_there_is_not(cosim: Cli) -> None:
    answer = cosim("controllers", "check", "nop")
    assert (answer.code, answer.out) == (2, "")
    assert "; did you mean 'noop'? expected one of noop, " in answer.err


def test_parameters_that_its_class_refuses(cosim: Cli) -> None:
    answer = cosim("controllers", "check", "carbon_threshold", "--set", "low_g_per_kwh=200")
    assert (answer.code, answer.out) == (2, "")
    assert answer.err == ("error: carbon_threshold: low_g_per_kwh needs high_g_per_kwh beside it\n")
