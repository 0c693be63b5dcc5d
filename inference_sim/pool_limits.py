"""Pools that cannot be simulated, and clocks and power caps that their boards do not take."""

from __future__ import annotations

import math
from bisect import bisect_right

from inference_sim.errors import InferenceSimError, ModelDoesNotFit
from inference_sim.execution import ExecutionModel
from inference_sim.kv_offload import KvOffload
from inference_sim.memory_plan import GIB
from inference_sim.pool_config import PoolConfig
from inference_sim.roles import check_role


def check_pool(pool: PoolConfig) -> list[ExecutionModel]:
    """Return the execution models of a replica's stages, if the pool can be simulated.

    Raises:
        ModelDoesNotFit: If a GPU cannot hold its share of the model and one request.
        InferenceSimError: If it cannot be simulated for another reason.
    """
    if pool.pipeline_parallel > pool.model.layers:
        raise InferenceSimError(
            f"'{pool.model.name}' has {pool.model.layers} layers, too few for "
            f"{pool.pipeline_parallel} pipeline stages"
        )
    check_role(pool)
    _check_speculative(pool)
    _check_lengths(pool)
    if not pool.scheduling.follows_releases and (pool.prefix_caching or pool.release):
        key = "release" if pool.release else "prefix_caching"
        raise InferenceSimError(
            f"{key} goes with scheduler vllm_v1, or one made from it (got '{pool.scheduler_name}')"
        )
    if pool.prefix_caching and pool.model.state:
        raise InferenceSimError(
            f"prefix caching is not modelled for '{pool.model.name}': the states of its layers "
            "would have to be kept for each prefix (set prefix_caching: false)"
        )
    if pool.kv_offload is not None:
        _check_offload(pool, pool.kv_offload)
    stages = pool.execution_stages()
    check_power_cap(pool, pool.power_cap_w)
    if pool.power_cap_w < pool.power.max_w:
        for stage in stages:
            stage.at_clock(pool.lowest_clock)
    return stages


def _check_speculative(pool: PoolConfig) -> None:
    """Refuse drafts where speculative decoding is not modelled.

    Raises:
        InferenceSimError: If it is not.
    """
    speculative = pool.speculative
    if speculative is None:
        return
    if not pool.scheduling.follows_releases:
        raise InferenceSimError(
            "speculative goes with scheduler vllm_v1, or one made from it "
            f"(got '{pool.scheduler_name}')"
        )
    if pool.pipeline_parallel > 1:
        raise InferenceSimError(
            "speculative decoding is not modelled with pipeline stages "
            f"(got pipeline_parallel {pool.pipeline_parallel}); take tensor_parallel"
        )
    if pool.batch_tokens < pool.batch_cap * pool.decode_tokens:
        raise InferenceSimError(
            "max_batch_tokens must be at least batch_cap x (1 + draft_tokens), the tokens that "
            f"a full batch verifies (got {pool.batch_tokens:,} and {pool.batch_cap:,} x "
            f"{pool.decode_tokens})"
        )
    speculative.check(pool.model, pool.max_context_tokens)


def _check_offload(pool: PoolConfig, offload: KvOffload) -> None:
    """Refuse host memory that the KV cache cannot use.

    Raises:
        InferenceSimError: If it cannot.
    """
    if not pool.prefix_caching:
        raise InferenceSimError(
            "kv_offload goes with prefix_caching of scheduler vllm_v1, as host memory is "
            "looked up by what prompts hold (got prefix_caching off)"
        )
    if pool.pipeline_parallel > 1:
        raise InferenceSimError(
            f"kv_offload does not go with pipeline_parallel above 1 (got {pool.pipeline_parallel})"
        )
    if not pool.host_blocks(offload.host_gib):
        block_gib = pool.block_bytes * pool.gpus_per_replica / GIB
        raise InferenceSimError(
            f"kv_offload.host_gib must be at least {block_gib:.3g}, one KV block of a replica "
            f"(got {offload.host_gib:g})"
        )


def _check_lengths(pool: PoolConfig) -> None:
    """Refuse lengths with which vLLM does not start.

    Raises:
        ModelDoesNotFit: If the KV cache cannot hold one request of the longest length.
        InferenceSimError: If a length contradicts another one.
    """
    context = pool.model.max_context_tokens
    if pool.max_model_len is not None and pool.max_model_len > context:
        raise InferenceSimError(
            f"max_model_len must be at most {context:,} tokens, the context of "
            f"'{pool.model.name}' (got {pool.max_model_len:,})"
        )
    if pool.scheduling.budget_covers_batch and pool.batch_tokens < pool.batch_cap:
        raise InferenceSimError(
            f"max_batch_tokens must be at least batch_cap: each sequence decodes a token "
            f"(got {pool.batch_tokens:,} and {pool.batch_cap:,})"
        )
    if pool.kv_blocks is not None:
        _check_room(pool, pool.kv_blocks)
    if pool.release is not None:
        _check_longest(pool)
        return
    room = pool.blocks() * pool.block_size - pool.lookahead_tokens
    longest = pool.max_context_tokens
    if pool.kv_blocks is None and room < longest:
        raise ModelDoesNotFit(
            f"one request of {longest:,} tokens does not fit beside the weights of "
            f"'{pool.model.name}' on {pool.gpus_per_replica} x {pool.gpu.name}, which leave "
            f"room for {room:,}: set max_model_len to that or less, raise tensor_parallel, or "
            "take a larger GPU"
        )


def _check_room(pool: PoolConfig, kv_blocks: int) -> None:
    """Refuse more KV blocks than the memory that the weights leave can hold.

    Raises:
        ModelDoesNotFit: If they are more.
    """
    memory_gib = pool.gpu.usable_memory_gib
    weights_gib = pool.model.weight_bytes / pool.gpus_per_replica / GIB
    blocks_gib = kv_blocks * pool.block_bytes / GIB
    if weights_gib + blocks_gib > memory_gib:
        fits = max(0, int((memory_gib - weights_gib) * GIB // pool.block_bytes))
        raise ModelDoesNotFit(
            f"{kv_blocks:,} kv_blocks take {blocks_gib:.2f} GiB of each {pool.gpu.name}, and "
            f"weights {weights_gib:.2f}: more than the {memory_gib:g} GiB that it has; at most "
            f"{fits:,} fit"
        )


def _check_longest(pool: PoolConfig) -> None:
    """Refuse a KV cache that cannot hold one request of the longest length, as vLLM does.

    Raises:
        ModelDoesNotFit: If it cannot.
    """
    blocks, longest = pool.blocks(), pool.max_context_tokens
    ahead = pool.lookahead_tokens
    if pool.most_blocks(longest + ahead) <= blocks + 1:
        return
    fits = bisect_right(range(1, longest + ahead), blocks + 1, key=pool.most_blocks) - ahead
    size = pool.kv_cache_size()
    raise ModelDoesNotFit(
        f"one request of {longest:,} tokens does not fit into the KV cache of "
        f"'{pool.model.name}' on {pool.gpus_per_replica} x {pool.gpu.name}, "
        f"{size.gib_per_gpu:.2f} GiB on each GPU: set max_model_len to {fits:,} or less, raise "
        "memory_utilisation (gpu_memory_utilization) or tensor_parallel, lower batch_cap "
        "(max_num_seqs), or take a larger GPU"
    )


def check_power_cap(pool: PoolConfig, power_cap_w: float) -> None:
    """Check that the board takes a power cap, and that a GPU with nothing to do can hold it.

    Raises:
        InferenceSimError: If not.
    """
    lowest_w, most_w = pool.lowest_cap_w, max(pool.power.max_w, pool.gpu.max_w)
    if not power_cap_w >= lowest_w:
        reason = f"the lowest cap of {pool.gpu.name}"
        if lowest_w > pool.gpu.least_cap_w:
            reason = "the idle power of a GPU"
        raise InferenceSimError(
            f"a power cap must be at least {lowest_w:g} W, {reason} (got {power_cap_w:g} W)"
        )
    if most_w < power_cap_w < math.inf:
        raise InferenceSimError(
            f"a power cap must be at most {most_w:g} W, the limit of {pool.gpu.name} "
            f"(got {power_cap_w:g} W); without one, leave it out"
        )


def check_clock(pool: PoolConfig, clock_fraction: float) -> None:
    """Check that the board takes a clock.

    Raises:
        InferenceSimError: If not.
    """
    clocks = pool.gpu.clocks_mhz
    if clocks is not None and clock_fraction < pool.gpu.lowest_clock:
        raise InferenceSimError(
            f"a clock must be at least {pool.gpu.lowest_clock:.3f} of the highest: "
            f"{pool.gpu.name} takes {clocks.lowest:g} to {clocks.highest:,g} MHz "
            f"(got {clock_fraction:g})"
        )
