"""A run of iterations in which the batch does not change, in closed form."""

from __future__ import annotations

import math
from typing import Final

FIELDS: Final = (
    "start_s", "iterations", "duration_s", "duration_step_s", "gpu_s", "gpu_step_s", "sampling_s",
    "flops", "flops_step", "hbm_bytes", "hbm_bytes_step", "sequences", "decoding",
    "prefill_tokens", "clock_fraction", "padding_flops",
)  # fmt: skip
"""Names of its attributes, in the order of its arguments."""


class Segment:
    """``iterations`` iterations from ``start_s``; quantity q of iteration i is ``q + q_step * i``.

    Of its ``sequences``, ``decoding`` decode a token in each iteration; the others compute
    ``prefill_tokens`` of their prompts. With prefill tokens a segment is one iteration. The GPU's
    clock is at ``clock_fraction`` of its highest. Beside the ``flops`` each iteration
    has ``padding_flops`` of no use.
    """

    __slots__ = FIELDS

    def __init__(
        self,
        start_s: float,
        iterations: int,
        duration_s: float,
        duration_step_s: float,
        gpu_s: float,
        gpu_step_s: float,
        sampling_s: float,
        flops: float,
        flops_step: float,
        hbm_bytes: float,
        hbm_bytes_step: float,
        sequences: int,
        decoding: int,
        prefill_tokens: int,
        clock_fraction: float = 1.0,
        padding_flops: float = 0.0,
    ) -> None:
        self.start_s = start_s
        self.iterations = iterations
        self.duration_s = duration_s
        self.duration_step_s = duration_step_s
        self.gpu_s = gpu_s
        self.gpu_step_s = gpu_step_s
        self.sampling_s = sampling_s
        self.flops = flops
        self.flops_step = flops_step
        self.hbm_bytes = hbm_bytes
        self.hbm_bytes_step = hbm_bytes_step
        self.sequences = sequences
        self.decoding = decoding
        self.prefill_tokens = prefill_tokens
        self.clock_fraction = clock_fraction
        self.padding_flops = padding_flops

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

    def window(self, since_s: float, until_s: float) -> Segment:
        """Return the part of the segment whose iterations overlap [since, until].

        The iterations at its ends may extend beyond the interval; they are not cut.
        """
        iterations, done = self.iterations, 0
        if until_s < self.start_s + self.elapsed_s(iterations):
            iterations = self.first_boundary(until_s - self.start_s)
        if since_s > self.start_s:
            done = self.first_boundary(since_s - self.start_s) - 1
        return Segment(
            self.start_s + self.elapsed_s(done) if done else self.start_s,
            iterations - done,
            self.duration_s + self.duration_step_s * done, self.duration_step_s,
            self.gpu_s + self.gpu_step_s * done, self.gpu_step_s,
            self.sampling_s,
            self.flops + self.flops_step * done, self.flops_step,
            self.hbm_bytes + self.hbm_bytes_step * done, self.hbm_bytes_step,
            self.sequences, self.decoding, self.prefill_tokens, self.clock_fraction,
            self.padding_flops,
        )  # fmt: skip
