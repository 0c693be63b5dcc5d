"""Decoys of the supply: what a policy would save without knowing when it is clean.

A decoy looks like the signals of the supply, carbon intensity and sun, and tells nothing of them:
the same signals at other hours, those of other days, or their hours in random order. A controller
that is shown a decoy acts in the same manner as on the truth, at the wrong times, while its
emissions are those of the true signals. The difference of the two savings is due to timing alone;
what both save comes from serving in larger batches, from sleeping replicas, or from less work.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from controllers.arrays import FloatArray

Rows = NDArray[np.int64]
DecoyKind = Literal["moved", "other_days", "noise"]
_DAY_S, _HOUR_S = 86400.0, 3600.0
_STREAM = 0x6465636F79  # apart from all else that is drawn from the same seed


@dataclass(frozen=True, slots=True)
class Decoy:
    """A way to make another signal of a signal.

    Attributes:
        kind: ``moved`` in time, so that it comes `by_s` later; the days in another order, each in
            the place of another one (``other_days``); or the hours in random order (``noise``).
        by_s: Time by which the signal is moved [s].
        draw: Number of the random order.
    """

    kind: DecoyKind
    by_s: float = 0.0
    draw: int = 1

    @property
    def label(self) -> str:
        """The decoy in words."""
        if self.kind == "moved":
            return f"moved by {self.by_s / _HOUR_S:g} h"
        return f"{'other days' if self.kind == 'other_days' else 'noise'} {self.draw}"

    def of(
        self, past: FloatArray, values: FloatArray, step_s: float
    ) -> tuple[FloatArray, FloatArray]:
        """Return past and values of the decoy of a signal.

        Args:
            past: Values of the steps before the run, oldest first; may be empty.
            values: Values of all steps of the run, shape (steps,).
            step_s: Length of a step [s].

        Raises:
            ValueError: If the signal does not cover two days whose order could change.
        """
        series = np.concatenate([past, values])
        day = max(1, round(_DAY_S / step_s))
        if self.kind == "moved":
            taken = _moved(len(series), round(self.by_s / step_s), day)
        elif self.kind == "other_days":
            taken = _reordered(len(series), len(past) % day, day, self.draw)
        else:
            hour = max(1, round(_HOUR_S / step_s))
            taken = _reordered(len(series), len(past) % hour, hour, self.draw)
        decoy = series[taken]
        return decoy[: len(past)], decoy[len(past) :]


def _moved(count: int, lag: int, day: int) -> Rows:
    """Return the rows to take so that a signal comes later; at its start, of the days after."""
    rows = np.arange(count) - lag
    short = np.maximum(0, -rows)
    taken: Rows = np.minimum(rows + -(-short // day) * day, count - 1)
    return taken


def _reordered(count: int, first: int, size: int, draw: int) -> Rows:
    """Return the rows to take so that each block of a signal is another one.

    Args:
        count: Rows of the signal.
        first: Row at which the first whole block begins; those before it belong to a part of one.
        size: Rows of a block.
        draw: Number of the random order.
    """
    whole = (count - first) // size
    if whole < 2:
        raise ValueError(f"expected at least two blocks of {size} steps to put in another order")
    order = np.arange(whole)
    random = np.random.default_rng([_STREAM, draw])
    for last in range(whole - 1, 0, -1):  # Sattolo: one cycle, so that no block keeps its place
        other = int(random.integers(last))
        order[last], order[other] = order[other], order[last]
    starts = first + size * order
    blocks = math.ceil((count - first) / size)
    if blocks > whole:  # the part of a block at the end
        starts = np.append(starts, first + size * int(random.integers(whole - 1)))
    rows = (starts[:, None] + np.arange(size)).ravel()[: count - first]
    end = first + size * (1 + int(random.integers(whole)))  # of the block that the head ends like
    return np.concatenate([np.arange(end - first, end), rows])
