"""The energy meter of a replica: power of every iteration, integrated exactly over each step.

At a step's end power is evaluated and integrated on arrays over the segments of the step, or over
their iterations where it has to be; an iteration across the boundary is split in proportion of
time. A segment still under way is counted up to the boundary. It may be cut short later, but only
to a prefix that contains everything counted so far, so nothing is ever taken back.
"""

from __future__ import annotations

import math
from array import array
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from inference_sim.arrays import FloatArray
from inference_sim.attribution import Attribution
from inference_sim.power import PowerModel, Use
from inference_sim.request import Request
from inference_sim.segment import FIELDS, Segment


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

    def _integrate(
        self, rows: FloatArray, since_s: float, until_s: float
    ) -> tuple[FloatArray, MeterReading]:
        """Return the energy of each row in [since, until], shape (rows,) [J], and the sums.

        Quantities of iteration i are linear in i, so that those of a row add up to its length times
        the mean of its ends. Where power is a price for each FLOP, byte and second, that goes for
        the energy too; rows in which it is not are expanded to their iterations.
        """
        count = rows[:, _ITERATIONS]
        last = count - 1
        begin, seconds, use = self._iterations(rows, 0.0)
        end_begin, end_seconds, end_use = self._iterations(rows, last)
        power_w, end_power_w = self._power.busy_w(use), self._power.busy_w(end_use)
        before = np.clip(since_s - begin, 0.0, seconds) / seconds
        after = np.clip(end_begin + end_seconds - until_s, 0.0, end_seconds) / end_seconds
        highest_w = np.maximum(power_w, end_power_w)  # a ratio of lines has none in between
        over = highest_w > self.power_cap_w * _ROUNDING
        bent = (count > 2) & ((highest_w >= self._power.max_w) | (not self._power.is_linear))

        weight, end_weight = count / 2 - before, count / 2 - after
        inside = weight * seconds + end_weight * end_seconds
        flops = rows[:, _FLOPS]
        done = weight * flops + end_weight * (flops + rows[:, _FLOPS_STEP] * last)
        joules = weight * seconds * power_w + end_weight * end_seconds * end_power_w
        over_cap_s = 0.0
        expanded = over | bent
        if expanded.any():
            joules[expanded], over_cap_s = self._expand(rows[expanded], since_s, until_s)
        energy_j = joules * self._gpus
        reading = MeterReading(
            energy_j=float(energy_j.sum()),
            busy_s=float(inside.sum()),
            flops=float(done.sum()),
            batch_seconds=float(rows[:, _SEQUENCES] @ inside),
            clock_seconds=float(rows[:, _CLOCK_FRACTION] @ inside),
            over_cap_s=over_cap_s,
        )
        return energy_j, reading

    def _expand(self, rows: FloatArray, since_s: float, until_s: float) -> tuple[FloatArray, float]:
        """Return a GPU's energy of each row in [since, until], shape (rows,) [J], by iterations.

        And the time in which it drew more than its cap [s].
        """
        iterations = rows[:, _ITERATIONS].astype(np.int64)
        offsets = np.cumsum(iterations) - iterations
        i = np.arange(float(iterations.sum())) - np.repeat(offsets, iterations)
        begin, seconds, use = self._iterations(np.repeat(rows, iterations, axis=0), i)
        inside = np.minimum(begin + seconds, until_s) - np.maximum(begin, since_s)
        np.clip(inside, 0.0, None, out=inside)
        power_w = self._power.busy_w(use)
        over_cap_s = float(inside[power_w > self.power_cap_w * _ROUNDING].sum())
        return np.add.reduceat(power_w * inside, offsets), over_cap_s

    def _iterations(
        self, rows: FloatArray, i: FloatArray | float
    ) -> tuple[FloatArray, FloatArray, Use]:
        """Return begin [s], duration [s] and use of iteration `i` of each row, shape (rows,)."""
        columns = rows.T
        (start, _, duration, duration_step, gpu_s, gpu_step, sampling_s) = columns[:7]
        (flops, flops_step, hbm_bytes, hbm_bytes_step, sequences) = columns[7:12]
        seconds = duration + duration_step * i
        use = Use(
            mfu=(flops + flops_step * i) / (seconds * self._peak_flops),
            bandwidth_utilisation=(hbm_bytes + hbm_bytes_step * i)
            / (seconds * self._peak_bytes_per_s),
            busy_fraction=(gpu_s + gpu_step * i) / seconds,
            sampling=sampling_s / seconds,
            batch=sequences,
            clock_fraction=columns[_CLOCK_FRACTION],
            padding=columns[_PADDING_FLOPS] / (seconds * self._peak_flops),
        )
        return start + i * duration + duration_step * (i * (i - 1) / 2), seconds, use


_ROUNDING = 1 + 1e-9
_CLOCK_FRACTION = FIELDS.index("clock_fraction")
_PADDING_FLOPS = FIELDS.index("padding_flops")
_ITERATIONS = FIELDS.index("iterations")
_FLOPS, _FLOPS_STEP = FIELDS.index("flops"), FIELDS.index("flops_step")
_SEQUENCES = FIELDS.index("sequences")
_DECODING = FIELDS.index("decoding")
_PREFILL_TOKENS = FIELDS.index("prefill_tokens")


def _segment(row: FloatArray) -> Segment:
    values = row.tolist()
    for name in ("iterations", "sequences", "decoding", "prefill_tokens"):
        values[FIELDS.index(name)] = int(values[FIELDS.index(name)])
    return Segment(*values)
