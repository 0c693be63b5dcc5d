"""Segments kept as rows of numbers, until they are metered.

There are several for each request, so that writing one has to be cheap. ``struct`` writes the whole
row by one call into a buffer that NumPy reads as it stands. ``array.extend``, the obvious way,
iterates over a tuple and parses each number like an argument, which takes three times as long.
"""

from __future__ import annotations

import struct
from typing import Final

import numpy as np

from inference_sim.arrays import FloatArray
from inference_sim.segment import FIELDS, Segment

_ROW_BYTES: Final = 8 * len(FIELDS)
_pack_into: Final = struct.Struct(f"{len(FIELDS)}d").pack_into
_WHOLE_NUMBERS = [
    FIELDS.index(name) for name in ("iterations", "sequences", "decoding", "prefill_tokens")
]


class SegmentRows:
    """A growing table with a row for each segment, whose columns are ``FIELDS``.

    Attributes:
        count: Number of rows.
    """

    def __init__(self) -> None:
        self.count = 0
        self._used = 0
        self._buffer = bytearray(16 * _ROW_BYTES)

    def add(self, segment: Segment) -> None:
        """Append a row."""
        used = self._used
        if used == len(self._buffer):
            self._buffer += bytes(used)
        _pack_into(
            self._buffer, used,
            segment.start_s, segment.iterations, segment.duration_s, segment.duration_step_s,
            segment.gpu_s, segment.gpu_step_s, segment.sampling_s,
            segment.flops, segment.flops_step, segment.hbm_bytes, segment.hbm_bytes_step,
            segment.sequences, segment.decoding, segment.prefill_tokens, segment.clock_fraction,
            segment.padding_flops,
        )  # fmt: skip
        self._used = used + _ROW_BYTES
        self.count += 1

    def take(self) -> FloatArray:
        """Return the table and empty it, shape (rows, fields)."""
        rows = np.frombuffer(self._buffer[: self._used], dtype=np.float64)
        self._used = self.count = 0
        return rows.reshape(-1, len(FIELDS))


def as_row(segment: Segment) -> list[float]:
    """Return the row of a segment."""
    return [getattr(segment, name) for name in FIELDS]


def as_segment(row: FloatArray) -> Segment:
    """Return the segment of a row."""
    values = row.tolist()
    for column in _WHOLE_NUMBERS:
        values[column] = int(values[column])
    return Segment(*values)
