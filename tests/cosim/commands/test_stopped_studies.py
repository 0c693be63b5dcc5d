"""Studies that are stopped or lose a worker: nothing that ended is lost, and no process stays."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from cosim.studies.runs.pool import DIED
from tests.cosim.builders import controlled, write, write_controller

LONG_AFTER_THE_FIRST = (
    "import os, pathlib, time; pathlib.Path('pids', str(os.getpid())).touch(); "
    "time.sleep(300 if pathlib.Path('first').exists() else 0); "
    "step == 19 and pathlib.Path('first').touch()"
)
NEEDS_PROC = pytest.mark.skipif(not Path("/proc").exists(), reason="asks /proc for processes")


def study(folder: Path) -> None:
    """A study whose first runs end soon, and of which the others take hours."""
    (folder / "pids").mkdir()
    entry = write_controller(folder, LONG_AFTER_THE_FIRST)
    policies = f"[{{name: p, controllers: [{entry}]}}]"
    text = controlled() + f"evaluation: {{seeds: 3, policies: {policies}}}\n"
    write(folder / "s.yaml", text)


def started(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "cosim", *arguments],
        cwd=folder,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        # whoever began the tests in the background had them ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )


def soon(condition: Callable[[], object], patience_s: float = 60) -> None:
    end_s = time.monotonic() + patience_s
    while not condition():
        assert time.monotonic() < end_s
        time.sleep(0.05)


def is_there(pid: int) -> bool:
    """Whether a process runs; one that has ended may wait for a parent to take note."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return False
    return state != "Z"


def pids(folder: Path) -> list[int]:
    return [int(path.name) for path in (folder / "pids").iterdir()]


def kept(folder: Path) -> list[Path]:
    return list((folder / "out" / "runs").glob("[!.]*.json"))


@NEEDS_PROC
@pytest.mark.parametrize(
    ("workers", "number", "reason"),
    [("1", signal.SIGINT, "interrupted"), ("2", signal.SIGTERM, "terminated")],
)
def test_a_signal_ends_all_and_keeps_the_runs_that_ended(
    tmp_path: Path, workers: str, number: int, reason: str
) -> None:
    study(tmp_path)
    process = started(tmp_path, "evaluate", "s.yaml", "-o", "out", "--workers", workers)
    soon(lambda: kept(tmp_path) and (tmp_path / "first").exists())
    process.send_signal(number)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert err == (
        f"error: {reason}: the runs that ended are kept in 'out/runs'; "
        "the same command goes on from there\n"
    )
    assert pids(tmp_path)
    assert not any(map(is_there, pids(tmp_path)))
    figures = [json.loads(path.read_text())["figures"] for path in kept(tmp_path)]
    assert figures
    assert not any(run["failure"] for run in figures)
    assert not (tmp_path / "out" / "evaluation.md").exists()


@NEEDS_PROC
def test_workers_end_with_the_process_that_is_killed(tmp_path: Path) -> None:
    study(tmp_path)
    process = started(tmp_path, "evaluate", "s.yaml", "-o", "out", "--workers", "2")
    soon(lambda: kept(tmp_path) and (tmp_path / "first").exists())
    process.kill()
    process.communicate()
    assert pids(tmp_path)
    soon(lambda: not any(map(is_there, pids(tmp_path))), patience_s=60)


def test_a_run_whose_process_dies_is_a_failed_one(tmp_path: Path) -> None:
    """The runs of one policy kill their processes; the others are made all the same."""
    kill = "import os, signal; step == 3 and os.kill(os.getpid(), signal.SIGKILL)"
    entry = write_controller(tmp_path, kill)
    policies = f"[{{name: noop}}, {{name: deadly, controllers: [{entry}]}}]"
    text = controlled() + f"evaluation: {{seeds: 1, policies: {policies}}}\n"
    write(tmp_path / "s.yaml", text)
    process = started(tmp_path, "evaluate", "s.yaml", "-o", "out", "--workers", "2")
    _, err = process.communicate(timeout=60)
    assert err == "error: some runs failed; the files under runs/ say why\n"
    assert process.returncode == 1
    runs = [json.loads(path.read_text()) for path in kept(tmp_path)]
    assert {run["case"]: run["figures"]["failure"] for run in runs} == {"noop": "", "deadly": DIED}
    assert (tmp_path / "out" / "evaluation.md").exists()


@NEEDS_PROC
def test_reproduce_writes_nothing_and_leaves_nobody(tmp_path: Path) -> None:
    process = started(tmp_path, "reproduce", "exp1", "--workers", "2", "-o", "out")
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    soon(lambda: len(listed.read_text().split()) >= 2)
    children = listed.read_text().split()
    process.send_signal(signal.SIGTERM)
    _, err = process.communicate(timeout=60)
    assert err == "error: terminated: nothing was written\n"
    assert process.returncode == 130
    soon(lambda: not any(is_there(int(pid)) for pid in children))
    assert not list(tmp_path.iterdir())
