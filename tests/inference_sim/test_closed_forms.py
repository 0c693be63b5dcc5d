"""Queues and batches whose answer is known without a simulator."""

from __future__ import annotations

import math

import numpy as np
import pytest

from inference_sim.cluster import Cluster
from inference_sim.deployment import ClusterConfig
from inference_sim.execution import EngineProfile, Roofline, find_engine
from inference_sim.latencies import tpot_s, ttft_s
from inference_sim.workload import (
    Arrival,
    FixedLengths,
    PoissonArrivals,
    UniformLengths,
    generated_stream,
)
from tests.inference_sim.builders import approx, at_once, config, prefill, serve

ENGINES = [
    find_engine("none"),
    find_engine("vllm-0.11"),
    EngineProfile("crossing", 1e-3, 3e-5, 10.62e-3, 2e-5, "made up"),
    EngineProfile("slow host", 0.0, 0.0, 0.05, 0.0, "made up"),
]


def roofline(deployment: ClusterConfig) -> Roofline:
    return Roofline(
        deployment.pool.model,
        deployment.pool.gpu,
        deployment.pool.engine,
        deployment.pool.tensor_parallel,
    )


def decode_s(deployment: ClusterConfig, contexts: list[int], iterations: int) -> float:
    """Time of `iterations` decode iterations of sequences of these contexts, one by one [s]."""
    cost = roofline(deployment).decode(len(contexts))
    total_s, context = 0.0, sum(contexts)
    for _ in range(iterations):
        gpu_s = cost.gpu_s + cost.gpu_s_per_context * context
        total_s += max(gpu_s, cost.host_s) + cost.sampling_s + cost.serial_s
        context += len(contexts)
    return total_s


def prefill_s(deployment: ClusterConfig, prompts: list[int]) -> float:
    return prefill(roofline(deployment), prompts).duration_s


@pytest.mark.parametrize("engine", ENGINES, ids=lambda engine: engine.name)
@pytest.mark.parametrize("output", [1, 2, 17, 900])
def test_one_request_alone(engine: EngineProfile, output: int) -> None:
    deployment = config(engine=engine)
    _, (request,) = serve(deployment, [Arrival(0.0, 777, output, 0)])
    first_s = engine.front_end_s + prefill_s(deployment, [777])
    assert ttft_s(request) == approx(first_s, 1e-12)
    rest_s = decode_s(deployment, [778], output - 1)
    assert request.finish_s == approx(first_s + rest_s, 1e-12)
    assert tpot_s(request) == approx(rest_s / (output - 1) if output > 1 else math.nan, 1e-10)


def test_crossing_engine_does_cross() -> None:
    """The third engine paces the start of that request, and the GPU its end."""
    cost = roofline(config(engine=ENGINES[2])).decode(1)
    assert cost.gpu_s + cost.gpu_s_per_context * 778 < cost.host_s
    assert cost.gpu_s + cost.gpu_s_per_context * (778 + 899) > cost.host_s


@pytest.mark.parametrize("count", [1, 2, 7, 128])
def test_static_batch_of_equal_requests(count: int) -> None:
    """One prefill of all, then every iteration decodes all, until all end together."""
    deployment = config(max_batch_tokens=10**6)
    telemetry, requests = serve(deployment, at_once(count, 130, 50))
    first_s = prefill_s(deployment, [130] * count)
    finish_s = first_s + decode_s(deployment, [131] * count, 49)
    for request in requests:
        assert request.first_token_s == approx(first_s, 1e-12)
        assert request.finish_s == approx(finish_s, 1e-12)
    assert telemetry.batch_mean == approx(count, 1e-12)
    assert telemetry.busy_fraction == approx(finish_s / 1e6, 1e-12)


def test_saturated_closed_batch() -> None:
    """Waves of `cap` requests, each prefilled by fours: throughput is that of one wave."""
    deployment = config(batch_cap=16, max_batch_tokens=4 * 200)
    _, requests = serve(deployment, at_once(80, 200, 60))
    quarter_s = prefill_s(deployment, [200] * 4)
    wave_s = 4 * quarter_s + decode_s(deployment, [201] * 16, 59)
    for number, request in enumerate(requests):
        wave, place = divmod(number, 16)
        assert request.scheduled_s == approx(wave * wave_s + place // 4 * quarter_s, 1e-11)
        assert request.first_token_s == approx(request.scheduled_s + quarter_s, 1e-11)
        assert request.finish_s == approx((wave + 1) * wave_s, 1e-11)


def test_replicas_share_the_work_evenly() -> None:
    """Round robin over three replicas of a third of the load each, all alike."""
    together, _ = serve(config(replicas=3), at_once(36, 100, 40), 1000.0)
    alone, _ = serve(config(), at_once(12, 100, 40), 1000.0)
    assert together.gpu_power_w == approx(3 * alone.gpu_power_w, 1e-12)
    for name in ("mfu", "busy_fraction", "batch_mean", "ttft_p99_s"):
        assert getattr(together, name) == approx(getattr(alone, name), 1e-12)


def test_mean_wait_of_an_m_d_1_queue() -> None:
    """Poisson arrivals, one at a time, equal lengths: Pollaczek-Khinchine, and Lindley exactly."""
    deployment, load = config(batch_cap=1), 0.5
    service_s = prefill_s(deployment, [60]) + decode_s(deployment, [61], 2)
    arrivals = PoissonArrivals(load / service_s)
    stream = generated_stream(arrivals, FixedLengths(60, 3), 1, requests=60_000)
    _, requests = serve(deployment, stream)
    waits_s = np.array([one.scheduled_s - one.arrival_s for one in requests])
    assert waits_s.mean() == approx(load * service_s / (2 * (1 - load)), 0.02)
    wait_s, lindley_s = 0.0, []
    for gap_s in np.diff([one.arrival_s for one in requests], append=0.0).tolist():
        lindley_s.append(wait_s)
        wait_s = max(0.0, wait_s + service_s - gap_s)
    np.testing.assert_allclose(waits_s, lindley_s, rtol=0, atol=1e-7)
    # An arrival that finds the server free waits no time at all: Poisson arrivals see 1 - load.
    assert np.mean(waits_s == 0) == approx(1 - load, 0.02)


def test_littles_law() -> None:
    """The integral of the number in the system is the sum of the times in it; and L = lambda W."""
    lengths = UniformLengths(100, 700, 2.0)
    stream = generated_stream(PoissonArrivals(7.0), lengths, 5, requests=1500)
    cluster = Cluster(config(kv_blocks=300, batch_cap=24), stream)
    integral = last_s = 0.0
    while not (cluster.exhausted and cluster.arrived == ended(cluster)):
        inside = cluster.arrived - ended(cluster)
        cluster.env.step()
        integral += inside * (cluster.env.now - last_s)
        last_s = cluster.env.now
    cluster.step(last_s + 1)
    requests = cluster.take_ended()
    assert len(requests) == 1500
    assert sum(one.preemptions for one in requests) > 0
    assert integral == approx(sum(one.finish_s - one.arrival_s for one in requests), 1e-9)


def ended(cluster: Cluster) -> int:
    return sum(len(engine.ended) for engine in cluster.engines)


def test_mfu_of_one_prefill() -> None:
    """2 FLOPs per weight and token, 4 per pair of tokens and query channel, halved by causality."""
    deployment = config()
    model, tokens = deployment.pool.model, 2048
    telemetry, _ = serve(deployment, [Arrival(0.0, tokens, 1, 0)], 10.0)
    weights = model.attention_parameters_per_layer + model.mlp_parameters_per_layer
    linear = 2 * model.layers * weights * tokens
    attention = model.layers * 4 * model.hidden_size * tokens**2 / 2
    head = 2 * model.hidden_size * model.vocab_size
    total = linear + attention + head
    assert telemetry.mfu == approx(total / (10.0 * 312e12), 1e-12)
