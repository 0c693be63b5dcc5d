"""Lower clocks: compute takes longer in proportion, memory and the host do not.

Iterations with prompts, and those that only decode, may have clocks of their own.
"""

from __future__ import annotations

import math
from typing import Any

import pytest

from inference_sim.cluster import Cluster
from inference_sim.errors import InferenceSimError
from inference_sim.execution import EngineProfile, Roofline, find_engine
from inference_sim.execution.vidur_fit import vidur_execution
from inference_sim.pace import Pace
from inference_sim.power import MfuPowerLaw, TwoResource
from inference_sim.power_cap import CappedStage
from inference_sim.workload import Arrival
from tests.inference_sim.builders import approx, config, cost_values, prefill
from tests.strategies import A100, LLAMA2_7B

NONE = find_engine("none")


def test_compute_bound_time_goes_with_the_clock() -> None:
    """A long prompt is bound by compute but for its elementwise operations and smoothing."""
    full, half = (Roofline(LLAMA2_7B, A100, NONE, clock_fraction=f) for f in (1.0, 0.5))
    slower = prefill(half, [4000]).gpu_s / prefill(full, [4000]).gpu_s
    assert 1.85 < slower < 2.0
    assert prefill(half, [4000]).flops == prefill(full, [4000]).flops


def test_memory_bound_time_hardly_changes() -> None:
    """Down to the clock below which the bandwidth follows."""
    clocks = (1.0, A100.bandwidth_clock)
    full, slow = (Roofline(LLAMA2_7B, A100, NONE, clock_fraction=f) for f in clocks)
    assert 1.0 < slow.decode(1).at(100).gpu_s / full.decode(1).at(100).gpu_s < 1.02
    assert slow.decode(8).gpu_s_per_context == full.decode(8).gpu_s_per_context


def test_sampling_slows_down_and_the_host_does_not() -> None:
    engine = EngineProfile("x", 1e-3, 1e-4, 0.5, 0.01, "made up", serial_s=2e-3)
    full, half = (Roofline(LLAMA2_7B, A100, engine, clock_fraction=f) for f in (1.0, 0.5))
    one, two = prefill(full, [100]), prefill(half, [100])
    assert two.sampling_s == approx(2 * one.sampling_s, 1e-12)
    assert (two.host_s, two.serial_s) == (one.host_s, one.serial_s)
    assert (one.clock_fraction, two.clock_fraction) == (1.0, 0.5)


def test_at_clock_is_the_same_as_making_it_so() -> None:
    half = Roofline(LLAMA2_7B, A100, NONE, 2, time_factor=1.1)
    made = Roofline(LLAMA2_7B, A100, NONE, 2, time_factor=1.1, clock_fraction=0.5)
    for got in (half.at_clock(0.5), half.at_clock(0.7).at_clock(0.5)):
        assert prefill(got, [300, 40]).gpu_s == prefill(made, [300, 40]).gpu_s
    assert half.at_clock(1.0) is half


def test_a_change_holds_from_the_next_iteration() -> None:
    """The iteration under way keeps its pace; the ones after it have the new one."""
    deployment = config(engine=NONE)
    request = [Arrival(0.0, 50, 400, 0)] * 8
    cluster = Cluster(deployment, request)
    cluster.step(1.0)
    cluster.apply({"clock_fraction": 0.25})
    report = cluster.step(100.0)
    assert report.pools["main"].settings["clock_fraction"] == 0.25
    finish_s = cluster.take_ended()[0].finish_s
    full = Roofline(LLAMA2_7B, A100, NONE)
    slow = full.at_clock(0.25)
    time_s = prefill(full, [50] * 8).gpu_s
    context = 8 * 51
    for _ in range(399):
        model = full if time_s < 1.0 else slow
        time_s += model.decode(8).at(context).duration_s
        context += 8
    assert finish_s == approx(time_s, 1e-9)


def test_lower_clocks_take_longer_in_all() -> None:
    times = []
    for clock in (1.0, 0.6, 0.3):
        cluster = Cluster(config(), [Arrival(0.0, 2000, 50, 0)] * 4)
        cluster.apply({"clock_fraction": clock})
        cluster.step(1000.0)
        times.append(max(one.finish_s for one in cluster.take_ended()))
    assert times == sorted(times)
    assert times[2] > 1.5 * times[0]


def test_profiles_know_no_other_clock() -> None:
    with pytest.raises(InferenceSimError, match="profiles give times at the highest clock"):
        vidur_execution(LLAMA2_7B, A100).at_clock(0.5)


PROMPT, OUTPUT = 4000, 60


def served(settings: dict[str, float], **changes: Any) -> tuple[float, float]:
    """Time to the first token of a long prompt, and time of its decodes [s]."""
    cluster = Cluster(config(**changes), [Arrival(0.0, PROMPT, OUTPUT, 0)])
    cluster.apply(settings)
    cluster.step(100.0)
    (request,) = cluster.take_ended()
    return request.first_token_s, request.finish_s - request.first_token_s


@pytest.mark.parametrize("scheduler", ["vllm", "vllm_v1"])
@pytest.mark.parametrize("pipeline_parallel", [1, 2])
def test_clocks_of_prompts_and_of_decodes(scheduler: str, pipeline_parallel: int) -> None:
    """A prompt that is bound by compute takes twice as long at half the clock, decodes as long.

    Their own clock slows them by no more than the clock of everything does.
    """

    def at(**settings: float) -> tuple[float, float]:
        return served(settings, scheduler=scheduler, pipeline_parallel=pipeline_parallel)

    (first_s, decodes_s), (slow_first_s, slow_decodes_s) = at(), at(clock_fraction=0.5)
    assert 1.85 < slow_first_s / first_s < 2.0
    assert slow_decodes_s > 1.01 * decodes_s
    assert at(prefill_clock=0.5) == approx((slow_first_s, decodes_s), 1e-12)
    assert at(decode_clock=0.5) == approx((first_s, slow_decodes_s), 1e-12)
    assert at(prefill_clock=0.5, decode_clock=0.5) == approx((slow_first_s, slow_decodes_s), 1e-12)


@pytest.mark.parametrize(
    ("settings", "prefill_clock", "decode_clock"),
    [
        ({"clock_fraction": 0.7, "decode_clock": 0.5}, 0.7, 0.5),
        ({"clock_fraction": 0.5, "decode_clock": 0.7}, 0.5, 0.5),
        ({"prefill_clock": 0.9, "decode_clock": 0.5, "clock_fraction": 0.6}, 0.6, 0.5),
        ({"prefill_clock": 0.4, "clock_fraction": 0.8}, 0.4, 0.8),
    ],
)
def test_the_lowest_clock_holds(
    settings: dict[str, float], prefill_clock: float, decode_clock: float
) -> None:
    """In any order; the mean clock of a step is that of its time."""
    alone = {"prefill_clock": prefill_clock, "decode_clock": decode_clock}
    for each in (settings, dict(reversed(settings.items()))):
        assert served(each) == approx(served(alone), 1e-12)
        cluster = Cluster(config(), [Arrival(0.0, PROMPT, OUTPUT, 0)])
        cluster.apply(each)
        clock_mean = cluster.step(100.0).clock_mean
        first_s, decodes_s = served(alone)
        expected = (prefill_clock * first_s + decode_clock * decodes_s) / (first_s + decodes_s)
        assert clock_mean == approx(expected, 1e-12)
        assert cluster.drained


def pace(*, power_cap_w: float = math.inf, **clocks: float) -> Pace:
    """The clock state of an A100 with Llama-2-7b, with bounds of its clock."""
    made = Pace([Roofline(LLAMA2_7B, A100, NONE)], TwoResource.of(A100), A100.peak_bytes_per_s)
    made.set_power_cap(power_cap_w)
    for name, clock in clocks.items():
        made.set_clock(name, clock)
    return made


def test_an_iteration_with_any_prompt_has_the_clock_of_prompts() -> None:
    """Its decodes, too; one without has that of decodes, however it is asked for."""
    (stage,) = pace(prefill_clock=0.5, decode_clock=0.8).stages
    full = Roofline(LLAMA2_7B, A100, NONE)
    mixed = ([(1, 30)], 0, 8, 4000)
    assert cost_values(stage.iteration(*mixed)) == cost_values(full.at_clock(0.5).iteration(*mixed))
    decodes = cost_values(full.at_clock(0.8).decode(8).at(4000))
    assert cost_values(stage.iteration([], 0, 8, 4000)) == approx(decodes, 1e-12)
    assert cost_values(stage.decode(8, 4000).at(4000)) == decodes
    assert stage.at_clock(0.7).decode(8).at(4000).clock_fraction == 0.7


def test_runs_with_one_clock_have_the_plain_models() -> None:
    """At no cost, and with the memos of earlier iterations."""
    made = pace()
    (full,) = made.stages
    assert isinstance(full, Roofline)
    made.set_clock("decode_clock", 0.6)
    made.set_clock("prefill_clock", 0.6)
    (slow,) = made.stages
    assert isinstance(slow, Roofline)
    made.set_clock("decode_clock", 1.0)
    made.set_clock("prefill_clock", 1.0)
    assert made.stages == [full]


def test_a_power_cap_lowers_either_clock_further() -> None:
    """And neither clock is above its bound where the cap would allow more."""
    power, cap_w = TwoResource.of(A100), 180.0
    (stage,) = pace(power_cap_w=cap_w, prefill_clock=0.9, decode_clock=0.35).stages
    full = Roofline(LLAMA2_7B, A100, NONE)
    peak = A100.peak_bytes_per_s
    capped = CappedStage(full.at_clock(0.9), 0.9, power, cap_w, peak, {1.0: full})
    prompts = stage.iteration([(2000, 0)], 1)
    assert 0.3 < prompts.clock_fraction < 0.8
    assert cost_values(prompts) == cost_values(capped.iteration([(2000, 0)], 1))
    assert stage.decode(8, 4000).clock_fraction == 0.35


@pytest.mark.parametrize("name", ["clock_fraction", "prefill_clock", "decode_clock"])
def test_clocks_that_are_refused(name: str) -> None:
    """Out of range, not a number, below the board's lowest, or with times of one clock only."""
    cluster = Cluster(config(), [])
    for value in (0.0, -0.5, 1.01, math.nan, math.inf):
        text = rf"{name} must be above 0 and at most 1 \(got {value:g}\)"
        with pytest.raises(InferenceSimError, match=text):
            cluster.apply({name: value})
    text = r"at least 0.149 of the highest: a100-sxm-80gb takes 210 to 1,410 MHz \(got 0.14\)"
    with pytest.raises(InferenceSimError, match=text):
        cluster.apply({name: 0.14})
    profiles = config(
        stages=lambda stage: vidur_execution(LLAMA2_7B, A100, 1, stage), power=MfuPowerLaw.of(A100)
    )
    cluster = Cluster(profiles, [])
    with pytest.raises(InferenceSimError, match="profiles give times at the highest clock"):
        cluster.apply({name: 0.7})
    assert cluster.pools["main"].knobs[name].get() == 1.0
