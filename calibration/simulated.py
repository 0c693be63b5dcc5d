"""A measured run beside the simulator's steady state of it: pace, use of the GPU, power."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from calibration.measurements import Row
from cosim.calibrate.steady_state import SteadyState
from inference_sim.arrays import FloatArray
from inference_sim.hardware import find_gpu
from inference_sim.power import PowerModel, Use


@dataclass(frozen=True, slots=True)
class SimulatedRun:
    """A measured run and the simulator's steady state of it."""

    row: Row
    state: SteadyState

    @property
    def pace(self) -> float:
        """Measured over simulated throughput."""
        return self.row.tokens_per_s / self.state.tokens_per_s

    def use(self, *, measured_pace: bool = False) -> tuple[FloatArray, Use]:
        """Return the share of time of each kind of iteration, shape (kinds,), and its use.

        At the measured pace the same work is done in the time that was measured. Where that is
        shorter than simulated, kernels and sampling keep their shares of it.
        """
        gpu = find_gpu(self.row.gpu)
        weights, costs = zip(*self.state.phases, strict=True)
        seconds = np.array([cost.duration_s for cost in costs])
        pace = self.pace if measured_pace else 1.0
        rate, share = pace / seconds, min(pace, 1.0) / seconds
        use = Use(
            mfu=np.array([cost.flops for cost in costs]) * rate / gpu.peak_flops,
            bandwidth_utilisation=np.array([cost.hbm_bytes for cost in costs])
            * rate
            / gpu.peak_bytes_per_s,
            busy_fraction=np.array([cost.gpu_s for cost in costs]) * share,
            sampling=np.array([cost.sampling_s for cost in costs]) * share,
            batch=np.full(len(costs), self.row.batch),
            clock_fraction=np.ones(len(costs)),
            padding=np.array([cost.padding_flops for cost in costs]) * rate / gpu.peak_flops,
        )
        time_s = np.array(weights) * seconds
        return time_s / time_s.sum(), use

    def power_w(self, model: PowerModel, *, measured_pace: bool = False) -> float:
        """Return its power by a model [W]."""
        shares, use = self.use(measured_pace=measured_pace)
        return float(shares @ model.busy_w(use))
