"""A planned rate of release, carried out in bursts.

GPUs use less energy for the same work in larger batches, which a linear programme cannot model. So
a rate between none and all is released in bursts: none until half a step's worth at the full rate
is due, and then a step of that, so that the mean is the plan's.
"""

from __future__ import annotations

from controllers.observation import SiteObservation

_MOST_DUE = 2.0  # steps at the full rate: what was not released long ago is due no more


class Bursts:
    """Release at the full rate or not at all, with a mean as planned.

    Example::

        bursts = Bursts()  # in `reset` of the policy
        rate_per_s = bursts.release(plan.rate_per_s[0], plan.room_per_s[0], observation)
    """

    def __init__(self) -> None:
        self._due = 0.0
        self._asked_s: float | None = None

    def release(
        self, planned_per_s: float, full_per_s: float, observation: SiteObservation
    ) -> float:
        """Return the full rate or none for the step that begins [requests/s].

        Args:
            planned_per_s: Rate of the plan [requests/s].
            full_per_s: The highest rate [requests/s].
            observation: The observation of the step.
        """
        lasts_s = observation.step_s  # or as long as the last time, if it is not asked every step
        if self._asked_s is not None:
            lasts_s = observation.time_s - self._asked_s
        self._asked_s = observation.time_s
        worth = full_per_s * lasts_s
        self._due += max(planned_per_s, 0.0) * lasts_s
        self._due = min(self._due, _MOST_DUE * worth)
        if not worth or self._due < worth / 2:
            return 0.0
        self._due -= worth
        return full_per_s
