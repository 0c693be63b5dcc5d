"""Speculative decoding: the engine against plain rules, and closed forms of what it takes."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from calibration.schedules import LinearTimes, engine_of, replay, requests_of, serve_requests
from inference_sim.deployment import ClusterConfig
from inference_sim.errors import InferenceSimError
from inference_sim.execution import Roofline, find_engine
from inference_sim.execution.drafting import speculative_stage
from inference_sim.execution.vidur_fit import vidur_execution
from inference_sim.hardware import find_gpu
from inference_sim.latencies import tpot_s
from inference_sim.models import find_model
from inference_sim.pool_limits import check_pool
from inference_sim.power import TwoResource
from inference_sim.prefix_cache import PrefixCache
from inference_sim.scheduling.releases import RELEASES
from inference_sim.speculative import Speculative, draft_layers
from inference_sim.workload import Arrival
from tests.deployments import one_pool
from tests.inference_sim.builders import approx, at_once, run, serve
from tests.inference_sim.plain_vllm import PlainDraftingVllm
from tests.inference_sim.test_invariants import watched
from tests.inference_sim.test_segments_vs_stepwise import COUNTS, TIMES, assert_same
from tests.inference_sim.test_vllm_schedules import drawn_requests, schedules
from tests.samples import examples
from tests.strategies import A100, LLAMA2_7B, Scenario, scenarios, speculations

H100 = find_gpu("h100-sxm-80gb")
LLAMA_8B = find_model("meta-llama/Llama-3.1-8B-Instruct")
LLAMA_1B = find_model("meta-llama/Llama-3.2-1B-Instruct")
NONE = find_engine("none")


@settings(max_examples=examples(100))
@given(scenario=scenarios(drafts=True))
def test_segments_agree_with_steps(scenario: Scenario) -> None:
    preemptions = assert_same(scenario)
    event(f"preemptions: {'some' if preemptions else 'none'}")


@settings(max_examples=examples(60))
@given(scenario=scenarios(drafts=True))
def test_segments_agree_with_steps_when_cut_off(scenario: Scenario) -> None:
    if scenario.settings:
        assert_same(scenario, drain=False)


@settings(max_examples=examples(40))
@given(scenario=scenarios(drafts=True))
def test_blocks_and_requests_are_conserved(scenario: Scenario) -> None:
    watched(scenario)


@settings(max_examples=examples(40))
@given(scenario=scenarios(drafts=True))
def test_the_energy_of_requests_is_that_of_the_meter(scenario: Scenario) -> None:
    _, steps, ended = run(scenario)
    planned = len(scenario.settings)
    served_j = scenario.step_s * (
        sum(step.attributed_power_w for step in steps[:planned])
        + 10 * sum(step.attributed_power_w for step in steps[planned:])
    )
    assert sum(request.energy_j for request in ended) == approx(served_j, 1e-9)


@settings(max_examples=examples(200))
@given(schedule=schedules(), speculative=speculations())
def test_same_as_vllms_rules_written_out(
    schedule: dict[str, Any], speculative: Speculative
) -> None:
    """Iteration by iteration: prompts, decodes, evictions and times."""
    make_room(schedule, speculative)
    schedule["prefix_caching"] = False
    plain = PlainDraftingVllm(
        speculative,
        schedule["usable_kv_blocks"],
        schedule["max_num_seqs"],
        schedule["max_num_batched_tokens"],
        RELEASES[schedule["engine"].removeprefix("vLLM ").removesuffix(".0")],
        LinearTimes(**schedule["iteration_s"]),
    )
    expected, sequences = plain.serve(requests_of(schedule))
    for stepwise in (False, True):
        requests = requests_of(schedule)
        iterations = replay(schedule, requests, stepwise=stepwise)
        assert len(iterations) == len(expected)
        for got, wanted in zip(iterations, expected, strict=True):
            assert got.equals(wanted), (got, wanted)
        for request, sequence in zip(requests, sequences, strict=True):
            assert request.first_token_s == approx(sequence.tokens_s[0], 1e-9)
            assert request.finish_s == approx(sequence.tokens_s[-1], 1e-9)
    event(f"evictions: {'some' if any(one.evicted for one in expected) else 'none'}")


def make_room(schedule: dict[str, Any], speculative: Speculative) -> None:
    """Let the engine of a schedule draft, with blocks and a budget that hold the drafts."""
    schedule["usable_kv_blocks"] += -(-speculative.lookahead_tokens // 16)
    schedule["max_num_batched_tokens"] = max(
        schedule["max_num_batched_tokens"], schedule["max_num_seqs"] * speculative.decode_tokens
    )
    schedule["speculative"] = {
        "draft_tokens": speculative.draft_tokens,
        "accepted_tokens": speculative.accepted_tokens,
        "draft": speculative.draft,
    }


@settings(max_examples=examples(100))
@given(schedule=schedules(), speculative=speculations())
def test_prompts_that_share_text(schedule: dict[str, Any], speculative: Speculative) -> None:
    """Segments find the same blocks as steps, and none is lost."""
    make_room(schedule, speculative)
    schedule["prefix_caching"] = True
    quick, plain = (
        replay(schedule, drawn_requests(schedule), stepwise=stepwise) for stepwise in (False, True)
    )
    assert len(quick) == len(plain)
    assert all(one.equals(other) for one, other in zip(quick, plain, strict=True))
    engine = engine_of(schedule)
    serve_requests(engine, drawn_requests(schedule))
    cache = engine.kv
    assert isinstance(cache, PrefixCache)
    assert cache.free == cache.blocks == cache.count_free()


def deployment(speculative: Speculative | None, **changes: Any) -> ClusterConfig:
    """Llama-3.1-8B on one H100, kernels only."""
    values: dict[str, Any] = {
        "model": LLAMA_8B,
        "gpu": H100,
        "engine": NONE,
        "power": TwoResource.of(H100),
        "speculative": speculative,
    }
    return one_pool(**values | changes)


@settings(max_examples=examples(20))
@given(scenario=scenarios(drafts=True))
def test_no_drafts_are_the_identity(scenario: Scenario) -> None:
    """To the last bit."""
    none = Speculative(draft_tokens=0, accepted_tokens=0.0)
    _, steps, ended = run(scenario.but(speculative=none))
    _, plain_steps, plain_ended = run(scenario.but(speculative=None))
    assert repr([step.as_dict() for step in steps]) == repr([one.as_dict() for one in plain_steps])
    for got, expected in zip(ended, plain_ended, strict=True):
        for name in (*COUNTS, *TIMES, "energy_j"):
            assert repr(getattr(got, name)) == repr(getattr(expected, name)), name


@pytest.mark.parametrize("output", [1, 2, 3, 4, 100])
def test_one_request_alone(output: int) -> None:
    """Iterations give 2, 3, 2, 3 ... tokens, read a context that grows by 2.5, and end it."""
    speculative = Speculative(draft_tokens=3, accepted_tokens=1.5)
    config = deployment(speculative)
    _, (request,) = serve(config, [Arrival(0.0, 777, output, 0)])
    verifying = Roofline(LLAMA_8B, H100, NONE).verifying(3).decode(1)
    decode_s, given, iterations = 0.0, 1, 0
    while given < output:
        decode_s += verifying.at(778 + 2.5 * iterations).duration_s
        given += 2 if iterations % 2 == 0 else 3
        iterations += 1
    assert request.finish_s - request.first_token_s == approx(decode_s, 1e-10)
    if output > 1:
        assert tpot_s(request) == approx(decode_s / (output - 1), 1e-10)
        assert iterations >= speculative.least_iterations(output - 1)


@pytest.mark.parametrize("name", ["meta-llama/Llama-3.1-8B-Instruct", "Qwen/Qwen3-30B-A3B"])
@pytest.mark.parametrize("batch", [1, 30])
def test_the_work_of_verifying(name: str, batch: int) -> None:
    """Weights and experts as of a batch of all its tokens; the KV cache is read once."""
    model, context = find_model(name), 1000 * batch
    plain = Roofline(model, H100, NONE)
    verifying = plain.verifying(3).decode(batch).at(context)
    tokens, cached = plain.decode(4 * batch).at(0), plain.decode(batch)
    each = cached.hbm_bytes_per_context
    assert verifying.hbm_bytes == approx(tokens.hbm_bytes + each * (context + 3 * batch), 1e-12)
    pairs = 4 * context + batch * (1 + 2 + 3)  # of a token and one that it sees
    assert verifying.flops == approx(tokens.flops + cached.flops_per_context * pairs, 1e-12)
    if model.experts:
        touched = model.experts.touched(4 * batch) - model.experts.touched(batch)
        read = model.layers * touched * model.expert_parameters
        read *= model.weights_of("experts").bytes_per_weight
        assert verifying.hbm_bytes - cached.at(context).hbm_bytes > read > 0


def test_an_iteration_beside_prompts_is_the_same_work() -> None:
    plain = Roofline(LLAMA_8B, H100, NONE)
    stage = plain.verifying(2)
    alone, beside = stage.decode(8).at(8000), stage.iteration([(100, 50)], 0, 8, 8000)
    prompt = plain.iteration([(100, 50)], 0)
    assert beside.flops - prompt.flops == approx(alone.flops, 1e-12)
    assert beside.hbm_bytes < alone.hbm_bytes + 0.1 * prompt.hbm_bytes  # weights are read once


def test_drafting_adds_iterations_of_the_draft_model() -> None:
    speculative = Speculative(draft_tokens=3, accepted_tokens=1.0, draft=LLAMA_1B)
    engine = find_engine("vllm-0.11")
    target = Roofline(LLAMA_8B, H100, engine)
    stage = speculative_stage(target, speculative)
    draft, verifying = Roofline(LLAMA_1B, H100, NONE), target.verifying(3)
    got, verified = stage.decode(4).at(4000), verifying.decode(4).at(4000)
    drafts = [draft.decode(4).at(4000 + 4 * done) for done in range(3)]
    for name in ("gpu_s", "flops", "hbm_bytes"):
        added = sum(getattr(one, name) for one in drafts)
        assert getattr(got, name) == approx(getattr(verified, name) + added, 1e-12)
    for name in ("sampling_s", "host_s", "serial_s"):
        assert getattr(got, name) == getattr(verified, name)
    mixed = stage.iteration([(64, 0)], 1, 4, 4000)
    verified = verifying.iteration([(64, 0)], 1, 4, 4000)
    added = draft.iteration([(64, 0)], 0).gpu_s + sum(one.gpu_s for one in drafts)
    assert mixed.gpu_s == approx(verified.gpu_s + added, 1e-12)
    slower = stage.at_clock(0.5).decode(4).at(4000)
    assert slower.clock_fraction == 0.5
    assert slower.gpu_s > got.gpu_s
    assert "speculative" in stage.uncalibrated_because


def steady(speculative: Speculative | None, batch: int) -> tuple[float, float]:
    """Time per token [s] and energy per token [J] of a batch of equal requests."""
    config = deployment(speculative, max_batch_tokens=10**6, batch_cap=batch)
    telemetry, requests = serve(config, at_once(batch, 512, 257))
    return tpot_s(requests[0]), telemetry.attributed_power_w * 1e6 / (256 * batch)


def test_memory_bound_it_is_as_fast_as_leviathan_says() -> None:
    """(1 + a) / (1 + k c), with the draft's time c over that of the model (their Theorem 3.8)."""
    for draft, accepted in ((draft_layers(LLAMA_8B, 1), 1.5), (LLAMA_1B, 2.2), (None, 0.7)):
        speculative = Speculative(draft_tokens=3, accepted_tokens=accepted, draft=draft)
        share = 0.0
        if draft is not None:
            context = 640
            model_s = Roofline(LLAMA_8B, H100, NONE).decode(1).at(context).duration_s
            share = Roofline(draft, H100, NONE).decode(1).at(context).duration_s / model_s
        speed_up = steady(None, 1)[0] / steady(speculative, 1)[0]
        assert speed_up == pytest.approx((1 + accepted) / (1 + 3 * share), rel=0.03)


def test_compute_bound_it_is_slower() -> None:
    """The model computes k + 1 tokens for 1 + a."""
    drafts = Speculative(draft_tokens=5, accepted_tokens=1.0)
    plain_s, plain_j = steady(None, 512)
    drafting_s, drafting_j = steady(drafts, 512)
    assert 1.3 < drafting_s / plain_s < 6 / 2
    assert drafting_j > plain_j


def test_wasted_drafts_count_as_work_and_not_as_tokens() -> None:
    useless = Speculative(draft_tokens=4, accepted_tokens=0.0)
    (plain, (one,)) = serve(deployment(None), [Arrival(0.0, 100, 50, 0)])
    (wasting, (other,)) = serve(deployment(useless), [Arrival(0.0, 100, 50, 0)])
    assert one.generated_tokens == other.generated_tokens == 50
    prompt = Roofline(LLAMA_8B, H100, NONE).iteration([(100, 0)], 1).flops
    flops = [step.mfu * 1e6 * H100.peak_flops - prompt for step in (plain, wasting)]
    assert flops[1] == approx(5 * flops[0], 0.01)


def test_memory_of_drafts() -> None:
    """Weights and KV cache of the draft model come off what the cache has."""
    plain = deployment(None).pool
    layer = draft_layers(LLAMA_8B, 1)
    heads = Speculative(draft_tokens=3, accepted_tokens=1, draft=layer, shares_embeddings=True)
    for speculative, weights in ((heads, heads.weight_bytes), (None, 0.0)):
        pool = deployment(speculative).pool
        room = 0.9 * 80 * 1024**3 - LLAMA_8B.weight_bytes - weights
        layers = 33 if speculative else 32
        assert pool.blocks() == room // (layers * 8 * 128 * 2 * 2 * 16)
    assert heads.weight_bytes == approx(2 * 218_103_808, 1e-12)
    model = Speculative(draft_tokens=3, accepted_tokens=1, draft=LLAMA_1B)
    assert deployment(model).pool.blocks() < deployment(heads).pool.blocks() < plain.blocks()
    release = {"release": "0.11", "batch_cap": 256, "max_model_len": 8192}
    plans = [deployment(one, **release).pool.memory_plan for one in (None, model)]
    kv = [plan.kv_bytes if plan else 0.0 for plan in plans]
    assert kv[0] - kv[1] == approx(LLAMA_1B.weight_bytes, 1e-9)


def test_layers_with_windows_keep_the_whole_context() -> None:
    values = {"model": find_model("openai/gpt-oss-20b"), "release": "0.11", "batch_cap": 256}
    drafts = Speculative(draft_tokens=3, accepted_tokens=1.0)
    assert deployment(None, **values).pool.kv_groups.windowed == 1
    pool = deployment(drafts, **values).pool
    check_pool(pool)
    assert (pool.kv_groups.windowed, pool.kv_groups.layers) == (0, 24)
    assert pool.make_scheduler(8).kv_groups is None


def test_a_request_needs_room_for_its_drafts() -> None:
    """Else it would be evicted and admitted for ever."""
    drafts = Speculative(draft_tokens=4, accepted_tokens=1.0, draft=draft_layers(LLAMA_8B, 1))
    config = deployment(drafts, kv_blocks=8)
    _, (served, refused) = serve(config, [Arrival(0.0, 60, 60, 0), Arrival(0.0, 61, 60, 0)])
    assert served.generated_tokens == 60
    assert refused.reason == "kv_cache_too_small"


@pytest.mark.parametrize(
    ("values", "changes", "message"),
    [
        ({"draft_tokens": 65}, {}, "draft_tokens must be between 0 and 64"),
        ({"accepted_tokens": 3.1}, {}, "accepted_tokens must be between 0 and draft_tokens, 3"),
        ({"accepted_tokens": math.nan}, {}, "accepted_tokens must be between 0"),
        ({}, {"scheduler": "sarathi"}, "goes with scheduler vllm_v1"),
        ({}, {"pipeline_parallel": 2}, "not modelled with pipeline stages"),
        ({}, {"batch_cap": 128, "max_batch_tokens": 511}, "at least batch_cap x"),
        ({"draft": LLAMA2_7B}, {}, "must have the vocabulary of the model, 128,256 tokens"),
        ({"draft": replace(LLAMA_1B, max_context_tokens=4096)}, {}, "set max_model_len to 4,096"),
        ({"draft": replace(LLAMA_1B, query_heads=3)}, {"tensor_parallel": 2}, "cannot be split"),
    ],
)
def test_refused(values: dict[str, Any], changes: dict[str, Any], message: str) -> None:
    def check() -> None:
        speculative = Speculative(**{"draft_tokens": 3, "accepted_tokens": 1.0} | values)
        deployment(speculative, **changes).check()

    with pytest.raises(InferenceSimError, match=re.escape(message)):
        check()


def test_profiles_cannot_verify() -> None:
    stage = vidur_execution(LLAMA2_7B, A100)
    with pytest.raises(InferenceSimError, match="one token of each sequence only"):
        speculative_stage(stage, Speculative(draft_tokens=3, accepted_tokens=1.0))


def test_more_layers_than_there_are() -> None:
    with pytest.raises(InferenceSimError, match="draft_layers must be at most 32"):
        draft_layers(LLAMA_8B, 33)


@given(st.floats(0, 6), st.integers(0, 500), st.integers(0, 300))
def test_least_iterations(accepted: float, begin: int, tokens: int) -> None:
    """No fewer give so many tokens, wherever they begin; one more always does."""
    speculative = Speculative(draft_tokens=6, accepted_tokens=accepted)
    least = speculative.least_iterations(tokens)
    if least:
        given_by = speculative.tokens(begin + least - 1) - speculative.tokens(begin)
        assert given_by < tokens
    assert speculative.tokens(begin + least + 1) - speculative.tokens(begin) >= tokens
