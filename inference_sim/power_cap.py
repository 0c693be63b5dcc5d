"""Power caps: each GPU at the highest clock that keeps it under its cap.

A capped GPU lowers its own clock until it draws no more than the cap, and raises it again when the
load allows. Here it does so from iteration to iteration: of the clocks that it has, an iteration
runs at the highest at which its mean power, by the power model, is not above the cap. Power only
rises with the clock, so that there is one. The lowest clock cannot be lowered further: a GPU may
draw more than the cap there, and the meter counts that time. A cap at the GPU's own limit has no
effect.

Clocks have steps (15 MHz on NVIDIA's data-centre GPUs, under 1 % of the highest; "nvidia-smi
-q -d SUPPORTED_CLOCKS"); here they are :data:`CLOCK_STEP` apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from inference_sim.arrays import FloatArray
from inference_sim.errors import InferenceSimError
from inference_sim.execution import AffineCost, ExecutionModel, IterationCost
from inference_sim.power import PowerModel, Use

LOWEST_CLOCK = 0.3
"""Lowest clock that a power cap may set, over the highest; the power model is not valid below. A
board's own may be higher."""
CLOCK_STEP = 0.01

_ROUNDING = 1e-6
_HORIZON = 1024  # decode iterations looked ahead for a change of clock


class CappedStage:
    """An execution model whose iterations run at the clocks that a power cap allows.

    Args:
        stage: The execution model at the highest clock that may be used.
        clock_fraction: The same clock, over the highest of the GPU.
        power: Power model of the GPU.
        power_cap_w: The power cap [W].
        peak_bytes_per_s: Peak bandwidth, which its utilisation is relative to [bytes/s].
        by_clock: Execution models by clock, to take from and to add to.
        growth: Tokens that the context of a sequence grows by in an iteration, in the mean.
        lowest_clock: The lowest clock that it may set, over the highest of the GPU.

    Raises:
        InferenceSimError: If the execution model knows only one clock.
    """

    def __init__(
        self,
        stage: ExecutionModel,
        clock_fraction: float,
        power: PowerModel,
        power_cap_w: float,
        peak_bytes_per_s: float,
        by_clock: dict[float, ExecutionModel],
        growth: float = 1.0,
        lowest_clock: float = LOWEST_CLOCK,
    ) -> None:
        self.clock_fraction, self.power_cap_w = clock_fraction, power_cap_w
        self.peak_flops = stage.peak_flops
        self._power, self._peak_bytes_per_s = power, peak_bytes_per_s
        self._stage, self._by_clock, self._growth = stage, by_clock, growth
        self._lowest_clock = lowest_clock
        self._models = [self._at(clock) for clock in clocks_up_to(clock_fraction, lowest_clock)]
        self._lines: dict[tuple[int, float], _Lines] = {}
        self._prompts: dict[int, IterationCost] = {}

    @property
    def uncalibrated_because(self) -> str:
        """Why its times are not backed by measurements; empty if they are."""
        return self._stage.uncalibrated_because

    def at_clock(self, clock_fraction: float) -> CappedStage:
        """Return the same stage and cap, with another highest clock."""
        return CappedStage(
            self._at(clock_fraction),
            clock_fraction,
            self._power,
            self.power_cap_w,
            self._peak_bytes_per_s,
            self._by_clock,
            self._growth,
            self._lowest_clock,
        )

    def decode(self, batch: int, context: float = math.inf) -> AffineCost:
        """Return the cost of a decode iteration at the clock that the cap allows at `context`.

        Its ``context_limit`` is where another clock holds, for contexts that grow as those of the
        batch do.

        Raises:
            InferenceSimError: If no context is given: the clock depends on it.
        """
        if math.isinf(context):
            raise InferenceSimError("under a power cap the cost of decoding depends on the context")
        top = self._models[-1].decode(batch, context)
        lines = self._lines.get((batch, top.context_limit))
        if lines is None:
            costs = [model.decode(batch, context) for model in self._models]
            lines = self._lines[batch, top.context_limit] = _Lines(
                costs, batch, batch * self._growth
            )
        cost = lines.found(context)  # by an earlier iteration
        if cost is None:
            number = self._highest(self._power_w(lines, context))
            limit = context + self._iterations_at(lines, number, context) * lines.growth
            cost = lines.find(number, context, min(limit, top.context_limit))
        return cost

    def iteration(
        self,
        chunks: Sequence[tuple[int, int]],
        prompts_done: int,
        decode_batch: int = 0,
        decode_context: float = 0,
    ) -> IterationCost:
        """Return the cost of an iteration at the clock that the cap allows."""
        if not chunks:
            return self.decode(decode_batch, decode_context).at(decode_context)
        alone = len(chunks) == 1 and not (chunks[0][1] or decode_batch) and prompts_done == 1
        prompt = chunks[0][0]
        if alone and prompt in self._prompts:  # by far the most frequent
            return self._prompts[prompt]

        def cost(number: int) -> IterationCost:
            return self._models[number].iteration(
                chunks, prompts_done, decode_batch, decode_context
            )

        sequences = len(chunks) + decode_batch
        low, high = 0, len(self._models) - 1
        best = cost(high)
        if self._one_power_w(best, sequences) > self.power_cap_w:
            while high - low > 1:  # the cap holds at `low`, if at all, and not at `high`
                middle = (low + high) // 2
                if self._one_power_w(cost(middle), sequences) > self.power_cap_w:
                    high = middle
                else:
                    low = middle
            best = cost(low)
        if alone:
            self._prompts[prompt] = best
        return best

    def _at(self, clock_fraction: float) -> ExecutionModel:
        model = self._by_clock.get(clock_fraction)
        if model is None:
            model = self._by_clock[clock_fraction] = self._stage.at_clock(clock_fraction)
        return model

    def _highest(self, power_w: FloatArray) -> int:
        """Return the number of the highest clock under the cap, of powers at all clocks."""
        allowed = np.flatnonzero(power_w <= self.power_cap_w)
        return int(allowed[-1]) if len(allowed) else 0

    def _iterations_at(self, lines: _Lines, number: int, context: float) -> int:
        """Return the number of iterations from `context` on for which clock `number` holds."""
        contexts = context + lines.growth * np.arange(_HORIZON, dtype=np.float64)
        same = np.ones(_HORIZON, dtype=bool)
        if number:
            same &= self._power_w(lines, contexts, number) <= self.power_cap_w
        if number + 1 < len(self._models):
            same &= self._power_w(lines, contexts, number + 1) > self.power_cap_w
        return _HORIZON if same.all() else max(int(np.argmin(same)), 1)

    def _power_w(
        self, lines: _Lines, context: float | FloatArray, number: int | None = None
    ) -> FloatArray:
        """Return power at all clocks, or at one and at several contexts [W]."""
        selected = slice(None) if number is None else slice(number, number + 1)
        gpu_s = lines.gpu_s[selected] + lines.gpu_s_per_context[selected] * context
        seconds = np.maximum(gpu_s, lines.host_s) + lines.sampling_s[selected] + lines.serial_s
        return self._power.busy_w(
            Use(
                mfu=(lines.flops + lines.flops_per_context * context) / (seconds * self.peak_flops),
                bandwidth_utilisation=(lines.hbm_bytes + lines.hbm_bytes_per_context * context)
                / (seconds * self._peak_bytes_per_s),
                busy_fraction=gpu_s / seconds,
                sampling=lines.sampling_s[selected] / seconds,
                batch=np.full_like(seconds, lines.batch),
                clock_fraction=lines.clock_fraction[selected],
                padding=lines.padding_flops / (seconds * self.peak_flops),
            )
        )

    def _one_power_w(self, cost: IterationCost, sequences: int) -> float:
        """Return power of one iteration [W]."""
        seconds = cost.duration_s
        values = (
            cost.flops / (seconds * self.peak_flops),
            cost.hbm_bytes / (seconds * self._peak_bytes_per_s),
            cost.gpu_s / seconds,
            cost.sampling_s / seconds,
            sequences,
            cost.clock_fraction,
            cost.padding_flops / (seconds * self.peak_flops),
        )
        return float(self._power.busy_w(Use(*(np.array([value]) for value in values)))[0])


class _Lines:
    """Costs of a decode iteration of `batch` sequences at several clocks, as arrays over them.

    Their context grows by `growth` tokens an iteration.
    """

    __slots__ = (
        "_costs", "_found", "_from_context", "batch", "clock_fraction", "flops",
        "flops_per_context", "gpu_s", "gpu_s_per_context", "growth", "hbm_bytes",
        "hbm_bytes_per_context", "host_s", "padding_flops", "sampling_s", "serial_s",
    )  # fmt: skip

    def __init__(self, costs: Sequence[AffineCost], batch: int, growth: float) -> None:
        self._costs, self.batch, self.growth = costs, batch, growth
        self._found: AffineCost | None = None
        self._from_context = 0.0
        self.clock_fraction = np.array([cost.clock_fraction for cost in costs])
        self.gpu_s = np.array([cost.gpu_s for cost in costs])
        self.gpu_s_per_context = np.array([cost.gpu_s_per_context for cost in costs])
        self.sampling_s = np.array([cost.sampling_s for cost in costs])
        top = costs[-1]  # its values that do not depend on the clock
        self.host_s, self.serial_s = top.host_s, top.serial_s
        self.flops, self.flops_per_context = top.flops, top.flops_per_context
        self.hbm_bytes, self.hbm_bytes_per_context = top.hbm_bytes, top.hbm_bytes_per_context
        self.padding_flops = top.padding_flops

    def found(self, context: float) -> AffineCost | None:
        """Return the line found last, if it holds at `context` for a run that gets there.

        Runs that are computed iteration by iteration call it for each iteration.
        """
        last = self._found
        if last is None:
            return None
        iterations = (context - self._from_context) / self.growth
        most = (last.context_limit - self._from_context) / self.growth
        if not -_ROUNDING < iterations < most - _ROUNDING:
            return None
        return last if abs(iterations - round(iterations)) < _ROUNDING else None

    def find(self, number: int, context: float, context_limit: float) -> AffineCost:
        """Return the line at one clock, from `context` up to `context_limit`, and remember it."""
        cost, self._from_context = self._costs[number], context
        self._found = AffineCost(
            cost.gpu_s, cost.gpu_s_per_context, cost.sampling_s, cost.host_s,
            cost.flops, cost.flops_per_context, cost.hbm_bytes, cost.hbm_bytes_per_context,
            cost.serial_s, context_limit, cost.clock_fraction, cost.padding_flops,
        )  # fmt: skip
        return self._found


def clocks_up_to(clock_fraction: float, lowest_clock: float = LOWEST_CLOCK) -> list[float]:
    """Return the clocks that a cap may choose, rising, with `clock_fraction` as the highest."""
    count = math.ceil(round((1 - lowest_clock) / CLOCK_STEP, 6))
    clocks = (round(lowest_clock + CLOCK_STEP * step, 6) for step in range(count))
    return [*(clock for clock in clocks if clock < clock_fraction), clock_fraction]
