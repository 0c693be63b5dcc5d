"""Kernel tables: what a file holds, what is refused in it, and which models they are for."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from inference_sim.errors import FileError, InferenceSimError
from inference_sim.execution.kernel_table import (
    KernelTable,
    TableModel,
    Times,
    read_kernel_table,
)
from inference_sim.models import find_model
from tests.inference_sim.kernel_tables import table_values, write_table
from tests.strategies import LLAMA2_7B


def read(path: Path, **changes: Any) -> KernelTable:
    return read_kernel_table(write_table(path / "t.json", **changes))


def test_times_are_linear_between_their_points_and_go_on_as_before_them() -> None:
    times = Times((2, 4, 8), (1.0, 2.0, 6.0))
    assert [times(n) for n in (0, 2, 3, 4, 6, 8, 10)] == [1.0, 1.0, 1.5, 2.0, 4.0, 6.0, 8.0]
    assert Times((2, 4), (3.0, 1.0))(6) == 1.0  # a time that falls does not become negative
    assert Times((2,), (3.0,))(9) == 3.0


def test_attention_of_a_chunk_lies_between_the_rows_around_it(tmp_path: Path) -> None:
    table = read(tmp_path)
    assert table.prompt_attention_s(100, 0) == pytest.approx(0.3e-3)
    assert table.prompt_attention_s(100, 256) == pytest.approx(0.6e-3)
    assert table.prompt_attention_s(100, 64) == pytest.approx(0.375e-3)
    assert table.prompt_attention_s(100, 512) == pytest.approx(0.9e-3)


def test_a_table_is_read_as_it_was_written(tmp_path: Path) -> None:
    table = read(tmp_path)
    assert table.model == TableModel.of(LLAMA2_7B)
    text = table.to_json()
    again = tmp_path / "again.json"
    again.write_text(text, encoding="utf-8")
    assert read_kernel_table(again) == table
    assert json.loads(text)["layers"] == {
        "at": [1, 100, 1024],
        "seconds": [1.01e-3, 2e-3, 11.24e-3],
    }


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"format": "other"}, r"is not a kernel table .* \('format' is 'other', not"),
        ({"tensor_parallel": 0}, r"t\.json tensor_parallel: must be at least 1 \(got 0\)"),
        ({"gpus": 1}, r"t\.json gpus: unknown key"),
        ({"layers": {"at": [1, 2], "seconds": [1.0]}}, r"layers: 'seconds' must have 2 values"),
        ({"layers": {"at": [2, 2], "seconds": [1.0, 1.0]}}, r"layers: points must rise \(2 st"),
        ({"layers": {"at": [], "seconds": []}}, r"layers: a table needs at least one point"),
        ({"layers": {"at": [1], "seconds": ["1"]}}, r"layers\.seconds\.0: expected a number"),
        ({"layers": {"at": [1], "seconds": [-1.0]}}, r"layers\.seconds\.0: must be at least 0"),
        ({"prompt_attention": []}, r"'before' in 'prompt_attention' must rise, from 0"),
        ({"decode_attention": {}}, r"decode_attention: missing key 'batch'"),
    ],
)
def test_what_is_wrong_in_a_file_is_said_with_its_place(
    tmp_path: Path, changes: dict[str, Any], message: str
) -> None:
    with pytest.raises(FileError, match=message):
        read(tmp_path, **changes)


def test_a_number_that_json_does_not_have_is_refused(tmp_path: Path) -> None:
    values = table_values()
    values["layers"]["seconds"][1] = float("nan")
    (tmp_path / "t.json").write_text(json.dumps(values), encoding="utf-8")
    with pytest.raises(FileError, match=r"layers\.seconds\.1: must be a finite number"):
        read_kernel_table(tmp_path / "t.json")


def test_files_that_are_no_tables(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text("{", encoding="utf-8")
    for name, message in (("t.json", "is not JSON"), ("gone.json", "cannot be read")):
        with pytest.raises(FileError, match=message):
            read_kernel_table(tmp_path / name)


@pytest.mark.parametrize(
    ("name", "part"),
    [
        ("deepseek-ai/DeepSeek-V3", "latent attention"),
        ("google/gemma-3-27b-it", "attention windows"),
        ("Qwen/Qwen3-Next-80B-A3B-Instruct", "layers with a state"),
        ("microsoft/phi-2", "an MLP without a gate"),
        ("meta-llama/Llama-4-Scout-17B-16E-Instruct", "attention windows"),
        ("zai-org/GLM-4.5-Air", "shared experts"),
    ],
)
def test_models_with_parts_that_no_table_holds(name: str, part: str) -> None:
    with pytest.raises(InferenceSimError, match=f"do not hold {part}, which '{name}' has"):
        TableModel.of(find_model(name))


def test_models_differ_by_their_shape_and_precision_not_by_their_name() -> None:
    one = TableModel.of(LLAMA2_7B)
    assert one.differences_to(replace(one, name="other")) == []
    experts = TableModel.of(find_model("Qwen/Qwen3-30B-A3B", "fp8"))
    assert (experts.precision, experts.expert_precision, experts.ffn_size) == ("fp8", "fp8", 0)
    assert one.differences_to(replace(one, precision="fp8", layers=1)) == [
        "layers 32, not 1",
        "precision bf16, not fp8",
    ]
