"""The shape of a model, from the ``config.json`` that Hugging Face checkpoints ship.

Of a model that sees and hears, the text decoder is read (``text_config``): its requests are text.
Layers that predict more than the next token (``num_nextn_predict_layers``) are left out.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from inference_sim.errors import FileError, InferenceSimError
from inference_sim.files.json_text import read_json_object
from inference_sim.models.architectures import (
    DEFAULTS,
    UNGATED,
    WINDOW_IS_OPTIONAL,
    architecture_of,
)
from inference_sim.models.config_file import ConfigFile
from inference_sim.models.context import read_context
from inference_sim.models.layer_order import LayerOrder, read_layer_order
from inference_sim.models.part_keys import (
    read_experts,
    read_latent,
    read_shared_ffn,
    read_state,
    read_window,
)
from inference_sim.models.quantization import read_quantization
from inference_sim.models.spec import Experts, ModelSpec


def read_config(path: Path, precision: str | None = None) -> ModelSpec:
    """Return the model that a ``config.json`` describes, named by its path.

    Args:
        path: The file.
        precision: Precision of the weights, whatever the file says of it; None for the file's.

    Raises:
        InferenceSimError: If the file cannot be read, a part of the model is not modelled, or a key
            is missing or out of range.
    """
    try:
        raw = read_json_object(path)
    except FileError as error:
        raise InferenceSimError(f"cannot read the model file: {error}") from None
    architecture = architecture_of(ConfigFile(path, raw))
    text = ConfigFile(path, raw).mapping("text_config")
    known = {key: value for key, value in text.items() if value is not None or key not in raw}
    config = ConfigFile(path, {**DEFAULTS[architecture], **raw, **known})
    experts = read_experts(config, gated=architecture not in UNGATED)
    order = read_layer_order(config, has_experts=experts is not None)
    model = _shape(config, architecture, order, experts)
    quantization = read_quantization(config, precision, model, order)
    return replace(
        model,
        precision=quantization.precision,
        parts=quantization.parts,
        kv_bytes_per_value=quantization.kv_bytes_per_value,
    )


def _shape(
    config: ConfigFile, architecture: str, order: LayerOrder, experts: Experts | None
) -> ModelSpec:
    """Return the model with weights in bf16."""
    hidden, query_heads = config.integer("hidden_size"), config.integer("num_attention_heads")
    kv_heads = config.integer("num_key_value_heads", default=query_heads)
    latent, state = read_latent(config), read_state(config, order)
    dense_layers = order.count("dense") if experts else 0
    window = read_window(config, order, optional=architecture in WINDOW_IS_OPTIONAL)
    return ModelSpec(
        name=str(config.path),
        layers=len(order.mixers),
        hidden_size=hidden,
        query_heads=query_heads,
        kv_heads=1 if latent else kv_heads,
        ffn_size=read_shared_ffn(config, architecture, experts)
        if experts
        else config.integer("intermediate_size"),
        vocab_size=config.integer("vocab_size"),
        max_context_tokens=read_context(config, architecture),
        head_dim=config.integer(
            "head_dim", "attention_head_dim", default=max(hidden // query_heads, 1)
        ),
        gated_mlp=architecture not in UNGATED,
        gated_attention=bool(config.values.get("attn_output_gate", False)),
        tied_embeddings=bool(config.values.get("tie_word_embeddings", False)),
        window_tokens=window.tokens,
        windowed_layers=window.layers,
        chunked=window.chunked,
        latent=latent,
        state=state,
        single_mlp_layers=order.mixers.count(""),
        dense_layers=dense_layers,
        dense_ffn_size=config.integer("intermediate_size_mlp", "intermediate_size")
        if dense_layers
        else 0,
        experts=experts,
    )
