"""The energy meter of a replica: power of every iteration, integrated exactly over each step.

At a step's end the segments of the step are expanded to iterations with NumPy, power is evaluated
on the arrays and integrated; an iteration across the boundary is split in proportion of time. A
segment still under way is counted up to the boundary. It may be cut short later, but only to a
prefix that contains everything counted so far, so nothing is ever taken back.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference_sim.attribution import Attribution
from inference_sim.power import PowerModel, Use
from inference_sim.request import Request
from inference_sim.segment import FIELDS, Segment

Array = NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class MeterReading:
    """What a replica's GPUs did in one interval.

    Attributes:
        energy_j: Energy of all its GPUs while they served [J].
        busy_s: Time with an iteration under way [s].
        flops: Useful FLOPs per GPU.
        batch_seconds: Integral of the batch size over the busy time [sequences * s].
        clock_seconds: Integral of the clock fraction over it [s].
        over_cap_s: Time of it in which a GPU drew more than its power cap [s].
    """

    energy_j: float = 0.0
    busy_s: float = 0.0
    flops: float = 0.0
    batch_seconds: float = 0.0
    clock_seconds: float = 0.0
    over_cap_s: float = 0.0


class Meter:
    """Integrates the power of a replica of `gpus` GPUs that work in lockstep.

    Attributes:
        attribution: Whose energy it was.
        power_cap_w: Power cap of a GPU in force, to tell when it is not held [W].
        on_record: Called with what is recorded, when it has ended; None for nobody.
    """

    def __init__(
        self, power: PowerModel, gpus: int, peak_flops: float, peak_bytes_per_s: float
    ) -> None:
        self._power, self._gpus = power, gpus
        self._peak_flops, self._peak_bytes_per_s = peak_flops, peak_bytes_per_s
        self.power_cap_w = math.inf
        self._rows = array("d")
        self.closed_segments = 0
        """Number of segments recorded so far: the index of the next one."""
        self._since_s = 0.0
        self.attribution = Attribution()
        self._stages = 1
        self.iterations = 0
        self.batch_sum = 0.0
        self.batch_square_sum = 0.0
        self.batch_max = 0
        self.on_record: Callable[[Sequence[Segment]], None] | None = None

    def record(self, segments: Sequence[Segment]) -> None:
        """Add what has ended: a segment, or an iteration's passage through several stages."""
        self._stages = len(segments)
        for segment in segments:
            self._rows.extend(segment.row())
            self.closed_segments += 1
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

    def flush(self, until_s: float, under_way: Sequence[Segment] = ()) -> MeterReading:
        """Integrate from the last flush to `until_s` [s].

        Args:
            until_s: End of the interval, not before the last one [s].
            under_way: What has begun and not ended, as planned.
        """
        since_s, self._since_s = self._since_s, until_s
        rows = np.frombuffer(self._rows, dtype=np.float64).reshape(-1, len(FIELDS)).copy()
        closed = len(rows)
        self._rows = array("d")
        if closed and rows[0, 0] < since_s:  # it was under way at the last flush
            rows[0] = _segment(rows[0]).window(since_s, until_s).row()
        begun = [one.window(since_s, until_s).row() for one in under_way if one.start_s < until_s]
        if begun:
            rows = np.vstack([rows, *begun])
        if not len(rows):
            return MeterReading()
        energy_j, reading = self._integrate(rows, since_s, until_s)
        self.attribution.credit(energy_j, rows[:, _DECODING], rows[:, _PREFILL_TOKENS], closed)
        return reading

    def _integrate(self, rows: Array, since_s: float, until_s: float) -> tuple[Array, MeterReading]:
        """Return the energy of each row in [since, until], shape (rows,) [J], and the sums."""
        iterations = rows[:, _ITERATIONS].astype(np.int64)
        offsets = np.cumsum(iterations) - iterations
        columns = np.repeat(rows, iterations, axis=0).T
        (start, _, duration, duration_step, gpu_s, gpu_step, sampling_s) = columns[:7]
        (flops, flops_step, hbm_bytes, hbm_bytes_step, sequences) = columns[7:12]
        i = np.arange(len(start)) - np.repeat(offsets, iterations)

        begin = start + i * duration + duration_step * (i * (i - 1) / 2)
        seconds = duration + duration_step * i
        inside = np.minimum(begin + seconds, until_s) - np.maximum(begin, since_s)
        np.clip(inside, 0.0, None, out=inside)
        flop_rate = (flops + flops_step * i) / seconds
        use = Use(
            mfu=flop_rate / self._peak_flops,
            bandwidth_utilisation=(hbm_bytes + hbm_bytes_step * i)
            / (seconds * self._peak_bytes_per_s),
            busy_fraction=(gpu_s + gpu_step * i) / seconds,
            sampling=sampling_s / seconds,
            batch=sequences,
            clock_fraction=columns[_CLOCK_FRACTION],
        )
        power_w = self._power.busy_w(use)
        energy_j = np.add.reduceat(power_w * inside, offsets) * self._gpus
        reading = MeterReading(
            energy_j=float(energy_j.sum()),
            busy_s=float(inside.sum()),
            flops=float(flop_rate @ inside),
            batch_seconds=float(sequences @ inside),
            clock_seconds=float(use.clock_fraction @ inside),
            over_cap_s=float(inside[power_w > self.power_cap_w * _ROUNDING].sum()),
        )
        return energy_j, reading


_ROUNDING = 1 + 1e-9
_CLOCK_FRACTION = FIELDS.index("clock_fraction")
_ITERATIONS = FIELDS.index("iterations")
_DECODING = FIELDS.index("decoding")
_PREFILL_TOKENS = FIELDS.index("prefill_tokens")


def _segment(row: Array) -> Segment:
    values = row.tolist()
    for name in ("iterations", "sequences", "decoding", "prefill_tokens"):
        values[FIELDS.index(name)] = int(values[FIELDS.index(name)])
    return Segment(*values)
