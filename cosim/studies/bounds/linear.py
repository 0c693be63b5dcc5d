"""Linear programmes whose columns come in blocks, one value a period, by name."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from inference_sim.arrays import FloatArray

Indices = NDArray[np.intp]
Term = FloatArray | float
"""Factor of a block's value in the same period."""


@dataclass(frozen=True, slots=True)
class Change:
    """A factor of the change of a block since the period before; before the first it was 0."""

    factor: FloatArray | float = 1.0


@dataclass(slots=True)
class Programme:
    """A programme that is to be minimised.

    Attributes:
        periods: Number of periods.
    """

    periods: int
    _costs: dict[str, FloatArray] = field(default_factory=dict)
    _lows: list[FloatArray] = field(default_factory=list)
    _highs: list[FloatArray] = field(default_factory=list)
    _entries: list[tuple[Indices, Indices, FloatArray]] = field(default_factory=list)
    _count: int = 0
    _floors: list[FloatArray] = field(default_factory=list)
    _ceilings: list[FloatArray] = field(default_factory=list)

    def column(self, name: str, cost: Term = 0.0, low: Term = 0.0, high: Term = math.inf) -> None:
        """Add a block, with its costs and bounds."""
        self._costs[name] = self._each(cost)
        self._lows.append(self._each(low))
        self._highs.append(self._each(high))

    def set_last_cost(self, name: str, cost: float) -> None:
        """Set the cost of a block in the last period."""
        costs = self._costs[name].copy()
        costs[-1] = cost
        self._costs[name] = costs

    def row(
        self, terms: Mapping[str, Term | Change], least: Term = 0.0, most: Term = math.inf
    ) -> None:
        """Bound the sum of terms in every period; all columns must be there."""
        periods = np.arange(self.periods)
        for name, term in terms.items():
            columns = self._first(name) + periods
            factor = self._each(term.factor if isinstance(term, Change) else term)
            self._entries.append((self._count + periods, columns, factor))
            if isinstance(term, Change):
                self._entries.append((self._count + periods[1:], columns[:-1], -factor[1:]))
        self._bound(self._each(least), self._each(most))

    def last_row(self, names: Sequence[str], least: float) -> None:
        """Bound the sum of some blocks in the last period from below."""
        columns = np.array([self._first(name) + self.periods - 1 for name in names])
        self._entries.append((np.full(len(names), self._count), columns, np.ones(len(names))))
        self._bound(np.array([least]), np.array([math.inf]))

    def sum_row(self, name: str, most: float) -> None:
        """Bound the sum of a block over all periods from above."""
        columns = self._first(name) + np.arange(self.periods)
        self._entries.append((np.full(self.periods, self._count), columns, np.ones(self.periods)))
        self._bound(np.array([-math.inf]), np.array([most]))

    def least(self) -> tuple[float, dict[str, FloatArray]]:
        """Return the least cost, and the blocks of a solution.

        Raises:
            ValueError: If there is no solution.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import csc_array

        rows, columns, factors = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        shape = (self._count, self.periods * len(self._costs))
        result = milp(
            np.concatenate(list(self._costs.values())),
            bounds=Bounds(np.concatenate(self._lows), np.concatenate(self._highs)),
            constraints=LinearConstraint(
                csc_array((factors, (rows, columns)), shape=shape),
                np.concatenate(self._floors),
                np.concatenate(self._ceilings),
            ),
        )
        if result.x is None:
            raise ValueError(f"the bound has no solution: {result.message}")
        blocks = result.x.reshape(-1, self.periods)
        return float(result.fun), dict(zip(self._costs, blocks, strict=True))

    def _first(self, name: str) -> int:
        """Return the number of the first column of a block."""
        return list(self._costs).index(name) * self.periods

    def _bound(self, least: FloatArray, most: FloatArray) -> None:
        """Close rows whose entries are there."""
        self._floors.append(least)
        self._ceilings.append(most)
        self._count += len(least)

    def _each(self, values: Term) -> FloatArray:
        return np.broadcast_to(np.asarray(values, dtype=np.float64), self.periods)
