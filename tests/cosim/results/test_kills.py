"""Runs that are killed, or find no room: good results stay, and nothing half made looks whole."""

from __future__ import annotations

import json
import resource
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from cosim.results.result_folder import FAILED, ResultFolder
from tests.conftest import Cli
from tests.cosim.builders import BASE, edited, write
from tests.cosim.results.test_results import FILES
from tests.samples import sizes
from tests.warm import Warm, run_warm, start_warm

LONG = edited(("duration: 20min", "duration: 6h"))
"""A run of about half a second."""
FULL = pytest.mark.nightly("disks that are full at five sizes; every day one")
ROOM_BYTES = [20_000, *(pytest.param(room, marks=FULL) for room in (0, 1_000, 100_000, 300_000))]
MOMENTS = sizes(1, 20, "twenty kills at random moments by each of three signals; every day one")
OLD, NEW = 1, 2
"""Seeds of the results that stand there, and of the run that is killed."""


def command(seed: int) -> list[str]:
    return ["-m", "cosim", "run", "s.yaml", "--quiet", "--seed", str(seed), "-o", "out"]


def started(folder: Path) -> Warm:
    return start_warm(*command(NEW), cwd=folder, streams=folder.parent)


def is_under_way(folder: Path) -> bool:
    return any(folder.glob(".out.partial-*"))


@pytest.fixture(scope="module")
def old_results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("old")
    write(folder / "s.yaml", LONG)
    done = run_warm(*command(OLD), cwd=folder)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def folder(old_results: Path, tmp_path: Path) -> Path:
    """A folder with a scenario, and results of it that a run with another seed is to replace."""
    return shutil.copytree(old_results, tmp_path / "f")


@pytest.fixture(scope="module")
def wall_s(old_results: Path, tmp_path_factory: pytest.TempPathFactory) -> float:
    """Time from the first to the last trace of a run that nobody disturbs [s]."""
    folder = shutil.copytree(old_results, tmp_path_factory.mktemp("wall") / "f")
    process = started(folder)
    while not is_under_way(folder):
        time.sleep(0.002)
    begin_s = time.monotonic()
    assert process.wait().returncode == 0
    return time.monotonic() - begin_s


def is_whole(folder: Path) -> bool:
    """Whether a folder is of a run that ended well; then it has to be complete and consistent."""
    if (folder / FAILED).exists():
        assert (folder / FAILED).read_text()
        return False
    assert {path.name for path in folder.iterdir()} == FILES
    summary = json.loads((folder / "summary.json").read_text())
    steps = pd.read_parquet(folder / "steps.parquet")
    requests = pd.read_parquet(folder / "requests.parquet")
    assert summary["status"] == "completed"
    assert len(steps) == summary["time"]["steps"] == 360
    assert len(requests) == summary["requests"]["arrived"] == steps["arrived"].sum() > 0
    assert len(pd.read_csv(folder / "timeseries.csv")) >= 360
    pd.read_parquet(folder / "actions.parquet")
    json.loads((folder / "manifest.json").read_text())
    json.loads((folder / "experiment.json").read_text())
    assert (folder / "report.html").read_text().rstrip().endswith("</html>")
    return True


def seed_of(folder: Path) -> int:
    seed: int = json.loads((folder / "summary.json").read_text())["scenario"]["seed"]
    return seed


def check(folder: Path) -> tuple[int, list[str]]:
    """Check all that a killed run left, and what the next one makes of it.

    Returns:
        The seed of the good results, and the names of the folders beside them.
    """
    for path in folder.iterdir():
        if path.is_dir() and not path.name.startswith(".out.partial"):
            is_whole(path)
    ResultFolder(folder / "out").discard()  # as the next run begins
    assert is_whole(folder / "out")
    beside = sorted(path.name for path in folder.iterdir() if path.name not in ("out", "s.yaml"))
    assert not [name for name in beside if name.startswith(".")]
    return seed_of(folder / "out"), beside


@pytest.mark.parametrize("moments", MOMENTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_at_any_moment(
    old_results: Path, tmp_path: Path, wall_s: float, number: int, moments: int
) -> None:
    draw = np.random.default_rng(number)
    for moment in range(moments):
        folder = shutil.copytree(old_results, tmp_path / str(moment))
        process = started(folder)
        while not is_under_way(folder):
            time.sleep(0.002)
        time.sleep(draw.uniform(0, wall_s))
        process.send_signal(number)
        ended = process.wait()
        seed, beside = check(folder)
        assert "Traceback" not in ended.stderr
        if ended.returncode == 0:
            assert (seed, beside) == (NEW, [])
        if number != signal.SIGKILL and ended.returncode == 1:  # it was asked during the run
            assert (seed, beside) == (OLD, ["out.failed"])
            assert seed_of(folder / "out.failed") == NEW


@pytest.mark.parametrize("room_bytes", ROOM_BYTES)
def test_a_full_disk(folder: Path, room_bytes: int) -> None:
    """Told by the largest file that the system allows, which needs no disk of its own."""
    ended = subprocess.run(
        [sys.executable, *command(NEW)],
        cwd=folder,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (room_bytes, room_bytes)),
    )
    assert ended.returncode in (1, 2)
    assert ended.stderr.startswith("error: ")
    assert ended.stderr.count("\n") == 1
    seed, _ = check(folder)
    assert seed == OLD


def test_the_page_is_there_before_the_folder(cosim: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that is killed at any moment leaves no results without their page."""
    pages: list[bool] = []
    put = ResultFolder._put

    def noted(self: ResultFolder, *, failed: bool) -> Path:
        pages.append((self._partial.hidden / "report.html").exists())
        return put(self, failed=failed)

    monkeypatch.setattr(ResultFolder, "_put", noted)
    assert cosim("run", write("s.yaml", BASE), "--quiet", "-o", "out").code == 0
    assert pages == [True]


def test_a_fault_of_the_page_does_not_cost_the_results(
    cosim: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fault(folder: Path) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("cosim.studies.runs.execute.folder_page", fault)
    with pytest.raises(ZeroDivisionError):
        cosim("run", write("s.yaml", BASE), "--quiet", "-o", "out")
    assert {path.name for path in Path("out").iterdir()} == FILES - {"report.html"}
