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


@pytest.mark.parametrize(
    ("change", "precision", "kv_bytes"),
    [
        ({}, "bf16", 2),
        ({"torch_dtype": "float32"}, "bf16", 2),
        ({"torch_dtype": "float8_e4m3fn"}, "fp8", 2),
        ({"dtype": "torch.float8_e5m2"}, "fp8", 2),
        (scheme("fp8", weight_block_size=[128, 128]), "fp8", 2),
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
        (
            scheme("bitsandbytes"),
            r"'quantization_config.quant_method' is 'bitsandbytes' \(known: fp",
        ),
        ({"quantization_config": "hqq"}, "'quantization_config.quant_method' is 'hqq'"),
        (scheme("awq", bits=3), "'quantization_config.bits' is 3"),
        (scheme("gptq"), "'quantization_config.bits' is None"),
        (scheme("gptq", bits=4, dynamic={"-:.*": {}}), "'quantization_config.dynamic'"),
        (scheme("modelopt", quant_algo="NVFP4"), "'quantization_config.quant_algo' is 'NVFP4'"),
        (tensors(4, "float"), r"'quantization_config.config_groups.group_0.weights' is \{'num_b"),
        (scheme("compressed-tensors"), "'quantization_config.config_groups' is None"),
        (
            scheme(
                "compressed-tensors",
                config_groups={"a": GROUP, "b": {"weights": {"num_bits": 4, "type": "int"}}},
            ),
            "has fp8 in a and int4 in b",
        ),
        (
            scheme("fbgemm_fp8", modules_to_not_convert=["model.layers.0.self_attn.q_proj"]),
            "'quantization_config.modules_to_not_convert' leaves 'model.layers.0.self_attn.q_proj'",
        ),
        (tensors(8, "float", ignore=["re:.*mlp.gate_proj"]), "leaves 're:.*mlp.gate_proj' in bf16"),
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
