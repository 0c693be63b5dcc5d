"""A kernel table made by hand: round numbers that are linear wherever a table is."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from inference_sim.execution.kernel_table import FORMAT
from inference_sim.models import ModelSpec
from tests.strategies import A100, LLAMA2_7B

CONTEXT = 200
"""Longest mean context that the table was made for [tokens]."""


def table_values(model: ModelSpec = LLAMA2_7B, **changes: Any) -> dict[str, Any]:
    """All but attention takes 1 ms and 10 us a token, the head 100 us and 1 us a sequence.

    Attention of a prompt takes 0.2 ms and 1 us for each token, with 256 tokens before it twice as
    much; that of a decode 0.3 ms, 5 us a sequence, and 20 ns a token of context.
    """
    values: dict[str, Any] = {
        "format": FORMAT,
        "model": {
            "name": model.name,
            "layers": model.layers,
            "hidden_size": model.hidden_size,
            "query_heads": model.query_heads,
            "kv_heads": model.kv_heads,
            "head_dim": model.head_dim,
            "ffn_size": model.ffn_size,
            "vocab_size": model.vocab_size,
            "precision": "bf16",
            "kv_bytes_per_value": 2.0,
        },
        "gpu": A100.name,
        "tensor_parallel": 1,
        "expert_parallel": 1,
        "engine": "sglang",
        "engine_version": "0.5",
        "layers": {"at": [1, 100, 1024], "seconds": [1.01e-3, 2e-3, 11.24e-3]},
        "head": {"at": [0, 64], "seconds": [0.1e-3, 0.164e-3]},
        "prompt_attention": [
            {"before": 0, "times": {"at": [1, 512], "seconds": [0.201e-3, 0.712e-3]}},
            {"before": 256, "times": {"at": [1, 256], "seconds": [0.402e-3, 0.912e-3]}},
        ],
        "decode_attention": {
            "batch": [1, 64],
            "seconds": [0.305e-3, 0.62e-3],
            "seconds_per_context": [20e-9, 20e-9],
            "most_context": [CONTEXT, CONTEXT],
            "worst_error": 0.01,
        },
        "most_prompt_tokens": 512,
        "sources": "made up",
        "notice": "",
    }
    return values | changes


def write_table(path: Path, **changes: Any) -> Path:
    """Write that table, with some values changed; return the path."""
    path.write_text(json.dumps(table_values(**changes)), encoding="utf-8")
    return path
