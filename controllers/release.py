"""The rate at which deferrable requests are released beside requests that may not wait.

Requests that may not wait keep their SLO for the time per token as long as a site serves no more
than its capacity at that time per token, so deferrable ones get the rest of it:

    rate = (utilisation * capacity(TPOT SLO) - interactive load) / w        [requests/s]

within the limits of the actuator. The interactive load is the observed rate of requests that may
not wait, weighted exponentially over the last quarter of an hour, times their mean weight; w is the
mean weight of the others, 1 where all have the same lengths. A rate stays until it is off by a
tenth, so that not every step is a change.
"""

from __future__ import annotations

import math

from controllers.base import SiteAction, SiteContext
from controllers.observation import SiteObservation
from controllers.service import LoadSplit

ACTUATOR = "deferrable_rate"
_MEMORY_S = 900.0
_SAME = 0.1
_LEAST = 0.01  # of the maximum: the queue must empty, even beside work that fills the site


class Release:
    """Release of deferrable requests: none, or at the rate that other requests leave.

    Example::

        release = Release(None, utilisation=0.8)
        release.reset(context)  # in `reset` of the policy
        rate_per_s = release.see(observation)  # in every `step`
        action = release.run(rate_per_s, "clean grid")

    Args:
        rate_per_s: A rate to take in place of that [requests/s]; None for that rate.
        utilisation: Share of the capacity that all work together may take [0 to 1].
    """

    def __init__(self, rate_per_s: float | None, utilisation: float) -> None:
        self._fixed_per_s = rate_per_s
        self._utilisation = utilisation

    def reset(self, context: SiteContext) -> None:
        """Start anew at a site.

        Raises:
            ValueError: If it has no deferrable requests, or no finite greatest rate for them.
        """
        limits = context.limits.get(ACTUATOR)
        if limits is None:
            raise ValueError(f"site '{context.site}' has no {ACTUATOR}: no class is deferrable")
        if math.isinf(limits.maximum):
            raise ValueError(f"{ACTUATOR} must have a finite maximum (got inf)")
        self._limits = limits
        self._split = LoadSplit.of(context.classes)
        self._capacity_per_s = limits.maximum * self._split.deferrable_weight
        if context.service is not None:
            self._capacity_per_s = context.service.capacity_per_s(self._split.tpot_slo_s)
        self._interactive_per_s: float | None = None
        self._rate_per_s = 0.0

    def see(self, observation: SiteObservation) -> float:
        """Take in the arrivals of the last step, and return the rate of release [requests/s]."""
        if observation.step > 0:
            interactive = observation.arrived - observation.deferrable_arrived
            observed_per_s = self._split.interactive_weight * interactive / observation.step_s
            before_per_s = self._interactive_per_s
            weight = 1 - math.exp(-observation.step_s / _MEMORY_S)
            self._interactive_per_s = (
                observed_per_s
                if before_per_s is None
                else before_per_s + weight * (observed_per_s - before_per_s)
            )
        rate_per_s = self._fixed_per_s
        if rate_per_s is None:
            left_per_s = self._utilisation * self._capacity_per_s - (self._interactive_per_s or 0.0)
            released_per_s = left_per_s / self._split.deferrable_weight
            rate_per_s = max(released_per_s, _LEAST * self._limits.maximum)
        if abs(rate_per_s - self._rate_per_s) >= _SAME * self._rate_per_s:
            self._rate_per_s = rate_per_s
        return min(max(self._rate_per_s, self._limits.minimum), self._limits.maximum)

    def hold(self, reason: str) -> SiteAction:
        """Return the action that defers all deferrable requests."""
        return SiteAction(deferrable_rate_per_s=self._limits.minimum, reason=reason)

    def run(self, rate_per_s: float, reason: str) -> SiteAction:
        """Return the action that releases at a rate [requests/s]."""
        return SiteAction(deferrable_rate_per_s=rate_per_s, reason=reason)
