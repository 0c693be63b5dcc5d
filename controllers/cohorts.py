"""The deferred requests by the time at which they must start.

An observation counts the deferred requests and tells the slack of the most urgent one alone. Here
they are kept by cohort: those of a class that arrived between two observations, as many as are its
share of the arrivals. They leave in the order of their latest start, so that those that still wait
are the last ones of that order, as many as are observed.
"""

from __future__ import annotations

import math
from bisect import insort

import numpy as np

from controllers.arrays import FloatArray
from controllers.base import SiteContext
from controllers.observation import SiteObservation


class Cohorts:
    """The deferred requests of a site, by their latest start.

    Example::

        cohorts = Cohorts(context)
        cohorts.see(observation)  # in every `step`
        starts_s, due = cohorts.due()

    Args:
        context: The site.
    """

    def __init__(self, context: SiteContext) -> None:
        self._classes = [info for info in context.classes if info.deferrable and info.share > 0]
        self._cohorts: list[tuple[float, float]] = []  # latest start [s], requests; ascending
        self._starts_s, self._due = np.empty(0), np.empty(0)
        self._seen_s = 0.0

    def see(self, observation: SiteObservation) -> None:
        """Take in the arrivals of the last step, and the requests that wait."""
        now_s, waiting = observation.time_s, float(observation.deferrable_waiting)
        since_s, self._seen_s = now_s - self._seen_s, now_s
        arrived = observation.arrived * since_s / observation.step_s
        if arrived:
            for info in self._classes:
                start_s = now_s - since_s / 2 + info.latest_start_s
                insort(self._cohorts, (start_s, info.share * arrived))
        self._keep(waiting)
        starts_s = np.array([start_s for start_s, _ in self._cohorts]) - now_s
        counts = np.array([count for _, count in self._cohorts])
        slack_s = observation.deferrable_slack_s
        unknown = waiting - float(counts.sum())
        if unknown > 0:  # at worst they are the most urgent ones
            starts_s = np.append(math.inf if slack_s is None else slack_s, starts_s)
            counts = np.append(unknown, counts)
        if slack_s is not None and len(starts_s):
            starts_s[0] = slack_s
            starts_s = np.maximum(starts_s, slack_s)
        self._starts_s, self._due = starts_s, np.cumsum(counts)

    def _keep(self, waiting: float) -> None:
        """Drop the most urgent requests, until as many are left as wait."""
        excess = sum(count for _, count in self._cohorts) - waiting
        first = 0
        while excess > 0 and first < len(self._cohorts):
            start_s, count = self._cohorts[first]
            if count > excess:
                self._cohorts[first] = (start_s, count - excess)
                break
            excess -= count
            first += 1
        del self._cohorts[:first]

    def due(self) -> tuple[FloatArray, FloatArray]:
        """Return the latest starts [s from now], and how many must have started by each."""
        return self._starts_s, self._due

    def due_by(self, ends_s: FloatArray) -> FloatArray:
        """Return how many must have started by some times [s from now], same shape."""
        index = np.searchsorted(self._starts_s, ends_s, side="right")
        return np.append(0.0, self._due)[index]

    def begin_s(self, rate_per_s: float) -> float:
        """Return in how many seconds they must begin to start at a rate; infinite if none must.

        Args:
            rate_per_s: The rate [requests/s], above 0.
        """
        return float((self._starts_s - self._due / rate_per_s).min(initial=math.inf))

    def pressing_per_s(self, spare_s: float, least_s: float) -> float:
        """Return the lowest rate from now on at which all start in time [requests/s].

        Args:
            spare_s: Time by which they are to start before they must [s].
            least_s: Shortest time in which any of them are to start [s].
        """
        within_s = np.maximum(self._starts_s - spare_s, least_s)
        return float((self._due / within_s).max(initial=0.0))
