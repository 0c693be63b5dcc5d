"""Energy and time of a decode iteration, as a dispatch estimates them beforehand."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from inference_sim.execution import ExecutionModel
from inference_sim.pool_config import PoolConfig
from inference_sim.power import Use

_GRAIN = 64
"""Tokens to a multiple of which contexts are rounded up, so that estimates are found again."""


@dataclass(frozen=True, slots=True)
class TokenCost:
    """Cost of a token of each sequence of a replica.

    Attributes:
        energy_j: Energy of the replica's GPUs per sequence [J].
        duration_s: Duration of the iteration [s].
    """

    energy_j: float
    duration_s: float


class DecodeEnergy:
    """Costs of decode iterations of a pool's replicas, remembered by batch and context."""

    def __init__(self, config: PoolConfig) -> None:
        self._config = config
        self._stages: Sequence[ExecutionModel] = ()
        self._known: dict[tuple[int, int], TokenCost] = {}

    def of(self, stages: Sequence[ExecutionModel], batch: int, context_each: int) -> TokenCost:
        """Return the cost of a token.

        Args:
            stages: Execution models of the stages, at the clock in force.
            batch: Sequences of the replica.
            context_each: Context of each [tokens].
        """
        if stages is not self._stages:
            self._stages, self._known = stages, {}
        key = (batch, -(-context_each // _GRAIN))
        cost = self._known.get(key)
        if cost is None:
            cost = self._known[key] = self._cost(batch, key[1] * _GRAIN * batch)
        return cost

    def _cost(self, batch: int, context: int) -> TokenCost:
        config, energy_j, duration_s = self._config, 0.0, 0.0
        for stage in self._stages:
            cost = stage.decode(batch, context).at(context)
            seconds = cost.duration_s
            peak_flops, peak_bytes = stage.peak_flops * seconds, config.gpu.peak_bytes_per_s
            values = (
                cost.flops / peak_flops,
                cost.hbm_bytes / (seconds * peak_bytes),
                cost.gpu_s / seconds,
                cost.sampling_s / seconds,
                float(batch),
                cost.clock_fraction,
                cost.padding_flops / peak_flops,
            )
            power_w = config.power.busy_w(Use(*(np.array([value]) for value in values)))
            energy_j += float(power_w[0]) * seconds * config.tensor_parallel
            duration_s += seconds
        return TokenCost(energy_j / batch, duration_s)
