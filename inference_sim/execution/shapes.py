"""The split of a layer over GPUs, and whether measurements back it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import astuple
from typing import NamedTuple

from inference_sim.errors import InferenceSimError
from inference_sim.execution.engine_profile import EngineProfile
from inference_sim.hardware import GpuSpec, Link
from inference_sim.models import BYTES_PER_VALUE, LayerKind, ModelSpec

_VOCABULARY_PADDING = 64
"""Entries to a multiple of which vLLM pads the embedding and the LM head before it splits them."""


QUANTIZED_BYTES = {"fp8": 1.0, "fp8_block": 1.0, "nvfp4": 4.5 / 8}
"""Bytes per activation of the precisions whose products take activations in it, too."""


class LinearOp(NamedTuple):
    """One GPU's share of a matrix product.

    Attributes:
        precision: Precision of most of its weights.
    """

    inputs: float
    outputs: float
    bytes_per_weight: float
    precision: str = "bf16"


def layer_ops(
    model: ModelSpec, tensor_parallel: int, kind: LayerKind | None = None
) -> tuple[LinearOp, ...]:
    """Return one GPU's linear operations of a layer, experts left out.

    Args:
        model: The model.
        tensor_parallel: GPUs that share the layer.
        kind: The kind of the layer; None for the first that the model has.
    """
    kind = kind or model.kinds[0]
    ops: list[LinearOp] = []
    if kind.mixer == "attention":
        ops += _attention_ops(model, tensor_parallel)
    elif kind.mixer == "state":
        ops += _state_ops(model, tensor_parallel)
    if kind.mlp:
        ops += _mlp_ops(model, tensor_parallel, with_experts=kind.mlp == "experts")
    return tuple(ops)


def _attention_ops(model: ModelSpec, tensor_parallel: int) -> Iterator[LinearOp]:
    h, d = model.hidden_size, model.head_dim
    precision, size = astuple(model.weights_of("attention"))
    heads = model.query_heads / tensor_parallel
    latent = model.latent
    if latent is None:
        kv_heads = max(model.kv_heads / tensor_parallel, 1.0)
        queries = 2 * heads if model.gated_attention else heads
        yield LinearOp(h, (queries + 2 * kv_heads) * d, size, precision)
        yield LinearOp(heads * d, h, size, precision)
        return
    # Compressed vectors are not split: every GPU computes them for its own heads.
    if latent.query_rank:
        yield LinearOp(h, latent.query_rank + latent.cached_values, size, precision)
        yield LinearOp(latent.query_rank, heads * latent.key_dim, size, precision)
    else:
        yield LinearOp(h, heads * latent.key_dim + latent.cached_values, size, precision)
    yield LinearOp(latent.kv_rank, heads * latent.expanded_dim, size, precision)
    yield LinearOp(heads * latent.value_dim, h, size, precision)


def _state_ops(model: ModelSpec, tensor_parallel: int) -> Iterator[LinearOp]:
    state, h = model.state, model.hidden_size
    assert state is not None  # noqa: S101
    precision, size = astuple(model.weights_of("state"))
    yield LinearOp(h, state.in_size / tensor_parallel, size, precision)
    yield LinearOp(state.inner_size / tensor_parallel, h, size, precision)


def _mlp_ops(model: ModelSpec, tensor_parallel: int, *, with_experts: bool) -> Iterator[LinearOp]:
    h, experts = model.hidden_size, model.experts
    precision, size = astuple(model.weights_of("mlp"))
    dense = model.dense_ffn_size if experts and not with_experts else model.ffn_size
    ff = dense / tensor_parallel
    if ff:
        yield LinearOp(h, (2 if model.gated_mlp else 1) * ff, size, precision)
        yield LinearOp(ff, h, size, precision)
    if experts is not None and with_experts:
        yield LinearOp(h, experts.count, BYTES_PER_VALUE)  # the router, on every GPU
        if experts.latent_size:
            latent = experts.latent_size
            yield LinearOp(h, latent, size, precision)
            yield LinearOp(latent, h, size, precision)


def mlp_values_per_token(model: ModelSpec, tensor_parallel: int, kind: LayerKind) -> float:
    """Return the values of a token inside the MLP of a layer on one GPU, experts included."""
    experts = model.experts
    size = model.dense_ffn_size if experts and kind.mlp == "dense" else model.ffn_size
    values = (3 if model.gated_mlp else 2) * size / tensor_parallel
    if experts is not None and kind.mlp == "experts":
        inner = (3 if experts.gated else 2) * experts.per_token
        values += inner * experts.ffn_size / tensor_parallel
    return values


def check_split(model: ModelSpec, tensor_parallel: int, expert_parallel: int) -> None:
    """Check that a model can be split over so many GPUs.

    Raises:
        InferenceSimError: If its heads, its MLP, its vocabulary or its experts do not divide.
    """
    tp, ep = tensor_parallel, expert_parallel
    kv_divide = model.kv_heads % tp == 0 or tp % model.kv_heads == 0
    ffn_sizes = [model.ffn_size, *([model.dense_ffn_size] if model.dense_layers else [])]
    states = model.state.heads if model.state else 0
    if model.query_heads % tp or any(size % tp for size in ffn_sizes) or not kv_divide:
        sizes = " and ".join(str(size) for size in ffn_sizes)
        raise InferenceSimError(
            f"'{model.name}' cannot be split over {tp} GPUs: it has {model.query_heads} attention "
            f"heads, {model.kv_heads} KV heads and an FFN of {sizes}"
        )
    if states % tp:
        raise InferenceSimError(
            f"'{model.name}' cannot be split over {tp} GPUs: its state layers have {states} heads"
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


def check_precisions(model: ModelSpec, gpu: GpuSpec) -> None:
    """Check that a GPU has kernels for the precisions of a model.

    Raises:
        InferenceSimError: If not; the message tells what to take.
    """
    for precision in model.precisions_of("attention", "state", "mlp", "experts"):
        if precision in gpu.without:
            others = ", ".join(["bf16", *gpu.precision_speed])
            raise InferenceSimError(
                f"{gpu.name} has no kernels for the {precision} weights of '{model.name}': set "
                f"`precision` to one that it has ({others}), or take another GPU"
            )


def unfitted_engine(engine: EngineProfile, gpu: GpuSpec) -> str:
    """Return that an engine profile was not fitted on a GPU, in words; "" if it was."""
    if engine.fitted_on is None or {gpu.name, gpu.link_name} & {*engine.fitted_on}:
        return ""
    if not engine.fitted_on:
        return f"engine '{engine.name}' was fitted on no runs"
    fitted = ", ".join(engine.fitted_on)
    return f"engine '{engine.name}' was fitted on {fitted}, not on {gpu.name}"


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
    if unfitted := unfitted_engine(engine, gpu):
        reasons.append(unfitted)
    if model.experts:
        if gpu.experts_uncalibrated:
            reasons.append(f"{gpu.name}: {gpu.experts_uncalibrated}")
        if tensor_parallel > 2:
            reasons.append("mixtures of experts on more than 2 GPUs")
    if model.latent:
        reasons.append("latent attention (the kernels of grouped queries)")
    if model.state:
        reasons.append("layers with a state (their bytes and FLOPs count, at attention's speed)")
    if model.chunked:
        reasons.append("attention in chunks (a decode beyond the first reads whole ones)")
    for precision in model.precisions_of("attention", "state", "mlp"):
        if precision in gpu.served:
            continue
        speed = "at bf16 speed"
        if precision in gpu.products:
            speed = "at the speed of kernel tables"
        elif precision not in gpu.precision_speed:
            speed = f"{gpu.name} computes them in bf16"
        reasons.append(f"{precision} weights (their bytes count, {speed}; no run was compared)")
    for precision in model.precisions_of("experts"):
        if precision not in (*gpu.served, *gpu.served_experts):
            reasons.append(f"{precision} experts on {gpu.name} (no run was compared)")
    if any(link.estimate for link in links):
        reasons.append(f"the links between GPUs of type {gpu.name} (estimated)")
    return "; ".join(reasons)
