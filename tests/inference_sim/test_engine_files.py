"""Engine profiles from a few lines of YAML, and factors on a model's time."""

from __future__ import annotations

from pathlib import Path

import pytest

from inference_sim.errors import InferenceSimError, UnknownName
from inference_sim.execution import Roofline, find_engine
from inference_sim.hardware import find_gpu
from inference_sim.models import find_model

H100 = find_gpu("h100-sxm-80gb")


def test_engine_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("base: vllm-0.11\nsampling_s: 0.001\nfitted_on: [h100-sxm-80gb, l40s]\n")
    engine, base = find_engine(str(path)), find_engine("vllm-0.11")
    assert engine == base.with_numbers(
        {"name": "mine", "sampling_s": 0.001, "fitted_on": ("h100-sxm-80gb", "l40s")}
    )


def test_engine_from_a_file_without_a_base(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(
        "sampling_s: 0.001\nsampling_s_per_sequence: 0\nhost_s: 0\nhost_s_per_sequence: 0\n"
    )
    engine = find_engine(str(path))
    assert (engine.name, engine.sampling_s, engine.fitted_on) == ("mine", 0.001, None)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "base: vllm-11\n",
            "1:7 base: unknown engine profile (got 'vllm-11'); did you mean 'vllm-0.11'? known: n",
        ),
        ("base: vllm-0.11\nsample_s: 1\n", "2:1 sample_s: unknown key; did you mean 'sampling_s'?"),
        ("base: vllm-0.11\nhost_s: -1\n", "2:9 host_s: must be at least 0 (got -1)"),
        (
            "base: vllm-0.11\nhost_s: '1e-3'\n",
            "2:9 host_s: expected a number (got '1e-3', a strin",
        ),
        ("base: vllm-0.11\nhost_s: .nan\n", "2:9 host_s: must be a finite number (got nan)"),
        ("base: vllm-0.11\nhost_s: true\n", "2:9 host_s: expected a number (got true)"),
        (
            "base: vllm-0.11\nfitted_on: l40s\n",
            "2:12 fitted_on: expected a list (got 'l40s', a st",
        ),
        ("base: vllm-0.11\nfitted_on: [3]\n", "2:13 fitted_on.0: expected a string (got 3; put i"),
        ("base: vllm-0.11\ntime_factors: 1.2\n", "2:15 time_factors: expected a mapping (got 1.2)"),
        (
            "base: vllm-0.11\ntime_factors:\n  m: 0\n",
            "3:6 time_factors.m: must be greater than 0 (got 0)",
        ),
        (
            "sampling_s: -1\n",
            "1:13 sampling_s: must be at least 0 (got -1); {path}:1:1: missing "
            "sampling_s_per_sequence, host_s, host_s_per_sequence; give them, or "
            "'base: <known engine profile>' to take the rest from one",
        ),
        ("host_s: 0\nhost_s: 1\n", "2:1: key 'host_s' is given twice; first at {path}:1:1"),
        ("- 1\n", "1:1: an engine profile is a mapping of keys such as 'name: …' (got a list)"),
        ("base: [\n", "2:1: expected the node content, but found '<stream end>'"),
    ],
)
def test_unusable_engine_file(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "engine.yaml"
    path.write_text(text)
    with pytest.raises(InferenceSimError) as caught:
        find_engine(str(path))
    assert str(caught.value).startswith(f"{path}:{message.format(path=path)}")


def test_numbers_are_read_as_in_scenarios(tmp_path: Path) -> None:
    path = tmp_path / "engine.yaml"
    path.write_text("base: vllm-0.11\nhost_s: 7e-4\n")
    assert find_engine(str(path)).host_s == 7e-4


def test_a_missing_engine_file() -> None:
    with pytest.raises(InferenceSimError, match=r"no such file \(got 'no\.yaml'\)"):
        find_engine("no.yaml")
    with pytest.raises(UnknownName):
        find_engine("no")


def test_the_engines_factor_counts_for_its_model_and_yields_to_the_callers() -> None:
    model, other = find_model("Qwen/Qwen3-14B"), find_model("meta-llama/Meta-Llama-3-8B")
    plain = find_engine("vllm-0.11")
    engine = plain.with_numbers({"time_factors": {model.name: 1.5}})
    kernels_s = Roofline(model, H100, plain).decode(8).gpu_s
    assert Roofline(model, H100, engine).decode(8).gpu_s == pytest.approx(1.5 * kernels_s)
    given = Roofline(model, H100, engine, time_factor=2.0)
    assert given.decode(8).gpu_s == pytest.approx(2.0 * kernels_s)
    assert Roofline(other, H100, engine).time_factor == 1.0
