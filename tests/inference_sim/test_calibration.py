"""The calibration scripts: their method on made-up data, their page and targets on the real."""

from __future__ import annotations

from dataclasses import astuple, replace
from pathlib import Path

import numpy as np
import pytest

from calibration import engines, page, power, steps
from calibration.measurements import Row, read, repeats_of
from calibration.power_fit import Run, counts, fit, held_out, model_of, runs
from calibration.regimes import REGIMES
from cosim.calibrate.steady_state import Load, steady_state, time_factor
from inference_sim.execution import Roofline, find_engine
from inference_sim.hardware import TwoResourceCoefficients, find_gpu
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


def test_prompts_in_the_prefix_cache_are_attended_but_not_computed() -> None:
    roofline = Roofline(LLAMA, H100, find_engine("none"))
    computed = Load(64, 400, 200, 0.0)
    cached = replace(computed, cached_tokens=300)
    assert cached.context_tokens == computed.context_tokens
    first, second = (steady_state(roofline, load, mixed=True) for load in (computed, cached))
    assert first.decode_s == second.decode_s
    step = roofline.iteration([(100, 300)], 1, 64, round(cached.context_tokens))
    assert second.phases[1][1].duration_s == pytest.approx(step.duration_s)


def row_of(workload: str, label: str, cap: int, gpu: str = "h100-sxm-80gb") -> Row:
    """A run of one GPU; its measurements are made up."""
    repeats = repeats_of(workload, label, gpu, cap)
    return Row("vllm-0.11", label, LLAMA, gpu, 1, workload, cap, cap, 600.0, 1.0, 1.0, 1.0,
               repeats=repeats)  # fmt: skip


def test_of_repeated_prompts_only_the_first_is_computed() -> None:
    """Sweeps of the client: Llama-3.1-8B repeats from 256 sequences on, thrice from 768 on."""
    label = "meta-llama/Llama-3.1-8B-Instruct"
    cached = [row_of("lm-arena-chat", label, cap).load().cached_tokens for cap in (128, 256, 1024)]
    assert cached == pytest.approx([0, 150, 200])
    assert row_of("gpqa", "somebody/unlisted", 200).load().cached_tokens == pytest.approx(150)
    assert row_of("lm-arena-chat", "somebody/unlisted", 1024).load().cached_tokens == 0
    assert row_of("sourcegraph-fim", label, 1024).load().cached_tokens == 0
    assert row_of("sharegpt-chat", label, 1024, "a100-sxm-40gb").load().cached_tokens == 0


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
    true = np.array([0.4e-9, 300e-6, 6e-3, 100e-6, 50e-6])
    rows = [
        Row("vllm-0.5.4", name, find_model(name), regime.gpu, gpus, workload,
            batch, batch, output, 1.0, 1.0, 300.0)
        for name, gpus in (("mistralai/Mistral-7B-Instruct-v0.3", 1),
                           ("mistralai/Mistral-7B-Instruct-v0.3", 2),
                           ("mistralai/Mistral-Nemo-Instruct-2407", 1))
        for batch in (16, 64, 256)
        for workload, output in (("sharegpt-chat", 400.0), ("evalplus-code", 90.0))
    ]  # fmt: skip
    rows = [
        replace(row, tokens_per_s=regime.predict(row, true).tokens_per_s, itl_s=1e-2)
        for row in rows
    ]
    assert regime.fit(rows) == pytest.approx(true, rel=0.02)


def runs_drawing(coefficients: TwoResourceCoefficients) -> list[Run]:
    """Made-up runs on an H100 that draw what the default model says with these coefficients."""
    regime = REGIMES[0]
    model, found = model_of(H100, coefficients), []
    for name in ("Qwen/Qwen3-8B", "Qwen/Qwen3-14B", "openai/gpt-oss-20b"):
        for batch in (8, 32, 128, 256):
            row = Row("vllm-0.11", name, find_model(name), regime.gpu, 1, "lm-arena-chat",
                      batch, batch, 600.0, 1.0, 1.0, 1.0)  # fmt: skip
            state = regime.predict(row, regime.committed())
            run = Run(replace(row, tokens_per_s=state.tokens_per_s), state, regime, fitted=True)
            found.append(replace(run, row=replace(run.row, power_w=run.power_w(model))))
    return found


def test_power_coefficients_are_found_again() -> None:
    """And an odd run does not pull them far."""
    true = TwoResourceCoefficients(150, 600, 250, 200)
    made = runs_drawing(true)
    assert fit(made) == true
    too_low = fit(runs_drawing(replace(true, base_w=90)))
    assert too_low.base_w == H100.loaded_idle_w
    odd = [replace(made[0], row=replace(made[0].row, power_w=2 * made[0].row.power_w)), *made[1:]]
    assert astuple(fit(odd)) == pytest.approx(astuple(true), rel=0.15)
    with pytest.raises(ValueError, match="8 runs or more"):
        fit(made[:7])


def test_power_at_the_measured_pace() -> None:
    """Half as fast: half the utilisation. Faster than simulated: kernels keep their share."""
    run = runs_drawing(TwoResourceCoefficients(120, 600, 250, 200))[0]
    shares, use = run.use()
    slow = replace(run, row=replace(run.row, tokens_per_s=run.row.tokens_per_s / 2))
    _, halved = slow.use(measured_pace=True)
    for before, after in zip(use[:4], halved[:4], strict=True):
        assert after == pytest.approx(before / 2)
    fast = replace(run, row=replace(run.row, tokens_per_s=run.row.tokens_per_s * 1.2))
    _, faster = fast.use(measured_pace=True)
    assert faster.mfu == pytest.approx(1.2 * use.mfu)
    assert faster.sampling == pytest.approx(use.sampling)
    assert shares.sum() == pytest.approx(1)
    seconds = sum(weight * cost.duration_s for weight, cost in run.state.phases)
    assert run.row.batch / seconds == pytest.approx(run.state.tokens_per_s)


def test_page_sections_are_replaced(tmp_path: Path) -> None:
    file = tmp_path / "page.md"
    file.write_text("a\n<!-- x: begin -->\nold\n<!-- x: end -->\nb\n")
    page.write_section("x", "new", file)
    assert page.section("x", file) == "new"
    assert file.read_text().startswith("a\n")
    assert file.read_text().endswith("b\n")


@needs_tables
def test_kernels_meet_their_targets_and_the_page() -> None:
    for system, name in steps.GPUS.items():
        gpu = find_gpu(name)
        decodes, prefills = steps.read(DECODE, PREFILL, system)
        long = [row for row in prefills if row.batch * row.prompt >= steps.SHORTEST_PREFILL]
        assert page.mape(steps.decode_errors(gpu, decodes)) <= steps.DECODE_TARGET
        assert page.mape(steps.prefill_errors(gpu, long)) <= steps.PREFILL_TARGET
        fitted = steps.fit(gpu, decodes, prefills)
        assert astuple(fitted) == pytest.approx(astuple(gpu.kernels), rel=0.01)
    assert page.section("kernels").endswith(steps.report(DECODE, PREFILL))


@needs_runs
def test_engines_meet_their_targets_and_the_page() -> None:
    text, errors = engines.report(RUNS)
    assert set(errors) == set(engines.TARGETS)
    missed = {name: error for name, error in errors.items() if error > engines.TARGETS[name]}
    assert set(missed) == set(engines.MISSED)
    assert all(error < engines.MISSED[name] for name, error in missed.items())
    assert page.section("engines") == text


@needs_runs
def test_engine_profiles_are_what_the_script_fits() -> None:
    rows, left_out = read(RUNS)
    assert len(rows) + left_out.total() == 565
    for regime in REGIMES:
        fitted = regime.fit([row for row in regime.rows(rows) if regime.fits(row)])
        assert regime.committed() == pytest.approx(fitted, rel=0.02, abs=1e-13)


def test_the_page_has_the_idle_power_of_every_gpu() -> None:
    """It follows from the catalogue, so that a clone without the runs tells too."""
    assert page.section("power").endswith(power.idle_table())


@needs_runs
def test_power_meets_its_targets_and_the_page() -> None:
    text, errors = power.report(RUNS)
    assert set(errors) == set(power.TARGETS)
    missed = {n: max(both) for n, both in errors.items() if max(both) > power.TARGETS[n]}
    assert set(missed) == set(power.MISSED)
    assert all(error < power.MISSED[name] for name, error in missed.items())
    assert page.section("power") == text


@needs_runs
def test_power_coefficients_are_what_the_script_fits() -> None:
    rows, _ = read(RUNS)
    for name in power.GPUS:
        fitted, committed = power.whole_fit(rows, name), find_gpu(name).two_resource
        assert astuple(committed) == pytest.approx(astuple(fitted), rel=0.02, abs=1)


@needs_runs
def test_no_run_is_lost_or_fitted_on_its_own_architecture() -> None:
    """Its neighbours' power, doubled, does not move the prediction of an architecture."""
    rows, _ = read(RUNS)
    name = "Qwen/Qwen3-32B"
    before, _ = held_out(rows, "b200-sxm-180gb")
    assert len(before) == len([row for row in rows if row.gpu == "b200-sxm-180gb"])
    changed = [
        replace(row, power_w=2 * row.power_w) if row.model.name == name else row for row in rows
    ]
    after, _ = held_out(changed, "b200-sxm-180gb")
    for one, other in zip(before, after, strict=True):
        if one.run.row.model.name == name:
            assert 1 + other.power == pytest.approx((1 + one.power) / 2)
    assert {run.row.workload for run in runs(rows, "b200-sxm-180gb") if counts(run)} >= {"gpqa"}
