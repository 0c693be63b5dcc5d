"""The error that a misbehaving controller causes, and how it says where and why."""

from __future__ import annotations

import difflib
import importlib
import traceback
from collections.abc import Iterable
from dataclasses import FrozenInstanceError, dataclass
from datetime import datetime
from pathlib import Path
from types import FrameType

_IMPORTLIB = str(Path(importlib.__file__).parent)
_SENT = "<dynamic-code>"  # cloudpickle's name of the file of code that it sends by value


class ControllerError(Exception):
    """Error of a controller that raised an exception, or whose action cannot be applied.

    Attributes:
        controller: Name of the controller, as in the scenario.
        site: Site that it controls, or that the wrong value was for; None for a whole fleet.
        step: Index of the step, from 0; None while the run was prepared.
        time_s: Time of that step since the start [s]; None while the run was prepared.
    """

    def __init__(
        self,
        message: str,
        *,
        controller: str = "",
        site: str | None = None,
        step: int | None = None,
        time_s: float | None = None,
    ) -> None:
        super().__init__(message)
        self.controller = controller
        self.site = site
        self.step = step
        self.time_s = time_s


@dataclass(frozen=True, slots=True)
class Call:
    """One call of a controller: its name, the site, and the step.

    Attributes:
        controller: Name of the controller, as in the scenario.
        site: Site that it was asked about; None for a whole fleet.
        step: Index of the step, from 0; None for the call of ``reset``.
        time_s: Time of that step since the start [s].
        time: The same as a UTC time.
    """

    controller: str
    site: str | None
    step: int | None = None
    time_s: float | None = None
    time: datetime | None = None

    def error(self, did: str, why: str) -> ControllerError:
        """Return the error "controller <name> on site <site> `did` at step <step>: `why`"."""
        site = "" if self.site is None else f" on site '{self.site}'"
        when = "in reset"
        if self.step is not None and self.time is not None:
            when = f"at step {self.step} ({self.time:%Y-%m-%dT%H:%M:%SZ})"
        return ControllerError(
            f"controller '{self.controller}'{site} {did} {when}: {why}",
            controller=self.controller,
            site=self.site,
            step=self.step,
            time_s=self.time_s,
        )

    def raised(self, error: BaseException) -> ControllerError:
        """Return the error that reports that the controller raised `error`, and on which line."""
        location = where_raised(error)
        text = (error_text(error) or "no message") + _hint(error)
        return self.error(
            f"raised {type(error).__name__}", f"{text} ({location})" if location else text
        )


MOST_CHARACTERS = 1000
"""Longest text of somebody else's that is shown or kept."""


def printable(text: str, most: int = MOST_CHARACTERS) -> str:
    """Return a text that is safe on terminals, in files and in pages.

    Control characters, which could move the cursor or end a line, and halves of characters that no
    file can hold are written as Python escapes; the rest of a long text is left out.

    Args:
        text: Somebody else's text.
        most: Most characters of it.
    """
    cut = text if len(text) <= most else text[: most - 3] + "..."
    if cut.isprintable():
        return cut
    return "".join(
        character if character.isprintable() else character.encode("unicode_escape").decode()
        for character in cut
    )


def error_text(error: BaseException) -> str:
    """Return the text of an exception, even if asking for it raises another."""
    try:
        # the text of a KeyError is its argument as Python writes it
        text = str(error.args[0] if isinstance(error, KeyError) and error.args else error)
    except Exception as second:
        return f"(no text: asking for it raised {type(second).__name__})"
    return printable(text)


def _hint(error: BaseException) -> str:
    """Return the advice for an attempt to change a read-only value."""
    if isinstance(error, FrozenInstanceError) or (
        isinstance(error, TypeError | ValueError)
        and any(word in str(error) for word in ("mappingproxy", "read-only"))
    ):
        return "; observations and actions are read-only: return a new SiteAction"
    return ""


def where_raised(error: BaseException) -> str:
    """Return ``file:line`` of the innermost frame in the code that was called.

    That is the file of the first frame below the caller's, so an error deep in a library is
    placed at the line that called the library. Empty if the code was never entered.
    """
    if isinstance(error, SyntaxError) and error.filename is not None:
        return f"{error.filename}:{error.lineno}"
    frames = [
        (filename, line)
        for frame, line in list(traceback.walk_tb(error.__traceback__))[1:]
        if not (filename := _file(frame)).startswith(("<frozen ", _IMPORTLIB))
    ]
    lines = [line for filename, line in frames if filename == frames[0][0]]
    return f"{frames[0][0]}:{lines[-1]}" if lines else ""


def _file(frame: FrameType) -> str:
    """Return the file of a frame; also of a class of a script that came from another process."""
    name = frame.f_code.co_filename
    return str(frame.f_globals.get("__file__", name)) if name == _SENT else name


def did_you_mean(name: str, known: Iterable[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the nearest of `known`, or an empty string."""
    nearest = difflib.get_close_matches(name, list(known), n=1, cutoff=0.6)
    return f"; did you mean '{nearest[0]}'?" if nearest else ""
