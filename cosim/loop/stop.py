"""Requests to stop a run: Ctrl-C, and the signal by which systems end a job."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Mapping
from types import FrameType, TracebackType
from typing import Any, Self

_WORDS: Mapping[int, str] = {signal.SIGINT: "interrupted", signal.SIGTERM: "terminated"}


class StopRequest:
    """A request to stop, which is obeyed between two steps, so that no step is half recorded.

    As a context it catches SIGINT and SIGTERM. Until the first step has ended there is nothing to
    keep, and one ends the run at once. Then the first one asks it to end after the step that is
    under way, and a second one breaks into the step. While results are written both wait.
    Outside the main thread signals cannot be caught, and it does nothing.

    Args:
        at_once: Whether the first one breaks into the step, as in a run that waits for the clock.

    Attributes:
        reason: Why the run is to stop; empty while it is not.
    """

    def __init__(self, *, at_once: bool = False) -> None:
        self.reason = ""
        self._at_once, self._writing, self._has_steps = at_once, False, False
        self._before: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in _WORDS:
                if signal.getsignal(number) is not signal.SIG_IGN:  # as under nohup
                    self._before[number] = signal.signal(number, self._handle)
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for number, handler in self._before.items():
            signal.signal(number, handler)
        self._before.clear()

    def keep_steps(self) -> None:
        """Let each step end from now on: the first one has."""
        self._has_steps = True

    def write(self) -> None:
        """Postpone signals from now on: the run is over, and its results are written."""
        self._writing = True

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if self._writing:
            _say("results are being written, which is not interrupted")
            return
        again, self.reason = bool(self.reason), self.reason or _WORDS[number]
        if again or self._at_once:
            raise KeyboardInterrupt
        if not self._has_steps:
            _say(f"{self.reason} before the first step had ended")
            raise KeyboardInterrupt
        _say(f"{self.reason}: the run ends after this step (once more: at once)")


def _say(text: str) -> None:
    """Print a line for the user; standard error may be closed, or in the middle of a line."""
    try:
        print(text, file=sys.stderr, flush=True)
    except (OSError, ValueError, RuntimeError):
        return
