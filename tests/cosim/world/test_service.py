"""What policies plan with, against what the simulator does."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import pytest

from controllers import ServiceModel
from cosim.world.demand import Demand
from cosim.world.service import class_weights, service_models
from inference_sim.cluster import Cluster
from inference_sim.deployment import ClusterConfig
from inference_sim.dispatch import Disaggregated
from inference_sim.errors import InferenceSimError
from inference_sim.execution import find_engine
from inference_sim.hardware import find_gpu
from inference_sim.kv_transfer import KvTransfer
from inference_sim.latencies import tpot_s
from inference_sim.models import find_model
from inference_sim.power import TwoResource
from inference_sim.request import Request
from inference_sim.speculative import Speculative, draft_layers
from inference_sim.telemetry import StepTelemetry
from inference_sim.workload import FixedLengths, PoissonArrivals, generated_stream
from tests.deployments import one_pool

H100 = find_gpu("h100-sxm-80gb")
PROMPT, OUTPUT = 512, 128
DRAFTS = Speculative(
    draft_tokens=3,
    accepted_tokens=1.4,
    draft=draft_layers(find_model("meta-llama/Meta-Llama-3-8B"), 1),
    shares_embeddings=True,
)
REQUESTS = 3000


def deployment(**changes: Any) -> ClusterConfig:
    """Llama-3-8B on H100."""
    values: dict[str, Any] = {
        "model": find_model("meta-llama/Meta-Llama-3-8B"),
        "gpu": H100,
        "engine": find_engine("vllm-0.11"),
        "power": TwoResource.of(H100),
    }
    return one_pool(**values | changes)


def demand(output_cv2: float = 0.0, prompt: float = PROMPT, output: float = OUTPUT) -> Demand:
    return Demand(np.ones(1), prompt, output, output_cv2)


def only_model(config: ClusterConfig, workload: Demand) -> ServiceModel:
    """The service model of the only pool."""
    (model,) = service_models(config, workload).values()
    return model


def simulated(config: ClusterConfig, rate_per_s: float) -> tuple[StepTelemetry, list[Request]]:
    """Some thousand requests at random, after a while to settle."""
    cluster = Cluster(
        config,
        generated_stream(PoissonArrivals(rate_per_s), FixedLengths(PROMPT, OUTPUT), 1),
    )
    cluster.step(20.0)
    cluster.take_ended()
    telemetry = cluster.step(20.0 + REQUESTS / rate_per_s)
    return telemetry, cluster.take_ended()


def time_per_token_s(model: ServiceModel, rate_per_s: float) -> float:
    """The mean time per token at a load: that of the batch that completes it."""
    return float(np.interp(rate_per_s / model.replicas, model.rate_per_s[-1], model.tpot_s[-1]))


@cache
def h100() -> ServiceModel:
    return only_model(deployment(), demand())


@pytest.mark.parametrize("load", [0.1, 0.3, 0.6])
@pytest.mark.parametrize(
    ("changes", "within"),
    [
        ({}, 0.05),
        ({"replicas": 2, "tensor_parallel": 2}, 0.05),
        ({"scheduler": "vllm"}, 0.10),
        ({"pipeline_parallel": 2}, 0.10),
        ({"speculative": DRAFTS}, 0.08),
    ],
    ids=["h100", "two of two", "vllm v0", "pipeline", "drafts"],
)
def test_power_and_time_per_token_are_those_of_a_run(
    changes: dict[str, Any], within: float, load: float
) -> None:
    config = deployment(**changes)
    model = only_model(config, demand())
    rate_per_s = load * model.capacity_per_s()
    telemetry, ended = simulated(config, rate_per_s)
    assert len(ended) == pytest.approx(REQUESTS, rel=0.1)
    assert model.draw_w(rate_per_s) == pytest.approx(telemetry.facility_power_w, rel=within)
    mean_s = np.mean([tpot_s(request) for request in ended])
    assert time_per_token_s(model, rate_per_s) == pytest.approx(mean_s, rel=within)


@pytest.mark.parametrize("load", [0.3, 0.7])
def test_power_and_time_per_token_of_pools_with_a_role(load: float) -> None:
    pool = deployment(scheduler="vllm_v1").pool
    pools = (
        replace(pool, name="prefill", role="prefill"),
        replace(pool, name="decode", role="decode"),
    )
    config = ClusterConfig(
        pools=pools, dispatch=Disaggregated(), kv_transfer=KvTransfer(bytes_per_s=5e10)
    )
    models = service_models(config, demand())
    capacity_per_s = {name: model.capacity_per_s() for name, model in models.items()}
    rate_per_s = load * min(capacity_per_s.values())
    telemetry, ended = simulated(config, rate_per_s)
    for name, model in models.items():
        drawn_w = telemetry.pools[name].gpu_power_w
        assert model.draw_w(rate_per_s) == pytest.approx(drawn_w, rel=0.05), name
    gaps_s = [
        (one.finish_s - one.first_token_s) / (one.output_tokens - 1) for one in ended
    ]  # the first one holds the transfer and the rest of an iteration
    mean_s = time_per_token_s(models["decode"], rate_per_s)
    assert np.mean(gaps_s) == pytest.approx(mean_s, rel=0.05)


def test_a_run_completes_what_it_can_serve() -> None:
    """Overloaded, it completes requests at the capacity, to the tenth that chance takes from it."""
    capacity = h100().capacity_per_s()
    telemetry, _ = simulated(deployment(), 2 * capacity)
    rate_per_s = telemetry.completed / (REQUESTS / (2 * capacity))
    assert 0.9 * capacity < rate_per_s < 1.01 * capacity


def test_at_a_lower_clock() -> None:
    """At 0.6 of the clock the batch that is full takes the time and the power of the table."""
    model = h100()
    row = model.clocks.tolist().index(0.6)
    cluster = Cluster(
        deployment(),
        generated_stream(PoissonArrivals(200.0), FixedLengths(PROMPT, OUTPUT), 1),
    )
    cluster.apply({"clock_fraction": 0.6})
    cluster.step(20.0)
    telemetry = cluster.step(60.0)
    assert telemetry.completed / 40 == pytest.approx(model.rate_per_s[row, -1], rel=0.05)
    assert telemetry.facility_power_w == pytest.approx(model.power_w[row, -1], rel=0.05)


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"scheduler": "vllm"},
        {"scheduler": "sarathi"},
        {"scheduler": "orca"},
        {"scheduler": "static"},
        {"pipeline_parallel": 4},
        {"tensor_parallel": 4, "pue": 1.3, "host_power_w": 50.0},
        {"batch_cap": 1},
        {"kv_blocks": 60},
    ],
    ids=str,
)
def test_what_must_hold_of_any(changes: dict[str, Any]) -> None:
    config = deployment(**changes)
    model = only_model(config, demand(0.5))
    assert model.clocks[-1] == 1
    assert (np.diff(model.clocks) > 0).all()
    assert model.batches[0] == 1
    assert model.batches[-1] <= config.pool.batch_cap
    assert (np.diff(model.batches) > 0).all()
    shape = (len(model.clocks), len(model.batches))
    assert model.rate_per_s.shape == model.power_w.shape == model.tpot_s.shape == shape
    assert (np.diff(model.tpot_s, axis=0) <= 0).all()  # a higher clock is no slower
    assert (np.diff(model.tpot_s, axis=1) >= 0).all()  # a larger batch is no quicker
    assert model.load_per_s[0] == 0
    assert (np.diff(model.load_per_s) >= 0).all()
    assert (np.diff(model.load_w) >= 0).all()
    assert model.load_w[0] == model.idle_w == config.idle_power_w
    assert model.load_per_s[-1] == model.capacity_per_s()
    assert model.sleep_w <= model.idle_w
    assert (model.power_w <= config.peak_power_w).all()
    rates = np.linspace(0, 2 * model.capacity_per_s(), 200)
    assert (np.diff(model.draw_w(rates)) >= 0).all()


def test_the_batch_is_what_cap_and_memory_allow() -> None:
    assert h100().batches[-1] == 128
    context = PROMPT + OUTPUT / 2 * (1 + 1 / 1)  # with a cv of 1 a running output is a mean longer
    small = only_model(deployment(kv_blocks=math.ceil(10 * context / 16)), demand(1.0))
    assert small.batches[-1] == 10


def test_replicas_scale_it() -> None:
    three = only_model(deployment(replicas=3), demand())
    one = h100()
    assert three.capacity_per_s() == pytest.approx(3 * one.capacity_per_s())
    assert three.draw_w(30.0) == pytest.approx(3 * one.draw_w(10.0))
    assert three.draw_w(10.0, replicas=1) == pytest.approx(one.draw_w(10.0) + 2 * one.sleep_w)


def test_a_deployment_that_does_not_fit() -> None:
    with pytest.raises(InferenceSimError):
        only_model(deployment(model=find_model("meta-llama/Meta-Llama-3-70B")), demand())


def test_the_weights_of_classes_are_their_times_in_a_run() -> None:
    """Prompts of 200 tokens and outputs of 50, or 3000 and 400, each alone at a full batch."""
    config = deployment(batch_cap=32)
    lengths = ((200, 50), (3000, 400))
    short, long = (
        replace(demand(prompt=prompt, output=output), share=share)
        for (prompt, output), share in zip(lengths, (0.8, 0.2), strict=True)
    )
    mixed = replace(
        demand(prompt=760, output=120, output_cv2=0.8 * 0.2 * 350**2 / 120**2),
        by_class=(short, long),
    )
    weights = class_weights(config.pool, config.pue, mixed, only_model(config, mixed), None)
    assert 0.8 * weights[0] + 0.2 * weights[1] == pytest.approx(1)
    taken_s = []
    for prompt, output in lengths:
        cluster = Cluster(
            config, generated_stream(PoissonArrivals(100.0), FixedLengths(prompt, output), 1)
        )
        cluster.step(60.0)
        taken_s.append(60 / cluster.step(120.0).completed)
    assert weights[1] / weights[0] == pytest.approx(taken_s[1] / taken_s[0], rel=0.05)
