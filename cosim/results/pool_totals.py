"""Totals of each of several pools of a site, and the quality that its requests were served with."""

from __future__ import annotations

from collections.abc import Mapping

from cosim.loop.record import SiteRecord
from cosim.results.kv_cache import KvCache
from cosim.results.requests import PoolShare, SiteLatencies
from cosim.results.totals import Deployment, PoolTotals, ServingTotals
from cosim.scenario.cluster import PooledClusterKeys
from cosim.world.site_plan import SitePlan
from inference_sim.cluster import Cluster
from inference_sim.pool import Pool
from inference_sim.pool_config import PoolConfig

_J_PER_KWH = 3.6e6
Quality = Mapping[str, Mapping[str, float]]
"""Scores by pool, or by class, and benchmark."""


def deployment(pool: Pool) -> Deployment:
    """Return the deployment of a pool."""
    stages = pool.engines[0].pipeline.stages
    reasons = dict.fromkeys(filter(None, (stage.uncalibrated_because for stage in stages)))
    return Deployment(
        model=pool.config.model.name,
        gpu=pool.config.gpu.name,
        uncalibrated="; ".join(reasons),
        power_uncalibrated=pool.config.power.uncalibrated_because,
        kv_cache=KvCache.of(pool.config),
    )


def embodied_g(site: SitePlan) -> dict[str, float]:
    """Return the embodied carbon of each pool [g per hour], by name."""
    if site.cluster is None:
        return {}
    keys = {} if site.config.cluster is None else site.config.cluster.by_pool
    given = {name: pool.embodied_g_per_gpu_hour for name, pool in keys.items()}
    return {pool.name: _embodied_g(pool, given.get(pool.name)) for pool in site.cluster.pools}


def _embodied_g(pool: PoolConfig, given: float | None) -> float:
    rate = pool.gpu.embodied_g_per_gpu_hour if given is None else given
    gpus_g = rate * pool.gpus
    offload = pool.kv_offload
    if offload is None:
        return gpus_g
    memory_gib = pool.replicas * offload.host_gib  # it was made, however much of it is set
    return gpus_g + offload.embodied_g_per_gib_hour * memory_gib


def pool_totals(
    record: SiteRecord, cluster: Cluster, latencies: SiteLatencies, step_s: float
) -> dict[str, PoolTotals]:
    """Return the totals of each pool, by name; none of a site with one.

    Args:
        record: The steps of the site.
        cluster: Its cluster.
        latencies: Its requests.
        step_s: Length of a step [s].
    """
    shares = {name: latencies.pools.get(name, PoolShare()) for name in record.pools}
    completed = sum(sum(share.by_class.values()) for share in shares.values())
    hourly_g, scores = embodied_g(record.site), quality_of(record.site)
    totals: dict[str, PoolTotals] = {}
    for name, steps in record.pools.items():
        pool, share, columns = cluster.pools[name], shares[name], steps.columns
        gpu_j = float(columns["gpu_power_w"].sum()) * step_s
        mine = sum(share.by_class.values())
        totals[name] = PoolTotals(
            deployment=deployment(pool),
            replicas=pool.config.replicas,
            gpus=pool.config.gpus,
            completed=dict(share.by_class),
            share=mine / completed if completed else None,
            prompt_tokens=share.prompt_tokens,
            output_tokens=share.output_tokens,
            gpu_kwh=gpu_j / _J_PER_KWH,
            host_kwh=float(columns["host_power_w"].sum()) * step_s / _J_PER_KWH,
            gpu_j_per_output_token=gpu_j / share.output_tokens if share.output_tokens else None,
            embodied_g=hourly_g[name] * len(record) * step_s / 3600,
            quality=scores.get(name),
        )
    return totals


def quality_of(site: SitePlan) -> Quality:
    """Return the scores of the pools' models, by pool and benchmark."""
    keys = site.config.cluster
    if not isinstance(keys, PooledClusterKeys):
        return {}
    return {pool.name: pool.quality for pool in keys.pools if pool.quality}


def served_quality(pools: Mapping[str, PoolTotals]) -> dict[str, dict[str, float]]:
    """Return the mean scores over completed requests, by class and benchmark.

    A benchmark counts for a class if each pool that served some of its requests has a score.
    """
    classes = dict.fromkeys(name for pool in pools.values() for name in pool.completed)
    found: dict[str, dict[str, float]] = {}
    for name in classes:
        served = [pool for pool in pools.values() if pool.completed.get(name, 0)]
        requests = sum(pool.completed[name] for pool in served)
        scores = [pool.quality or {} for pool in served]
        shared = [
            key for key in (scores[0] if scores else ()) if all(key in score for score in scores)
        ]
        means = {
            key: sum(pool.completed[name] * (pool.quality or {})[key] for pool in served) / requests
            for key in shared
        }
        if means:
            found[name] = means
    return found


def mean_quality(totals: ServingTotals) -> dict[str, float]:
    """Return the mean score over all completed requests, by benchmark; empty without several pools.

    Only benchmarks count that all classes with completed requests have.
    """
    pools, by_class = totals.pools or {}, totals.quality or {}
    requests = {
        name: sum(pool.completed.get(name, 0) for pool in pools.values())
        for name in dict.fromkeys(name for pool in pools.values() for name in pool.completed)
    }
    served = {name: count for name, count in requests.items() if count}
    if not served or not all(name in by_class for name in served):
        return {}
    first = next(iter(served))
    shared = [key for key in by_class[first] if all(key in by_class[name] for name in served)]
    total = sum(served.values())
    return {
        key: sum(count * by_class[name][key] for name, count in served.items()) / total
        for key in shared
    }
