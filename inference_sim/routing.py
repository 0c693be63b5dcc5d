"""Routers: which replica gets a request that the gateway released."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import cycle

from inference_sim.replica import Replica

Router = Callable[[], Replica]


def round_robin(replicas: Sequence[Replica]) -> Router:
    """Return a router that takes the replicas in turn."""
    turn = cycle(replicas)
    return lambda: next(turn)


def least_outstanding(replicas: Sequence[Replica]) -> Router:
    """Return a router to the replica with the fewest requests waiting or running."""
    return lambda: min(replicas, key=lambda replica: replica.outstanding)


ROUTERS: dict[str, Callable[[Sequence[Replica]], Router]] = {
    "round_robin": round_robin,
    "least_outstanding": least_outstanding,
}
