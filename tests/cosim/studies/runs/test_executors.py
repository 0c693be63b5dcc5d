"""Evaluations by each executor: the same bytes, also when workers die."""

from __future__ import annotations

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from cosim.studies.runs.pool import DIED
from tests.conftest import Cli
from tests.cosim.builders import edited, write, write_controller

MODULES = {"dask": "distributed", "ray": "ray"}
INTENSITY = "time,intensity\n2022-06-08T00:00:00Z,300\n2022-06-08T00:10:00Z,200\n"
NIGHTLY = pytest.mark.nightly(
    "clusters of Dask and Ray with workers that die; every day one of Dask within the test"
)


def installed(executor: str) -> None:
    if find_spec(MODULES[executor]) is None:
        pytest.skip(f"NOT TESTED, for want of the extra: pip install 'carbon-cosim[{executor}]'")


def study(folder: Path, body: str = "return SiteAction(batch_cap=3 if step > 5 else 7)") -> None:
    """Two seeds without controllers, and with one of the user's that ends its step by `body`."""
    folder.mkdir(exist_ok=True)
    write(folder / "intensity.csv", INTENSITY)
    policies = f"[{{name: noop}}, {{name: mine, controllers: [{write_controller(folder, body)}]}}]"
    text = edited(
        ("{type: typical_day, area: CISO}", "{type: csv, path: intensity.csv, unit: g/kWh}"),
        ("  duration: 20min", "  duration: 15min"),
    )
    text = text.replace(text[text.index("controllers:") : text.index("coupling")], "")
    write(folder / "s.yaml", f"{text}evaluation: {{seeds: 2, policies: {policies}}}\n")


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def evaluated(folder: Path, out: Path, *options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "cosim", "evaluate", "s.yaml", "-o", str(out), "--quiet"]
    return subprocess.run(
        [*command, *options], cwd=folder, capture_output=True, text=True, timeout=300
    )


def test_a_cluster_of_dask_writes_the_same_bytes(cosim: Cli, tmp_path: Path) -> None:
    installed("dask")
    from distributed import LocalCluster

    study(tmp_path)
    with LocalCluster(
        n_workers=1, threads_per_worker=1, processes=False, protocol="tcp", dashboard_address=None
    ) as cluster:
        address = cluster.scheduler_address.removeprefix("tcp://")
        there = cosim("evaluate", "s.yaml", "-o", "there", "--executor", f"dask://{address}")
    here = cosim("evaluate", "s.yaml", "-o", "here")
    assert (there.code, here.code) == (0, 0), there.err
    assert files(tmp_path / "there") == files(tmp_path / "here")
    assert there.out.replace("there", "here") == here.out


def test_an_executor_that_there_is_not(cosim: Cli) -> None:
    answer = cosim("evaluate", "none.yaml", "--executor", "dusk")
    assert answer.code == 2
    assert answer.err == (
        "error: --executor: expected processes, dask, dask://HOST:PORT, ray or ray://HOST:PORT "
        "(got 'dusk'); did you mean 'dask'?\n"
    )


def test_a_scheduler_that_does_not_answer(
    cosim: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed("dask")
    monkeypatch.setattr("cosim.studies.runs.dask_cluster._CONNECT_S", 0.2)
    study(tmp_path)
    answer = cosim("evaluate", "s.yaml", "--executor", "dask://127.0.0.1:1")
    assert answer.code == 1
    assert answer.err == (
        "error: no scheduler of Dask answers at '127.0.0.1:1'; `dask scheduler` starts one\n"
    )


@NIGHTLY
@pytest.mark.parametrize("executor", MODULES)
def test_a_worker_that_is_killed_changes_no_byte(tmp_path: Path, executor: str) -> None:
    """One that dies half-way through its first run of a policy."""
    installed(executor)
    once = (
        "import os, pathlib, signal; mark = pathlib.Path('killed'); "
        "step == 8 and not mark.exists() and (mark.touch(), os.kill(os.getpid(), signal.SIGKILL))"
    )
    study(tmp_path, once)
    there = evaluated(tmp_path, tmp_path / "there", "--executor", executor, "--workers", "2")
    assert (there.returncode, there.stdout) == (0, ""), there.stderr
    assert (tmp_path / "killed").exists()
    here = evaluated(tmp_path, tmp_path / "here", "--workers", "1")
    assert (here.returncode, here.stderr) == (0, "")
    assert files(tmp_path / "there") == files(tmp_path / "here")


@NIGHTLY
@pytest.mark.parametrize("executor", MODULES)
def test_a_run_whose_workers_die_is_a_failed_one(tmp_path: Path, executor: str) -> None:
    installed(executor)
    study(tmp_path, "import os, signal; step == 3 and os.kill(os.getpid(), signal.SIGKILL)")
    there = evaluated(tmp_path, tmp_path / "there", "--executor", executor, "--workers", "2")
    assert there.stderr.endswith("error: some runs failed; the files under runs/ say why\n")
    assert (there.returncode, there.stdout) == (1, "")
    runs = [json.loads(path.read_text()) for path in (tmp_path / "there" / "runs").iterdir()]
    failures = [(run["case"], run["figures"]["failure"]) for run in runs]
    assert sorted(failures) == [("mine", DIED)] * 2 + [("noop", "")] * 2
