"""Signals before the command line, or a run, stands."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cosim.builders import controlled, write

AT_THE_FIRST_IMPORT = """
import os, signal, sys
from cosim.commands import start

class Kill:
    @staticmethod
    def find_spec(name, *others):
        if name == "typer":
            os.kill(os.getpid(), signal.{})

assert "typer" not in sys.modules
sys.meta_path.insert(0, Kill)
start.main()
"""
AT_THE_IMPORT_OF_A_CONTROLLER = """
import os, signal
from controllers import Controller

os.kill(os.getpid(), signal.{})

class Mine(Controller):
    def reset(self, context): ...
    def step(self, observation): ...
"""


def ended(*arguments: str, folder: Path) -> tuple[int, str, str]:
    process = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
        # whoever began the tests in the background had them ignore Ctrl-C
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
    )
    return process.returncode, process.stdout, process.stderr


@pytest.mark.parametrize(("number", "words"), [("SIGTERM", "error: terminated\n"), ("SIGINT", "")])
def test_before_the_command_line_is_imported(tmp_path: Path, number: str, words: str) -> None:
    code = AT_THE_FIRST_IMPORT.format(number)
    assert ended("-c", code, folder=tmp_path) == (130, "", words)


@pytest.mark.parametrize(("number", "words"), [("SIGTERM", "error: terminated\n"), ("SIGINT", "")])
def test_before_a_run_begins(tmp_path: Path, number: str, words: str) -> None:
    write(tmp_path / "mine.py", AT_THE_IMPORT_OF_A_CONTROLLER.format(number))
    scenario = write(tmp_path / "s.yaml", controlled("{type: ./mine.py:Mine}"))
    answer = ended("-m", "cosim", "run", str(scenario), "-o", "out", folder=tmp_path)
    assert answer == (130, "", words)
    assert {path.name for path in tmp_path.iterdir()} <= {"mine.py", "s.yaml", "__pycache__"}


def test_where_the_signal_is_ignored_it_stays_so(tmp_path: Path) -> None:
    ignored = "import signal; signal.signal(signal.SIGTERM, signal.SIG_IGN)"
    code, out, err = ended("-c", ignored + AT_THE_FIRST_IMPORT.format("SIGTERM"), folder=tmp_path)
    assert (code, err) == (2, "")
    assert out.startswith("Usage: ")
