"""Changes of schedules at random, with which a search goes on."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cosim.studies.bounds.schedule import Schedule
from cosim.world.plan import Plan

_LENGTHS = (1, 2, 4, 8, 16, 32)
"""Steps that open or close together."""
_AGAIN = 0.3
"""Share of changes after which another one follows."""
_CLOCKS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
_SHARES = (0.1, 0.3, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, math.inf)


def changed(
    schedules: Mapping[str, Schedule], freedom: str, plan: Plan, rng: np.random.Generator
) -> Mapping[str, Schedule]:
    """Return schedules of which those of one site are changed at random, once or more."""
    name = str(rng.choice(sorted(schedules)))
    limits = plan.contexts[name].limits
    moves = ["flip", "flip", "move", "move", "shift", "share", "pulses"]
    if freedom in ("sleep", "clocks") and limits["active_replicas"].maximum > 1:
        moves += ["replicas", "replicas", "edges"]
    if freedom == "clocks" and "clock_fraction" in limits:
        moves += ["clock", "clock", "clock"]
    if "deferrable_rate" not in limits:
        moves = [move for move in moves if move in ("replicas", "clock")]
    moved = schedules[name]
    while moves:
        moved = _moved(moved, str(rng.choice(moves)), limits["active_replicas"].maximum, rng)
        if rng.random() >= _AGAIN:
            break
    return {**schedules, name: moved}


def _moved(schedule: Schedule, move: str, replicas: float, rng: np.random.Generator) -> Schedule:
    steps = len(schedule.windows)
    windows = schedule.windows.copy()
    if move == "move":  # a window of its own goes to another step near
        at = np.flatnonzero(windows)
        if len(at):
            place = int(rng.choice(at))
            windows[place] = False
            windows[min(max(place + int(rng.integers(-6, 7)), 0), steps - 1)] = True
        return replace(schedule, windows=windows)
    if move == "flip":
        first = int(rng.integers(0, steps))
        windows[first : first + int(rng.choice(_LENGTHS))] ^= True
        return replace(schedule, windows=windows)
    if move == "shift":
        return replace(schedule, windows=np.roll(windows, int(rng.integers(-10, 11))))
    if move == "pulses":  # all at once, now and then
        every = int(rng.integers(2, max(3, steps // 2)))
        windows[:] = np.arange(steps) % every == int(rng.integers(0, every))
        return replace(schedule, windows=windows, share=math.inf)
    if move == "share":
        return replace(schedule, share=float(rng.choice(_SHARES)))
    if move == "replicas":
        busy, calm = rng.integers(1, int(replicas) + 1, 2)
        return replace(schedule, busy=int(max(busy, calm)), calm=int(min(busy, calm)))
    if move == "edges":
        return replace(schedule, after=int(rng.integers(0, 20)), before=int(rng.integers(0, 4)))
    fast, slow = rng.choice(_CLOCKS, 2)
    return replace(schedule, fast=float(fast), slow=float(slow))
