"""Python processes that need not import everything first: forks of one that has.

A process that runs a scenario spends most of its time on imports. :func:`run_warm` gives what
``subprocess.run`` gives, but the process is forked from an interpreter that stands ready with the
packages loaded. It has a working folder, an environment, standard streams, warnings and an exit
code of its own, and ends as every Python process does. :func:`start_warm` does not wait for its
end, so that it can be sent signals. It is no place to test imports or the start of a process; those
need ``subprocess``.

``python -m tests.warm`` is the interpreter that stands ready. It reads requests as JSON, a line
each: it forks and writes the number of the child, or waits for a child and writes its exit code.
"""

from __future__ import annotations

import gc
import io
import json
import os
import runpy
import signal
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from select import select
from tempfile import TemporaryDirectory
from typing import Any

LOADED = (
    "cosim.commands.app",
    "cosim.commands.printing.run",
    "cosim.report.run_report",
    "cosim.results.vessim_record",
    "cosim.studies.runs.execute",
    "mosaik",
    "pyarrow.dataset",
    "pytest",
    "scipy.interpolate",
    "scipy.optimize",
)


@dataclass(frozen=True)
class Warm:
    """A process forked from the one that stands ready.

    Attributes:
        pid: Its number.
        arguments: The command line after ``python``.
        out, err: Files of its standard output and standard error.
    """

    pid: int
    arguments: tuple[str, ...]
    out: Path
    err: Path

    def send_signal(self, number: int) -> None:
        """Send it a signal; it must not have been waited for."""
        os.kill(self.pid, number)

    def wait(self, timeout_s: float = 60) -> subprocess.CompletedProcess[str]:
        """Return how it ended, and what it wrote; once.

        Raises:
            subprocess.TimeoutExpired: If it takes too long; it is killed then.
        """
        ready = _ready()
        _tell(ready, {"wait": self.pid})
        if not select([ready.stdout], [], [], timeout_s)[0]:
            self.send_signal(signal.SIGKILL)
            _answer(ready)
            raise subprocess.TimeoutExpired(self.arguments, timeout_s)
        code = _answer(ready)
        out, err = (path.read_text() if path.is_file() else "" for path in (self.out, self.err))
        return subprocess.CompletedProcess(self.arguments, code, out, err)


def start_warm(*arguments: str | Path, cwd: Path, streams: Path, **settings: str | None) -> Warm:
    """Start ``python`` with arguments, which are ``-m`` and a module, or a file, and their own.

    Args:
        arguments: The command line after ``python``.
        cwd: The working folder.
        streams: A terminal; or a folder for files of what it writes.
        settings: Its environment where it differs from that of this process; None for none.
    """
    terminal = streams.is_char_device()
    out, err = (streams, streams) if terminal else (streams / "stdout", streams / "stderr")
    environment = {**os.environ, **settings}
    request = {
        "arguments": list(map(str, arguments)),
        "cwd": str(cwd),
        "environment": {name: value for name, value in environment.items() if value is not None},
        "streams": [str(streams) if terminal else os.devnull, str(out), str(err)],
    }
    ready = _ready()
    _tell(ready, request)
    return Warm(_answer(ready), tuple(request["arguments"]), out, err)


def run_warm(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``python`` with arguments, which are ``-m`` and a module, or a file, and their own.

    Args:
        arguments: The command line after ``python``.
        cwd: The working folder; None for that of this process.
    """
    with TemporaryDirectory() as folder:
        return start_warm(*arguments, cwd=cwd or Path.cwd(), streams=Path(folder)).wait(600)


def _tell(ready: subprocess.Popen[str], request: Mapping[str, Any]) -> None:
    assert ready.stdin is not None
    ready.stdin.write(json.dumps(request) + "\n")
    ready.stdin.flush()


def _answer(ready: subprocess.Popen[str]) -> int:
    assert ready.stdout is not None
    return int(ready.stdout.readline())


@cache
def _ready() -> subprocess.Popen[str]:
    """Return the interpreter that stands ready; it ends when its standard input is closed."""
    return subprocess.Popen(
        [sys.executable, "-m", "tests.warm"],
        cwd=Path(__file__).parents[1],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # a fork has none of the threads
    )


def _next_child() -> dict[str, Any] | None:
    """Fork for each request; return the request in the child, and None at the end of them."""
    while line := sys.stdin.readline():
        request: dict[str, Any] = json.loads(line)
        if "wait" in request:
            _, status = os.waitpid(request["wait"], 0)
            print(os.waitstatus_to_exitcode(status), flush=True)
            continue
        child = os.fork()
        if not child:
            return request
        print(child, flush=True)
    return None


def _become(request: dict[str, Any]) -> None:
    """Do what ``python`` with these arguments does, in this process."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for stream, path in enumerate(request["streams"]):
        opened = os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOCTTY, 0o600)
        os.dup2(opened, stream)
        os.close(opened)
    if os.isatty(1) and isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(line_buffering=True)  # as Python does where it starts on one
    # Whoever began the tests in the background had them ignore Ctrl-C.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    first, *rest = request["arguments"]
    if first == "-m":
        sys.path[0], sys.argv = request["cwd"], rest
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    else:
        sys.path[0], sys.argv = str(Path(first).absolute().parent), [first, *rest]
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    for name in LOADED:
        import_module(name)
    gc.freeze()  # so that the forks need not go through all that to clear up
    if (asked := _next_child()) is not None:
        _become(asked)
