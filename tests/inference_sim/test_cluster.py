"""The cluster's own rules: what it refuses, where requests go, what its telemetry says."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from inference_sim.cluster import Cluster
from inference_sim.execution import Roofline
from inference_sim.latencies import RollingLatencies, percentile_99
from inference_sim.request import Outcome, Request
from inference_sim.workload import Arrival
from tests.inference_sim.builders import approx, at_once, config, serve


@pytest.mark.parametrize(
    ("options", "longest", "reason"),
    [
        ({}, 4096, "context_too_long"),  # the model's context
        ({"max_batch_tokens": 1000}, 1000, "context_too_long"),
        ({"max_batch_tokens": 10**6}, 4096, "context_too_long"),
        ({"scheduler": "vllm_v1", "max_batch_tokens": 1000}, 4096, "context_too_long"),
        ({"kv_blocks": 100}, 99 * 16, "kv_cache_too_small"),  # all but the watermark
    ],
)
def test_requests_that_are_too_long_are_refused(
    options: dict[str, Any], longest: int, reason: str
) -> None:
    """Prompt and output together; the others behind them are served."""
    stream = [
        Arrival(0.0, longest - 40, 41, 0),
        Arrival(0.0, longest - 40, 40, 0),
        Arrival(0.0, 10, 10, 0),
    ]
    telemetry, (refused, served, short) = serve(config(**options), stream)
    assert (telemetry.arrived, telemetry.rejected, telemetry.completed) == (3, 1, 2)
    assert (refused.outcome, refused.reason) == (Outcome.REJECTED, reason)
    assert refused.energy_j == 0
    assert served.outcome is short.outcome is Outcome.COMPLETED
    assert telemetry.admitted == 2  # the gateway never saw the first


def test_round_robin_takes_turns() -> None:
    _, requests = serve(config(replicas=3), at_once(7, 10, 5))
    assert [one.replica for one in requests] == [0, 1, 2, 0, 1, 2, 0]


def test_least_outstanding_goes_where_least_is_left() -> None:
    """Waiting, prefilling and decoding requests count."""
    stream = [
        Arrival(0.0, 10, 2000, 0),
        Arrival(0.0, 10, 3, 0),
        Arrival(5.0, 10, 900, 0),  # replica 1 has nothing left
        Arrival(5.0, 10, 3, 0),  # one each: the first
        Arrival(5.001, 10, 3, 0),  # that one is still in its prefill
    ]
    deployment = config(replicas=2, router="least_outstanding")
    _, requests = serve(deployment, stream)
    assert [one.replica for one in requests] == [0, 1, 1, 0, 1]


def test_latency_percentiles_look_back_five_minutes() -> None:
    """And the step's own requests count from their first token, and from their end."""
    cluster = Cluster(config(), [Arrival(0.0, 1000, 2, 0), Arrival(201.0, 10, 2, 0)])
    reports = [cluster.step(100.0 * k) for k in range(1, 9)]
    slow, fast = sorted(cluster.take_ended(), key=lambda one: one.request_id)
    slow_s, fast_s = slow.first_token_s, fast.first_token_s - 201.0
    assert fast_s < slow_s
    both_s = np.percentile([slow_s, fast_s], 99)
    got = [report.ttft_p99_s for report in reports]
    assert got == approx([slow_s] * 2 + [both_s] + [fast_s] * 2 + [math.nan] * 3, 1e-12)
    assert reports[0].tpot_p99_s == approx(slow.finish_s - slow.first_token_s, 1e-12)


def test_percentiles_of_one_token_requests() -> None:
    """They have a first token, and no gap after it."""
    telemetry, _ = serve(config(), at_once(3, 10, 1), 10.0)
    assert telemetry.ttft_p99_s > 0
    assert math.isnan(telemetry.tpot_p99_s)


def request_of(class_id: int, ttft_s: float) -> Request:
    one = Request(0, 0.0, 10, 5, class_id)
    one.first_token_s, one.finish_s, one.outcome = ttft_s, 5 * ttft_s, Outcome.COMPLETED
    return one


def test_rolling_latencies() -> None:
    """Over the last two steps, of all and of each class; NaN where there was none."""
    rolling = RollingLatencies(steps=2)
    rolling.add_step([], [])
    assert math.isnan(rolling.ttft_p99_s())
    chat, batch = request_of(0, 1.0), request_of(1, 9.0)
    rolling.add_step([chat, batch], [chat])
    assert rolling.ttft_p99_s() == approx(1.0 + 0.99 * 8.0, 1e-12)
    assert (rolling.ttft_p99_s(0), rolling.ttft_p99_s(1)) == (1.0, 9.0)
    assert rolling.tpot_p99_s() == rolling.tpot_p99_s(0) == 1.0
    assert math.isnan(rolling.tpot_p99_s(1))
    rolling.add_step([], [batch])
    assert rolling.tpot_p99_s(1) == 9.0
    rolling.add_step([], [])
    assert math.isnan(rolling.ttft_p99_s())
    assert rolling.tpot_p99_s() == 9.0


@given(values=st.lists(st.floats(0, 1e4), min_size=1, max_size=250))
def test_the_percentile_is_numpys(values: list[float]) -> None:
    assert percentile_99(np.array(values)) == np.percentile(values, 99)


def test_gateway_waiting_counts_in_the_time_to_first_token() -> None:
    """A request that the gateway holds for ten seconds has waited for ten seconds."""
    _, (first, second) = serve(config(admission_rate_per_s=0.1), at_once(2, 50, 2))
    telemetry, _ = serve(config(admission_rate_per_s=0.1), at_once(2, 50, 2), 100.0)
    assert second.admitted_s == approx(10.0, 1e-9)
    waits_s = [first.first_token_s, second.first_token_s]
    assert waits_s[1] == approx(10.0 + waits_s[0], 1e-9)
    assert telemetry.ttft_p99_s == approx(np.percentile(waits_s, 99), 1e-9)


def test_power_of_hosts_and_pue() -> None:
    bare, _ = serve(config(), at_once(8, 100, 50), 10.0)
    full, _ = serve(config(host_power_w=70.0, pue=1.25), at_once(8, 100, 50), 10.0)
    assert bare.facility_power_w == bare.gpu_power_w == full.gpu_power_w
    assert full.host_power_w == 70.0
    assert full.facility_power_w == approx((full.gpu_power_w + 70.0) * 1.25, 1e-12)
    deployment = config(replicas=2, tensor_parallel=4, host_power_w=70.0, pue=1.25)
    assert deployment.gpus == 8
    assert deployment.idle_power_w == approx(8 * (65 + 70) * 1.25, 1e-12)
    assert deployment.peak_power_w == approx(8 * (400 + 70) * 1.25, 1e-12)


def test_kv_utilisation_grows_while_a_segment_is_under_way() -> None:
    """One request decodes undisturbed, and takes a block of a hundred every sixteen tokens."""
    deployment = config(kv_blocks=100)
    cost = Roofline(deployment.pool.model, deployment.pool.gpu, deployment.pool.engine).decode(1)
    cluster = Cluster(deployment, [Arrival(0.0, 16, 800, 0)])
    cluster.step(0.1)
    (request,) = cluster.engines[0].running
    now_s, done, context = request.first_token_s, 0, 17
    for step in range(1, 8):
        while now_s + cost.gpu_s + cost.gpu_s_per_context * context < step:
            now_s += cost.gpu_s + cost.gpu_s_per_context * context
            done, context = done + 1, context + 1
        blocks = math.ceil((16 + done) / 16)
        assert cluster.step(float(step)).kv_utilisation == approx(blocks / 100, 1e-12)
    assert done > 600


def test_knobs_are_part_of_the_telemetry() -> None:
    telemetry, _ = serve(config(), at_once(2, 10, 5), 10.0)
    assert telemetry.settings == {"admission_rate": math.inf, "deferrable_rate": math.inf}
    assert telemetry.pools["main"].settings == {
        "batch_cap": 128,
        "active_replicas": 1,
        "clock_fraction": 1.0,
        "prefill_clock": 1.0,
        "decode_clock": 1.0,
        "power_cap": math.inf,
    }
