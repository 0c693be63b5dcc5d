"""The calibration scripts: their method on made-up data, their page and targets on the real."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from calibration import engines, kernels, page
from calibration.measurements import Row, read
from calibration.regimes import REGIMES
from cosim.calibrate.steady_state import Load, steady_state, time_factor
from inference_sim.execution import Roofline, find_engine
from inference_sim.hardware import find_gpu
from inference_sim.models import find_model

DATA = Path(__file__).parents[3] / "shared" / "data"
RUNS = DATA / "mlenergy" / "measured_llm_inference.csv"
DECODE = DATA / "kernel_tables" / "aic_decode_llama31_8b.csv"
PREFILL = DATA / "kernel_tables" / "aic_prefill_llama31_8b.csv"
needs_runs = pytest.mark.skipif(not RUNS.exists(), reason="ML.ENERGY runs are not in this clone")
needs_tables = pytest.mark.skipif(not DECODE.exists(), reason="kernel tables not in this clone")

H100 = find_gpu("h100-sxm-80gb")
LLAMA = find_model("meta-llama/Meta-Llama-3-8B")


def test_length_bias() -> None:
    assert Load(10, 100, 200, 0.0).context_tokens == 10 * (100 + 100)
    assert Load(10, 100, 200, 1.0).context_tokens == 10 * (100 + 200)


@pytest.mark.parametrize("mixed", [True, False])
def test_steady_state_without_prompts_is_decoding(mixed: bool) -> None:
    one = Roofline(LLAMA, H100, find_engine("vllm-0.11"))
    state = steady_state(one, Load(32, 1, 1e9, -1.0), mixed=mixed)
    assert state.tokens_per_s == pytest.approx(32 / state.decode_s, rel=1e-5)
    busy = steady_state(one, Load(32, 2000, 100, 0.0), mixed=mixed)
    assert busy.tokens_per_s < 0.7 * 32 / busy.decode_s


def test_one_row_sets_the_time_factor() -> None:
    load = Load(64, 300, 500, 0.7)
    engine = find_engine("vllm-0.11")
    slow = Roofline(LLAMA, H100, engine, time_factor=1.37)
    measured = steady_state(slow, load, mixed=True).tokens_per_s
    factor = time_factor(Roofline(LLAMA, H100, engine), load, measured, mixed=True)
    assert factor == pytest.approx(1.37, rel=1e-3)
    with pytest.raises(ValueError, match="no factor on the GPU's time"):
        time_factor(Roofline(LLAMA, H100, engine), load, 1e9, mixed=True)


def test_an_engine_is_found_again() -> None:
    regime = REGIMES[2]
    true = np.array([300e-6, 100e-6, 50e-6])
    rows = [
        Row("vllm-0.5.4", name, find_model(name), regime.gpu, gpus, "sharegpt-chat",
            batch, batch, 400.0, 1.0, 1.0, 300.0)
        for name, gpus in (("mistralai/Mistral-7B-Instruct-v0.3", 1),
                           ("mistralai/Mistral-7B-Instruct-v0.3", 2),
                           ("mistralai/Mistral-Nemo-Instruct-2407", 1))
        for batch in (16, 64, 256)
    ]  # fmt: skip
    rows = [
        replace(row, tokens_per_s=regime.predict(row, true).tokens_per_s, itl_s=1e-2)
        for row in rows
    ]
    assert regime.fit(rows) == pytest.approx(true, rel=0.02)


def test_page_sections_are_replaced(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n")
    page.write_section("x", "new", file)
    assert page.section("x", file) == "new"
    assert file.read_text().startswith("a\n")
    assert file.read_text().endswith("b\n")


@needs_tables
def test_kernels_meet_their_targets_and_the_page() -> None:
    for system, name in kernels.GPUS.items():
        gpu = find_gpu(name)
        steps, prefills = kernels.read(DECODE, PREFILL, system)
        long = [row for row in prefills if row.batch * row.prompt >= kernels.SHORTEST_PREFILL]
        assert page.mape(kernels.decode_errors(gpu, steps)) <= kernels.DECODE_TARGET
        assert page.mape(kernels.prefill_errors(gpu, long)) <= kernels.PREFILL_TARGET
        decode, prefill = kernels.cross_validated(gpu, steps, prefills)
        assert page.mape(decode) <= kernels.DECODE_TARGET
        assert page.mape(prefill) <= kernels.PREFILL_TARGET
        assert kernels.fit(gpu, steps, prefills).e_bw == pytest.approx(gpu.kernels.e_bw, abs=0.002)
    assert page.section("kernels") == kernels.report(DECODE, PREFILL)


@needs_runs
def test_engines_meet_their_targets_and_the_page() -> None:
    text, errors = engines.report(RUNS)
    assert set(errors) == set(engines.TARGETS)
    assert {name: e for name, e in errors.items() if e > engines.TARGETS[name]} == {}
    assert page.section("engines") == text


@needs_runs
def test_engine_profiles_are_what_the_script_fits() -> None:
    rows, left_out = read(RUNS)
    assert len(rows) + left_out.total() == 565
    for regime in REGIMES:
        fitted = regime.fit([row for row in regime.rows(rows) if regime.fits(row)])
        assert regime.committed() == pytest.approx(fitted, rel=0.02, abs=1e-9)
