"""The fewest replicas that hold the requests which may not wait.

The load to hold is the highest rate forecast over the time that a replica may take to wake up, plus
the rate that serves the queue within that time, in the workload's mean requests:

    base = least j with utilisation * capacity(TPOT SLO, j replicas) >= load
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from controllers.arrays import FloatArray
from controllers.base import SiteContext
from controllers.forecast import interactive_mean
from controllers.objective import required_service
from controllers.observation import SiteObservation
from controllers.service import LoadSplit

_ROUNDING = 1e-9


class BaseReplicas:
    """The replicas of a site that serve a load at the SLO for the time per token.

    Example::

        base = BaseReplicas(context, weight=1.2, utilisation=0.7, lookahead_s=900)
        load_per_s = base.load_per_s(observation)
        replicas = int(base.holding(load_per_s))

    Args:
        context: The site.
        weight: Mean weight of the requests that may not wait, whose load is held [mean requests];
            None to hold that of all requests.
        utilisation: Share of the capacity that load may take [0 to 1].
        lookahead_s: Time that a replica may take to wake up [s].

    Attributes:
        each_per_s: Load that a replica may take [mean requests/s].
        least, most: The fewest replicas that may serve, and all of them.

    Raises:
        ValueError: If the site has no cluster, or several pools.
    """

    def __init__(
        self, context: SiteContext, *, weight: float | None, utilisation: float, lookahead_s: float
    ) -> None:
        service = required_service(context, "scale")
        limits = context.limits["active_replicas"]
        self.least, self.most = round(limits.minimum), round(limits.maximum)
        self.each_per_s = utilisation * service.capacity_per_s(
            LoadSplit.of(context.classes).tpot_slo_s, replicas=1
        )
        self._weight, self._lookahead_s = weight, lookahead_s

    def load_per_s(self, observation: SiteObservation) -> float:
        """Return the load to hold now [mean requests/s]."""
        soon = max(1, math.ceil(self._lookahead_s / observation.step_s))
        backlog = observation.gateway_waiting + observation.replica_waiting
        coming = self.coming_per_s(observation)
        return float(coming[:soon].max()) + backlog / self._lookahead_s

    def coming_per_s(self, observation: SiteObservation) -> FloatArray:
        """Return the load to hold that is forecast, by step [mean requests/s], shape (steps,)."""
        if self._weight is None:
            return observation.forecasts["arrivals"].mean
        return self._weight * interactive_mean(observation.forecasts)

    def holding(self, load_per_s: FloatArray | float) -> NDArray[np.int64]:
        """Return the fewest replicas that hold loads [mean requests/s], same shape."""
        wanted = np.ceil(np.asarray(load_per_s) / self.each_per_s - _ROUNDING)
        return np.clip(wanted, self.least, self.most).astype(np.int64)
