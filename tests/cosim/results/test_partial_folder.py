"""Folders that appear when they are complete, and leftovers of processes that were killed."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from cosim.errors import ScenarioError
from cosim.results.partial_folder import PartialFolder, state_of_missing, was_left

LEFT = f"{socket.gethostname()}-999999999"
"""The end of the name of a hidden folder whose process does not run: no system has so many."""


def names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


def made(path: Path, content: str) -> Path:
    path.mkdir()
    (path / "a.txt").write_text(content)
    return path


def anything(path: Path) -> bool:
    return True


def test_it_replaces_another_when_it_is_complete(tmp_path: Path) -> None:
    made(tmp_path / "out", "old")
    with PartialFolder(tmp_path / "out", anything) as folder:
        (folder.hidden / "b.txt").write_text("new")
        assert names(tmp_path / "out") == {"a.txt"}
        assert folder.put() == tmp_path / "out"
    assert names(tmp_path) == {"out"}
    assert names(tmp_path / "out") == {"b.txt"}


def test_an_error_leaves_the_other_one(tmp_path: Path) -> None:
    made(tmp_path / "out", "old")
    with pytest.raises(ZeroDivisionError), PartialFolder(tmp_path / "out", anything):
        raise ZeroDivisionError
    assert names(tmp_path) == {"out"}
    assert names(tmp_path / "out") == {"a.txt"}


def test_what_may_not_be_replaced_stays(tmp_path: Path) -> None:
    """Such as a file that somebody put there meanwhile, or a folder beside it."""
    for name in ("out", "out.new"):
        made(tmp_path / name, "theirs")
    with PartialFolder(tmp_path / "out", lambda path: False) as folder:
        assert folder.put() == tmp_path / "out.new-2"
    assert names(tmp_path) == {"out", "out.new", "out.new-2"}


def test_leftovers_of_killed_processes_are_removed(tmp_path: Path) -> None:
    made(tmp_path / "out", "good")
    for state in ("partial", "old"):
        made(tmp_path / f".out.{state}-{LEFT}", "left")
    made(tmp_path / ".out.partial-elsewhere-1", "of another machine")
    assert was_left(tmp_path / "out")
    PartialFolder(tmp_path / "out", anything).discard()
    assert not was_left(tmp_path / "out")
    assert names(tmp_path) == {"out", ".out.partial-elsewhere-1"}
    assert (tmp_path / "out" / "a.txt").read_text() == "good"


def test_a_folder_that_was_being_replaced_is_put_back(tmp_path: Path) -> None:
    made(tmp_path / f".out.old-{LEFT}", "good")
    assert not was_left(tmp_path / "out")
    PartialFolder(tmp_path / "out", anything).discard()
    assert (tmp_path / "out" / "a.txt").read_text() == "good"


def test_where_nothing_can_be_written(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(ScenarioError, match="results cannot be written to"):
        PartialFolder(tmp_path / "file" / "out", anything)


def test_a_folder_that_is_being_written(tmp_path: Path) -> None:
    out = tmp_path / "out"
    assert state_of_missing(out) == "does not exist"
    (tmp_path / f".out.partial-{LEFT}").mkdir()
    assert state_of_missing(out) == "does not exist"
    (tmp_path / f".out.partial-{LEFT}").rmdir()
    (tmp_path / f".out.partial-{socket.gethostname()}-{os.getppid()}").mkdir()
    assert state_of_missing(out) == "is still being written: it appears when its run has ended"
