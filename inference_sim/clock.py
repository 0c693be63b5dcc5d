"""The clock of clusters: it is advanced step by step, and the clusters are metered on the way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import simpy

from inference_sim.garbage import paused_gc

SLICE_S = 600.0
"""Time between two checks of the number of segments kept for metering [s]."""
MOST_ROWS = 100_000
"""Beyond so many segments they are metered within a step: each takes 128 bytes, and several times
that while it is metered."""


class Metered(Protocol):
    """Something on the clock that keeps its segments until they are metered."""

    @property
    def rows_kept(self) -> int:
        """Number of segments that are not metered yet."""
        ...

    def flush(self, until_s: float) -> None:
        """Meter the segments since the last flush, up to `until_s` [s]."""
        ...


def advance(env: simpy.Environment, until_s: float, clusters: Sequence[Metered]) -> None:
    """Run the clock of one cluster, or of several that share it, and meter them.

    Args:
        env: The clock.
        until_s: Time at which to stop [s].
        clusters: The clusters. They are metered at the end, and earlier only to bound the memory:
            metering costs as much for a replica with little work as for one with a lot.
    """
    while env.now < until_s:
        with paused_gc():
            env.run(until=min(until_s, env.now + SLICE_S))
            rows = sum(cluster.rows_kept for cluster in clusters)
            if rows > MOST_ROWS or env.now >= until_s:
                for cluster in clusters:
                    cluster.flush(env.now)
