"""The replicas that a plan needs: as many as serve its first period, woken in time.

A replica that is asked for serves only once it is awake. So those of a period are asked for before
it begins, and no more deferrable work is released than those awake can serve.
"""

from __future__ import annotations

import math
from collections import deque

from controllers.lp import LpPlan
from controllers.observation import SiteObservation

_ROUNDING = 1e-9


class PlannedReplicas:
    """The number of replicas that serve a plan.

    Args:
        least, most: Range of the number.
        each_per_s: Load that a replica may take [mean requests/s].
        weight: Weight of a deferrable request [mean requests].
        wake_s: Time that a replica takes to wake up [s].
    """

    def __init__(
        self, least: int, most: int, each_per_s: float, weight: float, wake_s: float
    ) -> None:
        self._least, self._most = least, most
        self._each = each_per_s / weight  # [deferrable requests/s]
        self._wake_s = wake_s
        self._asked: deque[tuple[float, int]] = deque()

    def needed(self, plan: LpPlan, period: int, rate_per_s: float | None = None) -> int:
        """Return the fewest replicas that serve a period of a plan.

        Args:
            plan: The plan; its room is that of all replicas.
            period: Number of the period; the last one for any beyond.
            rate_per_s: Rate of deferrable requests [requests/s]; that of the plan by default.
        """
        period = min(period, len(plan.room_per_s) - 1)
        rate = float(plan.rate_per_s[period]) if rate_per_s is None else rate_per_s
        spare = (float(plan.room_per_s[period]) - rate) / self._each
        count = self._most - math.floor(spare + _ROUNDING)
        return min(max(count, self._least), self._most)

    def room_per_s(self, plan: LpPlan, count: int) -> float:
        """Return the highest rate of deferrable requests in the first period [requests/s]."""
        return max(0.0, float(plan.room_per_s[0]) - (self._most - count) * self._each)

    def leads(self, step_s: float) -> float:
        """Return how long before it is needed a replica has to be asked for [s]."""
        return math.ceil(self._wake_s / step_s - _ROUNDING) * step_s

    def ask(self, count: int, observation: SiteObservation) -> int:
        """Ask for `count` replicas, and return how many of them serve in the step that begins."""
        now_s = observation.time_s
        since_s = now_s - self._wake_s + _ROUNDING
        while len(self._asked) > 1 and self._asked[1][0] <= since_s:
            self._asked.popleft()
        serving = min((asked for _, asked in self._asked), default=self._most)
        self._asked.append((now_s, count))
        return min(serving, count)
