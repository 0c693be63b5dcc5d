"""The KV cache of a deployment in words, and the warning where its plan decides too much."""

from __future__ import annotations

from collections.abc import Iterator

from cosim.accounting.words import number, percent
from inference_sim.deployment import ClusterConfig
from inference_sim.kv_offload import KvOffload
from inference_sim.memory_plan import GIB
from inference_sim.pool_config import PoolConfig

_DECIDING = 0.1
"""Share of the KV cache that a percent of the GPU's memory is, from which on it is warned of."""


def kv_cache(cluster: ClusterConfig) -> dict[str, float]:
    """Return a replica's memory on each GPU [GiB], tokens, and sequences of the longest length.

    Where there is host memory behind it, its tokens are the last.
    """
    size = cluster.pool.kv_cache_size()
    told: dict[str, float] = {
        "gib_per_gpu": round(size.gib_per_gpu, 3),
        "tokens": size.tokens,
        "sequences": round(size.sequences, 2),
    }
    if cluster.pool.kv_offload is not None:
        told["host_tokens"] = _host_tokens(cluster.pool, cluster.pool.kv_offload)
    return told


def _host_tokens(pool: PoolConfig, offload: KvOffload) -> int:
    return pool.host_blocks(offload.host_gib) * pool.block_size


def cache_notes(cluster: ClusterConfig) -> Iterator[str]:
    """Yield the size of the KV cache that a release of vLLM plans, and of host memory behind it."""
    pool = cluster.pool
    if pool.release is not None:
        size = pool.kv_cache_size()
        yield (
            f"KV cache of {size.gib_per_gpu:.2f} GiB on each GPU: {size.tokens:,} tokens, "
            f"{number(size.sequences)} requests of {size.sequence_tokens:,}"
        )
    if pool.kv_offload is not None:
        yield (
            f"host memory of {pool.kv_offload.host_gib:g} GiB behind each KV cache: "
            f"{_host_tokens(pool, pool.kv_offload):,} tokens"
        )


def cache_warnings(cluster: ClusterConfig) -> Iterator[str]:
    """Yield a warning where one percent of the memory changes much of the KV cache."""
    pool = cluster.pool
    plan = pool.memory_plan
    if plan is None or pool.kv_blocks is not None:
        return
    share = 0.01 * pool.gpu.usable_memory_gib * GIB / plan.kv_bytes
    if share >= _DECIDING:
        yield (
            f"a percent of memory_utilisation is {percent(share)} of the KV cache, which is "
            f"{plan.kv_bytes / GIB:.2f} GiB: a small error of the plan decides how many requests "
            "run; kv_blocks sets the cache as vLLM logs it"
        )
