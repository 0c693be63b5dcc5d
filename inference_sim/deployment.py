"""A deployment: pools of replicas, each of a model on GPUs, behind one gateway."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Literal

from inference_sim.deferral import ServiceClass
from inference_sim.dispatch import DispatchRule, OnlyPool
from inference_sim.errors import InferenceSimError
from inference_sim.kv_transfer import KvTransfer
from inference_sim.pool_config import PoolConfig
from inference_sim.pool_limits import check_pool
from inference_sim.power.pue import ConstantPue, Pue
from inference_sim.roles import check_roles


@dataclass(frozen=True, slots=True, kw_only=True)
class GatewayConfig:
    """Configuration of the gateway in front of the pools.

    Attributes:
        admission_rate_per_s: Highest admission rate [requests/s]; infinite for no limit.
        burst: Tokens that its bucket holds [requests].
        overflow: Fate of a request without a token: it is queued, or rejected.
    """

    admission_rate_per_s: float = math.inf
    burst: int = 1
    overflow: Literal["wait", "reject"] = "wait"


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """A deployment at one site.

    Attributes:
        pools: Its pools, at least one, each with a name of its own.
        pue: Facility power over IT power.
        outside_temperature_c: Temperature outside by simulated time [s], for a PUE that needs it
            [°C]; constant over each step.
        classes: Classes of requests, by the number that they carry; if empty, no request can be
            deferred.
        seed: Seed of routers and of a dispatch that draws.
        dispatch: Choice of a pool for each request.
        kv_transfer: Links between prefill and decode pools; None without such pools.
    """

    pools: tuple[PoolConfig, ...]
    gateway: GatewayConfig = GatewayConfig()
    pue: Pue = field(default_factory=lambda: ConstantPue(1.0))
    outside_temperature_c: Callable[[float], float] | None = None
    classes: tuple[ServiceClass, ...] = ()
    seed: int = 0
    dispatch: DispatchRule = field(default_factory=OnlyPool)
    kv_transfer: KvTransfer | None = None

    @property
    def pool(self) -> PoolConfig:
        """The only pool, for callers that handle just one.

        Raises:
            InferenceSimError: If there are several.
        """
        if len(self.pools) != 1:
            raise InferenceSimError(f"expected one pool (got {len(self.pools)})")
        return self.pools[0]

    @property
    def gpus(self) -> int:
        """Number of GPUs."""
        return sum(pool.gpus for pool in self.pools)

    @property
    def idle_power_w(self) -> float:
        """Facility power with nothing running [W]."""
        return self.pue.least_w(sum(pool.idle_it_w for pool in self.pools))

    @property
    def peak_power_w(self) -> float:
        """Highest power of the facility [W]."""
        links_w = 0.0 if self.kv_transfer is None else self.kv_transfer.peak_w
        return self.pue.most_w(sum(pool.peak_it_w for pool in self.pools) + links_w)

    def check(self) -> None:
        """Check that the deployment can be simulated.

        Raises:
            InferenceSimError: If not.
        """
        if len({pool.name for pool in self.pools}) != len(self.pools) or not self.pools:
            raise InferenceSimError("a cluster needs pools with different names")
        check_roles(self.pools, self.kv_transfer)
        for pool in self.pools:
            check_pool(pool)
