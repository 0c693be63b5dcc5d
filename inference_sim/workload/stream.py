"""Lazy request streams: arrivals joined with lengths and classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np

from inference_sim.workload.arrivals import CHUNK, Arrivals
from inference_sim.workload.lengths import Lengths
from inference_sim.workload.traces import RequestTrace


class Arrival(NamedTuple):
    """A request as the world sends it: time since the start [s], tokens, class."""

    time_s: float
    prompt_tokens: int
    output_tokens: int
    class_id: int


def generated_stream(
    arrivals: Arrivals,
    lengths: Lengths,
    seed: int | Sequence[int],
    *,
    requests: int | None = None,
    class_shares: Sequence[float] = (1.0,),
) -> Iterator[Arrival]:
    """Yield requests of an arrival process.

    Times, lengths and classes come from generators of their own, so that changing one leaves the
    others as they were (common random numbers).

    Args:
        arrivals: When they come.
        lengths: How long they are.
        seed: Seed of the run, or several numbers that make one.
        requests: Stop after so many; None for no end.
        class_shares: Share of each class; sums to 1.
    """
    time_rng, length_rng, class_rng = (_generator(seed, key) for key in range(3))

    def endless() -> Iterator[Arrival]:
        for times in arrivals.times_s(time_rng):
            prompt, output = lengths.draw(length_rng, len(times))
            classes = _draw_classes(class_rng, len(times), class_shares)
            yield from map(Arrival, times.tolist(), prompt.tolist(), output.tolist(), classes)

    return islice(endless(), requests)


def trace_stream(
    trace: RequestTrace,
    seed: int | Sequence[int],
    *,
    requests: int | None = None,
    class_shares: Sequence[float] = (1.0,),
) -> Iterator[Arrival]:
    """Yield the requests of a recorded trace, once."""
    class_rng = _generator(seed, 2)

    def chunks() -> Iterator[Arrival]:
        for first in range(0, len(trace.times_s), CHUNK):
            part = slice(first, first + CHUNK)
            times = trace.times_s[part].tolist()
            yield from map(
                Arrival,
                times,
                trace.prompt_tokens[part].tolist(),
                trace.output_tokens[part].tolist(),
                _draw_classes(class_rng, len(times), class_shares),
            )

    return islice(chunks(), requests)


def thinned(
    stream: Iterable[Arrival], seed: int | Sequence[int], from_share: float, to_share: float
) -> Iterator[Arrival]:
    """Yield the requests whose uniform draw lies in [from_share, to_share).

    Sites that split one workload draw the same numbers and take disjoint intervals of them.
    """
    rng = _generator(seed, 3)
    iterator = iter(stream)
    while chunk := list(islice(iterator, CHUNK)):
        draws = rng.random(len(chunk))
        mine = (draws >= from_share) & (draws < to_share)
        yield from (arrival for arrival, keep in zip(chunk, mine, strict=True) if keep)


def _generator(seed: int | Sequence[int], key: int) -> np.random.Generator:
    parts = [seed] if isinstance(seed, int) else list(seed)
    return np.random.default_rng([*parts, key])


def _draw_classes(rng: np.random.Generator, count: int, class_shares: Sequence[float]) -> list[int]:
    if len(class_shares) == 1:
        return [0] * count
    return [int(c) for c in rng.choice(len(class_shares), size=count, p=class_shares)]
