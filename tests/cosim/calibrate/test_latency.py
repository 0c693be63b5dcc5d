"""Latency: a known engine is found again, and what cannot tell it is refused."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.calibrate.latency import LatencyFit, default_terms, fit_latency
from cosim.errors import CalibrationError
from inference_sim.execution import EngineProfile, find_engine
from tests.cosim.calibrate.builders import ENGINE, H100, LLAMA, QWEN, deployments, served, write
from tests.samples import examples

BATCHES = (2, 8, 24, 64, 96)


def engine(**numbers: object) -> EngineProfile:
    return ENGINE.with_numbers(numbers)


def fitted(path: Path, *terms: str, base: EngineProfile = ENGINE) -> LatencyFit:
    return fit_latency(path, H100, base, terms)


# Known engines


@pytest.mark.parametrize("prompts", [True, False])
def test_noisy_rows_give_the_engine_within_2_percent(tmp_path: Path, prompts: bool) -> None:
    true = engine(serial_s=2.1e-3, sampling_s_per_sequence=65e-6)
    path = served(tmp_path / "t.csv", deployments(BATCHES, prompts) * 12, true, noise=0.01)
    found = fitted(path, "sampling")
    assert found.numbers["serial_s"] == pytest.approx(2.1e-3, rel=0.02)
    assert found.numbers["sampling_s_per_sequence"] == pytest.approx(65e-6, rel=0.02)
    assert np.mean(np.abs(found.base_errors)) > 3 * np.mean(np.abs(found.errors))


@given(
    fixed=st.floats(1e-4, 5e-3),
    each=st.floats(5e-6, 2e-4),
    factors=st.tuples(st.floats(0.95, 1.5), st.floats(0.95, 1.5)),
)
@settings(max_examples=examples(15))
def test_exact_rows_give_the_exact_engine_and_factors(
    fixed: float, each: float, factors: tuple[float, float]
) -> None:
    of_model = dict(zip((LLAMA, QWEN), factors, strict=True))
    true = engine(serial_s=fixed, sampling_s_per_sequence=each, time_factors=of_model)
    with tempfile.TemporaryDirectory() as folder:
        path = served(Path(folder) / "t.csv", deployments(BATCHES), true)
        found = fitted(path, "sampling", "time_factor")
    assert found.numbers == pytest.approx(
        {"serial_s": fixed, "sampling_s_per_sequence": each}, rel=1e-6
    )
    assert found.factors == pytest.approx(of_model, rel=1e-6)


@pytest.mark.parametrize(("host_s", "each"), [(12e-3, 60e-6), (9e-3, 120e-6), (10e-3, 20e-6)])
def test_a_host_that_sets_the_pace_of_some_rows_is_found(
    tmp_path: Path, host_s: float, each: float
) -> None:
    true = engine(
        serial_s=1e-3, sampling_s_per_sequence=40e-6, host_s=host_s, host_s_per_sequence=each
    )
    path = served(tmp_path / "t.csv", deployments(BATCHES, prompts=False), true)
    found = fitted(path, "sampling", "host")
    names = ("serial_s", "sampling_s_per_sequence", "host_s", "host_s_per_sequence")
    assert found.numbers == pytest.approx({n: getattr(true, n) for n in names}, rel=1e-6)
    assert any("the host sets the pace in" in note for note in found.notes)


def test_a_host_that_no_row_shows_is_0(tmp_path: Path) -> None:
    path = served(tmp_path / "t.csv", deployments(BATCHES))
    found = fitted(path, "sampling", "host")
    assert found.numbers["host_s"] == found.numbers["host_s_per_sequence"] == 0
    assert found.numbers["serial_s"] == pytest.approx(ENGINE.serial_s, rel=1e-6)
    assert any("in no row" in note for note in found.notes)


def test_serial_time_stands_for_that_of_the_layers(tmp_path: Path) -> None:
    """One model has one number of layers, so that its share cannot be told from the rest."""
    base = find_engine("vllm-0.5.4-h100")
    rows = [row for row in deployments(BATCHES) if row.model.name == LLAMA]
    path = served(tmp_path / "t.csv", rows, base)
    found = fitted(path, "serial", base=base)
    layers = rows[0].model.layers
    assert found.numbers == pytest.approx(
        {
            "serial_s": layers * base.serial_s_per_layer,
            "serial_s_per_sequence": base.serial_s_per_sequence,
        },
        rel=1e-6,
    )


def test_inter_token_latency_says_the_same_as_throughput(tmp_path: Path) -> None:
    path = served(tmp_path / "t.csv", deployments(BATCHES))
    header, *lines = path.read_text().splitlines()
    rows = [line.split(",") for line in lines]
    for row in rows:
        row[5] = str(float(row[1]) / float(row[5]))
    other = write(tmp_path / "i.csv", header.replace("tokens_per_s", "itl_s"), rows)
    assert fitted(other, "sampling").numbers == pytest.approx(fitted(path, "sampling").numbers)


def test_a_model_left_out_is_predicted_by_the_others(tmp_path: Path) -> None:
    rows = [row for row in deployments(BATCHES) if row.load and row.load.output_tokens > 100]
    path = served(tmp_path / "t.csv", rows)
    text = path.read_text()
    third = "mistralai/Mistral-7B-Instruct-v0.3"
    slow = [line for line in text.splitlines() if line.startswith(LLAMA)]
    path.write_text(text + "\n".join(slow).replace(LLAMA, third) + "\n")
    found = fitted(path, "sampling")
    assert found.held_out.how == "each model left out"
    assert fitted(path, "sampling", "time_factor").held_out.how == "in 5 parts, each left out"


@pytest.mark.parametrize(
    ("name", "terms"),
    [
        ("none", ["sampling"]),
        ("vllm-0.11", ["sampling"]),
        ("vllm-0.5.4", ["serial"]),
    ],
)
def test_what_is_fitted_by_default_is_what_the_engine_has(name: str, terms: list[str]) -> None:
    assert default_terms(find_engine(name)) == terms


def test_a_host_with_a_pace_of_its_own_is_fitted_too() -> None:
    paced = find_engine("vllm-0.11").with_numbers({"host_s": 1e-3, "host_s_per_sequence": 4e-5})
    assert default_terms(paced) == ["sampling", "host"]


# Refused


def problems(path: Path, *terms: str) -> str:
    with pytest.raises(CalibrationError) as error:
        fit_latency(path, H100, ENGINE, terms, models=[LLAMA])
    return str(error.value)


HEADER = "batch,context_tokens,itl_s"


@pytest.mark.parametrize(
    ("rows", "terms", "message"),
    [
        ([[8, 500, 0.009]] * 12, ["sampling"], "expected 3 different batches or more (got 1)"),
        (
            [[b, 500, 0.009] for b in (1, 2, 3)],
            ["sampling"],
            "too few rows: 2 numbers (serial_s, sampling_s_per_sequence) need 4 rows or more",
        ),
        ([[b, 500, 9.0] for b in (1, 2, 4, 8)], ["sampling"], ":2 column 'itl_s': too slow"),
        ([[b, 500, 0.001] for b in (1, 2, 4, 8)], ["sampling"], "faster than the GPU can be"),
        ([[b, 500, "nan"] for b in (1, 2, 4, 8)], ["sampling"], "the first of 4 such rows"),
        ([[b, -5, 0.009] for b in (1, 2, 4, 8)], ["sampling"], "column 'context_tokens': expected"),
        (
            [[b, 500, 0.009 + 1e-4 * b] for b in (1, 2, 3, 4, 5, 6)],
            ["sampling", "time_factor"],
            "time_factor of meta-llama/Llama-3.1-8B-Instruct cannot be distinguished",
        ),
    ],
)  # fmt: skip
def test_refused(tmp_path: Path, rows: list[list[object]], terms: list[str], message: str) -> None:
    assert message in problems(write(tmp_path / "t.csv", HEADER, rows), *terms)


def test_contexts_and_lengths_exclude_each_other(tmp_path: Path) -> None:
    rows = [[b, 500, 0.009, 100] for b in (1, 2, 4, 8)]
    path = write(tmp_path / "t.csv", f"{HEADER},prompt_tokens", rows)
    assert "columns 'context_tokens' and 'prompt_tokens' exclude each other" in problems(
        path, "sampling"
    )
