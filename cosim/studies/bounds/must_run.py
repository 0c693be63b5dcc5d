"""Times in which a replica must be at work, whatever is decided.

A request that has its first token decodes in every iteration until it ends: its replica is at work
all the while. It begins by arrival + ttft at the latest, and takes t seconds at least, alone on the
machine at its highest clock. So whatever is decided, a replica is at work from arrival + ttft to
arrival + t, where t is the longer one: the mandatory part of a task [1]_. The union of these
parts is time in which replicas must be at work.

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
    """Times in which a replica must be at work, whatever is decided.

    Attributes:
        begins_s, ends_s: Begins and ends of the times, apart from each other and in order [s].
        longest_s: Time that each request adds to them at most, the longest first [s].
    """

    begins_s: FloatArray
    ends_s: FloatArray
    longest_s: FloatArray

    @classmethod
    def of(cls, requests: Requests, machine: Machine) -> MustRun:
        """Return the times for requests on a machine."""
        known = {
            prompt: machine.token_s(int(prompt) + 1) for prompt in np.unique(requests.prompt_tokens)
        }
        token_s = np.array([known[prompt] for prompt in requests.prompt_tokens])
        takes_s = (requests.output_tokens - 1) * token_s
        latest_s = np.minimum(requests.first_due_s, requests.due_s - takes_s)
        latest_s = np.where(requests.has_slo, latest_s, math.inf)
        ends_s = requests.arrival_s + takes_s
        there = ends_s > latest_s
        begins, ends = union(latest_s[there], ends_s[there])
        lengths = np.sort((ends_s - latest_s)[there])[::-1]
        return cls(begins, ends, lengths)

    def hours(self, edges_s: FloatArray) -> FloatArray:
        """Return the time between each two of some edges, shape (edges - 1,) [h]."""
        if not len(self.begins_s):
            return np.zeros(len(edges_s) - 1)
        corners = np.column_stack([self.begins_s, self.ends_s]).ravel()
        sums = np.column_stack(
            [
                np.cumsum(self.ends_s - self.begins_s) - (self.ends_s - self.begins_s),
                np.cumsum(self.ends_s - self.begins_s),
            ]
        ).ravel()
        hours: FloatArray = np.diff(np.interp(edges_s, corners, sums)) / 3600
        return hours


def union(begins_s: FloatArray, ends_s: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Return the begins and ends of the union of intervals, in order [s]."""
    order = np.argsort(begins_s, kind="stable")
    begins, ends = begins_s[order], np.maximum.accumulate(ends_s[order])
    if not len(begins):
        return begins, ends
    apart = begins[1:] > ends[:-1]
    return begins[np.append(True, apart)], ends[np.append(apart, True)]
