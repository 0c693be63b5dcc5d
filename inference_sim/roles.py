"""Checks of pools that compute prompts, or decode, for each other."""

from __future__ import annotations

from collections.abc import Sequence

from inference_sim.errors import InferenceSimError
from inference_sim.kv_transfer import KvTransfer
from inference_sim.pool_config import PoolConfig


def check_roles(pools: Sequence[PoolConfig], transfer: KvTransfer | None) -> None:
    """Check that pools with a role have partners, and links to them.

    Raises:
        InferenceSimError: If not.
    """
    prefill = [pool for pool in pools if pool.role == "prefill"]
    decode = [pool for pool in pools if pool.role == "decode"]
    if not prefill and not decode:
        if transfer is not None:
            raise InferenceSimError(
                "kv_transfer goes with pools of role prefill and decode; there are none"
            )
        return
    if not prefill or not decode:
        alone, partner = next(iter([*prefill, *decode])), "decode" if prefill else "prefill"
        raise InferenceSimError(
            f"pool '{alone.name}' has role {alone.role}: it needs a pool of role {partner}"
        )
    if transfer is None:
        raise InferenceSimError(
            f"pools '{prefill[0].name}' and '{decode[0].name}' need kv_transfer, the links between "
            "them, such as {gb_per_s: 50}"
        )
    first, *others = [*prefill, *decode]
    for other in others:
        _check_alike(first, other)


def _check_alike(first: PoolConfig, other: PoolConfig) -> None:
    """Check that a pool can go on with the KV of another one."""
    pair = f"pools '{first.name}' and '{other.name}', between which KV is sent,"
    if other.model.name != first.model.name:
        raise InferenceSimError(
            f"{pair} must have one model (got '{first.model.name}' and '{other.model.name}')"
        )
    if other.kv_bytes_per_token != first.kv_bytes_per_token:
        raise InferenceSimError(
            f"{pair} must have one KV layout (got {first.kv_bytes_per_token:,g} and "
            f"{other.kv_bytes_per_token:,g} bytes per token; see kv_cache_dtype)"
        )


def check_role(pool: PoolConfig) -> None:
    """Refuse a pool whose role is not modelled with its other settings.

    Raises:
        InferenceSimError: If it is not.
    """
    if pool.role == "both":
        return
    role = f"role {pool.role}"
    if not pool.scheduling.follows_releases:
        raise InferenceSimError(
            f"{role} goes with scheduler vllm_v1, or one made from it (got '{pool.scheduler_name}')"
        )
    if pool.pipeline_parallel > 1:
        raise InferenceSimError(
            f"{role} is not modelled with pipeline stages (got pipeline_parallel "
            f"{pool.pipeline_parallel}); take tensor_parallel"
        )
    if pool.speculative is not None:
        raise InferenceSimError(f"{role} is not modelled with speculative decoding")
    if pool.model.state is not None or (pool.release is not None and pool.kv_groups.windowed):
        raise InferenceSimError(
            f"{role} is not modelled for '{pool.model.name}', some of whose layers keep a state or "
            "a window of the context instead of all of it"
        )
    if pool.role == "decode" and pool.prefix_caching:
        raise InferenceSimError(
            "prefix_caching is not modelled with role decode: the prefill pool finds prompts again "
            "(leave it out)"
        )
