"""Lower clocks: compute takes longer in proportion, memory and the host do not."""

from __future__ import annotations

import pytest

from inference_sim.cluster import Cluster
from inference_sim.errors import InferenceSimError
from inference_sim.execution import EngineProfile, Roofline, find_engine
from inference_sim.execution.vidur_fit import vidur_execution
from inference_sim.workload import Arrival
from tests.inference_sim.builders import approx, config, prefill
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
