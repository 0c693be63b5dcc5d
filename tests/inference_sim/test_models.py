"""Shapes of the catalogue's models, and models read from a config.json."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inference_sim.errors import InferenceSimError
from inference_sim.models import Experts, find_model, model_names

# Billions of parameters, as their publishers give them: all, and active per token.
PUBLISHED = {
    "microsoft/phi-2": (2.78, 2.78),
    "meta-llama/Llama-2-7b-hf": (6.74, 6.74),
    "meta-llama/Llama-2-70b-hf": (68.98, 68.98),
    "meta-llama/Meta-Llama-3-8B": (8.03, 8.03),
    "meta-llama/Llama-3.1-70B-Instruct": (70.6, 70.6),
    "meta-llama/Llama-3.1-405B-Instruct": (405.9, 405.9),
    "codellama/CodeLlama-34b-Instruct-hf": (33.7, 33.7),
    "internlm/internlm-20b": (20.1, 20.1),
    "Qwen/Qwen-72B": (72.3, 72.3),
    "meta-llama/Llama-3.2-1B-Instruct": (1.236, 1.236),
    "Qwen/Qwen3-0.6B": (0.596, 0.596),
    "Qwen/Qwen3-1.7B": (1.72, 1.72),
    "Qwen/Qwen3-8B": (8.19, 8.19),
    "Qwen/Qwen3-14B": (14.8, 14.8),
    "Qwen/Qwen3-32B": (32.8, 32.8),
    "google/gemma-3-12b-it": (11.8, 11.8),  # without the vision encoder
    "google/gemma-3-27b-it": (27.0, 27.0),
    "Qwen/Qwen3-30B-A3B": (30.5, 3.3),
    "Qwen/Qwen3-235B-A22B": (235.0, 22.0),
    "openai/gpt-oss-20b": (20.9, 4.2),  # OpenAI's 3.6 B active leave the embedding out
    "openai/gpt-oss-120b": (116.8, 5.7),
    "mistralai/Mixtral-8x7B-Instruct-v0.1": (46.7, 12.9),
    "bigcode/starcoder2-15b": (15.96, 15.96),
}

# The same within 1 %, with the publication; None where the active ones are not given, or are
# rounded to whole billions. Layers that predict further tokens, and encoders of images, are not
# in ours.
OF_TODAY = {
    "microsoft/phi-4": (14.66, None, "safetensors index: 29.3 GB in bf16; arXiv:2412.08905"),
    "meta-llama/Llama-3.2-1B-Instruct": (1.23, None, "model card"),
    "meta-llama/Llama-3.2-3B-Instruct": (3.21, None, "model card"),
    "meta-llama/Llama-3.3-70B-Instruct": (70.6, None, "model card"),
    "meta-llama/Llama-4-Scout-17B-16E-Instruct": (108.6, 17.0, "safetensors count, with images"),
    "meta-llama/Llama-4-Maverick-17B-128E-Instruct": (401.6, 17.0, "the same"),
    "mistralai/Mistral-Small-3.2-24B-Instruct-2506": (23.6, None, "safetensors count of 2501"),
    "Qwen/Qwen2.5-7B-Instruct": (7.61, None, "arXiv:2412.15115, model card"),
    "Qwen/Qwen2.5-14B-Instruct": (14.7, None, "the same"),
    "Qwen/Qwen2.5-32B-Instruct": (32.5, None, "the same"),
    "Qwen/Qwen2.5-72B-Instruct": (72.7, None, "the same"),
    "Qwen/Qwen3-0.6B": (0.6, None, "arXiv:2505.09388, model card"),
    "Qwen/Qwen3-4B": (4.0, None, "the same"),
    "Qwen/Qwen3-Coder-480B-A35B-Instruct": (480, None, "model card"),
    "Qwen/Qwen3-Next-80B-A3B-Instruct": (80, None, "model card"),
    "Qwen/Qwen3.5-27B": (27, None, "model card"),
    "Qwen/Qwen3.5-35B-A3B": (35, None, "model card"),
    "Qwen/Qwen3.5-122B-A10B": (122, None, "model card"),
    "Qwen/Qwen3.5-397B-A17B": (397, None, "model card"),
    "google/gemma-3-4b-it": (3.88, None, "arXiv:2503.19786, Table 1: 675 M and 3,209 M"),
    "deepseek-ai/DeepSeek-V2-Lite-Chat": (15.7, None, "arXiv:2405.04434, Appendix B"),
    "deepseek-ai/DeepSeek-V3": (671, 37, "arXiv:2412.19437"),
    "moonshotai/Kimi-K2-Instruct": (1026.5, 32.6, "safetensors count; arXiv:2507.20534, Table 2"),
    "zai-org/GLM-4.5": (355, None, "arXiv:2508.06471, Table 1"),
    "zai-org/GLM-4.5-Air": (106, None, "the same"),
    "zai-org/GLM-4.7-Flash": (30, None, "model card"),
    "MiniMaxAI/MiniMax-M2": (230, None, "model card"),
    "nvidia/Nemotron-H-56B-Base-8K": (56.3, None, "arXiv:2504.03624"),
    "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16": (31.6, 3.6, "arXiv:2512.20848"),
    "nvidia/NVIDIA-Nemotron-3-Super-120B-A12B-FP8": (120.6, 12.7, "model card"),
}

LLAMA: dict[str, Any] = {
    "architectures": ["LlamaForCausalLM"],
    "hidden_size": 4096,
    "intermediate_size": 14336,
    "max_position_embeddings": 8192,
    "num_attention_heads": 32,
    "num_hidden_layers": 32,
    "num_key_value_heads": 8,
    "tie_word_embeddings": False,
    "vocab_size": 128256,
}


def write(folder: Path, config: Any) -> str:
    path = folder / "config.json"
    path.write_text(json.dumps(config))
    return str(path)


@pytest.mark.parametrize(("name", "billions"), PUBLISHED.items())
def test_parameters_are_the_published_ones(name: str, billions: tuple[float, float]) -> None:
    model = find_model(name)
    assert model.parameters / 1e9 == pytest.approx(billions[0], rel=5e-3)
    assert model.active_parameters / 1e9 == pytest.approx(billions[1], rel=2e-2)


@pytest.mark.parametrize(("name", "published"), OF_TODAY.items())
def test_parameters_of_todays_models(name: str, published: tuple[float, float | None, str]) -> None:
    model, (total, active, _) = find_model(name), published
    assert model.parameters / 1e9 == pytest.approx(total, rel=0.01)
    if active is not None:
        assert model.active_parameters / 1e9 == pytest.approx(active, rel=0.02)


def test_every_model_of_the_catalogue_loads() -> None:
    assert all(find_model(name).weight_bytes > 0 for name in model_names())


def test_precision_scales_the_layers_alone() -> None:
    bf16 = find_model("meta-llama/Meta-Llama-3-8B")
    fp8 = bf16.with_precision("fp8")
    embeddings = 2 * bf16.vocab_size * bf16.hidden_size * 2
    assert fp8.weight_bytes - embeddings == pytest.approx((bf16.weight_bytes - embeddings) / 2)
    assert fp8.kv_bytes_per_token_per_layer() == bf16.kv_bytes_per_token_per_layer()
    with pytest.raises(InferenceSimError, match="'precision' must be one of bf16, fp8, fp8_block"):
        bf16.with_precision("int3")


def test_gpt_oss_weighs_what_its_files_do() -> None:
    assert find_model("openai/gpt-oss-120b").weight_bytes / 2**30 == pytest.approx(60.8, rel=0.01)
    assert find_model("openai/gpt-oss-20b").weight_bytes / 2**30 == pytest.approx(12.8, rel=0.01)


def test_experts_touched() -> None:
    experts = Experts(count=128, per_token=8, ffn_size=768)
    assert experts.touched(1) == pytest.approx(8)
    assert experts.touched(2) == pytest.approx(16 - 8 * 8 / 128)
    assert experts.touched(10_000) == pytest.approx(128)


def test_config_of_llama(tmp_path: Path) -> None:
    model = find_model(write(tmp_path, LLAMA))
    catalogue = find_model("meta-llama/Meta-Llama-3-8B")
    assert model.parameters == catalogue.parameters
    assert model.kv_bytes_per_token_per_layer(4) == catalogue.kv_bytes_per_token_per_layer(4)
    assert (model.head_dim, model.windowed_layers, model.precision) == (128, 0, "bf16")


def test_config_of_phi_has_no_gate(tmp_path: Path) -> None:
    config = LLAMA | {"architectures": ["PhiForCausalLM"], "num_key_value_heads": None}
    model = find_model(write(tmp_path, config))
    assert (model.gated_mlp, model.kv_heads) == (False, 32)


def test_config_of_gemma3_is_nested_and_leans_on_defaults(tmp_path: Path) -> None:
    text = {
        "hidden_size": 3840,
        "intermediate_size": 15360,
        "num_attention_heads": 16,
        "num_hidden_layers": 48,
        "num_key_value_heads": 8,
        "sliding_window": 1024,
    }
    config = {"architectures": ["Gemma3ForConditionalGeneration"], "text_config": text}
    model = find_model(write(tmp_path, config))
    catalogue = find_model("google/gemma-3-12b-it")
    assert model.parameters == catalogue.parameters
    assert (model.window_tokens, model.windowed_layers) == (1024, 40)


def test_config_of_gpt_oss(tmp_path: Path) -> None:
    config = {
        "architectures": ["GptOssForCausalLM"],
        "head_dim": 64,
        "hidden_size": 2880,
        "intermediate_size": 2880,
        "layer_types": ["sliding_attention", "full_attention"] * 12,
        "max_position_embeddings": 131072,
        "num_attention_heads": 64,
        "num_experts_per_tok": 4,
        "num_hidden_layers": 24,
        "num_key_value_heads": 8,
        "num_local_experts": 32,
        "quantization_config": {"quant_method": "mxfp4"},
        "sliding_window": 128,
        "tie_word_embeddings": False,
        "vocab_size": 201088,
    }
    model = find_model(write(tmp_path, config))
    catalogue = find_model("openai/gpt-oss-20b")
    assert model.weight_bytes == catalogue.weight_bytes
    assert model.windowed_layers == catalogue.windowed_layers == 12


def test_config_of_qwen3_moe(tmp_path: Path) -> None:
    config = LLAMA | {
        "architectures": ["Qwen3MoeForCausalLM"],
        "decoder_sparse_step": 1,
        "mlp_only_layers": [],
        "moe_intermediate_size": 768,
        "num_experts": 128,
        "num_experts_per_tok": 8,
        "sliding_window": 4096,
        "use_sliding_window": False,
    }
    model = find_model(write(tmp_path, config))
    assert model.experts == Experts(128, 8, 768)
    assert (model.ffn_size, model.window_tokens) == (0, 0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"num_hidden_layers": None}, "'num_hidden_layers' is missing"),
        ({"vocab_size": -5}, r"'vocab_size' must be an integer above 0 \(got -5\)"),
        ({"hidden_size": "large"}, "'hidden_size' must be an integer above 0"),
        ({"architectures": None}, "'architectures' is missing"),
        ({"architectures": ["LlamaForCausaLM"]}, r"is not supported \(supported: LlamaForCausalLM"),
        (
            {"architectures": ["Qwen3ForCausaLM"]},
            r"'Qwen3ForCausaLM' is not supported \(supported: Llama",
        ),
        ({"num_local_experts": 8}, "'num_experts_per_tok' is missing"),
    ],
)
def test_unusable_config(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InferenceSimError, match=message):
        find_model(write(tmp_path, LLAMA | change))


def test_unreadable_config(tmp_path: Path) -> None:
    with pytest.raises(InferenceSimError, match="cannot read the model file"):
        find_model(str(tmp_path / "none.json"))
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(InferenceSimError, match="cannot read the model file"):
        find_model(str(tmp_path / "config.json"))
