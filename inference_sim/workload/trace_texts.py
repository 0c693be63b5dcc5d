"""The texts of a trace's requests, named so that caches find again what prompts share.

A trace tells by hash ids which prompts begin alike, and by turns which prompt continues which. From
that each prompt becomes the runs of an :class:`~inference_sim.workload.stream.Arrival`: those of an
earlier prompt as far as it is the same, and one of its own for the rest. The ids stand in a radix
tree, so that a request costs a few look-ups for each run of its prompt, however many blocks it has.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Literal

from inference_sim.workload.trace_ids import ID_BYTES, Recent, RecentIds, Runs
from inference_sim.workload.trace_requests import RequestTrace
from inference_sim.workload.trace_talk import Prefixes, Talk

Sharing = Literal["hash_ids", "turns", "none"]
"""What tells the text that prompts share."""
REMEMBERED_REQUESTS = 1 << 17
"""Requests after which a text that none of them has is new again; at most twice as many."""
_Turn = tuple[Runs, int, int]
"""A request that may be continued: prompt and answer as text, tokens of the prompt and of both."""


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
        self._ids = RecentIds()
        self._turns: Recent[int, _Turn] = Recent()
        self._session_numbers: Recent[str, int] = Recent()
        self._latest: Recent[int, int] = Recent()  # request of each session
        self._served = self._since_aging = 0

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
        self._since_aging += count
        if self._since_aging >= REMEMBERED_REQUESTS:
            self._since_aging = 0
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
        if count * ID_BYTES < len(ids):
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
    offsets = (prefixes.offsets * ID_BYTES).tolist()
    begin = offsets[0]
    for end in offsets[1:]:
        yield ids[begin:end]
        begin = end


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
