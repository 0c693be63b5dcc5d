"""Architectures that are modelled, and the parts of others that are not.

Keys that a file leaves out, transformers fills with the default of the architecture's configuration
class; the few such defaults that published checkpoints rely on stand here.
"""

from __future__ import annotations

from typing import Any

from inference_sim.errors import InferenceSimError
from inference_sim.models.config_file import ConfigFile

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
_QWEN3 = {"head_dim": 128}
_QWEN3_HYBRID = {
    "head_dim": 256,
    "full_attention_interval": 4,
    "linear_conv_kernel_dim": 4,
    "linear_key_head_dim": 128,
    "linear_value_head_dim": 128,
    "linear_num_key_heads": 16,
    "linear_num_value_heads": 32,
    "attn_output_gate": True,
}
_LLAMA4 = {
    "head_dim": 128,
    "attention_chunk_size": 8192,
    "interleave_moe_layer_step": 1,
    "no_rope_layer_interval": 4,
}

DEFAULTS: dict[str, dict[str, Any]] = {
    "LlamaForCausalLM": {},
    "MistralForCausalLM": {},
    "Mistral3ForConditionalGeneration": {},
    "MixtralForCausalLM": {},
    "Qwen2ForCausalLM": {},
    "Qwen2MoeForCausalLM": {},
    "Qwen2VLForConditionalGeneration": {},
    "Qwen2_5_VLForConditionalGeneration": {},
    "Qwen3ForCausalLM": _QWEN3,
    "Qwen3MoeForCausalLM": _QWEN3,
    "Qwen3VLForConditionalGeneration": _QWEN3,
    "Qwen3VLMoeForConditionalGeneration": _QWEN3,
    "Qwen3NextForCausalLM": _QWEN3_HYBRID,
    "Qwen3_5ForConditionalGeneration": _QWEN3_HYBRID,
    "Qwen3_5MoeForConditionalGeneration": _QWEN3_HYBRID,
    "MiMoForCausalLM": {},
    "GemmaForCausalLM": _GEMMA,
    "Gemma2ForCausalLM": {**_GEMMA, "sliding_window": 4096, "sliding_window_pattern": 2},
    "Gemma3ForCausalLM": _GEMMA3,
    "Gemma3ForConditionalGeneration": _GEMMA3,
    "PhiForCausalLM": {},
    "Phi3ForCausalLM": {},
    "Starcoder2ForCausalLM": {"tie_word_embeddings": True},
    "GptOssForCausalLM": {"head_dim": 64, "sliding_window": 128, "sliding_window_pattern": 2},
    "DeepseekV2ForCausalLM": {},
    "DeepseekV3ForCausalLM": {},
    "KimiK25ForConditionalGeneration": {},
    "Glm4MoeForCausalLM": {"head_dim": 128},
    "Glm4MoeLiteForCausalLM": {},
    "MiniMaxM2ForCausalLM": {},
    "Llama4ForCausalLM": _LLAMA4,
    "Llama4ForConditionalGeneration": _LLAMA4,
    "NemotronHForCausalLM": {"conv_kernel": 4},
}
UNGATED = ("PhiForCausalLM", "Starcoder2ForCausalLM", "NemotronHForCausalLM")
WINDOW_IS_OPTIONAL = (
    "Qwen2ForCausalLM",
    "Qwen2MoeForCausalLM",
    "Qwen2VLForConditionalGeneration",
    "Qwen2_5_VLForConditionalGeneration",
    "Qwen3ForCausalLM",
    "Qwen3MoeForCausalLM",
    "Qwen3NextForCausalLM",
    "MiMoForCausalLM",
)

_PARTS = {
    "index_topk": "sparse attention",
    "sparse_attention_config": "sparse attention",
    "compress_ratios": "attention on compressed tokens",
    "linear_attn_config": "Kimi delta attention",
    "block_configs": "layers of different sizes",
    "cross_attention_layers": "layers with cross-attention",
    "global_head_dim": "heads of another size in the layers without a window",
    "swa_num_key_value_heads": "another number of KV heads in the layers with a window",
    "hidden_size_per_layer_input": "embeddings of each layer",
    "num_kv_shared_layers": "layers that share a KV cache",
    "attn_layer_period": "Mamba layers of the first kind",
    "mamba_d_ssm": "attention and Mamba side by side",
    "num_meta_tokens": "meta tokens",
    "rwkv_version": "an RNN",
    "is_encoder_decoder": "an encoder",
}
"""Keys of parts that are not modelled."""


def architecture_of(config: ConfigFile) -> str:
    """Return the architecture of a checkpoint.

    Raises:
        InferenceSimError: If it, or a part of it, is not modelled; the message names the part.
    """
    architectures = config.values.get("architectures")
    if not isinstance(architectures, list) or not architectures:
        raise config.fail("'architectures' is missing")
    name = str(architectures[0])
    values = {**config.values, **config.mapping("text_config")}
    parts = {part: key for key, part in _PARTS.items() if values.get(key)}
    if 0 in (values.get("attn_type_list") or []):
        parts["lightning attention"] = "attn_type_list"
    if parts:
        raise _refused(config, name, parts)
    if name not in DEFAULTS:
        # No suggestion: another architecture would be another model, run without a word.
        raise config.fail(
            f"architecture '{name:.60}' is not supported (supported: {', '.join(DEFAULTS)})"
        )
    return name


def _refused(config: ConfigFile, name: str, parts: dict[str, str]) -> InferenceSimError:
    words = " and ".join(f"{part} ('{key}')" for part, key in parts.items())
    return config.fail(f"'{name:.60}' has {words}, which {_are(parts)} not modelled")


def _are(parts: dict[str, str]) -> str:
    return "are" if len(parts) > 1 else "is"
