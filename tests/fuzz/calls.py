"""Calls of the command line in this process, with a limit to their time."""

from __future__ import annotations

import contextlib
import io
import re
import signal
import sys
from collections.abc import Iterator
from types import FrameType
from typing import NoReturn
from unittest import mock

from tests.conftest import Answer

LIMIT_S = 20
"""What takes longer counts as a hang."""
PLACE = re.compile(r":\d+|--[a-z]|'[^']*'|^error: \S+: ")
"""A line of a file, an option, a name or a file as a whole."""


class Hang(BaseException):
    """A call has taken too long; no handler of errors may catch it."""


@contextlib.contextmanager
def limited(limit_s: int = LIMIT_S) -> Iterator[None]:
    """Raise an error in what takes too long, in the main thread."""

    def end(number: int, frame: FrameType | None) -> NoReturn:
        raise Hang

    before = signal.signal(signal.SIGALRM, end)
    signal.alarm(limit_s)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def called(*arguments: str) -> Answer:
    """Call the command line as the console script does."""
    from cosim.commands.app import main

    out, err = io.StringIO(), io.StringIO()
    code: int | str | None = 0
    with (
        limited(),
        mock.patch.object(sys, "argv", ["cosim", *arguments]),
        mock.patch("cosim.commands.app._debug", False),
        contextlib.redirect_stdout(out),
        contextlib.redirect_stderr(err),
    ):
        try:
            main()
        except SystemExit as end:
            code = end.code
    assert isinstance(code, int | None)
    return Answer(code or 0, out.getvalue(), err.getvalue())


def check_answer(answer: Answer) -> None:
    """Check that a file was taken, or refused with a place, in one line for each error."""
    assert answer.code in (0, 2)
    printed = answer.out + answer.err
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029]", printed)
    if answer.code == 0:
        assert answer.err == ""
        return
    assert answer.err.endswith("\n")
    for line in answer.err.removesuffix("\n").split("\n"):
        assert line.startswith("error: ")
        assert PLACE.search(line)
        assert len(line) < 2000
