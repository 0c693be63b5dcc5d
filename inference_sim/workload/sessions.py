"""Sessions: requests of one client, each of which sends again what was said before.

What a session does (its class, its turns, their lengths, the time to think after each answer) is
drawn from the seed and the session's number alone, in blocks of sessions. So it is the same whoever
serves it, and whenever the sessions before it end (common random numbers).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from math import log
from typing import Protocol

import numpy as np

from inference_sim.arrays import FloatArray
from inference_sim.workload.arrivals import Arrivals
from inference_sim.workload.lengths import Ints, Lengths
from inference_sim.workload.stream import Arrival

_BLOCK = 256
"""Sessions that are drawn at once."""
_KEPT_BLOCKS = 64
"""Blocks that are kept, beside one for every so many clients; others are drawn again."""
_MOST_TURNS = 1 << 16
_TURNS, _LENGTHS, _CLASSES, _THINK, _GROUPS, _OWN_LENGTHS = range(8, 14)
"""Keys of the draws; those of plain streams are smaller."""


class Durations(Protocol):
    """A distribution of durations."""

    @property
    def mean_s(self) -> float:
        """The mean [s]."""
        ...

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Return durations, shape (count,) [s]."""
        ...


@dataclass(frozen=True, slots=True)
class FixedDuration:
    """The same duration every time [s]."""

    duration_s: float = 0.0

    @property
    def mean_s(self) -> float:
        """The duration [s]."""
        return self.duration_s

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Return `count` equal durations [s]."""
        return np.full(count, self.duration_s)


@dataclass(frozen=True, slots=True)
class ExponentialDuration:
    """Exponentially distributed durations, of a mean [s]."""

    mean_s: float

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Return durations, shape (count,) [s]."""
        return rng.exponential(self.mean_s, count)


@dataclass(frozen=True, slots=True)
class LognormalDuration:
    """Lognormal durations.

    Attributes:
        median_s: Median [s].
        sigma: Standard deviation of the logarithm.
    """

    median_s: float
    sigma: float

    @property
    def mean_s(self) -> float:
        """The mean [s]."""
        return float(self.median_s * np.exp(self.sigma**2 / 2))

    def draw(self, rng: np.random.Generator, count: int) -> FloatArray:
        """Return durations, shape (count,) [s]."""
        return rng.lognormal(log(self.median_s), self.sigma, count)


@dataclass(frozen=True, slots=True)
class Turns:
    """The number of turns of a session.

    Attributes:
        mean: Mean number of turns, at least 1.
        geometric: Whether each turn is the last one with the same chance; or all sessions have
            `mean` turns, a whole number.
    """

    mean: float = 1.0
    geometric: bool = False

    def draw(self, rng: np.random.Generator, count: int) -> Ints:
        """Return numbers of turns, shape (count,)."""
        if not self.geometric:
            return np.full(count, round(self.mean))
        return np.minimum(rng.geometric(1 / self.mean, count), _MOST_TURNS)


@dataclass(frozen=True, slots=True)
class Session:
    """A session, drawn.

    Attributes:
        number: Its number.
        class_id: Class of its requests.
        group: Number of its system prompt among those that sessions share.
        texts: New tokens of each turn, the system prompt not included [tokens].
        answers: Tokens of each answer [tokens].
        think_s: Time from the end of each answer to the next request of its client [s].
    """

    number: int
    class_id: int
    group: int
    texts: Sequence[int]
    answers: Sequence[int]
    think_s: Sequence[float]


@dataclass(frozen=True)
class Sessions:
    """The sessions of a workload, by number.

    Example::

        sessions = Sessions(FixedLengths(200, 150), seed=1, turns=Turns(4, geometric=True),
                            think=LognormalDuration(8.0, 1.0), system_tokens=1500, groups=3)
        sessions.turn(sessions.session(7), 0, time_s=12.0)

    Attributes:
        lengths: New text and answer of a turn.
        seed: Seed of the run, or several numbers that make one.
        turns: Number of turns.
        think: Time from an answer to the session's next request.
        pause: Time from the last answer to the client's next session, in a closed loop.
        system_tokens: Length of the system prompt that comes first [tokens]; 0 for none.
        groups: Number of different system prompts.
        accumulates: Whether a prompt has the earlier turns and answers before its new text.
        shares_text: Whether requests say what they hold, so that caches find it.
        class_shares: Share of each class of sessions; sums to 1.
        class_lengths: Lengths of classes that differ, by class.
        clients: Clients that have sessions at the same time, in a closed loop; 0 in an open one.
    """

    lengths: Lengths
    seed: int | Sequence[int]
    turns: Turns = Turns()
    think: Durations = FixedDuration()
    pause: Durations = FixedDuration()
    system_tokens: int = 0
    groups: int = 1
    accumulates: bool = True
    shares_text: bool = True
    class_shares: Sequence[float] = (1.0,)
    class_lengths: Mapping[int, Lengths] = field(default_factory=dict)
    clients: int = 0

    def session(self, number: int) -> Session:
        """Return a session."""
        block, row = divmod(number, _BLOCK)
        drawn = self._drawn(block)
        first, last = drawn.ends[row], drawn.ends[row + 1]
        return Session(
            number,
            drawn.classes[row],
            drawn.groups[row],
            drawn.texts[first:last],
            drawn.answers[first:last],
            drawn.think_s[first:last],
        )

    def turn(self, session: Session, turn: int, time_s: float) -> Arrival:
        """Return the request of a turn, from 0, that arrives at `time_s` [s]."""
        system = self.system_tokens
        runs = [(session.group, system)] if system else []
        stream = self.groups + 2 * session.number * _MOST_TURNS
        first = 0 if self.accumulates else turn
        for earlier in range(first, turn):
            runs.append((stream + 2 * earlier, session.texts[earlier]))
            runs.append((stream + 2 * earlier + 1, session.answers[earlier]))
        runs.append((stream + 2 * turn, session.texts[turn]))
        return Arrival(
            time_s,
            sum(tokens for _, tokens in runs),
            session.answers[turn],
            session.class_id,
            tuple(runs) if self.shares_text else None,
            stream + 2 * turn + 1,
            session.number,
        )

    def prompts(self, session: Session) -> FloatArray:
        """Return the prompt of each turn, shape (turns,) [tokens]."""
        texts = np.array(session.texts, dtype=np.float64)
        if not self.accumulates:
            return self.system_tokens + texts
        before: FloatArray = np.cumsum(texts) + np.cumsum([0, *session.answers[:-1]])
        return self.system_tokens + before

    @cached_property
    def _drawn(self) -> _DrawBlock:
        kept = _KEPT_BLOCKS + self.clients // 16
        return lru_cache(maxsize=kept)(self._draw)

    def _draw(self, block: int) -> _Block:
        """Draw a block of sessions; each quantity has a generator of its own."""
        turns = self.turns.draw(self._rng(_TURNS, block), _BLOCK)
        total = int(turns.sum())
        texts, answers = self.lengths.draw(self._rng(_LENGTHS, block), total)
        classes = np.zeros(_BLOCK, dtype=np.int64)
        if len(self.class_shares) > 1:
            shares = self.class_shares
            classes = self._rng(_CLASSES, block).choice(len(shares), size=_BLOCK, p=shares)
        for class_id, own in self.class_lengths.items():
            members = np.flatnonzero(np.repeat(classes == class_id, turns))
            rng = self._rng(_OWN_LENGTHS, block, class_id)
            texts[members], answers[members] = own.draw(rng, len(members))
        think_rng = self._rng(_THINK, block)
        think_s = self.think.draw(think_rng, total)
        ends = np.cumsum(turns)
        think_s[ends - 1] = self.pause.draw(think_rng, _BLOCK)
        groups = np.zeros(_BLOCK, dtype=np.int64)
        if self.groups > 1:
            groups = self._rng(_GROUPS, block).integers(self.groups, size=_BLOCK)
        return _Block(
            [0, *ends.tolist()],
            classes.tolist(),
            groups.tolist(),
            texts.tolist(),
            answers.tolist(),
            think_s.tolist(),
        )

    def _rng(self, *key: int) -> np.random.Generator:
        parts = [self.seed] if isinstance(self.seed, int) else list(self.seed)
        return np.random.default_rng([*parts, *key])


@dataclass(frozen=True, slots=True)
class _Block:
    """Sessions one after the other; `ends` are where each begins among the turns, and the end."""

    ends: Sequence[int]
    classes: Sequence[int]
    groups: Sequence[int]
    texts: Sequence[int]
    answers: Sequence[int]
    think_s: Sequence[float]


class _DrawBlock(Protocol):
    def __call__(self, block: int, /) -> _Block: ...


def session_starts(sessions: Sessions, arrivals: Arrivals) -> Iterator[Arrival]:
    """Yield the first requests of sessions that an arrival process begins, without end."""
    number = 0
    for times_s in arrivals.times_s(sessions._rng(0)):
        for time_s in times_s.tolist():
            yield sessions.turn(sessions.session(number), 0, time_s)
            number += 1


def client_starts(
    sessions: Sessions, ramp_up_s: float, low: float = 0.0, high: float = 1.0
) -> Iterator[Arrival]:
    """Yield the first request of each client of a closed loop, evenly over the ramp-up.

    Client c has sessions c, c + N, c + 2 N and so on, with N clients.

    Args:
        sessions: The sessions.
        ramp_up_s: Time within which the clients begin [s].
        low, high: Of all clients those whose place among them lies in [low, high), from 0 to 1.
    """
    count = sessions.clients
    for client in range(count):
        if low <= (client + 0.5) / count < high:
            start_s = ramp_up_s * client / count
            yield sessions.turn(sessions.session(client), 0, start_s)
