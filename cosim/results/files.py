"""Files of results: their names where rooms share them, and writing them whole or not at all."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable
from pathlib import Path

REPORT = "report.html"
"""Name of the page in a folder of results."""
COMPARISON = "comparison.html"
"""Name of the page of a run beside others."""


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
