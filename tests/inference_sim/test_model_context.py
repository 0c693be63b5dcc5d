"""The context of a checkpoint whose rotary embeddings are stretched; byte order marks."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from inference_sim.errors import InferenceSimError
from inference_sim.models import find_model
from tests.inference_sim.test_models import LLAMA

CASES = Path(__file__).parents[3] / "shared" / "cases" / "models"


def context(folder: Path, change: dict[str, Any]) -> int:
    path = folder / "config.json"
    path.write_text(json.dumps(LLAMA | change))
    return find_model(str(path)).max_context_tokens


def scaled(**values: Any) -> dict[str, Any]:
    return {"rope_scaling": values}


YARN = {"rope_type": "yarn", "factor": 3.0, "original_max_position_embeddings": 5000}


@pytest.mark.parametrize(
    ("change", "tokens"),  # LLAMA has 8192 positions
    [
        ({"rope_scaling": None}, 8192),
        (scaled(rope_type="default"), 8192),
        (scaled(type="linear", factor=2.0), 16384),
        (scaled(type="dynamic", factor=4), 32768),
        (scaled(rope_type="dynamic", alpha=1000.0), 8192),
        (scaled(type="yarn", factor=4.0), 32768),
        (scaled(**YARN), 15000),
        (scaled(rope_type="llama3", factor=8.0, original_max_position_embeddings=1024), 8192),
        (scaled(rope_type="longrope", factor=32.0), 8192),
        (scaled(type="mrope", mrope_section=[16, 24, 24]), 8192),
        ({"rope_parameters": YARN | {"rope_theta": 1e6}}, 15000),
        (
            {
                "rope_parameters": {
                    "full_attention": YARN,
                    "sliding_attention": {"rope_type": "default"},
                }
            },
            15000,
        ),
        ({"max_position_embeddings": None, "seq_length": 3000}, 3000),
        (
            {"architectures": ["Gemma3ForCausalLM"]} | scaled(rope_type="linear", factor=8.0),
            8192,
        ),
    ],
)
def test_context_is_stretched(tmp_path: Path, change: dict[str, Any], tokens: int) -> None:
    assert context(tmp_path, change) == tokens


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (scaled(type="ntk-new", factor=2), "'rope_scaling' is of the type 'ntk-new'.*not known"),
        (scaled(type="linear", factor="2"), "'rope_scaling.factor' must be a number from 1 to"),
        (scaled(type="linear", factor=0.5), "'rope_scaling.factor' must be a number from 1 to"),
        (
            scaled(type="yarn", factor=2.0, original_max_position_embeddings=4096.5),
            "'original_max_position_embeddings' must be an integer above 0",
        ),
        ({"rope_scaling": "yarn"}, "'rope_scaling' must be an object"),
        ({"max_position_embeddings": None}, "'max_position_embeddings' is missing"),
    ],
)
def test_scaling_that_cannot_be_read(tmp_path: Path, change: dict[str, Any], message: str) -> None:
    with pytest.raises(InferenceSimError, match=message):
        context(tmp_path, change)


def test_byte_order_mark(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    path.write_text(json.dumps(LLAMA), encoding="utf-8-sig")
    assert find_model(str(path)).layers == 32


def test_pipe_is_refused_before_it_is_opened(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(InferenceSimError, match="is not a regular file"):
        find_model(str(tmp_path / "config.json"))


@pytest.mark.parametrize(("name", "tokens"), [("q_yarn", 131072), ("q_bom", 32768)])
def test_shared_cases(name: str, tokens: int) -> None:
    path = CASES / f"{name}.json"
    if not path.exists():
        pytest.skip(f"{path} is not here")
    assert find_model(str(path)).max_context_tokens == tokens
