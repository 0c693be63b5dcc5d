"""Python processes that need not import everything first: forks of one that has.

A process that runs a scenario spends most of its time on imports. :func:`run_warm` gives what
``subprocess.run`` gives, but the process is forked from an interpreter that stands ready with the
packages loaded. It has a working folder, an environment, standard streams, warnings and an exit
code of its own, and ends as every Python process does. It is no place to test imports, signals or
terminals; those need ``subprocess``.

``python -m tests.warm`` is the interpreter that stands ready: for each line that it reads, a
request as JSON, it forks, and writes the exit code of the child.
"""

from __future__ import annotations

import gc
import json
import os
import runpy
import subprocess
import sys
from functools import cache
from importlib import import_module
from pathlib import Path
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


def run_warm(*arguments: str | Path, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Run ``python`` with arguments, which are ``-m`` and a module, or a file, and their own.

    Args:
        arguments: The command line after ``python``.
        cwd: The working folder; None for that of this process.
    """
    with TemporaryDirectory() as folder:
        out, err = Path(folder) / "out", Path(folder) / "err"
        request = {
            "arguments": list(map(str, arguments)),
            "cwd": str(cwd or Path.cwd()),
            "environment": dict(os.environ),
            "out": str(out),
            "err": str(err),
        }
        ready = _ready()
        assert ready.stdin is not None
        assert ready.stdout is not None
        ready.stdin.write(json.dumps(request) + "\n")
        ready.stdin.flush()
        code = int(ready.stdout.readline())
        return subprocess.CompletedProcess(arguments, code, out.read_text(), err.read_text())


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
        child = os.fork()
        if not child:
            request: dict[str, Any] = json.loads(line)
            return request
        _, status = os.waitpid(child, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)
    return None


def _become(request: dict[str, Any]) -> None:
    """Do what ``python`` with these arguments does, in this process."""
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environment"])
    for stream, path in ((0, os.devnull), (1, request["out"]), (2, request["err"])):
        opened = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        os.dup2(opened, stream)
        os.close(opened)
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
