"""The clock state of a pool's GPUs: execution models at the clock and power cap in force."""

from __future__ import annotations

import math
from collections.abc import Sequence

from inference_sim.execution import ExecutionModel
from inference_sim.power import PowerModel
from inference_sim.power_cap import LOWEST_CLOCK, CappedStage


class Pace:
    """Clock state: the execution models of a replica's stages, by clock.

    All replicas share them, with their memos. With a clock and a power cap the lower clock wins.

    Args:
        stages: Execution models at the highest clock.
        power: Power model of a GPU.
        peak_bytes_per_s: Peak bandwidth of a GPU, which its utilisation is relative to [bytes/s].
        growth: Tokens that the context of a sequence grows by in an iteration, in the mean.
        lowest_clock: Lowest clock that a cap may set, over the highest.

    Attributes:
        clock_fraction: Clock in force over the highest one; an upper bound under a cap.
        power_cap_w: Power cap of each GPU in force [W]; infinite for none.
        stages: Execution models in force.
    """

    def __init__(
        self,
        stages: Sequence[ExecutionModel],
        power: PowerModel,
        peak_bytes_per_s: float,
        growth: float = 1.0,
        lowest_clock: float = LOWEST_CLOCK,
    ) -> None:
        self._known = [{1.0: stage} for stage in stages]  # by stage and clock
        self._power, self._peak_bytes_per_s, self._growth = power, peak_bytes_per_s, growth
        self._lowest_clock = lowest_clock
        self.clock_fraction, self.power_cap_w = 1.0, math.inf
        self.stages = list(stages)

    def set_clock(self, clock_fraction: float) -> None:
        """Set the clock of the GPUs from the next iteration on.

        Raises:
            InferenceSimError: If the execution models know only the highest clock.
        """
        self._set(clock_fraction, self.power_cap_w)

    def set_power_cap(self, power_cap_w: float) -> None:
        """Let each GPU lower its clock until it draws no more than this [W]; infinite for no cap.

        Raises:
            InferenceSimError: If the execution models know only the highest clock.
        """
        self._set(self.clock_fraction, power_cap_w)

    def _set(self, clock_fraction: float, power_cap_w: float) -> None:
        stages: list[ExecutionModel] = []
        for by_clock in self._known:
            if clock_fraction not in by_clock:
                by_clock[clock_fraction] = by_clock[1.0].at_clock(clock_fraction)
            stage = by_clock[clock_fraction]
            if power_cap_w < self._power.max_w:  # otherwise it binds at no load
                stage = CappedStage(
                    stage,
                    clock_fraction,
                    self._power,
                    power_cap_w,
                    self._peak_bytes_per_s,
                    by_clock,
                    self._growth,
                    self._lowest_clock,
                )
            stages.append(stage)
        self.stages, self.clock_fraction, self.power_cap_w = stages, clock_fraction, power_cap_w
