"""Jobs on several cores: each outcome once, dead workers, interrupts."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from cosim.studies.runs.processes import Processes


def square(number: int) -> int:
    return number * number


def square_or_die(dead: int, attempts: Path, number: int) -> int:
    """Die as a process does that the system kills: always for one number, once for another."""
    place = attempts / str(number)
    before = len(place.read_text()) if place.exists() else 0
    place.write_text("x" * (before + 1))
    if number == dead or (number == dead + 1 and not before):
        os.kill(os.getpid(), signal.SIGKILL)
    return number * number


def leave_pid(folder: Path, number: int) -> None:
    (folder / str(os.getpid())).touch()
    time.sleep(100 if number else 0)


def done(
    do: object, jobs: list[int], workers: int = 2
) -> Iterator[int]:  # the outcomes, as they come
    assert callable(do)
    return Processes(workers).outcomes(
        do, jobs, lost=lambda number: -number, working_dir=Path.cwd()
    )


@pytest.mark.parametrize(("workers", "jobs"), [(1, 7), (2, 7), (9, 3)])
def test_each_outcome_comes_once(workers: int, jobs: int) -> None:
    assert sorted(done(square, list(range(jobs)), workers)) == [k * k for k in range(jobs)]
    assert list(done(square, [], workers)) == []


def test_a_worker_that_dies_costs_its_job_alone(tmp_path: Path) -> None:
    """And that only when it dies again."""
    outcomes = sorted(done(partial(square_or_die, 2, tmp_path), list(range(7))))
    assert outcomes == [-2, 0, 1, 9, 16, 25, 36]
    assert len((tmp_path / "2").read_text()) == 2


def test_an_error_of_a_job_is_raised(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        list(done(os.stat, [str(tmp_path / "none")]))  # type: ignore[list-item]


def test_closing_ends_the_workers(tmp_path: Path) -> None:
    with closing(done(partial(leave_pid, tmp_path), [0, 1, 1])) as outcomes:  # type: ignore[type-var]
        next(outcomes)
    for path in tmp_path.iterdir():
        with pytest.raises(ProcessLookupError):
            os.kill(int(path.name), 0)
