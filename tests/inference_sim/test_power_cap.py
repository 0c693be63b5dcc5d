"""Power caps: held where they can be, at the highest clock that holds them, and said where not."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_sim.cluster import Cluster
from inference_sim.errors import InferenceSimError
from inference_sim.execution import EngineProfile, IterationCost, Roofline, find_engine
from inference_sim.execution.vidur_fit import vidur_execution
from inference_sim.hardware import ClockRange, find_gpu
from inference_sim.models import find_model
from inference_sim.power import MfuPowerLaw, PowerModel, PowerTable, TwoResource, Use
from inference_sim.power_cap import CLOCK_STEP, LOWEST_CLOCK, CappedStage, clocks_up_to
from inference_sim.workload import Arrival
from tests.inference_sim.builders import approx, config, serve
from tests.samples import examples
from tests.strategies import A100, LLAMA2_7B, POWERS, engines

H100 = find_gpu("h100-sxm-80gb")
WINDOWED = find_model("openai/gpt-oss-20b")
HOST_BOUND = EngineProfile("host-bound", 0.31e-3, 17e-6, 10.85e-3, 23e-6, "made up")


def capped(stage: Roofline, power: PowerModel, cap_w: float) -> CappedStage:
    """A stage under a cap."""
    return CappedStage(stage, stage.clock_fraction, power, cap_w, stage.gpu.peak_bytes_per_s, {})


def watts(stage: Roofline, power: PowerModel, cost: IterationCost, sequences: int) -> float:
    """Power of an iteration, as the meter has it."""
    values = (
        cost.flops / cost.duration_s / stage.peak_flops,
        cost.hbm_bytes / cost.duration_s / stage.gpu.peak_bytes_per_s,
        cost.gpu_s / cost.duration_s,
        cost.sampling_s / cost.duration_s,
        sequences,
        cost.clock_fraction,
    )
    return float(power.busy_w(Use(*(np.array([float(value)]) for value in values)))[0])


def check_clock(
    stage: Roofline, power: PowerModel, cap_w: float, cost: IterationCost, sequences: int, **of: Any
) -> None:
    """The cap holds, or the clock is the lowest; and no higher clock would hold it."""
    clocks = clocks_up_to(stage.clock_fraction)
    number = clocks.index(cost.clock_fraction)
    if number:
        assert watts(stage, power, cost, sequences) <= cap_w * (1 + 1e-9)
    if number + 1 < len(clocks):
        higher = stage.at_clock(clocks[number + 1]).iteration(**of)
        assert watts(stage, power, higher, sequences) > cap_w * (1 - 1e-9)


@settings(max_examples=examples(60))
@given(
    engine=engines(),
    power=st.sampled_from(POWERS),
    clock=st.sampled_from([1.0, 0.655, 0.4, 0.2]),
    cap_w=st.floats(70, 420),
    batch=st.integers(1, 64),
    context=st.integers(1, 4000),
)
def test_decodes_run_at_the_highest_clock_under_the_cap(
    engine: EngineProfile,
    power: PowerModel,
    clock: float,
    cap_w: float,
    batch: int,
    context: int,
) -> None:
    """For as many iterations as its line says, and no longer."""
    stage = Roofline(LLAMA2_7B, A100, engine, clock_fraction=clock)
    one, total = capped(stage, power, cap_w), batch * context
    cost = one.decode(batch, total)
    assert cost.context_limit > total
    last = cost.context_limit - batch
    for at in {total, total + batch * int((last - total) // batch)}:
        of = {"chunks": [], "prompts_done": 0, "decode_batch": batch, "decode_context": at}
        check_clock(stage, power, cap_w, cost.at(at), batch, **of)
        assert one.decode(batch, at).clock_fraction == cost.clock_fraction
        assert one.iteration(**of).duration_s == cost.at(at).duration_s


@settings(max_examples=examples(60))
@given(
    power=st.sampled_from(POWERS),
    cap_w=st.floats(70, 420),
    chunks=st.lists(
        st.tuples(st.integers(1, 2000), st.sampled_from([0, 512])), min_size=1, max_size=4
    ),
    batch=st.sampled_from([0, 1, 40]),
)
def test_prompts_run_at_the_highest_clock_under_the_cap(
    power: PowerModel, cap_w: float, chunks: list[tuple[int, int]], batch: int
) -> None:
    stage = Roofline(LLAMA2_7B, A100, find_engine("vllm-0.11"))
    of = {
        "chunks": chunks,
        "prompts_done": 1,
        "decode_batch": batch,
        "decode_context": 300 * batch,
    }
    cost = capped(stage, power, cap_w).iteration(**of)
    check_clock(stage, power, cap_w, cost, len(chunks) + batch, **of)


@pytest.mark.parametrize("clock", [0.31, 0.63, 0.99])
def test_the_clock_of_a_known_power(clock: float) -> None:
    """The power at a clock, given as a cap, gives that clock."""
    power, stage = TwoResource.of(H100), Roofline(LLAMA2_7B, H100, find_engine("none"))
    of = {"chunks": [(1, 900)], "prompts_done": 0, "decode_batch": 31, "decode_context": 20000}
    cap_w = watts(stage, power, stage.at_clock(clock).iteration(**of), 32) + 1e-6
    assert cap_w < power.max_w
    assert capped(stage, power, cap_w).iteration(**of).clock_fraction == clock


def test_lines_of_windows() -> None:
    """Where attention windows fill up the line ends, whatever the cap."""
    power = TwoResource.of(H100)
    stage = Roofline(WINDOWED, H100, find_engine("none"))
    one = capped(stage, power, 250.0)
    below = one.decode(8, 8 * 100)
    assert below.context_limit <= 8 * WINDOWED.window_tokens
    assert one.decode(8, 8 * 5000).gpu_s_per_context < below.gpu_s_per_context


def test_clocks() -> None:
    steps = clocks_up_to(1.0)
    assert (steps[0], steps[-1]) == (LOWEST_CLOCK, 1.0)
    assert np.diff(steps) == approx(np.full(len(steps) - 1, CLOCK_STEP), 1e-9)
    assert clocks_up_to(0.315) == [0.3, 0.31, 0.315]
    assert clocks_up_to(0.2) == [0.2]
    assert clocks_up_to(0.5, 0.478) == [0.478, 0.488, 0.498, 0.5]


def test_a_board_with_a_higher_lowest_clock() -> None:
    """No cap takes the clock below it."""
    slow = replace(A100, clocks_mhz=ClockRange(705, 1410), least_cap_w=0.0)
    deployment = config(gpu=slow, power_cap_w=TwoResource.of(A100).idle_w + 1)
    step, _ = serve(deployment, [Arrival(0.0, 100, 200, 0)], until_s=30.0)
    assert step.clock_mean == approx(0.5, 1e-12)


@pytest.mark.parametrize("pipeline_parallel", [1, 2])
@pytest.mark.parametrize("power", POWERS)
def test_a_cluster_stays_under_its_cap(power: PowerModel, pipeline_parallel: int) -> None:
    """In every step; and it takes longer and less power the lower the cap."""
    requests = [Arrival(0.05 * i, 700, 120, 0) for i in range(60)]
    found = []
    for cap_w in (math.inf, 220.0, 180.0):
        deployment = config(
            power=power,
            power_cap_w=cap_w,
            pipeline_parallel=pipeline_parallel,
            engine=find_engine("vllm-0.11"),
        )
        cluster, finish_s, energy_j = Cluster(deployment, requests), 0.0, 0.0
        while not cluster.drained:
            step = cluster.step(cluster.env.now + 1.0)
            assert step.over_cap_fraction == 0
            assert step.pools["main"].settings["power_cap"] == cap_w
            assert step.gpu_power_w <= cap_w * deployment.gpus * (1 + 1e-9)
            ended = cluster.take_ended()
            energy_j += sum(one.energy_j for one in ended)
            finish_s = max([finish_s, *(one.finish_s for one in ended)])
        found.append((finish_s, energy_j / finish_s))
    times, powers = zip(*found, strict=True)
    assert list(times) == sorted(times)
    assert list(powers) == sorted(powers, reverse=True)
    assert powers[0] > 1.1 * powers[2]


def test_a_cap_above_all_load_changes_nothing() -> None:
    stream = [Arrival(0.1 * i, 400, 60, 0) for i in range(30)]
    free, free_ended = serve(config(), stream)
    loose, loose_ended = serve(config(power_cap_w=TwoResource.of(A100).max_w), stream)
    assert loose.as_dict() == approx(free.as_dict(), 0)
    assert [one.finish_s for one in loose_ended] == [one.finish_s for one in free_ended]
    assert loose.clock_mean == approx(1.0, 1e-12)


def test_a_cap_below_the_lowest_clock_is_not_held_and_said() -> None:
    """A table's power at batch 20 and a clock of 0.3 is more than what is drawn idle."""
    power = PowerTable(idle_w=70, sleep_w=50, max_w=330, batches=(1, 5), powers_w=(300, 330))
    lowest_w = 70 + 0.5 ** (power.clock_exponent - 1) * 0.3 * 230  # below what the board takes
    any_cap = replace(A100, least_cap_w=0.0)
    deployment = config(gpu=any_cap, power=power, power_cap_w=lowest_w - 1)
    step, _ = serve(deployment, [Arrival(0.0, 100, 200, 0)], until_s=30.0)
    assert step.clock_mean == approx(LOWEST_CLOCK, 1e-12)
    assert step.over_cap_fraction == approx(step.busy_fraction, 1e-12)
    deployment = config(gpu=any_cap, power=power, power_cap_w=lowest_w + 1)
    step, _ = serve(deployment, [Arrival(0.0, 100, 200, 0)], until_s=30.0)
    assert step.over_cap_fraction == 0


def test_the_lower_clock_wins() -> None:
    def clock_mean(**settings: float) -> float:
        cluster = Cluster(config(), [Arrival(0.0, 1000, 100, 0)] * 8)
        cluster.apply(settings)
        return cluster.step(100.0).clock_mean

    alone = clock_mean(power_cap=180.0)
    assert LOWEST_CLOCK < alone < 0.9
    assert clock_mean(power_cap=180.0, clock_fraction=0.95) == approx(alone, 0.02)
    assert clock_mean(power_cap=180.0, clock_fraction=0.35) == approx(0.35, 1e-12)
    assert clock_mean(clock_fraction=0.35, power_cap=180.0) == approx(0.35, 1e-12)


def test_a_change_holds_from_the_next_iteration() -> None:
    """What was under way when the cap came counts as above it, and nothing after it."""
    cluster = Cluster(config(), [Arrival(0.0, 100, 1000, 0)] * 16)
    assert cluster.step(1.0).clock_mean == approx(1.0, 1e-12)
    cluster.apply({"power_cap": 170.0})
    first, second = cluster.step(2.0), cluster.step(3.0)
    assert 0 < first.over_cap_fraction < 0.02
    assert second.over_cap_fraction == 0
    assert second.gpu_power_w <= 170.0
    cluster.apply({"power_cap": math.inf})
    cluster.step(4.0)
    assert cluster.step(5.0).clock_mean == approx(1.0, 1e-12)


def test_refused() -> None:
    cluster = Cluster(config(), [])
    text = r"a power cap must be at least 100 W, the lowest cap of a100-sxm-80gb \(got 99 W\)"
    with pytest.raises(InferenceSimError, match=text):
        cluster.apply({"power_cap": 99.0})
    with pytest.raises(InferenceSimError, match=text):
        Cluster(config(power_cap_w=99.0), [])
    text = r"at most 400 W, the limit of a100-sxm-80gb \(got 401 W\); without one, leave it out"
    with pytest.raises(InferenceSimError, match=text):
        Cluster(config(power_cap_w=401.0), [])
    unknown, idle_w = replace(A100, least_cap_w=0.0), TwoResource.of(A100).idle_w
    text = rf"a power cap must be at least {idle_w:g} W, the idle power of a GPU"
    with pytest.raises(InferenceSimError, match=text):
        Cluster(config(gpu=unknown, power_cap_w=idle_w - 1), [])
    text = r"a clock must be at least 0.149 of the highest: a100-sxm-80gb takes 210 to 1,410 MHz"
    with pytest.raises(InferenceSimError, match=text):
        cluster.apply({"clock_fraction": 0.14})
    with pytest.raises(InferenceSimError, match="power_cap must be above 0"):
        cluster.apply({"power_cap": math.nan})
    profiles = config(
        stages=lambda stage: vidur_execution(LLAMA2_7B, A100, 1, stage),
        power=MfuPowerLaw.of(A100),
        power_cap_w=300.0,
    )
    with pytest.raises(InferenceSimError, match="profiles give times at the highest clock"):
        Cluster(profiles, [])
    with pytest.raises(InferenceSimError, match="depends on the context"):
        capped(Roofline(LLAMA2_7B, A100, find_engine("none")), TwoResource.of(A100), 99).decode(1)
