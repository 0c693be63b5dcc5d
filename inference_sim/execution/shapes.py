"""The split of a layer over GPUs, and whether measurements back it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from inference_sim.errors import InferenceSimError
from inference_sim.execution.engine_profile import EngineProfile
from inference_sim.hardware import GpuSpec, Link
from inference_sim.models import BYTES_PER_VALUE, ModelSpec

_VOCABULARY_PADDING = 64
"""Entries to a multiple of which vLLM pads the embedding and the LM head before it splits them."""


QUANTIZED_BYTES = {"fp8": 1.0, "fp8_block": 1.0, "nvfp4": 4.5 / 8}
"""Bytes per activation of the precisions whose products take activations in it, too."""


class LinearOp(NamedTuple):
    """One GPU's share of a matrix product."""

    inputs: float
    outputs: float
    bytes_per_weight: float
    precision: str = "bf16"


def layer_ops(model: ModelSpec, tensor_parallel: int) -> tuple[LinearOp, ...]:
    """Return one GPU's linear operations of a layer, experts left out."""
    h, d, size = model.hidden_size, model.head_dim, model.linear_bytes_per_weight
    precision = linear_precision(model)
    heads = model.query_heads / tensor_parallel
    kv_heads = max(model.kv_heads / tensor_parallel, 1.0)
    ff = model.ffn_size / tensor_parallel
    shapes = [(h, (heads + 2 * kv_heads) * d), (heads * d, h)]
    if ff:
        shapes += [(h, (2 if model.gated_mlp else 1) * ff), (ff, h)]
    ops = [LinearOp(inputs, outputs, size, precision) for inputs, outputs in shapes]
    if model.experts:
        ops.append(LinearOp(h, model.experts.count, BYTES_PER_VALUE))  # the router, on every GPU
    return tuple(ops)


def linear_precision(model: ModelSpec) -> str:
    """Return the precision of the attention projections and the MLP."""
    return "bf16" if model.experts and model.precision == "mxfp4" else model.precision


def check_split(model: ModelSpec, tensor_parallel: int, expert_parallel: int) -> None:
    """Check that a model can be split over so many GPUs.

    Raises:
        InferenceSimError: If its heads, its MLP, its vocabulary or its experts do not divide.
    """
    tp, ep = tensor_parallel, expert_parallel
    kv_divide = model.kv_heads % tp == 0 or tp % model.kv_heads == 0
    if model.query_heads % tp or model.ffn_size % tp or not kv_divide:
        raise InferenceSimError(
            f"'{model.name}' cannot be split over {tp} GPUs: it has {model.query_heads} attention "
            f"heads, {model.kv_heads} KV heads and an FFN of {model.ffn_size}"
        )
    vocabulary = -(-model.vocab_size // _VOCABULARY_PADDING) * _VOCABULARY_PADDING
    if vocabulary % tp:
        raise InferenceSimError(
            f"'{model.name}' cannot be split over {tp} GPUs: its vocabulary, padded to "
            f"{vocabulary:,} entries, does not divide"
        )
    if model.experts is None:
        if ep > 1:
            raise InferenceSimError(f"'{model.name}' has no experts to split in {ep} groups")
        return
    if ep < 1 or tp % ep or model.experts.count % ep or model.experts.ffn_size % (tp // ep):
        raise InferenceSimError(
            f"the {model.experts.count} experts of '{model.name}' (FFN of "
            f"{model.experts.ffn_size}) cannot be split over {tp} GPUs with expert_parallel {ep}"
        )


def uncalibrated_because(
    model: ModelSpec,
    gpu: GpuSpec,
    engine: EngineProfile,
    tensor_parallel: int,
    links: Sequence[Link],
) -> str:
    """Return the parts of a combination that no measurement backs, "" if none."""
    reasons = []
    if gpu.uncalibrated:
        reasons.append(f"{gpu.name}: {gpu.uncalibrated}")
    if engine.fitted_on is not None and not {gpu.name, gpu.link_name} & {*engine.fitted_on}:
        fitted = f"was fitted on {', '.join(engine.fitted_on)}, not on {gpu.name}"
        reasons.append(
            f"engine '{engine.name}' {fitted if engine.fitted_on else 'was fitted on no runs'}"
        )
    if model.experts:
        if gpu.experts_uncalibrated:
            reasons.append(f"{gpu.name}: {gpu.experts_uncalibrated}")
        if tensor_parallel > 2:
            reasons.append("mixtures of experts on more than 2 GPUs")
    precision = linear_precision(model)
    if precision not in gpu.served:
        speed = "at the speed of kernel tables" if precision in gpu.products else "at bf16 speed"
        reasons.append(f"{precision} weights (their bytes count, {speed}; no run was compared)")
    if model.experts and model.precision not in (*gpu.served, *gpu.served_experts):
        reasons.append(f"{model.precision} experts on {gpu.name} (no run was compared)")
    if any(link.estimate for link in links):
        reasons.append(f"the links between GPUs of type {gpu.name} (estimated)")
    return "; ".join(reasons)
