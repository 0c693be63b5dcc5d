"""Where checkpoints say how they are quantized: read as such, or refused with the part named."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from inference_sim.errors import InferenceSimError
from inference_sim.models import find_model
from tests.inference_sim.test_models import LLAMA

CASES = Path(__file__).parents[3] / "shared" / "cases" / "models"
GROUP = {"weights": {"num_bits": 8, "type": "float"}}
MOE = {"num_local_experts": 8, "num_experts_per_tok": 2}


def read(folder: Path, change: dict[str, Any], precision: str | None = None) -> tuple[str, float]:
    path = folder / "config.json"
    path.write_text(json.dumps(LLAMA | change))
    model = find_model(str(path), precision)
    return model.precision, model.kv_bytes_per_value


def scheme(method: str, **values: Any) -> dict[str, Any]:
    return {"quantization_config": {"quant_method": method, **values}}


def tensors(bits: int, kind: str, **values: Any) -> dict[str, Any]:
    groups = {"group_0": {"weights": {"num_bits": bits, "type": kind}}}
    return scheme("compressed-tensors", config_groups=groups, **values)


def group(activations: Any = None, **weights: Any) -> dict[str, Any]:
    groups = {"group_0": {"weights": weights, "input_activations": activations}}
    return scheme("compressed-tensors", config_groups=groups)


@pytest.mark.parametrize(
    ("change", "precision", "kv_bytes"),
    [
        ({}, "bf16", 2),
        ({"torch_dtype": "float32"}, "bf16", 2),
        ({"torch_dtype": "float8_e4m3fn"}, "fp8", 2),
        ({"dtype": "torch.float8_e5m2"}, "fp8", 2),
        (scheme("fp8", weight_block_size=[128, 128]), "fp8_block", 2),
        (scheme("fbgemm_fp8"), "fp8", 2),
        (scheme("fp8", modules_to_not_convert=["lm_head", "model.layers.3.mlp.gate"]), "fp8", 2),
        (scheme("fp8", modules_to_not_convert=["model.layers.3.input_layernorm"]), "fp8", 2),
        (scheme("mxfp4", modules_to_not_convert=["model.layers.*.self_attn"]) | MOE, "mxfp4", 2),
        (tensors(8, "float"), "fp8", 2),
        (tensors(8, "float", ignore=["lm_head", "re:vision_tower.*", "re:.*gate$"]), "fp8", 2),
        (tensors(8, "float", kv_cache_scheme={"num_bits": 8, "type": "float"}), "fp8", 1),
        (tensors(8, "int"), "int8", 2),
        (tensors(4, "int", format="pack-quantized"), "int4", 2),
        (scheme("awq", bits=4, group_size=128), "int4", 2),
        (scheme("awq", w_bit=4, modules_to_not_convert=["visual"]), "int4", 2),
        (scheme("gptq", bits=8), "int8", 2),
        (scheme("auto-round", bits=4), "int4", 2),
        (scheme("modelopt", quant_algo="FP8", kv_cache_quant_algo="FP8"), "fp8", 1),
        (scheme("modelopt", quant_algo=None, kv_cache_quant_algo="FP8"), "bf16", 1),
        (scheme("modelopt", quant_algo="W4A16_AWQ"), "int4", 2),
        (scheme("modelopt", quant_algo="NVFP4", kv_cache_scheme="FP8"), "nvfp4", 1),
        (scheme("modelopt", quant_algo="W4A16_NVFP4"), "int4", 2),
        (scheme("modelopt", quant_algo="MXFP8"), "fp8_block", 2),
        ({"quantization_config": {"quant_algo": "FP8", "config_groups": {"g": GROUP}}}, "fp8", 2),
        (group(num_bits=8, type="float", strategy="block"), "fp8_block", 2),
        (group(activations={"num_bits": 4}, num_bits=4, type="float", group_size=16), "nvfp4", 2),
        (group(num_bits=4, type="float", group_size=16), "int4", 2),  # computed in bf16
        (group(num_bits=4, type="float", group_size=32), "mxfp4", 2),
        (scheme("bitsandbytes", load_in_4bit=True), "int4", 2),
        (scheme("bitsandbytes", load_in_8bit=True), "int8", 2),
        (
            {
                "compression_config": {
                    "quant_method": "compressed-tensors",
                    "config_groups": {"g": GROUP},
                }
            },
            "fp8",
            2,
        ),
    ],
)
def test_precision_is_read(
    tmp_path: Path, change: dict[str, Any], precision: str, kv_bytes: float
) -> None:
    assert read(tmp_path, change) == (precision, kv_bytes)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        ({"torch_dtype": "int8"}, "'torch_dtype' is 'int8'"),
        (scheme("quark"), r"'quantization_config.quant_method' is 'quark' \(known: fp"),
        (scheme("bitsandbytes"), "'quantization_config.load_in_4bit' is None"),
        ({"quantization_config": "hqq"}, "'quantization_config.quant_method' is 'hqq'"),
        (scheme("awq", bits=3), "'quantization_config.bits' is 3"),
        (scheme("gptq"), "'quantization_config.bits' is None"),
        (scheme("gptq", bits=4, dynamic={"-:.*": {}}), "'quantization_config.dynamic'"),
        (scheme("modelopt", quant_algo="W4A8_AWQ"), "'quantization_config.quant_algo' is 'W4A8_"),
        (scheme("awq", bits=4, group_size=0), "'quantization_config.group_size' is 0"),
        (tensors(4, "float"), r"'quantization_config.config_groups.group_0.weights' is \{'num_b"),
        (scheme("compressed-tensors"), "'quantization_config.config_groups' is None"),
        (
            scheme(
                "compressed-tensors",
                config_groups={"a": GROUP, "b": {"weights": {"num_bits": 4, "type": "int"}}},
            ),
            "has fp8 and int4 for all modules",
        ),
        (tensors(8, "float", kv_cache_scheme={"num_bits": 4}), "'quantization_config.kv_cache_sch"),
        (scheme("modelopt", quant_algo="FP8", kv_cache_quant_algo="NVFP4"), "kv_cache_quant_algo'"),
    ],
)
def test_what_is_not_modelled_is_refused_until_a_precision_is_given(
    tmp_path: Path, change: dict[str, Any], part: str
) -> None:
    with pytest.raises(InferenceSimError, match=part + ".*`precision` sets one to take instead"):
        read(tmp_path, change)
    assert read(tmp_path, change, "fp8") == ("fp8", 2)


LLAMA_LAYER = 4096 * (4096 * 2 + 1024 * 2), 3 * 4096 * 14336  # weights of attention and the MLP


def parts(folder: Path, change: dict[str, Any]) -> dict[str, tuple[str, float]]:
    path = folder / "config.json"
    path.write_text(json.dumps(LLAMA | change))
    model = find_model(str(path))
    assert model.weight_bytes == pytest.approx(
        32
        * sum(
            weights * model.weights_of(part).bytes_per_weight
            for part, weights in zip(("attention", "mlp"), LLAMA_LAYER, strict=True)
        )
        + 128256 * 4096 * (2 + model.weights_of("head").bytes_per_weight)
    )
    return {name: (part.precision, part.bytes_per_weight) for name, part in model.parts.items()}


ATTENTION_SHARE = 4096 * 4096 / LLAMA_LAYER[0]  # of q_proj, or of o_proj


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (
            scheme("fbgemm_fp8", modules_to_not_convert=["model.layers.0.self_attn.q_proj"]),
            {"attention": ("fp8", 1 + ATTENTION_SHARE / 32)},
        ),
        (scheme("fp8", modules_to_not_convert=["self_attn"]), {"attention": ("bf16", 2)}),
        (tensors(8, "float", ignore=["re:.*mlp.gate_proj"]), {"mlp": ("fp8", 4 / 3)}),
        (tensors(8, "float", ignore=["re:.*mlp\\.gate$", "lm_head"]), {}),
        (
            scheme("modelopt", quant_algo="NVFP4", exclude_modules=["model.layers.1*", "lm_head"]),
            # layers 1 and 10 to 19
            dict.fromkeys(("attention", "mlp"), ("nvfp4", 0.5625 + (2 - 0.5625) * 11 / 32)),
        ),
        (
            scheme(
                "modelopt",
                quant_algo="MIXED_PRECISION",
                quantized_layers={"lm_head": {"quant_algo": "FP8"}}
                | {
                    f"model.layers.{layer}.{module}": {"quant_algo": algorithm}
                    for layer in range(32)
                    for module, algorithm in (("mlp.up_proj", "NVFP4"), ("self_attn", "FP8"))
                },
            ),
            {"mlp": ("bf16", (2 * 2 + 0.5625) / 3), "head": ("fp8", 1), "attention": ("fp8", 1)},
        ),
        (
            scheme(
                "compressed-tensors",
                config_groups={
                    "a": GROUP | {"targets": ["re:.*self_attn.*"]},
                    "b": {"weights": {"num_bits": 4, "type": "int", "group_size": 32}},
                },
            ),
            {"attention": ("fp8", 1), "mlp": ("int4", 4.625 / 8)},
        ),
    ],
)
def test_modules_with_a_precision_of_their_own_count_with_their_bytes(
    tmp_path: Path, change: dict[str, Any], left: dict[str, tuple[str, float]]
) -> None:
    found = parts(tmp_path, change)
    assert {name: precision for name, (precision, _) in found.items()} == {
        name: precision for name, (precision, _) in left.items()
    }
    for name, (_, size) in left.items():
        assert found[name][1] == pytest.approx(size)


def test_an_expression_that_is_none_is_told(tmp_path: Path) -> None:
    with pytest.raises(InferenceSimError, match="has a regular expression that is not one"):
        read(tmp_path, tensors(8, "float", ignore=["re:*"]))


def test_a_precision_in_the_scenario_goes_over_all_parts(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA | scheme("fp8", modules_to_not_convert=["self_attn"])))
    assert find_model(str(path), "int4").parts == {}
    assert set(find_model(str(path), "fp8").parts) == {"attention"}  # its own


def test_modelopt_writes_a_file_beside(tmp_path: Path) -> None:
    beside = tmp_path / "hf_quant_config.json"
    quantization = {
        "quant_algo": "FP8",
        "kv_cache_quant_algo": "FP8",
        "exclude_modules": ["lm_head"],
    }
    beside.write_text(json.dumps({"quantization": quantization}), encoding="utf-8-sig")
    assert read(tmp_path, {"torch_dtype": "bfloat16"}) == ("fp8", 1)


def test_the_given_precision_goes_over_the_files_and_leaves_the_cache(tmp_path: Path) -> None:
    change = scheme("modelopt", quant_algo="FP8", kv_cache_quant_algo="FP8")
    assert read(tmp_path, change, "bf16") == ("bf16", 1)


def test_int4_weighs_a_good_quarter_of_bf16(tmp_path: Path) -> None:
    bf16 = find_model("meta-llama/Meta-Llama-3-8B")
    head = 2 * bf16.vocab_size * bf16.hidden_size * 2
    layers = bf16.with_precision("int4").weight_bytes - head
    # The published AWQ files of this model hold 5.73 GB: 2.1 GB of embedding and head beside.
    assert layers / (bf16.weight_bytes - head) == pytest.approx(0.26, abs=0.005)


@pytest.mark.parametrize(
    ("name", "precision", "kv_bytes"),
    [
        ("modelopt_fp8", "fp8", 1),
        ("c_compression", "fp8", 2),
        ("q_ct_fp8", "fp8", 2),
        ("q_ct_w8a8", "int8", 2),
        ("q_awq", "int4", 2),
        ("q_modelopt", "fp8", 2),
        ("q_fbgemm", "fp8", 2),
    ],
)
def test_shared_cases(name: str, precision: str, kv_bytes: float) -> None:
    path = CASES / f"{name}.json"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    model = find_model(str(path))
    assert (model.precision, model.kv_bytes_per_value) == (precision, kv_bytes)
