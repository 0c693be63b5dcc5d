"""The end of a study by a signal: the same by the system's as by Ctrl-C."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import NoReturn

from cosim.errors import RunInterrupted, Stopped


@contextmanager
def stopping(rest: str) -> Iterator[None]:
    """Turn Ctrl-C and SIGTERM into an error that says what became of the study.

    Args:
        rest: What is kept, and how to go on.

    Raises:
        Stopped: If one of them comes.
    """
    is_main = threading.current_thread() is threading.main_thread()
    before = signal.signal(signal.SIGTERM, _interrupt) if is_main else None
    try:
        yield
    except (KeyboardInterrupt, RunInterrupted) as interrupt:
        raise Stopped(f"{str(interrupt) or 'interrupted'}: {rest}") from interrupt
    finally:
        if is_main:
            signal.signal(signal.SIGTERM, before)


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise KeyboardInterrupt("terminated")
