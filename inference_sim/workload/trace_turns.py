"""The turns of a trace followed: which request each one continues, and whether they are in order.

A trace may tell turns by the request that each continues, by its number in its session, or both.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from inference_sim.errors import TraceError
from inference_sim.workload.trace_talk import BEGINS, ORPHAN, Column, Prefixes, Talk

_NO_PARENT = ("", "-1")
_NO_TURN = -1


class _Row(NamedTuple):
    """A request as its row tells it; a name is None, and a turn -1, where it tells none."""

    name: str | None
    parent: str | None
    session: str | None
    turn: int
    line: int
    is_served: bool


class _Request(NamedTuple):
    """A request that later ones may continue.

    Attributes:
        number: Its number among those that are served, or `ORPHAN` if it is not.
        root: Name of the request with which its turns begin.
        session: Name of its session, if a column has it.
        turn: Number of its turn, or that of the latest one before it that has one.
        line: Its line.
    """

    number: int
    root: str
    session: str | None
    turn: int
    line: int


class TurnFollower:
    """Follows the turns of a trace, whose requests come one part after the other.

    A request without a parent begins a session that has its name. One whose parent is not in the
    trace belongs to the session of that parent, as do others that continue it. Memory grows with
    the requests that have names, and with the sessions whose turns have numbers.

    Args:
        path: The file, for errors.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._served = 0
        self._requests: dict[str, _Request] = {}
        self._awaited: dict[str, tuple[str, int]] = {}  # who continues it, in which line
        self._latest: dict[str, tuple[int, int]] = {}  # turn and line, by session

    def talk(
        self, columns: Mapping[str, Column], lines: Sequence[int], served: NDArray[np.bool_]
    ) -> Talk:
        """Return the talk of the rows of a part.

        Args:
            columns: Their columns, as read.
            lines: Their lines in the file.
            served: Whether each of them is served; others are in the lines alone.

        Raises:
            TraceError: If a request continues itself, one that comes later, or one of another
                session; if it has the name of an earlier one; or if its turn is not later than that
                of its parent, or without a parent than those before it in its session.
        """
        talk: dict[str, Any] = {
            "sessions": columns.get("session"),
            "turns": columns.get("turn"),
            "prefixes": columns.get("prefix"),
        }
        if "parent" in columns:
            followed = [self._followed(row) for row in _rows(columns, lines, served)]
            talk["parents"] = np.array([number for number, _ in followed], dtype=np.int64)
            if talk["sessions"] is None:
                talk["sessions"] = np.array([root for _, root in followed], dtype=object)
        elif talk["sessions"] is not None and talk["turns"] is not None:
            for row in _rows(columns, lines, served):
                if row.session is not None:
                    self._take_turn(row, row.session, begins=True)
        return Talk(**talk) if served.all() else Talk(**talk).picked(served)

    def _followed(self, row: _Row) -> tuple[int, str | None]:
        """Return the number of the request that one continues, and where its turns begin."""
        name, parent, session, turn = row.name, row.parent, row.session, row.turn
        number, root = BEGINS, name
        if parent is not None and parent not in _NO_PARENT:
            if (before := self._requests.get(parent)) is not None:
                self._check_continues(row, before)
                number, root = before.number, before.root
                session = before.session if session is None else session
                turn = before.turn if turn == _NO_TURN else turn
            elif parent == name:
                raise TraceError(
                    f"{self._path}:{row.line}: a cycle of turns: '{name}' continues itself"
                )
            else:
                number, root = ORPHAN, parent
                self._awaited.setdefault(parent, (name or "", row.line))
        if session is not None:
            self._take_turn(row, session, begins=number == BEGINS)
        if name is not None:
            if name in self._requests or name in self._awaited:
                raise TraceError(f"{self._path}:{row.line}: {self._misnamed(name, root, number)}")
            own_number = self._served if row.is_served else ORPHAN
            self._requests[name] = _Request(own_number, root or name, session, turn, row.line)
        self._served += row.is_served
        return number, root

    def _take_turn(self, row: _Row, session: str, *, begins: bool) -> None:
        """Take the turn of a session; turns with a parent may be the same, in two branches."""
        if row.turn == _NO_TURN or not row.is_served:
            return
        turn, line = self._latest.get(session, (_NO_TURN, 0))
        if begins and row.turn <= turn:
            raise TraceError(
                f"{self._path}:{row.line}: turn {row.turn} of session '{session}' comes after "
                f"turn {turn} of line {line} (the turns of a session must rise)"
            )
        if row.turn > turn:
            self._latest[session] = row.turn, row.line

    def _check_continues(self, row: _Row, before: _Request) -> None:
        """Refuse a request that is not of the session of its parent, or not later in it."""
        parent = f"continues '{row.parent}' of line {before.line}"
        if row.session is not None and before.session not in (None, row.session):
            raise TraceError(
                f"{self._path}:{row.line}: is of session '{row.session}', but {parent}, which is "
                f"of session '{before.session}'"
            )
        if _NO_TURN < row.turn <= before.turn:
            raise TraceError(
                f"{self._path}:{row.line}: is turn {row.turn}, but {parent}, which is turn "
                f"{before.turn} (the turns of a session must rise)"
            )

    def _misnamed(self, name: str, root: str | None, parent: int) -> str:
        """Return why a request cannot have the name of an earlier one, or of its parent."""
        if (twin := self._requests.get(name)) is not None:
            return (
                f"'{name}' is the name of the request of line {twin.line} already, so its turns "
                "cannot be told apart"
            )
        other, line = self._awaited[name]
        if root == name and parent != BEGINS:  # it goes back to itself
            return (
                f"a cycle of turns: '{name}' continues a session that begins with '{other}' of "
                f"line {line}, which continues '{name}'"
            )
        return (
            f"'{name}' comes after '{other}' of line {line}, which continues it (a turn must come "
            "after its parent)"
        )


def _rows(
    columns: Mapping[str, Column], lines: Sequence[int], served: NDArray[np.bool_]
) -> Iterator[_Row]:
    count = len(lines)
    names, parents, sessions = (
        _listed(columns.get(kind), count, None) for kind in ("request", "parent", "session")
    )
    turns = _listed(columns.get("turn"), count, _NO_TURN)
    rows = zip(names, parents, sessions, turns, lines, served.tolist(), strict=True)
    return map(_Row._make, rows)


def _listed(column: Column | None, count: int, blank: Any) -> list[Any]:
    """Return the values of a column as a list, of one that there is not blank ones."""
    if column is None or isinstance(column, Prefixes):
        return [blank] * count
    values: list[Any] = column.tolist()
    return values
