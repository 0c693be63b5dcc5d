"""The clock state of a pool's GPUs: execution models at the clocks and power cap in force.

The iterations that compute prompts and those that only decode may have clocks of their own, as in
GreenLLM (Liu et al., arXiv:2508.16449). Clocks and power cap are all upper bounds: the lowest
holds. A change of the clock between two iterations takes no time here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from inference_sim.execution import AffineCost, ExecutionModel, IterationCost
from inference_sim.power import PowerModel
from inference_sim.power_cap import LOWEST_CLOCK, CappedStage

CLOCKS = ("clock_fraction", "prefill_clock", "decode_clock")
"""Bounds of the clock: of every iteration, of those with prompts, and of those that only decode."""


class PhasedStage:
    """An execution model whose iterations with prompts run at another clock than decodes alone.

    Args:
        prefill: The stage at the clock of iterations that compute prompts.
        decode: The same stage at the clock of iterations that only decode.
    """

    def __init__(self, prefill: ExecutionModel, decode: ExecutionModel) -> None:
        self._prefill, self._decode = prefill, decode
        self.peak_flops = decode.peak_flops
        self.uncalibrated_because = decode.uncalibrated_because

    def decode(self, batch: int, context: float = math.inf) -> AffineCost:
        """Return the cost of a decode iteration, at the clock of decodes."""
        return self._decode.decode(batch, context)

    def iteration(
        self,
        chunks: Sequence[tuple[int, int]],
        prompts_done: int,
        decode_batch: int = 0,
        decode_context: float = 0,
    ) -> IterationCost:
        """Return the cost of an iteration: with any prompt at the clock of prompts."""
        stage = self._prefill if chunks else self._decode
        return stage.iteration(chunks, prompts_done, decode_batch, decode_context)

    def at_clock(self, clock_fraction: float) -> ExecutionModel:
        """Return the stage with all iterations at one clock."""
        return self._decode.at_clock(clock_fraction)


class Pace:
    """Clock state: the execution models of a replica's stages, by clock.

    All replicas share them, with their memos.

    Args:
        stages: Execution models at the highest clock.
        power: Power model of a GPU.
        peak_bytes_per_s: Peak bandwidth of a GPU, which its utilisation is relative to [bytes/s].
        growth: Tokens that the context of a sequence grows by in an iteration, in the mean.
        lowest_clock: Lowest clock that a cap may set, over the highest.

    Attributes:
        clocks: Bounds of the clock in force, over the highest one, by their names in `CLOCKS`.
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
        self.clocks, self.power_cap_w = dict.fromkeys(CLOCKS, 1.0), math.inf
        self.stages = list(stages)

    def set_clock(self, name: str, clock_fraction: float) -> None:
        """Set a bound of the GPUs' clock from the next iteration on.

        Args:
            name: One of `CLOCKS`.
            clock_fraction: The clock over the highest one.

        Raises:
            InferenceSimError: If the execution models know only the highest clock.
        """
        self._set(self.clocks | {name: clock_fraction}, self.power_cap_w)

    def set_power_cap(self, power_cap_w: float) -> None:
        """Let each GPU lower its clock until it draws no more than this [W]; infinite for no cap.

        Raises:
            InferenceSimError: If the execution models know only the highest clock.
        """
        self._set(self.clocks, power_cap_w)

    def _set(self, clocks: dict[str, float], power_cap_w: float) -> None:
        prefill, decode = (min(clocks["clock_fraction"], clocks[name]) for name in CLOCKS[1:])
        stages: list[ExecutionModel] = []
        for by_clock in self._known:
            stage = self._at(by_clock, decode, power_cap_w)
            if prefill != decode:
                stage = PhasedStage(self._at(by_clock, prefill, power_cap_w), stage)
            stages.append(stage)
        self.stages, self.clocks, self.power_cap_w = stages, clocks, power_cap_w

    def _at(
        self, by_clock: dict[float, ExecutionModel], clock_fraction: float, power_cap_w: float
    ) -> ExecutionModel:
        """Return a stage at a clock, or at the lower ones that the cap asks for."""
        if clock_fraction not in by_clock:
            by_clock[clock_fraction] = by_clock[1.0].at_clock(clock_fraction)
        stage = by_clock[clock_fraction]
        if power_cap_w >= self._power.max_w:  # it binds at no load
            return stage
        return CappedStage(
            stage,
            clock_fraction,
            self._power,
            power_cap_w,
            self._peak_bytes_per_s,
            by_clock,
            self._growth,
            self._lowest_clock,
        )
