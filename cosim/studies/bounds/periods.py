"""Periods of a run for a bound: its steps, or several together."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from cosim.scenario.scenario import Time
from cosim.studies.bounds.facility import FacilityLine
from inference_sim.arrays import FloatArray

_MOST_PERIODS = 600


@dataclass(frozen=True, slots=True, eq=False)
class Periods:
    """Periods of one step or several: of their values the bound takes the best.

    Attributes:
        first: First step of each, shape (periods,).
        counts: Steps of each.
        ends_s: Ends [s].
        hours: Lengths [h].
        certain_s: Time for which the run lasts, whatever is decided [s].
    """

    first: NDArray[np.intp]
    counts: NDArray[np.intp]
    ends_s: FloatArray
    hours: FloatArray
    certain_s: float

    @classmethod
    def of(cls, time: Time, last_arrival_s: float) -> Periods:
        """Return the periods of a run: its steps, or some hundreds where it has more.

        Args:
            time: Start, length and step of the run.
            last_arrival_s: Time at which the last request comes [s].
        """
        steps, step_s = time.steps, time.step
        each = math.ceil(steps / _MOST_PERIODS)
        edges = np.append(np.arange(0, steps, each), steps)
        counts = np.diff(edges)
        certain_s = time.horizon_s if time.until is None else last_arrival_s
        return cls(edges[:-1], counts, edges[1:] * step_s, counts * step_s / 3600, certain_s)

    @property
    def certain(self) -> NDArray[np.bool_]:
        """Whether the run lasts to the end of each, whatever is decided, shape (periods,)."""
        return self.ends_s <= self.certain_s

    def least(self, values: FloatArray) -> FloatArray:
        """Return the least of the values of each period's steps."""
        least: FloatArray = np.minimum.reduceat(values, self.first)
        return least

    def last(self, values: FloatArray) -> FloatArray:
        """Return the values of each period's last step."""
        last: FloatArray = values[self.first + self.counts - 1]
        return last

    def least_lines(self, lines: Sequence[FacilityLine]) -> tuple[FacilityLine, ...]:
        """Return the least of lines by step in each period."""
        return tuple(FacilityLine(line.fixed_w, self.least(line.slope)) for line in lines)

    def wh(self, powers_w: FloatArray) -> FloatArray:
        """Return the energy of powers by step in each period [Wh]."""
        step_h = float(self.hours.sum()) / len(powers_w)
        energies: FloatArray = np.add.reduceat(powers_w, self.first) * step_h
        return energies
