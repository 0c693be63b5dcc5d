"""Check that a path can be read to its end: rejects pipes, devices and sockets before opening."""

from __future__ import annotations

import stat
from pathlib import Path

NOT_REGULAR = "is not a regular file (a pipe, a device or a socket)"


def is_irregular(path: Path) -> bool:
    """Return whether a path is a pipe, a device or a socket: opening one may wait without end.

    A path that does not exist, or is a folder, is left to the reader, which has an error for it.
    """
    try:
        mode = path.stat().st_mode
    except (OSError, ValueError):
        return False
    return not (stat.S_ISREG(mode) or stat.S_ISDIR(mode))
