"""The start of ``cosim``: it can be ended in words before the command line is imported.

Runs and studies have handlers of their own, which say what became of the results; this one holds
until those stand, and after them.
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import suppress
from types import FrameType
from typing import NoReturn

_STDERR, _STOPPED = 2, 130


def main() -> None:
    """Run the command line."""
    if signal.getsignal(signal.SIGTERM) is not signal.SIG_IGN:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        from cosim.commands import app

        app.main()
    except KeyboardInterrupt:  # before the command line could take it
        sys.exit(_STOPPED)


def _terminate(number: int, frame: FrameType | None) -> NoReturn:
    with suppress(OSError):
        os.write(_STDERR, b"error: terminated\n")  # no print, of which one may be under way
    raise KeyboardInterrupt
