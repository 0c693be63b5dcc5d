"""Deployments that vLLM does not start are refused, with the reason."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Cli
from tests.cosim.builders import edited, write
from tests.inference_sim.test_models import LLAMA

MODEL = "model: meta-llama/Meta-Llama-3-8B"
BIG = "model: meta-llama/Llama-3.1-70B-Instruct"


@pytest.mark.parametrize(
    ("keys", "message"),
    [
        (f"{MODEL}\n      tensor_parallel: 3", "cannot be split over 3 GPUs: it has 32 attention"),
        (
            f"{MODEL}\n      scheduler: {{max_model_len: 9000}}",
            "max_model_len must be at most 8,192",
        ),
        (
            f"{MODEL}\n      scheduler: {{batch_cap: 512, max_batch_tokens: 256}}",
            "max_batch_tokens must be at least batch_cap",
        ),
        (
            f"{BIG}\n      tensor_parallel: 2\n      scheduler: {{type: sarathi}}",
            "one request of 131,072 tokens does not fit beside the weights of "
            "'meta-llama/Llama-3.1-70B-Instruct' on 2 x h100-sxm-80gb, which leave room for "
            "41,232: set max_model_len to that or less",
        ),
        (f"{BIG}\n      scheduler: {{type: sarathi}}", "each GPU needs 131.4 GiB for weights"),
        (
            f"{BIG}\n      tensor_parallel: 2",
            "one request of 131,072 tokens does not fit into the KV cache of "
            "'meta-llama/Llama-3.1-70B-Instruct' on 2 x h100-sxm-80gb, 0.27 GiB on each GPU: set "
            "max_model_len to 1,776 or less",
        ),
        (BIG, "vLLM 0.11 does not start with 'meta-llama/Llama-3.1-70B-Instruct'"),
        ("model: ./config.json\n      tensor_parallel: 3", "its vocabulary, padded to 32,000"),
    ],
)
def test_refused(cosim: Cli, keys: str, message: str) -> None:
    shape = {"hidden_size": 3072, "num_attention_heads": 24, "num_key_value_heads": 24}
    write(
        "config.json", json.dumps(LLAMA | shape | {"intermediate_size": 9216, "vocab_size": 32000})
    )
    answer = cosim("validate", write("s.yaml", edited((MODEL, keys))))
    assert answer.code == 2
    assert message in answer.err


@pytest.mark.parametrize(
    "keys",
    [
        f"{BIG}\n      tensor_parallel: 2\n      scheduler: {{type: sarathi, max_model_len: 9000}}",
        f"{BIG}\n      tensor_parallel: 2\n      scheduler: {{max_model_len: 1776}}",
        f"{BIG}\n      tensor_parallel: 4",
        f"{MODEL}\n      scheduler: {{max_model_len: 100}}",
    ],
)
def test_started(cosim: Cli, keys: str) -> None:
    answer = cosim("validate", write("s.yaml", edited((MODEL, keys))))
    assert (answer.code, answer.err) == (0, "")


def test_longer_requests_than_max_model_len_are_rejected(cosim: Cli) -> None:
    keys = f"{MODEL}\n      scheduler: {{max_model_len: 239}}"
    answer = cosim("run", write("s.yaml", edited((MODEL, keys))), "--json", "-o", "out")
    summary = json.loads(answer.out)
    assert summary["rejections"] == {"context_too_long": summary["requests"]["arrived"]}
