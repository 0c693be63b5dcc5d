"""Lazy request streams: arrivals joined with lengths and classes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from itertools import islice, takewhile
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from inference_sim.arrays import FloatArray
from inference_sim.workload.arrivals import CHUNK, Arrivals
from inference_sim.workload.lengths import Lengths
from inference_sim.workload.trace_ids import Runs
from inference_sim.workload.trace_requests import RequestTrace
from inference_sim.workload.trace_texts import Sharing, TraceTexts


class Recorded(Protocol):
    """Recorded requests: a trace, or a replay of one."""

    def parts(self) -> Iterator[RequestTrace]:
        """Yield the requests in order, in parts of bounded size."""
        ...


class Arrival(NamedTuple):
    """A request as it arrives: time since the start [s], tokens, class.

    Where its prompt may share a beginning with others, `content` is the prompt as runs (stream,
    tokens) that add up to its tokens, of streams from 0, and `answer_stream` the stream that later
    prompts call its answer by. Requests of a session share its number; -1 is no session.
    """

    time_s: float
    prompt_tokens: int
    output_tokens: int
    class_id: int
    content: Runs | None = None
    answer_stream: int = 0
    session: int = -1


def generated_stream(
    arrivals: Arrivals,
    lengths: Lengths,
    seed: int | Sequence[int],
    *,
    requests: int | None = None,
    class_shares: Sequence[float] = (1.0,),
    class_lengths: Mapping[int, Lengths] | None = None,
) -> Iterator[Arrival]:
    """Yield requests of an arrival process.

    Times, lengths and classes come from generators of their own, and so do the lengths of each
    class that has its own: changing one leaves the others as they were (common random numbers).

    Args:
        arrivals: Arrival process.
        lengths: Length distribution.
        seed: Seed of the run, or several numbers that make one.
        requests: Number of requests to stop after; None for no end.
        class_shares: Share of each class; sums to 1.
        class_lengths: Lengths of classes that differ, by class; `lengths` are those of the others.
    """
    time_rng, length_rng, class_rng = (_generator(seed, key) for key in range(3))
    special = {
        class_id: (drawn, _generator(seed, 4, class_id))
        for class_id, drawn in (class_lengths or {}).items()
    }

    def endless() -> Iterator[Arrival]:
        for times in arrivals.times_s(time_rng):
            prompt, output = lengths.draw(length_rng, len(times))
            classes = _draw_classes(class_rng, len(times), class_shares)
            for class_id, (drawn, rng) in special.items():
                members = np.flatnonzero(classes == class_id)
                prompt[members], output[members] = drawn.draw(rng, len(members))
            yield from map(
                Arrival, times.tolist(), prompt.tolist(), output.tolist(), classes.tolist()
            )

    return islice(endless(), requests)


def trace_stream(
    trace: Recorded,
    seed: int | Sequence[int],
    *,
    requests: int | None = None,
    class_shares: Sequence[float] = (1.0,),
    sharing: Sharing = "hash_ids",
) -> Iterator[Arrival]:
    """Yield the requests of a recorded trace, or of a replay of one.

    Their classes are as recorded, or drawn by the shares where the trace does not tell them. They
    have sessions and texts if its talk was read.

    Args:
        trace: The trace.
        seed: Seed of the run, or several numbers that make one.
        requests: Number of requests to stop after; None for all.
        class_shares: Share of each class; sums to 1.
        sharing: What tells the text that prompts share.
    """
    class_rng = _generator(seed, 2)
    texts = TraceTexts(sharing)

    def recorded() -> Iterator[Arrival]:
        for part in trace.parts():
            classes = part.class_ids
            if classes is None:
                classes = _draw_classes(class_rng, len(part.times_s), class_shares)
            columns = (
                part.times_s.tolist(),
                part.prompt_tokens.tolist(),
                part.output_tokens.tolist(),
                classes.tolist(),
            )
            if part.talk is None:
                yield from map(Arrival, *columns)
            else:
                yield from map(Arrival, *columns, *texts.of(part, part.talk))

    return islice(recorded(), requests)


def thinned(
    stream: Iterable[Arrival],
    seed: int | Sequence[int],
    from_share: float,
    to_share: float,
    *,
    by_session: bool = False,
) -> Iterator[Arrival]:
    """Yield the requests whose uniform draw lies in [from_share, to_share).

    Sites that split one workload draw the same numbers and take disjoint intervals of them.

    Args:
        stream: Requests.
        seed: Seed of the run, or several numbers that make one.
        from_share, to_share: The interval, from 0 to 1.
        by_session: Whether all requests of a session have the same draw.
    """
    rng = _generator(seed, 3)
    iterator = iter(stream)

    @lru_cache(maxsize=64)
    def of_sessions(block: int) -> FloatArray:
        return _generator(seed, 6, block).random(CHUNK)

    while chunk := list(islice(iterator, CHUNK)):
        draws = rng.random(len(chunk))
        if by_session:
            for row, arrival in enumerate(chunk):
                if arrival.session >= 0:
                    block, number = divmod(arrival.session, CHUNK)
                    draws[row] = of_sessions(block)[number]
        kept = (draws >= from_share) & (draws < to_share)
        yield from (arrival for arrival, keep in zip(chunk, kept, strict=True) if keep)


def first(
    stream: Iterator[Arrival], requests: int | None, class_until_s: Sequence[float]
) -> Iterator[Arrival]:
    """Yield the requests up to the one with which so many have come.

    A request after the end of its class is yielded without being counted: `coming` drops it, once
    all that draws for each request has been drawn.

    Args:
        stream: Requests.
        requests: Number of requests that come; None for no end.
        class_until_s: End of each class [s]; infinite for none.
    """
    if requests is None or all(map(math.isinf, class_until_s)):
        return islice(stream, requests)
    return _counted(stream, requests, class_until_s)


def _counted(
    stream: Iterator[Arrival], requests: int, class_until_s: Sequence[float]
) -> Iterator[Arrival]:
    last_s = max(class_until_s)
    for arrival in stream:
        yield arrival
        requests -= arrival.time_s < class_until_s[arrival.class_id]
        if not requests or arrival.time_s >= last_s:
            return


def coming(stream: Iterator[Arrival], class_until_s: Sequence[float]) -> Iterator[Arrival]:
    """Yield the requests that arrive before the end of their class, and end with the last class.

    Args:
        stream: Requests.
        class_until_s: End of each class [s]; infinite for none.
    """
    if all(map(math.isinf, class_until_s)):
        return stream
    last_s = max(class_until_s)
    return (
        arrival
        for arrival in takewhile(lambda arrival: arrival.time_s < last_s, stream)
        if arrival.time_s < class_until_s[arrival.class_id]
    )


def _generator(seed: int | Sequence[int], *key: int) -> np.random.Generator:
    parts = [seed] if isinstance(seed, int) else list(seed)
    return np.random.default_rng([*parts, *key])


def _draw_classes(
    rng: np.random.Generator, count: int, class_shares: Sequence[float]
) -> NDArray[np.int64]:
    if len(class_shares) == 1:
        return np.zeros(count, dtype=np.int64)
    return rng.choice(len(class_shares), size=count, p=class_shares)
