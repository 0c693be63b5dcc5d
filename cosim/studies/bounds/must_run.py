"""Times in which replicas must be at work, whatever is decided.

A request that has its first token decodes in every iteration until it ends: its replica is at work
all the while. It begins by arrival + ttft at the latest, and takes t seconds at least, alone on the
machine at its highest clock. So whatever is decided, it is at work from arrival + ttft to
arrival + t, where t is the longer one: the mandatory part of a task [1]_. A replica serves no more
than its batch cap at a time. So while n parts overlap, ceil(n / cap) replicas must be at work; one
where the KV cache may run out, for a request that is evicted waits beside the batch. Without one of
the requests these are at most one fewer, while its part lasts.

References:
    .. [1] A. Lahrichi, "Scheduling: the notions of hump, compulsory parts and their use in
       cumulative problems", C. R. Acad. Sci. Paris 294, 1982.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from cosim.studies.bounds.demand import Requests
from cosim.studies.bounds.machine import Machine
from inference_sim.arrays import FloatArray


@dataclass(frozen=True, slots=True, eq=False)
class MustRun:
    """Times in which replicas must be at work, whatever is decided.

    Attributes:
        times_s: Times at which the number of such replicas changes, in order [s].
        replicas: Their number from each of these times on.
        longest_s: Time that each request adds to theirs at most, the longest first [s].
    """

    times_s: FloatArray
    replicas: FloatArray
    longest_s: FloatArray

    @classmethod
    def of(cls, requests: Requests, machine: Machine) -> MustRun:
        """Return the times for requests on a machine."""
        known = {
            prompt: machine.token_s(int(prompt) + 1) for prompt in np.unique(requests.prompt_tokens)
        }
        token_s = np.array([known[prompt] for prompt in requests.prompt_tokens])
        takes_s = requests.steps * token_s
        latest_s = np.minimum(requests.first_due_s, requests.due_s - takes_s)
        latest_s = np.where(requests.has_slo, latest_s, math.inf)
        ends_s = requests.arrival_s + takes_s
        there = ends_s > latest_s
        times_s, count = overlaps(latest_s[there], ends_s[there])
        lengths = np.sort((ends_s - latest_s)[there])[::-1]
        # one is at work for any, and more for more than a batch
        return cls(times_s, np.maximum(np.ceil(count / machine.together), count > 0), lengths)

    def hours(self, edges_s: FloatArray) -> FloatArray:
        """Return the replicas' time between each two of some edges, shape (edges - 1,) [h]."""
        if not len(self.times_s):
            return np.zeros(len(edges_s) - 1)
        sums_s = np.concatenate([[0.0], np.cumsum(self.replicas[:-1] * np.diff(self.times_s))])
        hours: FloatArray = np.diff(np.interp(edges_s, self.times_s, sums_s)) / 3600
        return hours


def overlaps(begins_s: FloatArray, ends_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the times at which intervals begin or end, in order, and how many last from then on.

    Args:
        begins_s, ends_s: Ends of the intervals [s].
    """
    times_s = np.unique(np.concatenate([begins_s, ends_s]))
    begun = np.searchsorted(np.sort(begins_s), times_s, side="right")
    ended = np.searchsorted(np.sort(ends_s), times_s, side="right")
    return times_s, (begun - ended).astype(np.float64)
