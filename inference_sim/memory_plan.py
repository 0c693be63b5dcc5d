"""The size of the KV cache that fits beside the weights."""

from __future__ import annotations

from inference_sim.errors import ModelDoesNotFit
from inference_sim.hardware import GpuSpec
from inference_sim.kv_cache import BLOCK_SIZE
from inference_sim.models import ModelSpec


def plan_blocks(
    model: ModelSpec,
    gpu: GpuSpec,
    tensor_parallel: int,
    memory_utilisation: float,
    pipeline_parallel: int = 1,
) -> int:
    """Return the number of KV blocks that fit beside the weights on each GPU of a replica.

    Memory is ``memory_gib * memory_utilisation - weights``, as vLLM plans it (activations, of the
    order of 1 GiB, are taken to fit into the share that ``memory_utilisation`` leaves). Layers with
    an attention window are counted with the whole context, as by engines without a cache of their
    own for them. Pipeline stages share layers, weights and cache evenly.

    Raises:
        ModelDoesNotFit: If not one request of the shortest useful length fits.
    """
    gib = 1024**3
    gpus = tensor_parallel * pipeline_parallel
    available = gpu.memory_gib * gib * memory_utilisation
    weights = model.weight_bytes / gpus
    layers = model.layers / pipeline_parallel
    block_bytes = layers * model.kv_bytes_per_token_per_layer(tensor_parallel) * BLOCK_SIZE
    # One request of the model's context, but no more than 2048 tokens: below that a replica
    # cannot serve real requests.
    smallest = min(model.max_context_tokens, 2048) / BLOCK_SIZE * block_bytes
    missing = weights + smallest - available
    if missing > 0:
        raise ModelDoesNotFit(
            f"'{model.name}' does not fit on {gpus} x {gpu.name}: each GPU needs "
            f"{weights / gib:.1f} GiB for weights and {smallest / gib:.1f} GiB for one request of "
            f"{int(smallest / block_bytes * BLOCK_SIZE)} tokens, and has {available / gib:.1f} GiB "
            f"({memory_utilisation:.0%} of {gpu.memory_gib:g}): {missing / gib:.1f} GiB are "
            "missing; raise tensor_parallel or take a larger GPU"
        )
    return int((available - weights) // block_bytes)
