"""The clock that clusters run on: advanced step by step, and metered on the way."""

from __future__ import annotations

from collections.abc import Callable

import simpy

from inference_sim.garbage import paused_gc

SLICE_S = 600.0
"""A step is metered in slices no longer than this, for metering takes memory for each segment."""


def advance(env: simpy.Environment, until_s: float, flush: Callable[[float], None]) -> None:
    """Run the clock of one cluster, or of several that share it.

    Args:
        env: The clock.
        until_s: Where to stop [s].
        flush: Called with the time [s] at the end of each slice: meters what was done in it.
    """
    while env.now < until_s:
        with paused_gc():
            env.run(until=min(until_s, env.now + SLICE_S))
            flush(env.now)
