"""Hash ids of prompts, of which those that are not asked for are forgotten.

An id stands for a block of tokens and all before it. The ids of all prompts stand in a radix tree,
so that a look-up costs a few steps, however many blocks a prompt has.
"""

from __future__ import annotations

from typing import Generic, TypeVar

Runs = tuple[tuple[int, int], ...]
"""A text as runs (stream, tokens): the first tokens of a stream each."""

ID_BYTES = 8
"""Bytes of an id; lists of them are bytes too."""
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class _Ids:
    """Hash ids of prompts as a radix tree.

    A node is a run of ids that follow others. All nodes stand in two lists and one dictionary, for
    Python's garbage collector would visit objects again and again, though they are never garbage.

    Attributes:
        runs: For each node, the text of a prompt that has all of its ids; the root is the first.
    """

    __slots__ = ("_children", "_ids", "runs")

    def __init__(self) -> None:
        self.runs: list[Runs] = [()]
        self._ids = [b""]  # of each node
        self._children: dict[tuple[int, bytes], int] = {}  # by the node before, and the first id

    def known(self, ids: bytes) -> tuple[int, int]:
        """Return how many ids at the beginning of a list are known, and the node of the last."""
        node = begin = 0
        while True:
            key = (node, ids[begin : begin + ID_BYTES])
            child = self._children.get(key)
            if child is None:
                return begin // ID_BYTES, node
            if not ids.startswith(self._ids[child], begin):
                child = self._split(key, child, ids[begin:])
            node = child
            begin += len(self._ids[node])

    def add(self, known: tuple[int, int], ids: bytes, runs: Runs) -> int:
        """Add a list of ids and return the node of the last one.

        Args:
            known: How many are known, not all of them, and the node of the last that is.
            ids: The list.
            runs: The text of a prompt that begins with it.
        """
        count, before = known
        new = ids[count * ID_BYTES :]
        node = len(self._ids)
        self._ids.append(new)
        self.runs.append(runs)
        self._children[before, new[:ID_BYTES]] = node
        return node

    def _split(self, key: tuple[int, bytes], node: int, ids: bytes) -> int:
        """Part a node in two where a list of ids leaves it, and return the first part."""
        own = self._ids[node]
        end = _common(own, ids) * ID_BYTES
        head = len(self._ids)
        self._ids.append(own[:end])
        self.runs.append(self.runs[node])
        self._ids[node] = own[end:]
        self._children[key] = head
        self._children[head, own[end : end + ID_BYTES]] = node
        return head


class RecentIds:
    """Hash ids of prompts, of which those that are not asked for are forgotten."""

    def __init__(self) -> None:
        self._young, self._old = _Ids(), _Ids()

    def known(self, ids: bytes) -> tuple[int, int]:
        """Return how many ids at the beginning of a list are known, and the node of the last."""
        known = self._young.known(ids)
        if known[0] * ID_BYTES < len(ids):
            count, node = self._old.known(ids)
            if count > known[0]:
                text = self._old.runs[node]
                return count, self._young.add(known, ids[: count * ID_BYTES], text)
        return known

    def runs(self, node: int) -> Runs:
        """Return the text of a prompt that has all ids of a node."""
        return self._young.runs[node]

    def add(self, known: tuple[int, int], ids: bytes, runs: Runs) -> None:
        """Add a list of ids, of which not all are known, with the text of its prompt."""
        self._young.add(known, ids, runs)

    def age(self) -> None:
        """Forget the ids that were not asked for since this was last called."""
        self._young, self._old = _Ids(), self._young


class Recent(Generic[_Key, _Value]):
    """Values by key, of which those that are not asked for are forgotten."""

    def __init__(self) -> None:
        self._young: dict[_Key, _Value] = {}
        self._old: dict[_Key, _Value] = {}

    def get(self, key: _Key) -> _Value | None:
        """Return the value of a key; None if there is none."""
        value = self._young.get(key)
        if value is None and (value := self._old.get(key)) is not None:
            self._young[key] = value
        return value

    def put(self, key: _Key, value: _Value) -> None:
        """Set the value of a key."""
        self._young[key] = value

    def age(self) -> None:
        """Forget the values that were not asked for since this was last called."""
        self._young, self._old = {}, self._young


def _common(some: bytes, others: bytes) -> int:
    """Return how many ids two lists have in common from their beginning on, by halving."""
    alike, end = 0, min(len(some), len(others)) // ID_BYTES + 1
    while end - alike > 1:
        middle = (alike + end) // 2
        both = slice(alike * ID_BYTES, middle * ID_BYTES)
        if some[both] == others[both]:
            alike = middle
        else:
            end = middle
    return alike
