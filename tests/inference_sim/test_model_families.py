"""Families whose layers differ, from their config.json and by the cost of their parts."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inference_sim.errors import InferenceSimError
from inference_sim.execution import Roofline, find_engine
from inference_sim.execution.roofline import _chunked_pairs
from inference_sim.hardware import find_gpu
from inference_sim.kv_groups import KvGroups, kv_groups
from inference_sim.memory_plan import plan_blocks
from inference_sim.models import LayerKind, ModelSpec, find_model
from inference_sim.pool_config import PoolConfig
from inference_sim.pool_limits import check_pool
from inference_sim.power import TwoResource
from inference_sim.workload import Arrival
from tests.inference_sim.builders import approx, config, serve
from tests.inference_sim.test_models import LLAMA, write

H200, NONE = find_gpu("h200-sxm-141gb"), find_engine("none")
DEEPSEEK, NEXT = (
    find_model("deepseek-ai/DeepSeek-V3"),
    find_model("Qwen/Qwen3-Next-80B-A3B-Instruct"),
)
MAVERICK = find_model("meta-llama/Llama-4-Maverick-17B-128E-Instruct")
NEMOTRON = find_model("nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16")


def pool_of(model: ModelSpec, **keys: Any) -> PoolConfig:
    return PoolConfig(
        model=model, gpu=H200, power=TwoResource.of(H200), tensor_parallel=2, release="0.11",
        batch_cap=64, max_batch_tokens=8192, max_model_len=8192, **keys,
    )  # fmt: skip


def roofline(model: ModelSpec, *more: Any, **options: Any) -> Roofline:
    return Roofline(model, H200, NONE, *more, **options)


class TestLatentAttention:
    """DeepSeek-V3 (arXiv:2412.19437, Section 4.2), with sizes written out."""

    def test_a_token_has_576_values_a_layer_on_every_gpu(self) -> None:
        assert [DEEPSEEK.kv_bytes_per_token_per_layer(width) for width in (1, 8)] == [1152, 1152]
        for width in (1, 8):
            assert roofline(DEEPSEEK, width).decode(4).hbm_bytes_per_context == 61 * 1152

    def test_context_that_fits_does_not_grow_with_the_gpus_that_share_a_layer(self) -> None:
        """On 8 and 16 GPUs, with 0.9 of 140 GiB each, as the bytes of weights say."""
        for width in (8, 16):
            blocks = plan_blocks(DEEPSEEK, H200, width, 0.9)
            room = 0.9 * 140 * 2**30 - DEEPSEEK.weight_bytes / width
            assert blocks == int(room // (61 * 1152 * 16))

    def test_a_token_computes_the_active_parameters(self) -> None:
        flops = roofline(DEEPSEEK).decode(1).at(0).flops
        embedding = 129280 * 7168  # read, not multiplied
        assert flops == approx(2 * (DEEPSEEK.active_parameters - embedding), 1e-12)

    def test_decodes_are_absorbed_and_prompts_are_not(self) -> None:
        decode = roofline(DEEPSEEK, 8).decode(1)
        assert decode.flops_per_context == 61 * 16 * 2 * (576 + 512)
        one, two = (
            roofline(DEEPSEEK, 8).iteration([(512, before)], 1).flops for before in (0, 1000)
        )
        expanded = 2 * 512 * 16 * (128 + 128) * 1000  # keys and values of what came before
        assert two - one == approx(61 * (16 * 2 * (192 + 128) * 512 * 1000 + expanded), 1e-9)

    def test_many_heads_on_one_gpu_bound_a_decode_by_compute_too(self) -> None:
        memory_s = 61 * 1152 / (H200.peak_bytes_per_s * H200.kernels.e_kv)
        few, all_heads = (roofline(DEEPSEEK, width).decode(1) for width in (8, 1))
        assert few.gpu_s_per_context == approx(memory_s, 0.02)
        assert all_heads.gpu_s_per_context > 1.2 * memory_s

    def test_mixed_iterations_add_up(self) -> None:
        """A decode beside a prompt costs its attention as it does alone."""
        stage = roofline(DEEPSEEK, 8)
        beside, more = (stage.iteration([(100, 0)], 1, 2, context) for context in (1000, 1001))
        assert more.flops - beside.flops == approx(stage.decode(2).flops_per_context, 1e-6)

    def test_layers_before_the_experts_are_dense(self) -> None:
        assert DEEPSEEK.kinds == (
            LayerKind(58, "attention", "experts"),
            LayerKind(3, "attention", "dense"),
        )


class TestStateLayers:
    def test_only_layers_with_attention_have_a_kv_cache(self) -> None:
        assert roofline(NEXT).decode(4).hbm_bytes_per_context == 12 * 2 * 2 * 256 * 2
        assert kv_groups(NEXT) == KvGroups(1, 0, 0, 12)

    def test_a_state_is_read_and_written_for_each_sequence(self) -> None:
        """Qwen3-Next: 32 heads of 128 x 128, and 3 tokens of 8,192 channels, in bf16."""
        state = 2 * (32 * 128 * 128 + 3 * 8192)
        assert NEXT.state_bytes_per_sequence(1) == 36 * state
        assert NEXT.state_bytes_per_sequence(4) == 9 * state
        stage = roofline(NEXT)
        moved = [stage.iteration([(64, 0)], 1, batch, 0).hbm_bytes for batch in (512, 513)]
        values = moved[1] - moved[0]
        assert values > 36 * 2 * state

    def test_a_prompt_computes_its_tokens_in_the_states(self) -> None:
        one, two = (roofline(NEXT).iteration([(new, 0)], 1) for new in (4096, 8192))
        layers = 2 * (NEXT.active_parameters - 2 * 151936 * 2048)
        pairs = 12 * 4 * 16 * 256 * (8192**2 - 4096**2) / 2
        states = 36 * 6 * 524288 * 4096
        assert two.flops - one.flops == approx(layers * 4096 + pairs + states, 1e-3)

    def test_a_sequence_takes_blocks_for_its_states(self) -> None:
        """Of 36 layers, in blocks of 16 tokens of 12 layers: 101, as 1,616 tokens, on 2 GPUs."""
        pool = pool_of(NEXT)
        assert pool.block_bytes == 16 * 12 * 2 * 256 * 2
        assert (
            pool.state_blocks == 101 == -(-18 * 2 * (32 * 128 * 128 + 3 * 8192) // pool.block_bytes)
        )
        assert pool.most_blocks(160) == 10 + pool.state_blocks
        assert pool.sequences_held(1600) == pool.blocks() / (100 + pool.state_blocks)
        cache = pool.make_scheduler(8).make_cache(1000, 8192)
        assert [cache.blocks_for(tokens) for tokens in (0, 1, 17)] == [
            0, pool.state_blocks + 1, pool.state_blocks + 2,
        ]  # fmt: skip
        assert not cache.can_grow(0, 16 * (1000 - pool.state_blocks) + 1)
        assert cache.can_grow(16, 16 * 999)

    def test_prefix_caching_is_refused(self) -> None:
        check_pool(pool_of(NEXT))
        with pytest.raises(InferenceSimError, match="prefix caching is not modelled for 'Qwen/Q"):
            check_pool(pool_of(NEXT, prefix_caching=True))

    def test_heads_have_to_divide(self) -> None:
        with pytest.raises(InferenceSimError, match="its state layers have 16 heads"):
            roofline(find_model("Qwen/Qwen3.5-122B-A10B"), 32)

    def test_layers_with_one_part_each(self) -> None:
        assert NEMOTRON.kinds == (
            LayerKind(6, "attention", ""),
            LayerKind(23, "state", ""),
            LayerKind(23, "", "experts"),
        )
        stages = [roofline(NEMOTRON).decode(8).gpu_s, roofline(NEMOTRON, 2).decode(8).gpu_s]
        assert stages[1] > 0


class TestChunks:
    @pytest.mark.parametrize(("new", "before"), [(1, 0), (7, 0), (20, 5), (16, 16), (3, 30)])
    def test_pairs_by_counting(self, new: int, before: int) -> None:
        """A token sees its chunk up to itself; half of itself, as causal attention counts it."""
        chunk = 8
        counted = sum(token % chunk + 0.5 for token in range(before, before + new))
        assert _chunked_pairs(new, before, chunk) == pytest.approx(counted)

    def test_every_second_layer_has_experts_and_every_fourth_sees_all(self) -> None:
        assert MAVERICK.kinds == (
            LayerKind(24, "attention", "experts"),
            LayerKind(24, "attention", "dense"),
        )
        assert (MAVERICK.windowed_layers, MAVERICK.window_tokens) == (36, 8192)

    def test_vllm_keeps_the_whole_context_of_all_layers(self) -> None:
        assert kv_groups(MAVERICK) == KvGroups(1, 0, 0, 48)

    def test_a_long_prompt_costs_less_than_with_windows_that_slide(self) -> None:
        sliding = replace(MAVERICK, chunked=False)
        chunked_s, sliding_s = (
            roofline(model, 8).iteration([(32768, 0)], 1).gpu_s for model in (MAVERICK, sliding)
        )
        assert chunked_s < sliding_s


@pytest.mark.parametrize("cap_w", [math.inf, 400.0])
@pytest.mark.parametrize("model", [DEEPSEEK, NEXT, MAVERICK, NEMOTRON], ids=lambda one: one.name)
def test_runs_of_iterations_agree_with_single_ones(model: ModelSpec, cap_w: float) -> None:
    """The closed form holds for them, too: in chunks, under a cap, with evictions."""
    stream = [Arrival(0.2 * number, 300 + 3000 * (number % 3), 90, 0) for number in range(12)]
    found = []
    for stepwise in (False, True):
        deployment = config(
            model=model, gpu=H200, power=TwoResource.of(H200), engine=find_engine("vllm-0.11"),
            scheduler="vllm_v1", tensor_parallel=8, max_model_len=8192, batch_cap=32,
            max_batch_tokens=2048, power_cap_w=cap_w, kv_blocks=900, stepwise=stepwise,
        )  # fmt: skip
        step, ended = serve(deployment, stream)
        found.append((step.gpu_power_w, [one.finish_s for one in ended]))
    assert found[0][0] == approx(found[1][0], 1e-9)
    assert found[0][1] == approx(found[1][1], 1e-9)


DEEPSEEK_CONFIG = {
    "architectures": ["DeepseekV3ForCausalLM"],
    "first_k_dense_replace": 3,
    "hidden_size": 7168,
    "intermediate_size": 18432,
    "kv_lora_rank": 512,
    "max_position_embeddings": 163840,
    "moe_intermediate_size": 2048,
    "moe_layer_freq": 1,
    "n_routed_experts": 256,
    "n_shared_experts": 1,
    "num_attention_heads": 128,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 61,
    "num_key_value_heads": 128,
    "num_nextn_predict_layers": 1,
    "q_lora_rank": 1536,
    "qk_nope_head_dim": 128,
    "qk_rope_head_dim": 64,
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
    "rope_scaling": {"type": "yarn", "factor": 40, "original_max_position_embeddings": 4096},
    "v_head_dim": 128,
    "vocab_size": 129280,
}
QWEN3_NEXT_CONFIG = LLAMA | {
    "architectures": ["Qwen3NextForCausalLM"],
    "head_dim": 256,
    "hidden_size": 2048,
    "linear_num_value_heads": 32,
    "max_position_embeddings": 262144,
    "moe_intermediate_size": 512,
    "num_attention_heads": 16,
    "num_experts": 512,
    "num_experts_per_tok": 10,
    "num_hidden_layers": 48,
    "num_key_value_heads": 2,
    "shared_expert_intermediate_size": 512,
    "vocab_size": 151936,
}
NEMOTRON_CONFIG = LLAMA | {
    "architectures": ["NemotronHForCausalLM"],
    "head_dim": 128,
    "hidden_size": 2688,
    "hybrid_override_pattern": "MEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEM*EMEMEMEM*EMEMEMEME",
    "intermediate_size": 1856,
    "mamba_head_dim": 64,
    "mamba_num_heads": 64,
    "mamba_ssm_cache_dtype": "float32",
    "max_position_embeddings": 262144,
    "moe_intermediate_size": 1856,
    "moe_shared_expert_intermediate_size": 3712,
    "n_groups": 8,
    "n_routed_experts": 128,
    "n_shared_experts": 1,
    "num_attention_heads": 32,
    "num_experts_per_tok": 6,
    "num_hidden_layers": 52,
    "num_key_value_heads": 2,
    "ssm_state_size": 128,
    "vocab_size": 131072,
}
LLAMA4_CONFIG = {
    "architectures": ["Llama4ForConditionalGeneration"],
    "text_config": {
        "attention_chunk_size": 8192,
        "hidden_size": 5120,
        "interleave_moe_layer_step": 2,
        "intermediate_size": 8192,
        "intermediate_size_mlp": 16384,
        "max_position_embeddings": 1048576,
        "num_attention_heads": 40,
        "num_experts_per_tok": 1,
        "num_hidden_layers": 48,
        "num_key_value_heads": 8,
        "num_local_experts": 128,
        "vocab_size": 202048,
    },
}
GLM_CONFIG = LLAMA | {
    "architectures": ["Glm4MoeForCausalLM"],
    "first_k_dense_replace": 1,
    "intermediate_size": 10944,
    "max_position_embeddings": 131072,
    "moe_intermediate_size": 1408,
    "n_routed_experts": 128,
    "n_shared_experts": 1,
    "num_attention_heads": 96,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 46,
    "vocab_size": 151552,
}
MINIMAX_CONFIG = LLAMA | {
    "architectures": ["MiniMaxM2ForCausalLM"],
    "attn_type_list": [1] * 62,
    "head_dim": 128,
    "hidden_size": 3072,
    "intermediate_size": 1536,
    "max_position_embeddings": 196608,
    "num_attention_heads": 48,
    "num_experts_per_tok": 8,
    "num_hidden_layers": 62,
    "num_local_experts": 256,
    "quantization_config": {"quant_method": "fp8", "weight_block_size": [128, 128]},
    "shared_intermediate_size": 0,
    "vocab_size": 200064,
}
VISION_CONFIG = {
    "architectures": ["Qwen3VLForConditionalGeneration"],
    "text_config": {
        "hidden_size": 5120,
        "intermediate_size": 25600,
        "max_position_embeddings": 262144,
        "num_attention_heads": 64,
        "num_hidden_layers": 64,
        "num_key_value_heads": 8,
        "rope_scaling": {"mrope_interleaved": True, "rope_type": "default"},
        "vocab_size": 151936,
    },
    "tie_word_embeddings": False,
    "vision_config": {"hidden_size": 1152},
}
MISTRAL3_CONFIG = {
    "architectures": ["Mistral3ForConditionalGeneration"],
    "text_config": {
        "head_dim": 128,
        "hidden_size": 5120,
        "intermediate_size": 32768,
        "max_position_embeddings": 131072,
        "num_attention_heads": 32,
        "num_hidden_layers": 40,
        "num_key_value_heads": 8,
        "sliding_window": None,
        "vocab_size": 131072,
    },
}


@pytest.mark.parametrize(
    ("config", "name"),
    [
        (DEEPSEEK_CONFIG, "deepseek-ai/DeepSeek-V3"),
        (QWEN3_NEXT_CONFIG, "Qwen/Qwen3-Next-80B-A3B-Instruct"),
        (NEMOTRON_CONFIG, "nvidia/NVIDIA-Nemotron-3-Nano-30B-A3B-BF16"),
        (LLAMA4_CONFIG, "meta-llama/Llama-4-Maverick-17B-128E-Instruct"),
        (GLM_CONFIG, "zai-org/GLM-4.5-Air"),
        (MINIMAX_CONFIG, "MiniMaxAI/MiniMax-M2"),
        (VISION_CONFIG, "Qwen/Qwen3-VL-32B-Instruct"),
        (MISTRAL3_CONFIG, "mistralai/Mistral-Small-3.2-24B-Instruct-2506"),
    ],
)
def test_a_config_is_the_model_of_the_catalogue(
    tmp_path: Path, config: dict[str, Any], name: str
) -> None:
    read, known = find_model(write(tmp_path, config)), find_model(name)
    assert replace(read, name=name) == known


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"architectures": ["DeepseekV32ForCausalLM"], "index_topk": 2048},
            "'DeepseekV32ForCausalLM' has sparse attention ('index_topk'), which is not modelled",
        ),
        ({"block_configs": [{}]}, "has layers of different sizes ('block_configs'), which is"),
        ({"global_head_dim": 512}, "has heads of another size in the layers without a window"),
        (
            {"hidden_size_per_layer_input": 256, "num_kv_shared_layers": 10},
            "has embeddings of each layer ('hidden_size_per_layer_input') and layers that share a "
            "KV cache ('num_kv_shared_layers'), which are not modelled",
        ),
        ({"attn_type_list": [0, 1]}, "has lightning attention ('attn_type_list'), which is not"),
        ({"hybrid_override_pattern": "MX*"}, "a layer of the kind 'X' is not modelled; expected M"),
        ({"q_lora_rank": 1.5, "kv_lora_rank": 512}, "'qk_nope_head_dim' is missing"),
    ],
)
def test_a_part_that_is_not_modelled_is_named(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    with pytest.raises(InferenceSimError) as caught:
        find_model(write(tmp_path, LLAMA | change))
    assert message in str(caught.value)
    assert "did you mean" not in str(caught.value)


def test_a_model_without_attention_is_refused(tmp_path: Path) -> None:
    config = NEMOTRON_CONFIG | {"hybrid_override_pattern": "MEME"}
    with pytest.raises(InferenceSimError, match="a model needs a layer with attention"):
        find_model(write(tmp_path, config))
    path = tmp_path / "text.json"
    path.write_text(json.dumps(config | {"mamba_ssm_cache_dtype": "float8"}))
    with pytest.raises(InferenceSimError, match="'mamba_ssm_cache_dtype' must be one of float32"):
        find_model(str(path))
