"""Values of runs by week and seed, and the parts of them that intervals are over.

Policies are compared in the same weeks with the same seeds, so that differences are taken pair by
pair, and have far less spread than either figure. Seeds of a week share its weather and its grid:
where there are several weeks, the seeds of each are averaged first, and the interval is over weeks.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Units:
    """The grouping of runs into independent parts.

    Attributes:
        weeks: Number of weeks; 1 for the scenario's own time.
        seeds: Number of seeds of each.
    """

    weeks: int
    seeds: int

    def __len__(self) -> int:
        """Return the number of independent parts."""
        return self.weeks if self.weeks > 1 else self.seeds

    def means(self, values: Sequence[float]) -> list[float]:
        """Return the mean of a figure over each part.

        Args:
            values: Its values: the seeds of the first week, then those of the second, and so on.
        """
        if self.weeks == 1:
            return list(values)
        return [
            math.fsum(values[first : first + self.seeds]) / self.seeds
            for first in range(0, len(values), self.seeds)
        ]
