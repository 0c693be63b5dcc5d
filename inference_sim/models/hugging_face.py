"""Reads the shape of a model from the ``config.json`` that Hugging Face checkpoints ship.

What a file leaves out, transformers fills with the default of the architecture's configuration
class; the few such defaults that published checkpoints rely on are in ``_DEFAULTS``.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from inference_sim.errors import InferenceSimError
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
_PRECISIONS = {"fp8": "fp8", "mxfp4": "mxfp4"}


class _Config:
    """The keys of one file; what is missing or wrong raises an error that names file and key."""

    def __init__(self, path: Path, values: Mapping[str, Any]) -> None:
        self.path, self.values = path, values

    def fail(self, problem: str) -> InferenceSimError:
        return InferenceSimError(f"model file '{self.path}': {problem}")

    def integer(self, key: str, *others: str, default: int | None = None) -> int:
        """Return the positive integer under `key` (or one of its other names)."""
        for name in (key, *others):
            value = self.values.get(name)
            if value is not None:
                if isinstance(value, bool) or not isinstance(value, int) or value < 1:
                    raise self.fail(f"'{name}' must be an integer above 0 (got {value!r})")
                return value
        if default is None:
            raise self.fail(f"'{key}' is missing")
        return default


def read_config(path: Path) -> ModelSpec:
    """Return the model that the ``config.json`` at `path` describes, named by its path.

    Raises:
        InferenceSimError: If the file cannot be read, its architecture is not supported, or a key
            is missing or out of range.
    """
    try:
        raw = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise InferenceSimError(f"cannot read the model file '{path}': {error}") from None
    if not isinstance(raw, dict):
        raise InferenceSimError(f"model file '{path}': expected a JSON object (got {raw!r:.40})")
    architecture = _architecture(_Config(path, raw))
    text = raw.get("text_config") or {}
    config = _Config(path, {**_DEFAULTS[architecture], **raw, **text})
    layers = config.integer("num_hidden_layers")
    hidden = config.integer("hidden_size")
    query_heads = config.integer("num_attention_heads")
    experts = _experts(config)
    dense_ffn = config.integer("intermediate_size") if experts is None else _shared_ffn(config)
    window = _window(config, architecture)
    return ModelSpec(
        name=str(path),
        layers=layers,
        hidden_size=hidden,
        query_heads=query_heads,
        kv_heads=config.integer("num_key_value_heads", default=query_heads),
        ffn_size=dense_ffn,
        vocab_size=config.integer("vocab_size"),
        max_context_tokens=config.integer("max_position_embeddings"),
        head_dim=config.integer("head_dim", default=max(hidden // query_heads, 1)),
        gated_mlp=architecture not in _UNGATED,
        tied_embeddings=bool(config.values.get("tie_word_embeddings", False)),
        window_tokens=window,
        windowed_layers=_windowed_layers(config, layers) if window else 0,
        experts=experts,
        precision=_precision(config),
    )


def _architecture(config: _Config) -> str:
    named = config.values.get("architectures")
    if not isinstance(named, list) or not named:
        raise config.fail("'architectures' is missing")
    name = str(named[0])
    if name not in _DEFAULTS:
        nearest = difflib.get_close_matches(name, _DEFAULTS, n=1, cutoff=0.8)
        hint = f"did you mean '{nearest[0]}'? " if nearest else ""
        raise config.fail(
            f"architecture '{name}' is not supported; {hint}supported: {', '.join(_DEFAULTS)}"
        )
    return name


def _experts(config: _Config) -> Experts | None:
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


def _shared_ffn(config: _Config) -> int:
    shared = config.values.get("shared_expert_intermediate_size")
    return config.integer("shared_expert_intermediate_size") if shared else 0


def _window(config: _Config, architecture: str) -> int:
    if config.values.get("sliding_window") is None:
        return 0
    if architecture in _WINDOW_IS_OPTIONAL and not config.values.get("use_sliding_window"):
        return 0
    return config.integer("sliding_window")


def _windowed_layers(config: _Config, layers: int) -> int:
    kinds = config.values.get("layer_types")
    if kinds:
        return sum(kind == "sliding_attention" for kind in kinds)
    if config.values.get("sliding_window_pattern"):  # every so many layers, one sees everything
        return layers - layers // config.integer("sliding_window_pattern")
    if config.values.get("use_sliding_window"):
        return max(0, layers - config.integer("max_window_layers", default=layers))
    return layers


def _precision(config: _Config) -> str:
    quantization = config.values.get("quantization_config")
    if not quantization:
        return "bf16"
    method = quantization.get("quant_method") if isinstance(quantization, dict) else quantization
    if method not in _PRECISIONS:
        raise config.fail(
            f"'quantization_config.quant_method' must be one of {', '.join(_PRECISIONS)} "
            f"(got {method!r})"
        )
    return _PRECISIONS[method]
