"""The segment engine against one event per iteration: the same times, counts and joules."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import event, given, settings, target

from inference_sim.cluster import Cluster
from inference_sim.engine import Engine
from inference_sim.execution import EngineProfile, find_engine
from inference_sim.execution.kernels import kernel_execution
from inference_sim.hardware import find_gpu
from inference_sim.models import find_model
from inference_sim.power import MfuPowerLaw, TwoResource
from inference_sim.segment import Segment
from tests.inference_sim.builders import approx, random_scenario, run
from tests.inference_sim.kernel_tables import write_table
from tests.samples import examples
from tests.strategies import A100, LLAMA2_7B, Scenario, scenarios

TIMES = ("arrival_s", "admitted_s", "scheduled_s", "first_token_s", "finish_s")
COUNTS = ("request_id", "outcome", "reason", "replica", "preemptions", "generated_tokens")


def assert_same(scenario: Scenario, *, drain: bool = True) -> int:
    """Run both ways, compare everything, and return how many preemptions there were."""
    plain, plain_steps, plain_ended = run(scenario.but(stepwise=True), drain=drain)
    quick, quick_steps, quick_ended = run(scenario, drain=drain)
    left = [plain.take_in_flight(), quick.take_in_flight()]
    assert len(quick_steps) == len(plain_steps)
    for step, (got, expected) in enumerate(zip(quick_steps, plain_steps, strict=True)):
        assert got.as_dict() == approx(expected.as_dict(), 1e-9), f"step {step}"
    for got, expected in zip(quick_ended + left[1], plain_ended + left[0], strict=True):
        for name in COUNTS:
            assert getattr(got, name) == getattr(expected, name), (got.request_id, name)
        for name in (*TIMES, "energy_j"):
            assert getattr(got, name) == approx(getattr(expected, name), 1e-9), (
                got.request_id,
                name,
            )
    assert [one.preemptions for one in quick.replicas] == [
        one.preemptions for one in plain.replicas
    ]
    for got_engine, plain_engine in zip(quick.engines, plain.engines, strict=True):
        for name in ("iterations", "batch_sum", "batch_square_sum", "batch_max"):
            # A segment under way is counted only when it ends.
            if quick.drained:
                assert getattr(got_engine.meter, name) == getattr(plain_engine.meter, name)
    return sum(one.preemptions for one in plain.replicas)


@settings(max_examples=examples(60))
@given(scenario=scenarios())
def test_agree_to_the_end(scenario: Scenario) -> None:
    preemptions = assert_same(scenario)
    target(float(preemptions), label="preemptions")
    event(f"preemptions: {'some' if preemptions else 'none'}")
    event(f"cap changes: {'some' if any('batch_cap' in s for s in scenario.settings) else 'none'}")


@settings(max_examples=examples(100))
@given(scenario=scenarios())
def test_agree_when_cut_off(scenario: Scenario) -> None:
    """At any step's end, with requests still in flight."""
    if scenario.settings:
        assert_same(scenario, drain=False)


class Witness:
    """Counts what the random scenarios are meant to bring about."""

    def __init__(self) -> None:
        self.cuts = self.crossings = self.segments = self.iterations = 0

    def watch(self, cluster: Cluster) -> None:
        """Look at what each engine records."""
        for engine in cluster.engines:
            engine.meter.on_record = _Recorded(self, engine).add


class _Recorded:
    """What one engine recorded last."""

    def __init__(self, witness: Witness, engine: Engine) -> None:
        self.witness, self.engine = witness, engine
        self.last: Segment | None = None
        self.completed = 0

    def add(self, segments: Sequence[Segment]) -> None:
        (segment,), last, witness = segments, self.last, self.witness
        decodes = not segment.prefill_tokens
        if decodes:
            host_paced = segment.duration_step_s == 0
            witness.segments += 1
            witness.iterations += segment.iterations
            if last is not None and last.sequences == segment.sequences:
                witness.crossings += last.duration_step_s == 0 and not host_paced
        elif last is not None and not last.prefill_tokens:
            # Decodes made way for prompts although none of them was done: an arrival cut them off.
            witness.cuts += last.iterations > 1 and len(self.engine.ended) == self.completed
        self.last, self.completed = segment, len(self.engine.ended)


def test_what_the_random_scenarios_contain() -> None:
    """Preemptions, arrivals in mid-run and changes of pace happen, and segments are long."""
    host_bound = EngineProfile("host-bound", 0.31e-3, 17e-6, 10.58e-3, 23e-6, "made up")
    witness = Witness()
    preemptions = rejections = 0
    for seed in range(6):
        scenario = random_scenario(seed).but(
            engine=host_bound,
            power=MfuPowerLaw.of(A100),
            overflow="reject" if seed == 5 else "wait",
        )
        _, _, ended = run(scenario, watch=witness.watch)
        preemptions += sum(one.preemptions for one in ended)
        rejections += sum(one.outcome == "rejected" for one in ended)
    assert preemptions > 50
    assert rejections > 5
    assert witness.cuts > 50
    assert witness.crossings > 10
    assert witness.iterations > 5 * witness.segments


@pytest.mark.parametrize("cap_w", [math.inf, 330.0])
def test_agree_on_a_mixture_of_experts(cap_w: float) -> None:
    """Whose padding draws power as well, with and without a power cap that moves the clock."""
    gpu = find_gpu("h100-sxm-80gb")
    scenario = random_scenario(3).but(
        model=find_model("Qwen/Qwen3-30B-A3B"),
        gpu=gpu,
        power=TwoResource.of(gpu),
        engine=find_engine("vllm-0.11"),
        power_cap_w=cap_w,
    )
    assert_same(scenario)


@pytest.mark.parametrize("cap_w", [math.inf, 250.0])
def test_agree_on_a_kernel_table(tmp_path: Path, cap_w: float) -> None:
    """Beyond the end of its contexts, too, and on that this happened."""
    path = write_table(tmp_path / "t.json")
    engine = find_engine("none")
    scenario = random_scenario(3).but(
        stages=lambda stage: kernel_execution(LLAMA2_7B, A100, path, engine=engine),
        power_cap_w=cap_w,
    )
    assert_same(scenario)
    reasons = {
        run(scenario.but(stepwise=stepwise))[0].engines[0].pipeline.stages[0].uncalibrated_because
        for stepwise in (True, False)
    }
    assert len(reasons) == 1
    assert "longer contexts of decodes than were measured" in reasons.pop()


@pytest.mark.parametrize("seed", range(6))
def test_agree_under_pressure(seed: int) -> None:
    """Longer runs than hypothesis makes, most of them with many preemptions."""
    scenario = random_scenario(seed)
    host_s = 10.85e-3 if seed % 3 == 0 else 0.0
    engine = dataclasses.replace(scenario.config.pool.engine, host_s=host_s, sampling_s=0.2e-3)
    assert assert_same(scenario.but(engine=engine)) > 0
