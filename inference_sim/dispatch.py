"""Dispatch: the choice of a pool for each request that the gateway released."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inference_sim.errors import InferenceSimError
from inference_sim.pool import Pool
from inference_sim.request import Request

Dispatch = Callable[[Request], Pool]
DispatchFactory = Callable[[Sequence[Pool]], Dispatch]


def to_only_pool(pools: Sequence[Pool]) -> Dispatch:
    """Return the dispatch to a cluster's only pool.

    Raises:
        InferenceSimError: If there are several.
    """
    if len(pools) != 1:
        raise InferenceSimError(f"{len(pools)} pools need a dispatch that chooses between them")
    pool = pools[0]
    return lambda request: pool
