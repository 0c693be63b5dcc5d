"""Lines of progress where there is no terminal."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from itertools import count
from pathlib import Path

import pytest

from cosim.commands import bars
from cosim.commands.bars import run_bar, share_bar
from cosim.commands.milestones import Milestones, has_bar, time_left
from cosim.commands.progress import RunProgress, progress
from cosim.studies.frame.cases import EndedRun
from cosim.studies.runs.execute import execute
from cosim.studies.runs.figures import RunFigures
from cosim.world.plan import load_plan
from tests.cosim.builders import BASE, write


class Clock:
    """A clock that a test sets."""

    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(bars, "Milestones", lambda: Milestones(clock))
    return clock


def shares_shown(whole_s: float, parts: int) -> list[float]:
    """Return at which shares of steady work of a length lines are due."""
    clock = Clock()
    milestones = Milestones(clock)
    shares = []
    for part in range(1, parts + 1):
        clock.now_s = whole_s * part / parts
        if milestones.due(part / parts):
            shares.append(part / parts)
    return shares


def test_a_line_at_every_tenth_but_the_last() -> None:
    assert shares_shown(200.0, 20) == [tenth / 10 for tenth in range(1, 10)]


def test_short_work_has_no_line_and_lines_keep_their_distance() -> None:
    assert shares_shown(9.9, 100) == []
    assert shares_shown(40.0, 1000) == [0.25, 0.5, 0.75]  # 10 s pass between two


def test_long_work_has_a_line_after_a_minute_too() -> None:
    shares = shares_shown(36000.0, 6000)
    assert shares == [60 / 36000, *(tenth / 10 for tenth in range(1, 10))]


def test_work_that_comes_in_leaps_has_a_line_for_each_leap() -> None:
    assert shares_shown(1000.0, 3) == [1 / 3, 2 / 3]


def test_time_left() -> None:
    assert time_left(65.0, 1.0, 1.0) == "0:01:05 left"
    assert time_left(3600.0, 0.5, 1.5) == "3:00:00 left"


def ended(number: int, *, made: bool = True) -> EndedRun:
    return EndedRun(f"case {number}", RunFigures(seed=number), made)


def test_lines_of_a_study(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    """Runs that were kept took no time, and do not shorten the time left."""
    with run_bar("sweep", 1000, quiet=False) as advance:
        for number in range(500):
            advance(ended(number, made=False))
        for number in range(500):
            clock.now_s += 1.0
            advance(ended(number))
    lines = capsys.readouterr().err.splitlines()
    assert lines[:2] == [
        "sweep: 510 of 1,000 runs (51%), 0:08:10 left",
        "sweep: 600 of 1,000 runs (60%), 0:06:40 left",
    ]
    assert len(lines) == 5


def test_a_quiet_study_says_nothing(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with run_bar("sweep", 10, quiet=True) as advance:
        for number in range(10):
            clock.now_s += 100.0
            advance(ended(number))
    assert capsys.readouterr() == ("", "")


def test_lines_of_a_share(clock: Clock, capsys: pytest.CaptureFixture[str]) -> None:
    with share_bar("12 cases") as reached:
        for share in (0.0, 0.25, 1.0):
            clock.now_s += 30.0
            reached(share)
    assert capsys.readouterr().err == "12 cases: 25%, 0:03:00 left\n"


def test_lines_of_a_run(tmp_path: Path) -> None:
    """Its name, how far it is, how fast, the time left, and its carbon so far."""
    plan = load_plan(write(tmp_path / "s.yaml", BASE))
    now: Iterator[float] = count(0.0, 6.0)  # type: ignore[assignment]
    stream = io.StringIO()
    execute(plan, observers=[RunProgress(None, plan, clock=lambda: next(now), stream=stream)])
    lines = stream.getvalue().splitlines()
    assert 5 <= len(lines) <= 9
    name = re.escape(plan.scenario.name)
    for line in lines:
        assert re.fullmatch(
            rf"{name}: \d0%, [\d.]+ of 20 min  \d+ x real time  0:\d\d:\d\d left  .* CO2e", line
        )


def test_a_quiet_run_says_nothing(tmp_path: Path) -> None:
    plan = load_plan(write(tmp_path / "s.yaml", BASE))
    stream = io.StringIO()
    with progress(plan, quiet=True, stream=stream) as observer:
        observer.on_step(1)
    assert stream.getvalue() == ""


def test_a_dumb_terminal_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    monkeypatch.setenv("TERM", "xterm")
    assert has_bar(Terminal())
    assert not has_bar(io.StringIO())
    monkeypatch.setenv("TERM", "dumb")
    assert not has_bar(Terminal())
