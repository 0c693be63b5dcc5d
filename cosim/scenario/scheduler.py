"""Scenario keys of a scheduler: the rules by which a replica forms its batches."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Literal

from pydantic import BeforeValidator

from cosim.scenario.fields import Count, StrictModel, up_to
from cosim.scenario.parts import SchedulerName


def _release_text(value: Any) -> Any:
    """Return a release written without quotes, which is a number, as text."""
    return f"{value:g}" if isinstance(value, float) else value


_SCHEDULER_FLAGS = {
    "max_num_seqs": "batch_cap",
    "max_num_batched_tokens": "max_batch_tokens",
    "enable_prefix_caching": "prefix_caching",
    "num_gpu_blocks_override": "kv_blocks",
}
CLUSTER_FLAGS = {
    "gpu_memory_utilization": "memory_utilisation",
    "tensor_parallel_size": "tensor_parallel",
    "pipeline_parallel_size": "pipeline_parallel",
    "data_parallel_size": "replicas",
    "quantization": "precision",
    "kv_offloading_size": "kv_offload.host_gib",
}
_SAME_FLAGS = ("max_model_len", "kv_cache_dtype", "block_size")
"""Flags of vLLM whose names the keys of a scheduler have."""
FLAGS_OF_A_SCHEDULER = _SCHEDULER_FLAGS | dict(zip(_SAME_FLAGS, _SAME_FLAGS, strict=True))
"""Keys of a scheduler by vLLM's flag."""


class SchedulerKeys(StrictModel):
    """Rules by which a replica forms its batches."""

    names_elsewhere: ClassVar[Mapping[str, str]] = _SCHEDULER_FLAGS | {
        flag: f"cluster.{key}" for flag, key in CLUSTER_FLAGS.items()
    }

    type: SchedulerName = "vllm_v1"
    """vllm_v1: today's vLLM, chunked prefill mixed with decodes. vllm: v0, prompts first. vidur:
    the same as Vidur models it, which `execution: vidur` takes for vllm. sarathi: chunks of 512
    tokens. orca: prompts whole and mixed in. static: FasterTransformer. Or `./file.py:Class` for
    one of your own (`cosim schedulers` lists those that have a name)."""
    release: Annotated[Literal["0.11", "0.33"] | None, BeforeValidator(_release_text)] = None
    """Release of vLLM that vllm_v1 follows: its rules, its plan of the GPU's memory, and its
    defaults for prefix_caching, batch_cap, max_batch_tokens and memory_utilisation; 0.11 by
    default. 0.33 admits a prompt only if all of it fits into the KV cache, and plans an iteration
    while the one before runs: a request that arrives in an iteration starts in the second one after
    it. With `execution: vidur` there is none by default: the rules are those of 0.11, and the KV
    cache and the caps Vidur's."""
    prefix_caching: bool | None = None
    """Whether vllm_v1 finds KV blocks of earlier prompts again by what they hold, until others
    take them (enable_prefix_caching); as the release has it, true, by default."""
    batch_cap: Annotated[Count, up_to(1_000_000, "engines run some thousands at most")] | None = (
        None
    )
    """Most sequences that run at once on a replica (max_num_seqs). By default that of the release:
    1024 on GPUs of 70 GiB and more but the A100, 256 on others; 128 for other schedulers than
    vllm_v1."""
    max_batch_tokens: Count | None = None
    """Most tokens of one iteration (max_num_batched_tokens). By default that of the release: 8192
    on GPUs of 70 GiB and more but the A100, 2048 on others, 16384 on a B200 with 0.33; and 512 for
    sarathi. For vllm those of one prefill, for vidur padded to its longest prompt, which
    bounds the length of a request too; the model's context by default. orca and static do not
    count them."""
    max_model_len: Count | None = None
    """Longest request, prompt and output [tokens]; the model's context by default. The KV cache
    must hold one of them."""
    kv_cache_dtype: Literal["auto", "fp8"] = "auto"
    """Type of the values of the KV cache: fp8 is a byte, auto the model's own, 2 bytes but for
    those that a file says."""
    block_size: Literal[1, 8, 16, 32, 64, 128] = 16
    """Tokens of a KV block."""
    kv_blocks: (
        Annotated[Count, up_to(100_000_000, "a replica's GPUs hold some millions at most")] | None
    ) = None
    """KV blocks of a replica (num_gpu_blocks_override); as many as fit beside the weights by
    default."""
