"""The energy of a pool: power of every iteration, integrated exactly over each step.

At a step's end power is evaluated and integrated on arrays over the segments of the step, or over
their iterations where necessary; an iteration across the boundary is split in proportion of time.
The segments of all engines are one array, so that replicas with little to do cost little.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from inference_sim.arrays import FloatArray
from inference_sim.power import PowerModel, Use
from inference_sim.segment import FIELDS


@dataclass(frozen=True, slots=True)
class MeterReading:
    """Energy and work of the GPUs of a pool in one interval.

    Attributes:
        energy_j: Energy of all GPUs while they served [J].
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


class PowerIntegral:
    """Integral of the power of a pool, whose engines each have `gpus` GPUs that work in lockstep.

    Args:
        power: Power of a GPU.
        gpus: GPUs of an engine.
        peak_flops, peak_bytes_per_s: Peaks that utilisations are relative to [FLOP/s, bytes/s].

    Attributes:
        power_cap_w: Power cap of a GPU in force, to count the time above it [W].
    """

    def __init__(
        self, power: PowerModel, gpus: int, peak_flops: float, peak_bytes_per_s: float
    ) -> None:
        self._power, self._gpus = power, gpus
        self._peak_flops, self._peak_bytes_per_s = peak_flops, peak_bytes_per_s
        self.power_cap_w = math.inf

    def over(
        self, rows: FloatArray, bounds: Sequence[int], since_s: float, until_s: float
    ) -> tuple[FloatArray, MeterReading]:
        """Return the energy of each row in [since, until], shape (rows,) [J], and the sums.

        Quantities of iteration i are linear in i, so that those of a row add up to its length times
        the mean of its ends. Where power is a price for each FLOP, byte and second, the same holds
        for the energy; other rows are expanded to their iterations.

        Args:
            rows: The segments of one engine after the other, shape (rows, fields), at least one.
            bounds: The row at which each engine begins, and the number of rows. Each engine is
                summed up by itself, so that its sums do not depend on the others.
            since_s, until_s: The interval [s].
        """
        count = rows[:, _ITERATIONS]
        last = count - 1
        begin, seconds, use = self._iterations(rows, 0.0)
        end_begin, end_seconds, end_use = self._iterations(rows, last)
        power_w, end_power_w = self._power.busy_w(use), self._power.busy_w(end_use)
        before = np.clip(since_s - begin, 0.0, seconds) / seconds
        after = np.clip(end_begin + end_seconds - until_s, 0.0, end_seconds) / end_seconds
        highest_w = np.maximum(power_w, end_power_w)  # a ratio of lines has no maximum in between
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
        sequences, clock = rows[:, _SEQUENCES], rows[:, _CLOCK_FRACTION]
        served_j = busy_s = useful = batch_seconds = clock_seconds = 0.0
        for begin_row, end_row in pairwise(bounds):
            engine_rows = slice(begin_row, end_row)
            served_j += float(energy_j[engine_rows].sum())
            busy_s += float(inside[engine_rows].sum())
            useful += float(done[engine_rows].sum())
            batch_seconds += float(sequences[engine_rows] @ inside[engine_rows])
            clock_seconds += float(clock[engine_rows] @ inside[engine_rows])
        reading = MeterReading(
            energy_j=served_j,
            busy_s=busy_s,
            flops=useful,
            batch_seconds=batch_seconds,
            clock_seconds=clock_seconds,
            over_cap_s=over_cap_s,
        )
        return energy_j, reading

    def _expand(self, rows: FloatArray, since_s: float, until_s: float) -> tuple[FloatArray, float]:
        """Return a GPU's energy of each row in [since, until], and the time over its cap.

        The energies are of shape (rows,) [J]; the time is that above the power cap [s].
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
