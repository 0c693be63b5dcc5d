"""Experts, windows, latent attention and states of a checkpoint, from the keys of its family."""

from __future__ import annotations

from typing import Any, NamedTuple

from inference_sim.models.config_file import ConfigFile
from inference_sim.models.layer_order import LayerOrder
from inference_sim.models.mixers import LatentAttention, StateLayers
from inference_sim.models.spec import Experts

_COUNTS = ("num_experts", "num_local_experts", "n_routed_experts")
_STATE_BYTES = {"float32": 4.0, "bfloat16": 2.0, "float16": 2.0}


class Window(NamedTuple):
    """Windows of attention: their reach [tokens], the layers that have them, and if they slide."""

    tokens: int
    layers: int
    chunked: bool = False


def read_experts(config: ConfigFile, *, gated: bool) -> Experts | None:
    """Return the experts of a layer; None for a dense model."""
    if not any(config.values.get(key) for key in _COUNTS):
        return None
    experts = Experts(
        config.integer(*(key for key in _COUNTS if config.values.get(key))),
        config.integer("num_experts_per_tok", "experts_per_token", "num_experts_per_token"),
        config.integer("moe_intermediate_size", "intermediate_size"),
        gated,
        config.integer("moe_latent_size", least=0, default=0),
    )
    if experts.per_token > experts.count:
        raise config.fail(
            f"'num_experts_per_tok' must be at most the {experts.count} experts "
            f"(got {experts.per_token})"
        )
    return experts


def read_shared_ffn(config: ConfigFile, architecture: str, experts: Experts) -> int:
    """Return the inner size of the experts that every token computes, all together."""
    if architecture.startswith("Llama4"):
        return config.integer("intermediate_size")
    for key in ("shared_expert_intermediate_size", "shared_intermediate_size"):
        if config.values.get(key):
            return config.integer(key)
    count = config.integer("n_shared_experts", least=0, default=0)
    size = config.integer("moe_shared_expert_intermediate_size", default=experts.ffn_size)
    return count * size


def read_window(config: ConfigFile, order: LayerOrder, *, optional: bool) -> Window:
    """Return the windows of attention.

    Args:
        config: The file.
        order: Its layers.
        optional: Whether a window holds only where ``use_sliding_window`` is set.
    """
    layers = len(order.mixers)
    if config.values.get("attention_chunk_size"):
        return Window(config.integer("attention_chunk_size"), _chunked_layers(config, layers), True)
    if config.values.get("sliding_window") is None:
        return Window(0, 0)
    if optional and not config.values.get("use_sliding_window"):
        return Window(0, 0)
    return Window(config.integer("sliding_window"), _windowed_layers(config, layers))


def _windowed_layers(config: ConfigFile, layers: int) -> int:
    kinds = config.values.get("layer_types")
    if kinds:
        return sum(kind == "sliding_attention" for kind in kinds)
    if config.values.get("sliding_window_pattern"):  # every so many layers, one sees everything
        return layers - layers // config.integer("sliding_window_pattern")
    if config.values.get("use_sliding_window"):
        return max(0, layers - config.integer("max_window_layers", default=layers))
    return layers


def _chunked_layers(config: ConfigFile, layers: int) -> int:
    """Return the layers with positions (RoPE), which attend in chunks; the others see all."""
    kinds: Any = config.values.get("layer_types")
    if kinds:
        return sum(kind == "chunked_attention" for kind in kinds)
    with_positions: Any = config.values.get("no_rope_layers")
    if with_positions:
        return sum(map(bool, with_positions))
    return layers - layers // config.integer("no_rope_layer_interval")


def read_latent(config: ConfigFile) -> LatentAttention | None:
    """Return the latent attention; None for grouped queries."""
    if not config.values.get("kv_lora_rank"):
        return None
    return LatentAttention(
        kv_rank=config.integer("kv_lora_rank"),
        nope_dim=config.integer("qk_nope_head_dim"),
        rope_dim=config.integer("qk_rope_head_dim"),
        value_dim=config.integer("v_head_dim"),
        query_rank=config.integer("q_lora_rank", least=0, default=0),
    )


def read_state(config: ConfigFile, order: LayerOrder) -> StateLayers | None:
    """Return the state layers; None where there are none."""
    layers = order.count("state")
    if not layers:
        return None
    if config.values.get("mamba_num_heads"):
        return _mamba(config, layers)
    return _delta_net(config, layers)


def _mamba(config: ConfigFile, layers: int) -> StateLayers:
    """Return the layers of Mamba-2."""
    heads, size = config.integer("mamba_num_heads"), config.integer("ssm_state_size")
    inner = heads * config.integer("mamba_head_dim")
    convolved = inner + 2 * config.integer("n_groups") * size
    return StateLayers(
        layers=layers,
        heads=heads,
        in_size=inner + convolved + heads,
        inner_size=inner,
        conv_size=convolved,
        conv_kernel=config.integer("conv_kernel"),
        state_values=inner * size,
        state_bytes_per_value=_state_bytes(config, "mamba_ssm_cache_dtype"),
    )


def _delta_net(config: ConfigFile, layers: int) -> StateLayers:
    """Return the layers of gated DeltaNet."""
    key_heads = config.integer("linear_num_key_heads")
    value_heads = config.integer("linear_num_value_heads")
    key_dim, value_dim = (
        config.integer("linear_key_head_dim"),
        config.integer("linear_value_head_dim"),
    )
    keys, values = key_heads * key_dim, value_heads * value_dim
    return StateLayers(
        layers=layers,
        heads=key_heads,
        in_size=2 * keys + 2 * values + 2 * value_heads,  # q, k, v, gate, decay and step
        inner_size=values,
        conv_size=2 * keys + values,
        conv_kernel=config.integer("linear_conv_kernel_dim"),
        state_values=values * key_dim,
        state_bytes_per_value=_state_bytes(config, "mamba_ssm_dtype"),
    )


def _state_bytes(config: ConfigFile, key: str) -> float:
    dtype = config.values.get(key) or "bfloat16"
    if dtype not in _STATE_BYTES:
        raise config.fail(f"'{key}' must be one of {', '.join(_STATE_BYTES)} (got {dtype!r:.40})")
    return _STATE_BYTES[dtype]
