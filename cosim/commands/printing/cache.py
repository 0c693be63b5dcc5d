"""The KV cache of a deployment in words, and the warning where its plan decides too much."""

from __future__ import annotations

from collections.abc import Iterator

from cosim.accounting.words import number, percent
from cosim.results.kv_cache import KvCache
from inference_sim.deployment import ClusterConfig
from inference_sim.memory_plan import GIB
from inference_sim.pool_config import PoolConfig

_DECIDING = 0.1
"""Share of the KV cache that a percent of the GPU's memory is, from which on it is warned of."""


def kv_cache(pool: PoolConfig) -> dict[str, float]:
    """Return a replica's memory on each GPU [GiB], tokens, and sequences of the longest length.

    Where there is host memory behind it, its tokens are the last.
    """
    size = KvCache.of(pool)
    told: dict[str, float] = {
        "gib_per_gpu": round(size.gib_per_gpu, 3),
        "tokens": size.tokens,
        "sequences": round(size.sequences, 2),
    }
    if size.host_tokens is not None:
        told["host_tokens"] = size.host_tokens
    return told


def kv_caches(cluster: ClusterConfig) -> dict[str, object]:
    """Return that of the only pool; that of each by name where there are several."""
    first, *others = cluster.pools
    if not others:
        return {"kv_cache": kv_cache(first)}
    return {"pools": {pool.name: {"kv_cache": kv_cache(pool)} for pool in cluster.pools}}


def cache_notes(cluster: ClusterConfig) -> Iterator[str]:
    """Yield the size of the KV cache that a release of vLLM plans, and of host memory behind it."""
    for pool, name in _named(cluster):
        size = KvCache.of(pool)
        if pool.release is not None:
            yield (
                f"{name}KV cache of {size.gib_per_gpu:.2f} GiB on each GPU: {size.tokens:,} "
                f"tokens, {number(size.sequences)} requests of {size.sequence_tokens:,}"
            )
        if size.host_gib is not None:
            yield (
                f"{name}host memory of {size.host_gib:g} GiB behind each KV cache: "
                f"{size.host_tokens:,} tokens"
            )


def cache_warnings(cluster: ClusterConfig) -> Iterator[str]:
    """Yield a warning where one percent of the memory changes much of the KV cache."""
    for pool, name in _named(cluster):
        plan = pool.memory_plan
        if plan is None or pool.kv_blocks is not None:
            continue
        share = 0.01 * pool.gpu.usable_memory_gib * GIB / plan.kv_bytes
        if share >= _DECIDING:
            yield (
                f"{name}a percent of memory_utilisation is {percent(share)} of the KV cache, which "
                f"is {plan.kv_bytes / GIB:.2f} GiB: a small error of the plan decides how many "
                "requests run; kv_blocks sets the cache as vLLM logs it"
            )


def _named(cluster: ClusterConfig) -> Iterator[tuple[PoolConfig, str]]:
    """Yield each pool, and its name before what is said of it, where there are several."""
    several = len(cluster.pools) > 1
    for pool in cluster.pools:
        yield pool, f"{pool.name}: " if several else ""
