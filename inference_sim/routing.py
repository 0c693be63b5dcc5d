"""Routers: the choice of a replica for each request that the gateway released.

A router sees the request and the state of the replicas that a real one could ask for: the numbers
of requests that wait and run, and the share of the KV cache in use. It never reads the output
length. The list of replicas that it is given may change between two requests, as replicas fall
asleep and wake up.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Sequence
from itertools import count
from typing import Protocol, cast

import numpy as np

from inference_sim.errors import InferenceSimError
from inference_sim.plugins import find_part
from inference_sim.replica import Replica
from inference_sim.request import Request

Router = Callable[[Request], Replica]
"""Function that gives the replica that serves a request."""


class RouterFactory(Protocol):
    """Function that makes a router to some replicas; its random draws follow from the seed."""

    def __call__(self, replicas: Sequence[Replica], seed: int = 0) -> Router:
        """Return a router."""
        ...


def round_robin(replicas: Sequence[Replica], seed: int = 0) -> Router:
    """Return a router that takes the replicas in turn."""
    turn = count()
    return lambda request: replicas[next(turn) % len(replicas)]


def at_random(replicas: Sequence[Replica], seed: int = 0) -> Router:
    """Return a router to any replica, all equally likely."""
    rng = _generator(seed)
    return lambda request: replicas[int(rng.integers(len(replicas)))]


def least_outstanding(replicas: Sequence[Replica], seed: int = 0) -> Router:
    """Return a router to the replica with the fewest requests waiting or running."""
    return lambda request: min(replicas, key=lambda replica: replica.outstanding)


def power_of_two(replicas: Sequence[Replica], seed: int = 0) -> Router:
    """Return a router to the less loaded of two replicas that are drawn at random.

    The power of two choices (Mitzenmacher, IEEE TPDS 12(10), 2001): nearly as even as comparing all
    replicas. Load is requests waiting or running; the first drawn wins a tie.
    """
    rng = _generator(seed)

    def route(request: Request) -> Replica:
        if len(replicas) == 1:
            return replicas[0]
        first = int(rng.integers(len(replicas)))
        second = int(rng.integers(len(replicas) - 1))
        second += second >= first  # any but the first
        return min(replicas[first], replicas[second], key=lambda replica: replica.outstanding)

    return route


def least_kv_load(replicas: Sequence[Replica], seed: int = 0) -> Router:
    """Return a router to the replica with the fewest KV blocks in use.

    A waiting request holds no blocks yet, so among equals the fewest outstanding requests decide.
    """

    def load(replica: Replica) -> tuple[float, int]:
        return replica.kv_utilisation, replica.outstanding

    return lambda request: min(replicas, key=load)


def prefix_affinity(replicas: Sequence[Replica], seed: int = 0) -> Router:
    """Return a router to the replica whose cache finds most of the prompt.

    Among equals the fewest outstanding requests decide.
    """
    return lambda request: min(
        replicas, key=lambda replica: (-replica.hit(request), replica.outstanding)
    )


def session_sticky(replicas: Sequence[Replica], seed: int = 0) -> Router:
    """Return a router to the replica that served the session before.

    The first request of a session, one without a session, and one whose replica is asleep go to the
    replica with the fewest outstanding requests.
    """
    homes: dict[int, Replica] = {}

    def route(request: Request) -> Replica:
        home = homes.get(request.session)
        if home is None or home not in replicas:
            home = min(replicas, key=lambda replica: replica.outstanding)
            if request.session >= 0:
                homes[request.session] = home
        return home

    return route


def least_uncached(replicas: Sequence[Replica], seed: int = 0) -> Router:
    """Return a router to the replica with the fewest tokens to compute, by its load.

    That is the tokens of the prompt that its cache does not find, times one more than the requests
    that wait or run there: an idle replica may be better than one that knows the prompt.
    """

    def route(request: Request) -> Replica:
        def load(replica: Replica) -> int:
            return (request.prompt_tokens - replica.hit(request)) * (replica.outstanding + 1)

        return min(replicas, key=load)

    return route


ROUTERS: dict[str, RouterFactory] = {
    "round_robin": round_robin,
    "random": at_random,
    "least_outstanding": least_outstanding,
    "power_of_two": power_of_two,
    "least_kv_load": least_kv_load,
    "prefix_affinity": prefix_affinity,
    "session_sticky": session_sticky,
    "least_uncached": least_uncached,
}
"""The built-in routers, by their names in scenarios."""


def find_router(name: str) -> RouterFactory:
    """Return the function that makes a router.

    Packages offer theirs as entry points of the group ``cosim.routers``.

    Raises:
        InferenceSimError: If no router has that name, or it cannot be imported or called.
    """
    return checked_router(find_part("router", name, ROUTERS), f"'{name}'")


def checked_router(part: object, where: str) -> RouterFactory:
    """Return `part` if it can be called to make a router.

    Args:
        part: The function.
        where: Its name or its location, for errors.

    Raises:
        InferenceSimError: If it cannot.
    """
    if callable(part) and not inspect.isclass(part):
        try:
            inspect.signature(part).bind((), 0)
        except TypeError:
            pass
        else:
            return cast(RouterFactory, part)
    raise InferenceSimError(
        f"router {where} must be called with the replicas and a seed (got {part!r})"
    )


def _generator(seed: int) -> np.random.Generator:
    # A constant of its own keeps these draws apart from those of the workload.
    return np.random.default_rng([seed, 0x726F757465])
