"""A result folder in the making: it appears whole, or marked failed, and never costs good results.

Everything is written into a hidden folder beside it, marked as failed until it is whole, which is
renamed at the end. Leftovers of a killed run are tidied up first.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
from collections.abc import Callable
from pathlib import Path

from cosim.errors import CosimError, ScenarioError
from cosim.results.files import REPORT
from cosim.results.vessim_record import EXPERIMENT, TIMESERIES

FAILED = "FAILED"
"""Name of the file that marks a folder as of a run that did not end well; it says why."""
MANIFEST = "manifest.json"
_FIGURES = "figures"
_FILES = {
    "actions.parquet",
    EXPERIMENT,
    FAILED,
    _FIGURES,
    MANIFEST,
    REPORT,
    "requests.parquet",
    "scenario.resolved.yaml",
    "steps.parquet",
    "summary.json",
    TIMESERIES,
}
_UNDER_WAY = "The run has not ended, or its results could not be written.\n"


class ResultFolder:
    """A result folder in the making.

    Args:
        path: Where it is to appear.

    Raises:
        ScenarioError: If something else than results stands there, or nothing can be written.
    """

    def __init__(self, path: Path) -> None:
        self.path, self._asked = path.resolve(), path
        if self.path.exists() and (foreign := _not_ours(self.path)):
            raise ScenarioError(
                f"'{path}' is not a folder of results, or not only that ({foreign}); choose "
                "another with -o, or remove it"
            )
        try:
            _put_in_order(self.path)
            self._partial = _hidden(self.path, "partial", os.getpid())
            self._partial.mkdir(parents=True)
            (self._partial / FAILED).write_text(_UNDER_WAY, encoding="utf-8")
        except OSError as error:
            raise ScenarioError(f"results cannot be written to '{path}': {error}") from error

    @property
    def requests_path(self) -> Path:
        """Path of the requests while the run goes on."""
        return self._partial / "requests.parquet"

    def discard(self) -> None:
        """Remove the files written so far."""
        shutil.rmtree(self._partial, ignore_errors=True)

    def finish(
        self, write: Callable[[Path], object], failure: str = "", lost: OSError | None = None
    ) -> Path:
        """Write the rest and give the folder its name.

        A failed run does not replace the results of one that ended well, nor does any replace a
        folder into which somebody put a file meanwhile: it takes another name beside it.

        Args:
            write: Writes everything but the requests into a folder.
            failure: Why the run failed; empty if it did not.
            lost: Why the requests could not be written; None if they could.

        Returns:
            The folder.

        Raises:
            CosimError: If not all could be written; it says where the rest is.
        """
        mark = self._partial / FAILED
        try:
            if was_removed := not self.requests_path.exists():
                self._partial.mkdir(parents=True, exist_ok=True)
            mark.write_text(failure or _UNDER_WAY, encoding="utf-8")
            write(self._partial)
            if lost is not None:
                raise lost
            if was_removed:
                raise FileNotFoundError(f"'{self.requests_path.name}' was removed during the run")
            if not failure:
                mark.unlink()
            return self._put(failed=bool(failure))
        except OSError as error:
            raise self.unwritten(error) from error

    def unwritten(self, error: OSError) -> CosimError:
        """Keep the files that could be written, marked as failed, and return the error."""
        try:
            kept = self._put(failed=True)
        except OSError:
            return CosimError(f"the results could not be written to '{self._asked}': {error}")
        return CosimError(
            f"the results could not all be written: {error}; those that could are in "
            f"'{kept}', marked as failed"
        )

    def _put(self, *, failed: bool) -> Path:
        """Rename the folder to its name, or to one beside it, and return that."""
        target = self.path
        if failed and target.exists() and not (target / FAILED).exists():
            target = _beside(self.path, "failed")
        elif target.exists() and _not_ours(target):
            target = _beside(self.path, "new")
        old = _hidden(self.path, "old", os.getpid())
        if target.exists():
            target.rename(old)
        self._partial.rename(target)
        shutil.rmtree(old, ignore_errors=True)
        as_asked = self._asked.name == self.path.name
        return self._asked.with_name(target.name) if as_asked else target


def _beside(path: Path, suffix: str) -> Path:
    """Return a path like ``NAME.failed`` where nothing stands but results of the kind."""
    number = 1
    while True:
        more = "" if number == 1 else f"-{number}"
        candidate = path.with_name(f"{path.name}.{suffix}{more}")
        if not candidate.exists() or not _not_ours(candidate):
            return candidate
        number += 1


def _hidden(path: Path, state: str, pid: int) -> Path:
    """Return the hidden folder of a process on this machine, beside `path`."""
    return path.with_name(f".{path.name}.{state}-{socket.gethostname()}-{pid}")


def _put_in_order(path: Path) -> None:
    """Tidy up what killed runs left beside `path`.

    Results that were being replaced are restored if nothing has taken their place; all else of runs
    that no longer run on this machine are removed.
    """
    for state in ("old", "partial"):
        start = _hidden(path, state, 0).name[:-1]
        for entry in path.parent.iterdir() if path.parent.is_dir() else ():
            pid = entry.name.removeprefix(start)
            if pid == entry.name or not pid.isdigit() or _is_under_way(int(pid)):
                continue
            if state == "old" and not path.exists():
                entry.rename(path)
            else:
                shutil.rmtree(entry, ignore_errors=True)


def _is_under_way(pid: int) -> bool:
    """Return whether another process has this number."""
    if pid == os.getpid():
        return False
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # somebody else's
        return True
    return True


def _not_ours(path: Path) -> str:
    """Return the content of `path` that is not results; empty if it may be replaced."""
    if not path.is_dir():
        return "a file"
    names = {entry.name for entry in path.iterdir()}
    if not names:
        return ""
    figures = {f"{_FIGURES}/{entry.name}" for entry in _entries(path / _FIGURES)}
    if foreign := sorted(names - _FILES) + sorted(
        name for name in figures if not name.endswith((".svg", ".pdf"))
    ):
        return f"it holds {', '.join(foreign[:3])}{' and more' if len(foreign) > 3 else ''}"
    if FAILED in names and MANIFEST not in names:  # a run that could not write its results
        return ""
    try:
        ours = "cosim" in json.loads((path / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError, TypeError):
        ours = False
    return "" if ours else f"its {MANIFEST} is not one of results"


def _entries(folder: Path) -> list[Path]:
    return list(folder.iterdir()) if folder.is_dir() else []
