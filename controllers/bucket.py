"""A bucket of deferrable work that starts as one job, when its policy says so.

The bucket is all deferred requests: its length J is the time that they take at the rate of
release, its slack W the least time until one of them must start. Until it starts, the policy looks
at every forecast anew; once started, it runs until no request waits. Requests that arrive after
that form the next bucket, which opens when the first of them is seen to wait. Scheduling jobs of
known length and slack by the forecast of the carbon intensity is the setting of [1]_ and [2]_.

References:
    .. [1] P. Wiesner et al., "Let's Wait Awhile: How Temporal Workload Shifting Can Reduce Carbon
       Emissions in the Cloud", Middleware 2021.
    .. [2] W. A. Hanafy et al., "Going Green for Less Green: Optimizing the Cost of Reducing Cloud
       Carbon Emissions" (GAIA), ASPLOS 2024.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Annotated

import numpy as np
from pydantic import Field

from controllers.arrays import FloatArray
from controllers.base import Controller, SiteAction, SiteContext
from controllers.observation import SiteObservation
from controllers.release import ACTUATOR, Release

ROUNDING = 1e-9
"""Relative difference below which two sums of intensities count as equal."""


class BucketPolicy(Controller):
    """A policy that starts all deferred requests at a time it chooses, and runs them to the end.

    Args:
        rate_per_s: Rate of release [requests/s]; by default the capacity that other work leaves,
            see `controllers.release`.
        utilisation: Share of the capacity that all work together may take [0 to 1].
        horizon_h: How far it looks ahead [h].
    """

    actuators = frozenset({ACTUATOR})
    forecasts = frozenset({"carbon_intensity"})

    def __init__(
        self,
        *,
        rate_per_s: Annotated[
            float | None,
            Field(
                gt=0,
                description="rate of release [requests/s]; default: the capacity that others leave",
            ),
        ] = None,
        utilisation: Annotated[
            float, Field(gt=0, le=1, description="share of the capacity that all work may take")
        ] = 0.8,
        horizon_h: Annotated[float, Field(gt=0, description="how far it looks ahead [h]")] = 24,
    ) -> None:
        self.forecast_horizon_h = horizon_h
        self._release = Release(rate_per_s, utilisation)

    def reset(self, context: SiteContext) -> None:
        """Begin with no bucket started."""
        self._release.reset(context)
        self._started = False
        self._since: list[float] = []  # intensities of the steps since the bucket opened
        self._opened = 0

    def step(self, observation: SiteObservation) -> SiteAction:
        """Defer the bucket, start it, or let it run on."""
        rate_per_s = self._release.see(observation)
        waiting, step_s = observation.deferrable_waiting, observation.step_s
        if not waiting:
            self._started = False
            self._since.clear()
            return self._release.hold("nothing waits")
        if self._started:
            return self._release.run(rate_per_s, "the bucket runs to its end")
        ahead = observation.forecasts["carbon_intensity"].mean
        needed = waiting / rate_per_s / step_s if rate_per_s else math.inf
        # a remainder that comes from rounding is not a step
        length = math.ceil(min(max(1.0, needed - ROUNDING), len(ahead)))
        waited = self._waited(observation)
        since_opening = np.concatenate([self._since[:waited], ahead])
        sums = window_sums(ahead, length, slack_steps(observation))
        start = self.choose(sums, length, waited, float(since_opening[:length].sum()))
        bucket = f"{waiting} requests, {length * step_s:.0f} s long"
        if start:
            return self._release.hold(f"{bucket}: best in {start * step_s:.0f} s")
        self._started = True
        return self._release.run(rate_per_s, f"{bucket}: best now")

    def _waited(self, observation: SiteObservation) -> int:
        """Return the steps since the bucket opened, and keep the intensity of this one."""
        if not self._since:
            self._opened = observation.step
        waited = observation.step - self._opened
        missing = waited - len(self._since)  # steps at which the controller was not asked
        self._since += self._since[-1:] * missing
        self._since.append(observation.carbon_intensity_g_per_kwh)
        return waited

    @abstractmethod
    def choose(self, sums: FloatArray, length: int, waited: int, at_once: float) -> int:
        """Return in how many steps to start.

        Args:
            sums: Sums of the forecast over the length of the bucket, by the step it starts in,
                the present one first; as many as its slack and the forecast allow.
            length: Length of the bucket [steps].
            waited: Steps since it opened.
            at_once: The sum if it had started when it opened.
        """


def window_sums(values: FloatArray, length: int, latest: int | None) -> FloatArray:
    """Return the sums of `length` values from each of the first on, shape (starts,).

    Args:
        values: Values, shape (n,).
        length: Number of values to sum; at most all of them.
        latest: Last index to start from; None for as late as there are values.
    """
    length = min(length, len(values))
    total = np.concatenate([[0.0], np.cumsum(values)])
    sums: FloatArray = total[length:] - total[:-length]
    return sums if latest is None else sums[: latest + 1]


def slack_steps(observation: SiteObservation) -> int | None:
    """Return how many whole steps the most urgent request can still wait; None for ever."""
    if observation.deferrable_slack_s is None:
        return None
    return max(0, math.floor(observation.deferrable_slack_s / observation.step_s))
