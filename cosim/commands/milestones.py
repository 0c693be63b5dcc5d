"""Lines of progress where there is no terminal to show a bar on: in a log, a pipe, a batch job."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from typing import TextIO

TENTHS = 10
_LEAST_BETWEEN_S = 10.0
_FIRST_AFTER_S = 60.0


class Milestones:
    """The moments at which a line is due: at every tenth of the work, ten lines at most.

    Work of a few seconds has none; work whose first tenth takes long has one after a minute too,
    so that the time left is known early. The end has none, for the results follow it.

    Args:
        clock: The time in seconds, from any moment on.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._began_s = self._shown_s = clock()
        self._tenths = 0
        self._early = False

    @property
    def elapsed_s(self) -> float:
        """Time since it was made [s]."""
        return self._clock() - self._began_s

    def due(self, share: float) -> bool:
        """Return whether a line is due, now that a share of the work is done; it is shown then."""
        now_s = self._clock()
        tenths = int(share * TENTHS + 1e-9)
        early = not self._early and not self._tenths and now_s - self._began_s >= _FIRST_AFTER_S
        reached = tenths > self._tenths and now_s - self._shown_s >= _LEAST_BETWEEN_S
        if share >= 1 or not (early or reached):
            return False
        self._shown_s = now_s
        self._tenths = tenths
        self._early = True
        return True


def has_bar(stream: TextIO) -> bool:
    """Return whether a bar can move on a stream: on a terminal that is not a dumb one."""
    return stream.isatty() and os.environ.get("TERM", "").lower() not in ("dumb", "unknown")


def say(text: str, stream: TextIO | None = None) -> None:
    """Print a line to a stream, or to standard error, at once."""
    print(text, file=sys.stderr if stream is None else stream, flush=True)


def time_left(elapsed_s: float, done: float, left: float) -> str:
    """Return the time that is left in words, such as ``0:01:05 left``.

    Args:
        elapsed_s: Time that it took to do what is done [s].
        done: Amount of work that was done in it, more than 0.
        left: Amount of work that is left.
    """
    left_s = round(elapsed_s * left / done)
    return f"{left_s // 3600}:{left_s // 60 % 60:02}:{left_s % 60:02} left"
