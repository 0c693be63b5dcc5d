"""The shape of a model, from the ``config.json`` that Hugging Face checkpoints ship.

Keys that a file leaves out, transformers fills with the default of the architecture's configuration
class; the few such defaults that published checkpoints rely on are in ``_DEFAULTS``.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from inference_sim.errors import FileError, InferenceSimError
from inference_sim.files.json_text import read_json_object
from inference_sim.models.config_file import ConfigFile
from inference_sim.models.context import read_context
from inference_sim.models.quantization import read_quantization
from inference_sim.models.spec import Experts, ModelSpec

_GEMMA = {"head_dim": 256, "tie_word_embeddings": True}
_GEMMA3 = {
    **_GEMMA,
    "vocab_size": 262208,
    "max_position_embeddings": 131072,
    "num_attention_heads": 8,
    "num_key_value_heads": 4,
    "sliding_window": 4096,
    "sliding_window_pattern": 6,
}

_DEFAULTS: dict[str, dict[str, Any]] = {
    "LlamaForCausalLM": {},
    "MistralForCausalLM": {},
    "MixtralForCausalLM": {},
    "Qwen2ForCausalLM": {},
    "Qwen2MoeForCausalLM": {},
    "Qwen3ForCausalLM": {"head_dim": 128},
    "Qwen3MoeForCausalLM": {"head_dim": 128},
    "GemmaForCausalLM": _GEMMA,
    "Gemma2ForCausalLM": {**_GEMMA, "sliding_window": 4096, "sliding_window_pattern": 2},
    "Gemma3ForCausalLM": _GEMMA3,
    "Gemma3ForConditionalGeneration": _GEMMA3,
    "PhiForCausalLM": {},
    "Phi3ForCausalLM": {},
    "Starcoder2ForCausalLM": {"tie_word_embeddings": True},
    "GptOssForCausalLM": {"head_dim": 64, "sliding_window": 128, "sliding_window_pattern": 2},
}
_UNGATED = ("PhiForCausalLM", "Starcoder2ForCausalLM")
_WINDOW_IS_OPTIONAL = ("Qwen2ForCausalLM", "Qwen2MoeForCausalLM", "Qwen3ForCausalLM",
                       "Qwen3MoeForCausalLM")  # fmt: skip


def read_config(path: Path, precision: str | None = None) -> ModelSpec:
    """Return the model that a ``config.json`` describes, named by its path.

    Args:
        path: The file.
        precision: Precision of the weights, whatever the file says of it; None for the file's.

    Raises:
        InferenceSimError: If the file cannot be read, its architecture is not supported, or a key
            is missing or out of range.
    """
    try:
        raw = read_json_object(path)
    except FileError as error:
        raise InferenceSimError(f"cannot read the model file: {error}") from None
    architecture = _architecture(ConfigFile(path, raw))
    text = ConfigFile(path, raw).mapping("text_config")
    config = ConfigFile(path, {**_DEFAULTS[architecture], **raw, **text})
    layers = config.integer("num_hidden_layers")
    hidden = config.integer("hidden_size")
    query_heads = config.integer("num_attention_heads")
    experts = _experts(config)
    dense_ffn = config.integer("intermediate_size") if experts is None else _shared_ffn(config)
    window = _window(config, architecture)
    quantization = read_quantization(config, precision, experts=experts is not None)
    return ModelSpec(
        name=str(path),
        layers=layers,
        hidden_size=hidden,
        query_heads=query_heads,
        kv_heads=config.integer("num_key_value_heads", default=query_heads),
        ffn_size=dense_ffn,
        vocab_size=config.integer("vocab_size"),
        max_context_tokens=read_context(config, architecture),
        head_dim=config.integer("head_dim", default=max(hidden // query_heads, 1)),
        gated_mlp=architecture not in _UNGATED,
        tied_embeddings=bool(config.values.get("tie_word_embeddings", False)),
        window_tokens=window,
        windowed_layers=_windowed_layers(config, layers) if window else 0,
        experts=experts,
        precision=quantization.precision,
        kv_bytes_per_value=quantization.kv_bytes_per_value,
    )


def _architecture(config: ConfigFile) -> str:
    architectures = config.values.get("architectures")
    if not isinstance(architectures, list) or not architectures:
        raise config.fail("'architectures' is missing")
    name = str(architectures[0])
    if name not in _DEFAULTS:
        # No suggestion: another architecture would be another model, run without a word.
        raise config.fail(
            f"architecture '{name:.60}' is not supported (supported: {', '.join(_DEFAULTS)})"
        )
    return name


def _experts(config: ConfigFile) -> Experts | None:
    if not any(config.values.get(key) for key in ("num_experts", "num_local_experts")):
        return None
    if config.values.get("decoder_sparse_step", 1) != 1 or config.values.get("mlp_only_layers"):
        raise config.fail(
            "layers without experts between layers with experts ('decoder_sparse_step', "
            "'mlp_only_layers') are not supported"
        )
    experts = Experts(
        config.integer("num_experts", "num_local_experts"),
        config.integer("num_experts_per_tok", "experts_per_token"),
        config.integer("moe_intermediate_size", "intermediate_size"),
    )
    if experts.per_token > experts.count:
        raise config.fail(
            f"'num_experts_per_tok' must be at most the {experts.count} experts "
            f"(got {experts.per_token})"
        )
    return experts


def _shared_ffn(config: ConfigFile) -> int:
    shared = config.values.get("shared_expert_intermediate_size")
    return config.integer("shared_expert_intermediate_size") if shared else 0


def _window(config: ConfigFile, architecture: str) -> int:
    if config.values.get("sliding_window") is None:
        return 0
    if architecture in _WINDOW_IS_OPTIONAL and not config.values.get("use_sliding_window"):
        return 0
    return config.integer("sliding_window")


def _windowed_layers(config: ConfigFile, layers: int) -> int:
    kinds = config.values.get("layer_types")
    if kinds:
        return sum(kind == "sliding_attention" for kind in kinds)
    if config.values.get("sliding_window_pattern"):  # every so many layers, one sees everything
        return layers - layers // config.integer("sliding_window_pattern")
    if config.values.get("use_sliding_window"):
        return max(0, layers - config.integer("max_window_layers", default=layers))
    return layers
