"""Linear programmes whose columns come in blocks, one value a period, by name."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from inference_sim.arrays import FloatArray

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
    _rows: list[Any] = field(default_factory=list)
    _floors: list[FloatArray] = field(default_factory=list)
    _ceilings: list[FloatArray] = field(default_factory=list)

    def column(self, name: str, cost: Term = 0.0, low: Term = 0.0, high: Term = math.inf) -> None:
        """Add a block, with its costs and bounds."""
        self._costs[name] = self._each(cost)
        self._lows.append(self._each(low))
        self._highs.append(self._each(high))

    def row(
        self, terms: Mapping[str, Term | Change], least: Term = 0.0, most: Term = math.inf
    ) -> None:
        """Bound the sum of terms in every period; all columns must be there."""
        from scipy.sparse import csr_array, diags_array, hstack

        blocks = []
        for name in self._costs:
            term = terms.get(name)
            if term is None:
                blocks.append(csr_array((self.periods, self.periods)))
            elif isinstance(term, Change):
                factor = self._each(term.factor)
                blocks.append(diags_array([factor, -factor[1:]], offsets=[0, -1]))
            else:
                blocks.append(diags_array([self._each(term)], offsets=[0]))
        self._add(hstack(blocks, format="csr"), self._each(least), self._each(most))

    def last_row(self, names: list[str], least: float) -> None:
        """Bound the sum of some blocks in the last period."""
        from scipy.sparse import csr_array

        known = list(self._costs)
        columns = [known.index(name) * self.periods + self.periods - 1 for name in names]
        shape = (1, self.periods * len(known))
        row = csr_array((np.ones(len(names)), ([0] * len(names), columns)), shape=shape)
        self._add(row, np.array([least]), np.array([math.inf]))

    def sum_row(self, name: str, most: float) -> None:
        """Bound the sum of a block over all periods."""
        from scipy.sparse import csr_array

        first = list(self._costs).index(name) * self.periods
        shape = (1, self.periods * len(self._costs))
        columns = np.arange(first, first + self.periods)
        row = csr_array((np.ones(self.periods), (np.zeros(self.periods, int), columns)), shape)
        self._add(row, np.array([-math.inf]), np.array([most]))

    def least(self) -> tuple[float, dict[str, FloatArray]]:
        """Return the least cost, and the blocks of a solution.

        Raises:
            ValueError: If there is no solution.
        """
        from scipy.optimize import Bounds, LinearConstraint, milp
        from scipy.sparse import vstack

        result = milp(
            np.concatenate(list(self._costs.values())),
            bounds=Bounds(np.concatenate(self._lows), np.concatenate(self._highs)),
            constraints=LinearConstraint(
                vstack(self._rows, format="csc"),
                np.concatenate(self._floors),
                np.concatenate(self._ceilings),
            ),
        )
        if result.x is None:
            raise ValueError(f"the bound has no solution: {result.message}")
        blocks = result.x.reshape(-1, self.periods)
        return float(result.fun), dict(zip(self._costs, blocks, strict=True))

    def _add(self, rows: Any, least: FloatArray, most: FloatArray) -> None:
        self._rows.append(rows)
        self._floors.append(least)
        self._ceilings.append(most)

    def _each(self, values: Term) -> FloatArray:
        return np.broadcast_to(np.asarray(values, dtype=np.float64), self.periods)
