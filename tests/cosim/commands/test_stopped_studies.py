"""Studies that are stopped or lose a worker: nothing that ended is lost, and no process stays."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from cosim.studies.runs.pool import DIED
from tests.conftest import Cli
from tests.cosim.builders import controlled, write, write_controller
from tests.warm import Warm, start_warm

LONG_AFTER_THE_FIRST = (
    "import os, pathlib, time; pathlib.Path('pids', str(os.getpid())).touch(); "
    "time.sleep(300 if pathlib.Path('first').exists() else 0); "
    "step == 19 and pathlib.Path('first').touch()"
)
NEEDS_PROC = pytest.mark.skipif(not Path("/proc").exists(), reason="asks /proc for processes")


def study(folder: Path) -> None:
    """A study whose controller lets its first run end soon; the others would take hours."""
    (folder / "pids").mkdir()
    entry = write_controller(folder, LONG_AFTER_THE_FIRST)
    policies = f"[{{name: slow, controllers: [{entry}]}}]"
    text = controlled() + f"evaluation: {{seeds: 3, policies: {policies}}}\n"
    write(folder / "s.yaml", text)


def is_in_a_long_run(folder: Path) -> bool:
    """Whether runs have ended, and one that takes hours may have begun."""
    return bool((folder / "first").exists() and pids(folder) and kept(folder))


@pytest.fixture
def started(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Warm]:
    """Start the command line in `tmp_path`, with its streams elsewhere."""
    streams = tmp_path_factory.mktemp("streams")
    return partial(start_warm, "-m", "cosim", cwd=tmp_path, streams=streams)


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
    started: Callable[..., Warm], tmp_path: Path, workers: str, number: int, reason: str
) -> None:
    study(tmp_path)
    process = started("evaluate", "s.yaml", "-o", "out", "--workers", workers)
    soon(lambda: is_in_a_long_run(tmp_path))
    process.send_signal(number)
    ended = process.wait()
    assert ended.returncode == 130
    assert ended.stderr == (
        f"error: {reason}: the runs that ended are kept in 'out/runs'; "
        "the same command goes on from there\n"
    )
    soon(lambda: not any(map(is_there, pids(tmp_path))))
    figures = [json.loads(path.read_text())["figures"] for path in kept(tmp_path)]
    assert figures
    assert not any(run["failure"] for run in figures)
    assert not (tmp_path / "out" / "evaluation.md").exists()


@NEEDS_PROC
def test_workers_end_with_the_process_that_is_killed(
    started: Callable[..., Warm], tmp_path: Path
) -> None:
    study(tmp_path)
    process = started("evaluate", "s.yaml", "-o", "out", "--workers", "2")
    soon(lambda: is_in_a_long_run(tmp_path))
    process.send_signal(signal.SIGKILL)
    assert process.wait().returncode == -signal.SIGKILL
    soon(lambda: not any(map(is_there, pids(tmp_path))))


def test_a_run_whose_process_dies_is_a_failed_one(cosim: Cli, tmp_path: Path) -> None:
    """The runs of one policy kill their processes; the others are made all the same."""
    kill = "import os, signal; step == 3 and os.kill(os.getpid(), signal.SIGKILL)"
    entry = write_controller(tmp_path, kill)
    policies = f"[{{name: noop}}, {{name: deadly, controllers: [{entry}]}}]"
    text = controlled() + f"evaluation: {{seeds: 1, decoys: [], policies: {policies}}}\n"
    write(tmp_path / "s.yaml", text)
    answer = cosim("evaluate", "s.yaml", "-o", "out", "--workers", "2", "--quiet")
    assert answer.err == "error: some runs failed; the files under runs/ say why\n"
    assert answer.code == 1
    runs = [json.loads(path.read_text()) for path in kept(tmp_path)]
    assert {run["case"]: run["figures"]["failure"] for run in runs} == {"noop": "", "deadly": DIED}
    assert (tmp_path / "out" / "evaluation.md").exists()


@NEEDS_PROC
def test_reproduce_writes_nothing_and_leaves_nobody(
    started: Callable[..., Warm], tmp_path: Path
) -> None:
    process = started("reproduce", "exp1", "--workers", "2", "-o", "out")
    listed = Path(f"/proc/{process.pid}/task/{process.pid}/children")
    soon(lambda: len(listed.read_text().split()) >= 2)
    children = listed.read_text().split()
    process.send_signal(signal.SIGTERM)
    ended = process.wait()
    assert ended.stderr == "error: terminated: nothing was written\n"
    assert ended.returncode == 130
    soon(lambda: not any(is_there(int(pid)) for pid in children))
    assert not list(tmp_path.iterdir())
