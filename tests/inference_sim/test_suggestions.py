"""Suggestions never name another thing, and give the factor between units."""

from __future__ import annotations

import pytest

from inference_sim.errors import did_you_mean
from inference_sim.hardware import gpu_names
from inference_sim.models import model_names
from inference_sim.suggestions import similar_name


@pytest.mark.parametrize(
    ("name", "suggested"),
    [
        ("llama-3.1-70b", "meta-llama/Llama-3.1-70B-Instruct"),
        ("meta-lama/Llama-3.1-70B-Instruct", "meta-llama/Llama-3.1-70B-Instruct"),
        ("llama-2-70b", "meta-llama/Llama-2-70b-hf"),
        ("qwen3-14b", "Qwen/Qwen3-14B"),
        ("Llama-3.5-70B-Instruct", ""),
        ("llama-3-13b", ""),
        ("Llama-4-8B", ""),
        ("falcon-7b", ""),
        ("Qwen/Qwen2.6-72B-Instruct", ""),
    ],
)
def test_models_of_the_same_family_and_version(name: str, suggested: str) -> None:
    assert similar_name(name, model_names()) == suggested


@pytest.mark.parametrize(
    ("name", "suggested"),
    [("h100", "h100"), ("H100-SXM", "h100-sxm"), ("a100-sxm-8gb", "a100-sxm"), ("h20", "h20"),
     ("h30", ""), ("h800", ""), ("mi325x", "")],
)  # fmt: skip
def test_gpus_of_the_same_number(name: str, suggested: str) -> None:
    found = similar_name(name, gpu_names())
    assert found.startswith(suggested) if suggested else found == ""


@pytest.mark.parametrize(
    ("key", "known", "hint"),
    [
        ("capacity_kwh", "capacity_wh", "; did you mean 'capacity_wh'? (1 kWh = 1000 Wh)"),
        ("power_mw", "power_w", "; did you mean 'power_w'? (1 MW = 1000000 W)"),
        ("value_kg_per_mwh", "value_g_per_kwh", "; did you mean 'value_g_per_kwh'? "
         "(1 kg/MWh = 1 g/kWh)"),
        ("value_per_mwh", "value_per_kwh", "; did you mean 'value_per_kwh'? (1 /MWh = 0.001 /kWh)"),
        ("capacity_ah", "capacity_wh", "; did you mean 'capacity_wh'?"),
        ("capacity_w", "capacity_wh", "; did you mean 'capacity_wh'? (in Wh)"),
        ("capacty_wh", "capacity_wh", "; did you mean 'capacity_wh'?"),
        ("rate_per_ms", "rate_per_s", "; did you mean 'rate_per_s'? (1 /ms = 1000 /s)"),
        ("ttft_ms", "ttft_s", "; did you mean 'ttft_s'? (1 ms = 0.001 s)"),
    ],
)  # fmt: skip
def test_units(key: str, known: str, hint: str) -> None:
    assert did_you_mean(key, [known]) == hint


@pytest.mark.parametrize(("value", "written"), [(100, ": write 100000"), (0.5, ": write 500"),
                                                ("100", ""), (True, ""), (None, "")])  # fmt: skip
def test_a_value_in_the_other_unit(value: object, written: str) -> None:
    assert did_you_mean("capacity_kwh", ["capacity_wh"], value) == (
        f"; did you mean 'capacity_wh'? (1 kWh = 1000 Wh{written})"
    )
