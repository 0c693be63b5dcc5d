"""The texts of a trace's requests, named so that caches find again what prompts share.

A trace tells by hash ids which prompts begin alike, and by turns which prompt continues which. From
that each prompt becomes the runs of an :class:`~inference_sim.workload.stream.Arrival`: those of an
earlier prompt as far as it is the same, and one of its own for the rest. The ids stand in a radix
tree, so that a request costs a few look-ups for each run of its prompt, however many blocks it has.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Generic, NamedTuple, TypeVar

from inference_sim.workload.trace_requests import RequestTrace
from inference_sim.workload.trace_talk import Prefixes

Runs = tuple[tuple[int, int], ...]
"""A text as runs (stream, tokens): the first tokens of a stream each."""

REMEMBERED_REQUESTS = 1 << 17
"""Requests after which a text that none of them has is new again; at most twice as many."""
_ID_BYTES = 8
_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class _Node:
    """A run of hash ids that follow others.

    Attributes:
        ids: The ids, each of `_ID_BYTES` bytes.
        runs: The text of a prompt that has all of them.
        children: Runs of ids that branch off, by the number of ids before them and their first.
    """

    __slots__ = ("children", "ids", "runs")

    def __init__(self, ids: bytes, runs: Runs) -> None:
        self.ids = ids
        self.runs = runs
        self.children: dict[tuple[int, bytes], _Node] = {}


class _Known(NamedTuple):
    """The beginning of a list of ids that is known: how many ids, and the node of the last."""

    ids: int
    node: _Node


class _IdTree:
    """Hash ids of prompts, each by all that come before it."""

    def __init__(self) -> None:
        self._root = _Node(b"", ())
        self._old_root = self._root

    def known(self, ids: bytes) -> _Known:
        """Return the longest beginning of a list of ids that is known."""
        young = _descend(self._root, ids)
        if self._old_root is not self._root and young.ids * _ID_BYTES < len(ids):
            old = _descend(self._old_root, ids)
            if old.ids > young.ids:
                return self.add(young, ids[: old.ids * _ID_BYTES], old.node.runs)
        return young

    def add(self, known: _Known, ids: bytes, runs: Runs) -> _Known:
        """Add a list of ids of which the beginning is known, and return all of it as known.

        Args:
            known: The beginning; it is shorter than the list.
            ids: The list.
            runs: The text of a prompt that begins with it.
        """
        begin = known.ids * _ID_BYTES
        node = _Node(ids[begin:], runs)
        known.node.children[known.ids, ids[begin : begin + _ID_BYTES]] = node
        return _Known(len(ids) // _ID_BYTES, node)

    def age(self) -> None:
        """Forget the ids that were not asked for since this was last called."""
        self._old_root, self._root = self._root, _Node(b"", ())


class _Recent(Generic[_Key, _Value]):
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


class _Turn(NamedTuple):
    """A request that may be continued: its prompt and answer as text, and their tokens."""

    runs: Runs
    prompt_tokens: int
    tokens: int


class TraceTexts:
    """Names of the texts and the sessions of a trace's requests, in order of arrival.

    A prompt has the text of an earlier one as far as their hash ids are the same from the beginning
    on. If it is the next turn of a request, has its whole blocks, and is as long as its prompt and
    answer at least, it begins with both. A prompt without ids shares nothing.

    Memory does not grow with the trace: a text is new again if none of the last
    `REMEMBERED_REQUESTS` had it.

    Args:
        by_turns: Whether text is shared by turns alone: a prompt that is as long at least begins
            with prompt and answer of the request that it continues, or else of the one before it in
            its session. Hash ids are not looked at.
    """

    def __init__(self, *, by_turns: bool = False) -> None:
        self._by_turns = by_turns
        self._named = self._sessions_named = 0  # over all laps, for no name is given twice
        self._lap = 0
        self._begin_lap()

    def _begin_lap(self) -> None:
        self._tree = _IdTree()
        self._turns: _Recent[int, _Turn] = _Recent()
        self._session_numbers: _Recent[str, int] = _Recent()
        self._latest: _Recent[int, int] = _Recent()  # request of each session
        self._served = 0

    def of(self, part: RequestTrace) -> Iterator[tuple[Runs | None, int, int]]:
        """Yield the text, the stream of the answer and the session of each request of a part.

        In another repetition of the trace, all texts and sessions are new. The text is None if the
        request shares none, the session -1 if it has none.
        """
        if part.lap != self._lap:
            self._lap = part.lap
            self._begin_lap()
        talk, count = part.talk, part.requests
        names = [None] * count if talk is None or talk.sessions is None else talk.sessions.tolist()
        parents = [-1] * count if talk is None or talk.parents is None else talk.parents.tolist()
        prefixes = None if talk is None else talk.prefixes
        block_tokens = 0 if prefixes is None else prefixes.block_tokens
        follows = self._by_turns or (talk is not None and talk.parents is not None)
        for name, parent, ids, prompt, output in zip(
            names,
            parents,
            [b""] * count if prefixes is None or self._by_turns else _ids_of(prefixes),
            part.prompt_tokens.tolist(),
            part.output_tokens.tolist(),
            strict=True,
        ):
            session = -1 if name is None else self._session(name)
            if self._by_turns and session >= 0:
                before = self._latest.get(session)
                parent = before if parent < 0 and before is not None else parent
                self._latest.put(session, self._served)
            answer = 2 * self._named + 1
            runs: Runs | None = None
            if ids or follows:
                turn = self._turns.get(parent) if follows else None
                runs = self._text(ids, prompt, turn, block_tokens)
            if follows and runs is not None:
                whole = _Turn((*runs, (answer, output)), prompt, prompt + output)
                self._turns.put(self._served, whole)
            yield runs, answer, session
            self._named += 1
            self._served += 1
            if self._served % REMEMBERED_REQUESTS == 0:
                for memory in (self._tree, self._turns, self._session_numbers, self._latest):
                    memory.age()

    def _text(self, ids: bytes, prompt: int, turn: _Turn | None, block_tokens: int) -> Runs | None:
        """Return the text of a prompt, whose hash ids are known from now on."""
        if not ids and not self._by_turns:
            return None
        known = self._tree.known(ids)
        tokens = min(known.ids * block_tokens, prompt)
        if (
            turn is not None
            and tokens < turn.tokens <= prompt
            and (self._by_turns or known.ids >= turn.prompt_tokens // block_tokens)
        ):
            runs, tokens = turn.runs, turn.tokens
        else:
            runs = _cut(known.node.runs, tokens)
        if tokens < prompt:
            runs = (*runs, (2 * self._named, prompt - tokens))
        if known.ids * _ID_BYTES < len(ids):
            self._tree.add(known, ids, runs)
        return runs

    def _session(self, name: str) -> int:
        number = self._session_numbers.get(name)
        if number is None:
            number = self._sessions_named
            self._sessions_named += 1
            self._session_numbers.put(name, number)
        return number


def _ids_of(prefixes: Prefixes) -> Iterator[bytes]:
    """Yield the ids of each request."""
    ids = prefixes.ids.astype("int64", copy=False).tobytes()
    offsets = (prefixes.offsets * _ID_BYTES).tolist()
    begin = offsets[0]
    for end in offsets[1:]:
        yield ids[begin:end]
        begin = end


def _descend(node: _Node, ids: bytes) -> _Known:
    """Return the longest beginning of a list of ids that a tree has, from its root."""
    count = 0
    while True:
        begin = count * _ID_BYTES
        child = node.children.get((count, ids[begin : begin + _ID_BYTES]))
        if child is None:
            return _Known(count, node)
        node = child
        if ids.startswith(node.ids, begin):
            count += len(node.ids) // _ID_BYTES
        else:
            count += _common(node.ids, ids[begin : begin + len(node.ids)])


def _common(some: bytes, others: bytes) -> int:
    """Return how many ids two lists have in common from their beginning on, by halving."""
    alike, end = 0, min(len(some), len(others)) // _ID_BYTES + 1
    while end - alike > 1:
        middle = (alike + end) // 2
        both = slice(alike * _ID_BYTES, middle * _ID_BYTES)
        if some[both] == others[both]:
            alike = middle
        else:
            end = middle
    return alike


def _cut(runs: Runs, tokens: int) -> Runs:
    """Return the first tokens of a text; if it is shorter, its last stream goes on."""
    if not tokens:
        return ()
    left = tokens
    for index, (stream, length) in enumerate(runs):
        if left <= length:
            return (*runs[:index], (stream, left))
        left -= length
    stream, length = runs[-1]
    return (*runs[:-1], (stream, length + left))
