"""The texts of a trace's requests, named so that caches find again what prompts share.

A trace tells by hash ids which prompts begin alike, and by turns which prompt continues which. From
that each prompt becomes the runs of an :class:`~inference_sim.workload.stream.Arrival`: those of an
earlier prompt as far as it is the same, and one of its own for the rest. The ids stand in a radix
tree, so that a request costs a few look-ups for each run of its prompt, however many blocks it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Generic, Literal, TypeVar

from inference_sim.workload.trace_requests import RequestTrace
from inference_sim.workload.trace_talk import Prefixes, Talk

Runs = tuple[tuple[int, int], ...]
"""A text as runs (stream, tokens): the first tokens of a stream each."""

Sharing = Literal["hash_ids", "turns", "none"]
"""What tells the text that prompts share."""
REMEMBERED_REQUESTS = 1 << 17
"""Requests after which a text that none of them has is new again; at most twice as many."""
_ID_BYTES = 8
_Turn = tuple[Runs, int, int]
"""A request that may be continued: prompt and answer as text, tokens of the prompt and of both."""
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
            key = (node, ids[begin : begin + _ID_BYTES])
            child = self._children.get(key)
            if child is None:
                return begin // _ID_BYTES, node
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
        new = ids[count * _ID_BYTES :]
        node = len(self._ids)
        self._ids.append(new)
        self.runs.append(runs)
        self._children[before, new[:_ID_BYTES]] = node
        return node

    def _split(self, key: tuple[int, bytes], node: int, ids: bytes) -> int:
        """Part a node in two where a list of ids leaves it, and return the first part."""
        own = self._ids[node]
        end = _common(own, ids) * _ID_BYTES
        head = len(self._ids)
        self._ids.append(own[:end])
        self.runs.append(self.runs[node])
        self._ids[node] = own[end:]
        self._children[key] = head
        self._children[head, own[end : end + _ID_BYTES]] = node
        return head


class _RecentIds:
    """Hash ids of prompts, of which those that are not asked for are forgotten."""

    def __init__(self) -> None:
        self._young, self._old = _Ids(), _Ids()

    def known(self, ids: bytes) -> tuple[int, int]:
        """Return how many ids at the beginning of a list are known, and the node of the last."""
        known = self._young.known(ids)
        if known[0] * _ID_BYTES < len(ids):
            count, node = self._old.known(ids)
            if count > known[0]:
                text = self._old.runs[node]
                return count, self._young.add(known, ids[: count * _ID_BYTES], text)
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


class TraceTexts:
    """Names of the texts and the sessions of a trace's requests, in order of arrival.

    By hash ids, a prompt has the text of an earlier one as far as their ids are the same from the
    beginning on. If it is the next turn of a request, has its whole blocks, and is as long as its
    prompt and answer at least, it begins with both. A prompt without ids shares nothing.

    By turns, a prompt that is as long at least begins with prompt and answer of the request that it
    continues, or else of the one before it in its session.

    Memory does not grow with the trace: a text is new again if none of the last
    `REMEMBERED_REQUESTS` had it.

    Args:
        sharing: What tells the text that prompts share.
    """

    def __init__(self, sharing: Sharing) -> None:
        self._sharing = sharing
        self._named = self._sessions_named = 0  # over all laps, for no name is given twice
        self._lap = 0
        self._begin_lap()

    def _begin_lap(self) -> None:
        self._ids = _RecentIds()
        self._turns: _Recent[int, _Turn] = _Recent()
        self._session_numbers: _Recent[str, int] = _Recent()
        self._latest: _Recent[int, int] = _Recent()  # request of each session
        self._served = 0

    def of(
        self, part: RequestTrace, talk: Talk
    ) -> tuple[Sequence[Runs | None], Sequence[int], Sequence[int]]:
        """Return the text, the stream of the answer and the session of each request of a part.

        In another repetition of the trace, all texts and sessions are new. The text is None if the
        request shares none, the session -1 if it has none.
        """
        if part.lap != self._lap:
            self._lap = part.lap
            self._begin_lap()
        count = part.requests
        sessions = [-1] * count if talk.sessions is None else self._sessions(talk.sessions.tolist())
        texts: list[Runs | None] = [None] * count
        if self._sharing == "turns" or (self._sharing == "hash_ids" and talk.prefixes is not None):
            texts = self._texts(part, talk, sessions)
        answers = range(2 * self._named + 1, 2 * (self._named + count) + 1, 2)
        self._named += count
        self._served += count
        if self._served // REMEMBERED_REQUESTS > (self._served - count) // REMEMBERED_REQUESTS:
            for memory in (self._ids, self._turns, self._session_numbers, self._latest):
                memory.age()
        return texts, answers, sessions

    def _texts(self, part: RequestTrace, talk: Talk, sessions: Sequence[int]) -> list[Runs | None]:
        """Return the texts of the requests of a part."""
        by_turns, prefixes = self._sharing == "turns", talk.prefixes
        block_tokens = 0 if prefixes is None or by_turns else prefixes.block_tokens
        ids = [b""] * part.requests if prefixes is None or by_turns else _ids_of(prefixes)
        parents = [-1] * part.requests if talk.parents is None else talk.parents.tolist()
        if by_turns:
            parents = self._with_latest(parents, sessions)
        follows = by_turns or talk.parents is not None
        prompts, outputs = part.prompt_tokens.tolist(), part.output_tokens.tolist()
        texts: list[Runs | None] = []
        for row, (own_ids, prompt) in enumerate(zip(ids, prompts, strict=True)):
            if not own_ids and not by_turns:
                texts.append(None)
                continue
            stream = 2 * (self._named + row)
            turn = self._turns.get(parents[row]) if follows else None
            runs = self._text(own_ids, prompt, stream, turn, block_tokens)
            texts.append(runs)
            if follows:
                output = outputs[row]
                whole = ((*runs, (stream + 1, output)), prompt, prompt + output)
                self._turns.put(self._served + row, whole)
        return texts

    def _text(
        self, ids: bytes, prompt: int, stream: int, turn: _Turn | None, block_tokens: int
    ) -> Runs:
        """Return the text of a prompt, whose hash ids are known from now on.

        Args:
            ids: Its hash ids.
            prompt: Its length [tokens].
            stream: The stream of what it does not share.
            turn: The request that it continues, if it is remembered.
            block_tokens: Tokens of a block; 0 where ids are not looked at.
        """
        known = self._ids.known(ids)
        count, node = known
        tokens = min(count * block_tokens, prompt)
        before, its_prompt, its_tokens = turn or ((), 0, 0)
        if tokens < its_tokens <= prompt and (
            not block_tokens or count >= its_prompt // block_tokens
        ):
            runs, tokens = before, its_tokens
        else:
            runs = _cut(self._ids.runs(node), tokens)
        if tokens < prompt:
            runs = (*runs, (stream, prompt - tokens))
        if count * _ID_BYTES < len(ids):
            self._ids.add(known, ids, runs)
        return runs

    def _with_latest(self, parents: Sequence[int], sessions: Sequence[int]) -> list[int]:
        """Return the parents, of requests without one the one before in their session."""
        found: list[int] = []
        for number, (parent, session) in enumerate(
            zip(parents, sessions, strict=True), self._served
        ):
            latest = self._latest.get(session) if session >= 0 else None
            found.append(latest if parent < 0 and latest is not None else parent)
            if session >= 0:
                self._latest.put(session, number)
        return found

    def _sessions(self, names: Sequence[str | None]) -> list[int]:
        """Return the numbers of sessions by their names."""
        numbers: list[int] = []
        for name in names:
            number = -1 if name is None else self._session_numbers.get(name)
            if number is None and name is not None:
                number = self._sessions_named
                self._sessions_named += 1
                self._session_numbers.put(name, number)
            numbers.append(-1 if number is None else number)
        return numbers


def _ids_of(prefixes: Prefixes) -> Iterator[bytes]:
    """Yield the ids of each request."""
    ids = prefixes.ids.astype("int64", copy=False).tobytes()
    offsets = (prefixes.offsets * _ID_BYTES).tolist()
    begin = offsets[0]
    for end in offsets[1:]:
        yield ids[begin:end]
        begin = end


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
