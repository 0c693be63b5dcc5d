"""Deployments of one pool, from flat fields: tests vary pool, gateway and cluster alike."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, get_type_hints

from inference_sim.deployment import ClusterConfig, GatewayConfig
from inference_sim.pool_config import PoolConfig
from inference_sim.power.pue import ConstantPue
from inference_sim.telemetry import StepTelemetry

_POOL = {one.name for one in fields(PoolConfig)}
_GATEWAY = {one.name for one in fields(GatewayConfig)}
_BY_NAME = {"clients", "latency_p99_s_by_class", "pools", "settings"}


def one_pool(**values: Any) -> ClusterConfig:
    """A cluster of one pool, of fields of the pool, the gateway and the cluster."""
    pool = PoolConfig(**{name: values.pop(name) for name in _POOL & values.keys()})
    return changed(ClusterConfig(pools=(pool,)), **values)


def changed(config: ClusterConfig, **values: Any) -> ClusterConfig:
    """The same cluster with other fields; a PUE may be a number."""
    own = {name: value for name, value in values.items() if name not in _POOL | _GATEWAY}
    if isinstance(own.get("pue"), float):
        own["pue"] = ConstantPue(own["pue"])
    pool = replace(config.pool, **{name: values[name] for name in _POOL & values.keys()})
    gateway = replace(config.gateway, **{name: values[name] for name in _GATEWAY & values.keys()})
    return replace(config, pools=(pool,), gateway=gateway, **own)


def telemetry(**values: Any) -> StepTelemetry:
    """What a cluster reports of a step: zeros, and these values."""
    zeros = {name: {} if name in _BY_NAME else 0 for name in get_type_hints(StepTelemetry)}
    return StepTelemetry(**zeros | values)
