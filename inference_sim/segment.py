"""A segment: a run of iterations in which the batch does not change.

With a fixed decode batch the duration, FLOPs and bytes of iteration i are affine in i, so a
segment is a dozen numbers however long it is: any prefix of it has a closed form, and its
iterations are expanded into arrays only where power needs them (see ``meter``).
"""

from __future__ import annotations

import math
from typing import NamedTuple


class Segment(NamedTuple):
    """``iterations`` iterations from ``start_s``; quantity q of iteration i is ``q + q_step * i``.

    Of its ``sequences``, ``decoding`` decode a token in each iteration; the others compute
    ``prefill_tokens`` of their prompts. With prefill tokens a segment is one iteration.
    """

    start_s: float
    iterations: int
    duration_s: float
    duration_step_s: float
    gpu_s: float
    gpu_step_s: float
    sampling_s: float
    flops: float
    flops_step: float
    hbm_bytes: float
    hbm_bytes_step: float
    sequences: int
    decoding: int
    prefill_tokens: int

    def elapsed_s(self, iterations: int) -> float:
        """Return the time that the first `iterations` iterations take [s]."""
        return (
            iterations * self.duration_s + self.duration_step_s * iterations * (iterations - 1) / 2
        )

    def first_boundary(self, elapsed_s: float) -> int:
        """Return the first j >= 1 such that j iterations take at least `elapsed_s`, up to all.

        The positive root of the quadratic gives it up to rounding; the loops settle exact
        boundaries.
        """
        slope, base = self.duration_step_s, self.duration_s
        if slope > 0:
            half = base - slope / 2
            root = (math.sqrt(half * half + 2 * slope * elapsed_s) - half) / slope
        else:
            root = elapsed_s / base
        j = min(max(math.ceil(root), 1), self.iterations)
        while j > 1 and self.elapsed_s(j - 1) >= elapsed_s:
            j -= 1
        while j < self.iterations and self.elapsed_s(j) < elapsed_s:
            j += 1
        return j

    def prefix(self, iterations: int) -> Segment:
        """Return the segment cut after its first `iterations` iterations."""
        return self._replace(iterations=iterations)

    def window(self, since_s: float, until_s: float) -> Segment:
        """Return the part of the segment whose iterations overlap [since, until].

        At its ends an iteration may stick out; what lies outside is not cut off.
        """
        segment = self
        if until_s < self.start_s + self.elapsed_s(self.iterations):
            segment = self.prefix(self.first_boundary(until_s - self.start_s))
        if since_s > self.start_s:
            done = segment.first_boundary(since_s - self.start_s) - 1
            segment = segment._replace(
                start_s=self.start_s + self.elapsed_s(done),
                iterations=segment.iterations - done,
                duration_s=self.duration_s + self.duration_step_s * done,
                gpu_s=self.gpu_s + self.gpu_step_s * done,
                flops=self.flops + self.flops_step * done,
                hbm_bytes=self.hbm_bytes + self.hbm_bytes_step * done,
            )
        return segment


FIELDS = len(Segment._fields)
