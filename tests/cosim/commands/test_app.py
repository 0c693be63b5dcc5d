"""The command line: what goes to which stream, and with which exit code."""

from __future__ import annotations

import inspect
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

import cosim as package
from controllers import BUILTIN
from cosim.scenario.schema import schema_text
from inference_sim.hardware import gpu_names
from inference_sim.models import model_names
from tests.conftest import Cli
from tests.cosim.builders import BASE, REPOSITORY, edited, write, write_controller
from tests.warm import run_warm

COMMANDS = ("run", "validate", "schema", "models", "gpus", "controllers")


def python(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, *args], cwd=cwd, capture_output=True, text=True, check=False
    )


# Help


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help(cosim: Cli, flag: str) -> None:
    answer = cosim(flag)
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("Usage: cosim [OPTIONS] COMMAND")
    for command in COMMANDS:
        assert re.search(rf"^  {command}  ", answer.out, re.MULTILINE), command
    for command in COMMANDS:
        assert cosim(command, flag).out.startswith(f"Usage: cosim {command}")


def test_version(cosim: Cli) -> None:
    answer = cosim("--version")
    assert (answer.code, answer.out, answer.err) == (0, f"{package.__version__}\n", "")


def test_no_command_is_an_error_that_shows_the_help(cosim: Cli) -> None:
    answer = cosim()
    assert answer.code == 2
    assert "Usage: cosim" in answer.out


def test_an_unknown_command_or_option_is_an_error(cosim: Cli) -> None:
    for args in (("rum",), ("run", "s.yaml", "--sed", "1"), ("run",), ("validate",)):
        answer = cosim(*args)
        assert (answer.code, answer.out) == (2, "")
        assert answer.err


def test_help_needs_no_heavy_import(tmp_path: Path) -> None:
    heavy = {"pandas", "numpy", "vessim", "mosaik", "mosaik_api_v3", "pydantic", "simpy", "pyarrow"}
    code = (
        "import sys, cosim.commands.app; print(*{name.partition('.')[0] for name in sys.modules})"
    )
    done = python("-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    loaded = set(done.stdout.split())
    assert "typer" in loaded
    assert not loaded & heavy


def test_a_run_needs_no_scipy_to_start(tmp_path: Path) -> None:
    """It takes a quarter of the start; splines and linear programmes load it when they come up."""
    code = (
        "import sys, cosim.world.plan, cosim.studies.runs.execute; "
        "print(*{name for name in sys.modules if name.partition('.')[0] == 'scipy'})"
    )
    done = python("-c", code, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "\n", "")


def test_the_module_and_the_script_are_the_same_command(tmp_path: Path) -> None:
    module = python("-m", "cosim", "--help", cwd=tmp_path)
    assert (module.returncode, module.stderr) == (0, "")
    script = Path(sys.executable).parent / "cosim"
    if script.is_file():
        done = subprocess.run([script, "--help"], capture_output=True, text=True, check=False)
        assert done.stdout == module.stdout.replace("python -m cosim", "cosim")


# Completion


@pytest.mark.parametrize(
    ("words", "expected"),
    [("cosim sc", {"schema", "scenarios", "schedulers"}), ("cosim run --se", {"--set", "--seed"})],
)
def test_a_shell_completes(
    cosim: Cli, monkeypatch: pytest.MonkeyPatch, words: str, expected: set[str]
) -> None:
    monkeypatch.setenv("_COSIM_COMPLETE", "complete_bash")
    monkeypatch.setenv("COMP_WORDS", words)
    monkeypatch.setenv("COMP_CWORD", str(words.count(" ")))
    assert set(cosim().out.split()) == expected


def test_completion_can_be_installed(cosim: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHELL", "/bin/bash")
    options = re.findall(r"^  (--\w+-completion)", cosim("--help").out, re.MULTILINE)
    assert options == ["--install-completion", "--show-completion"]


# Catalogues


def test_schema(cosim: Cli) -> None:
    answer = cosim("schema")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == schema_text()
    assert json.loads(answer.out)["title"] == "cosim scenario"


def test_models_and_gpus(cosim: Cli) -> None:
    for command, names in (("models", model_names()), ("gpus", gpu_names())):
        answer = cosim(command)
        assert (answer.code, answer.err) == (0, "")
        listed = [line.split()[0] for line in answer.out.splitlines()]
        assert listed[-len(names) :] == list(names)  # in full, in 80 columns


def test_the_list_of_controllers(cosim: Cli) -> None:
    answer = cosim("controllers", "list")
    assert (answer.code, answer.err) == (0, "")
    for name in BUILTIN:
        assert re.search(rf"^\s*{name}\s+\w", answer.out, re.MULTILINE), name


@pytest.mark.parametrize("name", BUILTIN)
def test_a_controller_is_shown(cosim: Cli, name: str) -> None:
    answer = cosim("controllers", "show", name)
    assert (answer.code, answer.err) == (0, "")
    told = inspect.getdoc(BUILTIN[name]) or ""
    assert " ".join(told.split()) in " ".join(answer.out.split())  # wrapped, with no word lost
    assert "every" in answer.out
    if name == "carbon_threshold":
        for parameter in ("high_g_per_kwh", "low_quantile", "min_dwell_s"):
            assert parameter in answer.out


def test_a_controller_of_ones_own_is_shown(cosim: Cli) -> None:
    write_controller(Path(), "return None")
    assert cosim("controllers", "show", "./mine.py:Mine").code == 0


def test_an_unknown_controller_is_not_shown(cosim: Cli) -> None:
    answer = cosim("controllers", "show", "nop")
    assert (answer.code, answer.out) == (2, "")
    assert "; did you mean 'noop'? expected one of noop, " in answer.err


# validate


def test_validate_several_files(cosim: Cli) -> None:
    write("a.yaml", BASE)
    write("b.yaml", edited(("seed: 1", "seed: 2")))
    answer = cosim("validate", "a.yaml", "b.yaml")
    assert (answer.code, answer.err) == (0, "")
    assert re.findall(r"^(.*): ok$", answer.out, re.MULTILINE) == ["a.yaml", "b.yaml"]
    assert sorted(path.name for path in Path().iterdir()) == ["a.yaml", "b.yaml"]


def test_validate_takes_overrides(cosim: Cli) -> None:
    write("a.yaml", BASE)
    assert cosim("validate", "a.yaml", "--set", "time.duration=1h").code == 0
    answer = cosim("validate", "a.yaml", "--set", "time.duration=1.5min")
    assert answer.code == 2
    assert "must be a whole number of steps" in answer.err


# run


def test_run_prints_a_report_and_writes_below_results(cosim: Cli) -> None:
    answer = cosim("run", write("s.yaml", BASE))
    assert (answer.code, answer.err) == (0, "")
    assert answer.out.startswith("base  20 min from 2022-06-08T00:00:00Z in steps of 1 min")
    for title in ("Work", "Latency", "GPUs", "Energy", "Carbon", "Battery", "Grid", "Control"):
        assert re.search(rf"^{title} ", answer.out, re.MULTILINE), title
    assert answer.out.endswith("Results  results/base\n")
    assert Path("results/base/summary.json").is_file()


def test_the_report_has_no_control_characters_where_there_is_no_terminal(tmp_path: Path) -> None:
    write(tmp_path / "s.yaml", BASE)
    done = python("-m", "cosim", "run", "s.yaml", "--set", "coupling=mosaik", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert not [c for c in done.stdout if not c.isprintable() and c != "\n"]
    assert max(map(len, done.stdout.splitlines())) <= 100


def test_json_is_all_that_is_printed(cosim: Cli) -> None:
    answer = cosim("run", write("s.yaml", BASE), "--json", "-o", "out")
    assert (answer.code, answer.err) == (0, "")
    assert answer.out == Path("out/summary.json").read_text()
    assert json.loads(answer.out)["scenario"]["name"] == "base"


@pytest.mark.parametrize("coupling", ["native", "mosaik"])
def test_json_is_pure_in_a_process_of_its_own(tmp_path: Path, coupling: str) -> None:
    write(tmp_path / "s.yaml", BASE)
    overrides = ("--set", f"coupling={coupling}")
    done = run_warm("-m", "cosim", "run", "s.yaml", "--json", *overrides, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert json.loads(done.stdout)["status"] == "completed"


def test_json_of_a_failed_run_is_pure_too(cosim: Cli) -> None:
    entry = write_controller(Path(), "1 / 0")
    answer = cosim("run", write("s.yaml", BASE), "--set", f"controllers=[{entry}]", "--json")
    assert answer.code == 1
    assert json.loads(answer.out)["status"] == "failed"
    assert "division by zero" in answer.err


def test_quiet_is_silent(cosim: Cli) -> None:
    answer = cosim("run", write("s.yaml", BASE), "--quiet", "-o", "deep/er/out")
    assert (answer.code, answer.out, answer.err) == (0, "", "")
    assert Path("deep/er/out/summary.json").is_file()


def test_the_seed_can_be_given(cosim: Cli) -> None:
    path = write("s.yaml", BASE)
    seeds = {}
    for args in ((), ("--seed", "1"), ("--seed", "7"), ("--set", "seed=7")):
        summary = json.loads(cosim("run", path, "--json", "-o", "out", *args).out)
        del summary["wall"]
        seeds[args] = summary
    assert seeds["--seed", "7"]["scenario"]["seed"] == 7
    assert seeds["--seed", "7"] == seeds["--set", "seed=7"]
    assert seeds["--seed", "1"] == seeds[()]
    assert seeds["--seed", "7"]["requests"] != seeds[()]["requests"]


def test_values_can_be_set(cosim: Cli) -> None:
    sets = ["sites.0.cluster.replicas=2", "controllers=[{type: noop}]", "time.step=5min"]
    args = [part for one in sets for part in ("--set", one)]
    summary = json.loads(cosim("run", write("s.yaml", BASE), "--json", *args).out)
    assert summary["gpu"]["count"] == 2
    assert summary["time"]["steps"] == 4
    assert [entry["type"] for entry in summary["controllers"]] == ["noop"]


def test_a_scenario_is_run_from_anywhere(cosim: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    (here := Path("here")).mkdir()
    write(here / "ci.csv", "time,g\n2022-06-08T00:00:00Z,1\n2022-06-08T01:00:00Z,2\n")
    text = edited(("{type: typical_day, area: CISO}", "{type: csv, path: ci.csv}"))
    assert cosim("run", write(here / "s.yaml", text), "--quiet").code == 0
    monkeypatch.chdir(here)
    assert cosim("run", "s.yaml", "--quiet").code == 0


def test_a_run_in_the_repository_shows_its_report(cosim: Cli) -> None:
    scenario = REPOSITORY / "scenarios" / "two_sites.yaml"
    args = ("--set", "time.duration=10min", "--set", "coupling=native")
    answer = cosim("run", scenario, *args)
    assert (answer.code, answer.err) == (0, "")
    for line in ("california", "oregon", "all sites"):
        assert f"\n{line}\n" in answer.out
