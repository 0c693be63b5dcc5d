"""The meter of an engine: its segments, kept until a pool's energy is summed up.

A segment still under way is counted up to the end of a step. It may be cut short later, but only to
a prefix that contains everything counted so far, so nothing is ever taken back.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from inference_sim.arrays import FloatArray
from inference_sim.attribution import Attribution
from inference_sim.request import Request
from inference_sim.segment import Segment
from inference_sim.segment_rows import SegmentRows, as_row, as_segment


class Meter:
    """Segments of an engine, and the requests that took part in them.

    Args:
        decode_tokens: Tokens of each sequence that a decode iteration computes [tokens].

    Attributes:
        attribution: Attribution of the energy to requests.
        closed_segments: Number of segments recorded so far: the index of the next one.
        iterations: Number of iterations recorded so far.
        batch_sum, batch_square_sum, batch_max: Sum of their batch sizes, of the squares, and the
            largest [sequences].
        on_record: Called with the segments recorded, when they have ended; may be None.
    """

    def __init__(self, decode_tokens: int = 1) -> None:
        self._rows = SegmentRows()
        self.closed_segments = 0
        self.attribution = Attribution(decode_tokens)
        self._stages = 1
        self.iterations = 0
        self.batch_sum = 0.0
        self.batch_square_sum = 0.0
        self.batch_max = 0
        self.on_record: Callable[[Sequence[Segment]], None] | None = None

    @property
    def rows_kept(self) -> int:
        """Number of segments that have ended and were not taken yet."""
        return self._rows.count

    def record(self, segments: Sequence[Segment]) -> None:
        """Add segments that have ended: one, or those of an iteration on several stages."""
        self._stages = len(segments)
        for segment in segments:
            self._rows.add(segment)
            self.closed_segments += 1
        self.count(segments)

    def count(self, segments: Sequence[Segment]) -> None:
        """Count the iterations of segments that were done, and tell those who watch."""
        first = segments[0]
        n, batch = first.iterations, first.sequences
        self.iterations += n
        self.batch_sum += n * batch
        self.batch_square_sum += n * batch * batch
        if batch > self.batch_max:
            self.batch_max = batch
        if self.on_record is not None:
            self.on_record(segments)

    def start_decode(self, request: Request) -> None:
        """Let `request` bear its share of the decode iterations from now on."""
        self.attribution.start_decode(request, self.closed_segments)

    def stop_decode(self, request: Request) -> None:
        """End the share of `request`."""
        self.attribution.stop_decode(request, self.closed_segments)

    def credit_prefill(self, request: Request, tokens: int) -> None:
        """Let `request` bear the share of its `tokens` in the prefill that was just recorded."""
        for stage in range(self._stages):
            self.attribution.add_prefill(request, self.closed_segments - 1 - stage, tokens)

    def take_rows(
        self, since_s: float, until_s: float, under_way: Sequence[Segment]
    ) -> tuple[FloatArray, int]:
        """Return the segments since the last call, shape (rows, fields), and how many have ended.

        Args:
            since_s: Time of the last call [s].
            until_s: The time [s].
            under_way: Segments that have begun and not ended, as planned.
        """
        ended = self._rows.count
        for segment in under_way:
            if segment.start_s < until_s:
                self._rows.add(segment.window(since_s, until_s))
        rows = self._rows.take()
        if ended and rows[0, 0] < since_s:  # it was under way at the last call
            rows[0] = as_row(as_segment(rows[0]).window(since_s, until_s))
        return rows, ended
