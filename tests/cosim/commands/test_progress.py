"""The bar of a run on a terminal, and its absence everywhere else."""

from __future__ import annotations

import contextlib
import fcntl
import io
import os
import pty
import re
import struct
import termios
import threading
from pathlib import Path

import pytest
from rich.progress import Progress

from cosim.commands.progress import ImportCarbon, RunProgress, progress, progress_text
from cosim.loop.observer import RunObserver
from cosim.loop.record import Run
from cosim.studies.runs.execute import execute
from cosim.world.plan import load_plan
from tests.cosim.builders import BASE, write
from tests.warm import start_warm

COLOR = re.compile(r"\x1b\[(?:3|4|9|10)\d[;\dm]")
CONTROL = re.compile(r"\x1b\[[?\d;]*[A-Za-z]|[\r]")


def on_a_terminal(
    folder: Path, *args: str, width: int = 80, **settings: str
) -> tuple[int, str, list[str]]:
    """Run the command line with a terminal; its code, what came, and the frames of the bar."""
    ours, theirs = pty.openpty()
    fcntl.ioctl(theirs, termios.TIOCSWINSZ, struct.pack("HHHH", 40, width, 0, 0))
    terminal = Path(os.ttyname(theirs))
    changed: dict[str, str | None] = {"COLUMNS": None, "TERM": "xterm-256color", **settings}
    process = start_warm("-m", "cosim", *args, cwd=folder, streams=terminal, **changed)
    pieces: list[bytes] = []

    def read() -> None:
        with contextlib.suppress(OSError):  # how Linux tells that the other end is closed
            while piece := os.read(ours, 1 << 16):
                pieces.append(piece)

    reader = threading.Thread(target=read)
    reader.start()
    ended = process.wait()
    os.close(theirs)
    reader.join()
    os.close(ours)
    text = b"".join(pieces).decode()
    lines = [CONTROL.sub("", one) for one in re.split(r"[\r\n]", text)]
    return ended.returncode, text, [one for one in lines if "x real time  " in one]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "s.yaml", BASE)
    return tmp_path


def check_frames(frames: list[str], width: int) -> None:
    assert frames
    for frame in frames:
        assert re.search(
            r"[\d.]+ of 20 min  [\d,]+ x real time  \d:\d\d:\d\d left  [\d.]+ m?g CO2e$", frame
        )
        assert len(frame) <= width
    assert frames[-1].split(" of ")[0].endswith("20.00")


def test_a_terminal_shows_one_bar_and_takes_it_away(folder: Path) -> None:
    code, text, frames = on_a_terminal(folder, "run", "s.yaml", "-o", "out")
    assert code == 0
    check_frames(frames, width=80)
    assert COLOR.search(text)
    *_, after = text.split("x real time  ")
    assert "\x1b[2K" in after  # erased
    assert "\x1b[?25h" in after  # the cursor is back
    report = [CONTROL.sub("", line) for line in after.split("\n")[1:]]
    assert max(map(len, report)) <= 80
    assert report[-2].startswith("Results  out")


def test_no_color(folder: Path) -> None:
    code, text, frames = on_a_terminal(
        folder, "run", "s.yaml", "-o", "out", width=110, NO_COLOR="1"
    )
    assert code == 0
    check_frames(frames, width=110)
    assert not COLOR.search(text)


def test_quiet_is_quiet_on_a_terminal_too(folder: Path) -> None:
    assert on_a_terminal(folder, "run", "s.yaml", "-o", "out", "--quiet") == (0, "", [])


def test_a_dumb_terminal_gets_no_control_characters(folder: Path) -> None:
    code, text, frames = on_a_terminal(folder, "run", "s.yaml", "-o", "out", TERM="dumb")
    assert code == 0
    assert "\x1b" not in text
    assert not frames


def test_the_text_beside_the_bar() -> None:
    text = progress_text(86400.0, 7 * 86400.0, wall_s=10.0, grams=1234.0)
    assert text == "1.00 of 7 days  8,640 x real time  0:01:00 left  1.23 kg CO2e"
    assert progress_text(60.0, 60.0, wall_s=0.0, grams=0.0).endswith("0:00:00 left  0 g CO2e")
    longest = progress_text(364.99 * 86400, 365 * 86400, wall_s=80.0, grams=1.23456e6)
    assert len(longest) <= 78


def test_carbon_so_far_is_that_of_the_import(tmp_path: Path) -> None:
    """At every moment, however often it is asked; at the end, the summary's."""
    plan = load_plan(write(tmp_path / "s.yaml", BASE), ["time.duration=4h", "controllers=[]"])

    class Counter(RunObserver):
        def on_start(self, run: Run) -> None:
            self.often, self.once = ImportCarbon(run), ImportCarbon(run)
            self.found: list[float] = []

        def on_step(self, steps: int) -> None:
            self.found.append(self.often.grams())

    counter = Counter()
    result = execute(plan, observers=[counter])
    grams = result.summary.totals.carbon_g.import_
    assert counter.found == sorted(counter.found)
    assert counter.found[0] < counter.found[-1]
    assert counter.found[-1] == pytest.approx(grams, rel=1e-12)
    assert counter.once.grams() == pytest.approx(grams, rel=1e-12)


def test_most_steps_only_look_at_the_clock(tmp_path: Path) -> None:
    plan = load_plan(write(tmp_path / "s.yaml", BASE))
    now = iter(0.03 * k for k in range(1000))
    shown: list[int] = []

    class Bar(Progress):
        def update(self, *args: object, **fields: object) -> None:
            assert isinstance(fields["completed"], int)
            shown.append(fields["completed"])

    told = RunProgress(Bar(disable=True), plan, clock=lambda: next(now))
    execute(plan, observers=[told])
    assert shown == [4, 8, 12, 16, 20]


def test_nothing_is_written_to_what_is_no_terminal(tmp_path: Path) -> None:
    plan = load_plan(write(tmp_path / "s.yaml", BASE))
    stream = io.StringIO()
    with progress(plan, stream=stream) as bar:
        execute(plan, observers=[bar])
    assert stream.getvalue() == ""
