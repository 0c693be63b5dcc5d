"""Files of results: their names where rooms share them, and writing them whole or not at all."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from cosim.errors import ScenarioError

REPORT = "report.html"
"""Name of the page in a folder of results."""


def put_file(path: Path, write: Callable[[Path], object]) -> None:
    """Write a file beside `path` by calling `write`, and rename it to `path` when complete.

    Whatever stood there stays until then, and stays if `write` raises.
    """
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    os.close(handle)
    partial = Path(name)
    try:
        write(partial)
        partial.chmod(0o644)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def put_text(path: Path, text: str) -> None:
    """Write a text in UTF-8 as :func:`put_file` does."""
    put_file(path, lambda partial: partial.write_text(text, encoding="utf-8"))


@contextmanager
def complete_folder(path: Path) -> Iterator[Path]:
    """Yield a folder to write to, which replaces `path` at the end if all went well.

    Raises:
        ScenarioError: If nothing can be written there.
    """
    place = path.resolve()
    partial = place.parent / f".{place.name}.partial-{os.getpid()}"
    shutil.rmtree(partial, ignore_errors=True)
    try:
        partial.mkdir(parents=True)
    except OSError as error:
        raise ScenarioError(f"results cannot be written to '{path}': {error}") from error
    try:
        yield partial
        if place.exists():
            shutil.rmtree(place)
        partial.rename(place)
    except BaseException:
        shutil.rmtree(partial, ignore_errors=True)
        raise
