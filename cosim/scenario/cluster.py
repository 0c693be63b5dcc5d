"""Scenario keys of a cluster: an LLM serving deployment, of one pool or of several."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace
from typing import Annotated, Any, Literal

from pydantic import (
    Discriminator,
    Field,
    SerializerFunctionWrapHandler,
    Tag,
    ValidationInfo,
    field_validator,
    model_serializer,
    model_validator,
)

from cosim.scenario.dispatch import DispatchKeys
from cosim.scenario.fields import Count, PlainName, Positive, StrictModel
from cosim.scenario.kv_transfer import KvTransferKeys
from cosim.scenario.pool import MAX_GPUS, PoolKeys, Serving
from cosim.scenario.power import PueKeys
from inference_sim.deployment import ClusterConfig, GatewayConfig
from inference_sim.errors import cut
from inference_sim.hardware import GpuSpec
from inference_sim.pool_config import PoolConfig, Role
from inference_sim.power.pue import ConstantPue, Pue
from inference_sim.roles import check_roles


class GatewayKeys(StrictModel):
    """The token bucket in front of the cluster."""

    admission_rate_per_s: Positive | None = None
    """Highest admission rate [requests/s]; unlimited by default."""
    burst: Count = 1
    """Tokens that the bucket holds [requests]."""
    overflow: Literal["wait", "reject"] = "wait"
    """Handling of requests above the admission rate: they are queued, or rejected."""

    def config(self) -> GatewayConfig:
        """Return the gateway as the simulator takes it."""
        rate = self.admission_rate_per_s
        return GatewayConfig(
            admission_rate_per_s=float("inf") if rate is None else rate,
            burst=self.burst,
            overflow=self.overflow,
        )


class ClusterKeys(PoolKeys):
    """An LLM serving deployment."""

    gateway: GatewayKeys = GatewayKeys()
    """Gateway in front of the replicas."""
    pue: PueKeys = 1.0
    """Power usage effectiveness, facility power over IT power: a number, or by load or
    temperature."""

    @model_validator(mode="after")
    def _possible(self) -> ClusterKeys:
        self.config()
        return self

    @property
    def by_pool(self) -> Mapping[str, PoolKeys]:
        """Its only pool, by name."""
        return {"main": self}

    def config(self) -> ClusterConfig:
        """Return the deployment as the simulator takes it.

        Raises:
            InferenceSimError: If it cannot be simulated.
        """
        pool = self.pool()
        return ClusterConfig(
            pools=(pool,), gateway=self.gateway.config(), pue=_pue(self.pue, pool.peak_it_w)
        )

    @model_serializer(mode="wrap")
    def _in_order(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        """Write out the defaults, and keys of the whole between those of the pool."""
        content = handler(self)
        last = {key: content.pop(key) for key in _LAST if key in content}
        return self.with_defaults(content | last)


_LAST = ("gateway", "host_power_w", "pue", "power_cap_w", "embodied_g_per_gpu_hour")


class NamedPoolKeys(PoolKeys):
    """One of several pools."""

    name: PlainName
    """Name of the pool."""
    role: Role = "both"
    """Part of the work on a request: prefill computes prompts and hands them over, decode goes on
    with them, and both does all of it."""
    quality: dict[str, Annotated[float, Field(ge=0)]] = {}
    """Scores of its model by benchmark, from a source of your own; of each the report shows the
    mean over the requests served."""

    def pool(self, name: str | None = None) -> PoolConfig:
        """Return the pool as the simulator takes it; it has its own name by default.

        Raises:
            InferenceSimError: If it cannot be simulated.
        """
        return replace(super().pool(name or self.name), role=self.role)

    def _serving(self, gpu: GpuSpec) -> Serving:
        serving = super()._serving(gpu)
        if self.role == "decode" and self.scheduler.prefix_caching is None:
            return replace(serving, prefix_caching=False)
        return serving


class PooledClusterKeys(StrictModel):
    """An LLM serving deployment of several pools, which differ in model, GPUs or engine."""

    pools: Annotated[list[NamedPoolKeys], Field(min_length=1)]
    """The pools."""
    dispatch: DispatchKeys | None = None
    """Choice of a pool for each request; needed for more than one pool."""
    kv_transfer: KvTransferKeys | None = None
    """Links from pools of role prefill to pools of role decode; needed where there are any."""
    gateway: GatewayKeys = GatewayKeys()
    """Gateway in front of the pools."""
    pue: PueKeys = 1.0
    """Power usage effectiveness, facility power over IT power: a number, or by load or
    temperature."""

    @field_validator("pools")
    @classmethod
    def _separate(cls, pools: list[NamedPoolKeys]) -> list[NamedPoolKeys]:
        names = Counter(pool.name for pool in pools)
        if twice := [name for name, count in names.items() if count > 1]:
            raise ValueError(f"several pools are named {', '.join(twice)}; give each its own name")
        gpus = sum(pool.gpus for pool in pools)
        if gpus > MAX_GPUS:
            raise ValueError(
                f"a cluster may have {MAX_GPUS:,} GPUs (got {cut(f'{gpus:,}', 30)} over all "
                "pools); split them over several sites"
            )
        return pools

    @field_validator("dispatch")
    @classmethod
    def _between_pools(cls, dispatch: DispatchKeys, info: ValidationInfo) -> DispatchKeys:
        if "pools" in info.data:
            dispatch.check([pool.name for pool in info.data["pools"]])
        return dispatch

    @model_validator(mode="after")
    def _possible(self) -> PooledClusterKeys:
        if self.dispatch is None and len(self.pools) > 1:
            raise ValueError(
                f"{len(self.pools)} pools need a `dispatch` that chooses between them, such as "
                f"{{type: tiers, default: {self.pools[0].name}}}"
            )
        config = self.config()
        self._check_roles(config)
        return self

    def _check_roles(self, config: ClusterConfig) -> None:
        """Check that roles, links and dispatch go together.

        Raises:
            InferenceSimError: If roles and links do not.
            ValueError: If the dispatch does not go with them.
        """
        check_roles(config.pools, config.kv_transfer)
        disaggregated = self.dispatch is not None and self.dispatch.type == "disaggregated"
        with_roles = any(pool.role != "both" for pool in self.pools)
        if with_roles and not disaggregated:
            raise ValueError("pools of role prefill and decode need dispatch {type: disaggregated}")
        if disaggregated and not with_roles:
            raise ValueError(
                "dispatch disaggregated needs pools of role prefill and decode; there are none"
            )

    @property
    def by_pool(self) -> Mapping[str, PoolKeys]:
        """Its pools by name."""
        return {pool.name: pool for pool in self.pools}

    @property
    def caches_prefixes(self) -> bool:
        """Whether engines of any of its pools find again what they computed before."""
        return any(pool.caches_prefixes for pool in self.pools)

    def config(self) -> ClusterConfig:
        """Return the deployment as the simulator takes it.

        Raises:
            InferenceSimError: If it cannot be simulated.
        """
        pools: tuple[PoolConfig, ...] = tuple(pool.pool(pool.name) for pool in self.pools)
        transfer = None if self.kv_transfer is None else self.kv_transfer.config()
        peak_it_w = sum(pool.peak_it_w for pool in pools)
        if transfer is not None:
            peak_it_w += transfer.peak_w
        config = ClusterConfig(
            pools=pools,
            gateway=self.gateway.config(),
            pue=_pue(self.pue, peak_it_w),
            kv_transfer=transfer,
        )
        return config if self.dispatch is None else replace(config, dispatch=self.dispatch.rule())


def _pue(keys: PueKeys, peak_it_w: float) -> Pue:
    return ConstantPue(keys) if isinstance(keys, float) else keys.model(peak_it_w)


def _form(value: Any) -> Literal["ClusterKeys", "PooledClusterKeys"]:
    """Return the model of a cluster; errors find it by the name of its class."""
    several = isinstance(value, PooledClusterKeys) or (isinstance(value, dict) and "pools" in value)
    return "PooledClusterKeys" if several else "ClusterKeys"


AnyClusterKeys = Annotated[
    Annotated[ClusterKeys, Tag("ClusterKeys")]
    | Annotated[PooledClusterKeys, Tag("PooledClusterKeys")],
    Discriminator(_form),
]
"""A deployment of one pool, by its keys, or of several."""
