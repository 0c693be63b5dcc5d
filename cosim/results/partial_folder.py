"""A folder in the making: it is written beside its place, and renamed to it when it is complete.

Until then it is hidden. A process that is killed leaves it behind, and the next one for the same
place removes it; a folder that was being replaced is put back if nothing has taken its place.
"""

from __future__ import annotations

import os
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Self

from cosim.errors import ScenarioError


class PartialFolder:
    """A folder in the making; as a context it removes whatever did not get its place.

    Args:
        path: Where it is to appear.
        may_replace: Returns whether something that stands in its place may be replaced.

    Attributes:
        path: Where it is to appear, as an absolute path.
        hidden: Where it is written until then.

    Raises:
        ScenarioError: If nothing can be written there.
    """

    def __init__(self, path: Path, may_replace: Callable[[Path], bool]) -> None:
        self.path, self._asked = path.resolve(), path
        self._may_replace = may_replace
        self.hidden = _hidden(self.path, "partial", os.getpid())
        try:
            _put_in_order(self.path)
            self.hidden.mkdir(parents=True)
        except OSError as error:
            raise self.unwritable(error) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.discard()

    def unwritable(self, error: OSError) -> ScenarioError:
        """Return the error that says that nothing can be written there."""
        return ScenarioError(f"results cannot be written to '{self._asked}': {error}")

    def discard(self) -> None:
        """Remove the files written so far."""
        shutil.rmtree(self.hidden, ignore_errors=True)

    def put(self, suffix: str = "") -> Path:
        """Rename the folder to its name, and return that.

        Args:
            suffix: Puts it beside its place, as ``NAME.suffix``. Without one that happens, as
                ``NAME.new``, where something stands that may not be replaced.
        """
        target = self.path
        if suffix or (target.exists() and not self._may_replace(target)):
            target = self._beside(suffix or "new")
        old = _hidden(self.path, "old", os.getpid())
        if target.exists():
            target.rename(old)
        self.hidden.rename(target)
        shutil.rmtree(old, ignore_errors=True)
        as_asked = self._asked.name == self.path.name
        return self._asked.with_name(target.name) if as_asked else target

    def _beside(self, suffix: str) -> Path:
        """Return a path like ``NAME.suffix`` where nothing stands that may not be replaced."""
        number = 1
        while True:
            more = "" if number == 1 else f"-{number}"
            candidate = self.path.with_name(f"{self.path.name}.{suffix}{more}")
            if not candidate.exists() or self._may_replace(candidate):
                return candidate
            number += 1


def was_left(path: Path) -> bool:
    """Return whether a process that no longer runs left an incomplete folder for a place."""
    return any(_left(path.resolve(), "partial"))


def state_of_missing(path: Path) -> str:
    """Return why a folder that is not there is not: it is being written, or does not exist."""
    place = path.resolve()
    start = f".{place.name}.partial-"
    beside = place.parent.iterdir() if place.parent.is_dir() else ()
    if any(entry.name.startswith(start) for entry in beside) and not was_left(path):
        return "is still being written: it appears when its run has ended"
    return "does not exist"


def _hidden(path: Path, state: str, pid: int) -> Path:
    """Return the hidden folder of a process on this machine, beside `path`."""
    return path.with_name(f".{path.name}.{state}-{socket.gethostname()}-{pid}")


def _put_in_order(path: Path) -> None:
    """Tidy up what killed processes left beside `path`.

    A folder that was being replaced is restored if nothing has taken its place; all else of
    processes that no longer run on this machine is removed.
    """
    for entry in _left(path, "old"):
        if not path.exists():
            entry.rename(path)
        else:
            shutil.rmtree(entry, ignore_errors=True)
    for entry in _left(path, "partial"):
        shutil.rmtree(entry, ignore_errors=True)


def _left(path: Path, state: str) -> Iterator[Path]:
    """Yield the hidden folders of a place whose processes no longer run on this machine."""
    start = _hidden(path, state, 0).name[:-1]
    for entry in path.parent.iterdir() if path.parent.is_dir() else ():
        pid = entry.name.removeprefix(start)
        if pid != entry.name and pid.isdigit() and not _is_under_way(int(pid)):
            yield entry


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
