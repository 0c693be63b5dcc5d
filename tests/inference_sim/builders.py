"""Short ways to make clusters and to run them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import pytest

from inference_sim.cluster import Cluster
from inference_sim.deployment import ClusterConfig
from inference_sim.execution import IterationCost, Roofline, find_engine
from inference_sim.power import TwoResource
from inference_sim.request import Request
from inference_sim.telemetry import StepTelemetry
from inference_sim.workload import Arrival
from tests.deployments import one_pool
from tests.strategies import A100, LLAMA2_7B, Scenario

OPEN = {"admission_rate": math.inf, "deferrable_rate": math.inf}


def config(**changes: Any) -> ClusterConfig:
    """Llama-2-7b on one A100, kernels only."""
    values: dict[str, Any] = {
        "model": LLAMA2_7B,
        "gpu": A100,
        "engine": find_engine("none"),
        "power": TwoResource.of(A100),
        "scheduler": "vllm",
    }
    return one_pool(**values | changes)


def prefill(roofline: Roofline, prompts: Sequence[int]) -> IterationCost:
    """The cost of computing whole prompts, and nothing else, in one iteration."""
    return roofline.iteration([(tokens, 0) for tokens in prompts], len(prompts))


def cost_values(cost: IterationCost) -> dict[str, float]:
    """The fields of a cost by name."""
    names = (
        "gpu_s",
        "sampling_s",
        "host_s",
        "serial_s",
        "flops",
        "hbm_bytes",
        "duration_s",
        "padding_flops",
    )
    return {name: getattr(cost, name) for name in names}


def at_once(count: int, prompt: int, output: int) -> list[Arrival]:
    """`count` equal requests at time 0."""
    return [Arrival(0.0, prompt, output, 0)] * count


def run(
    scenario: Scenario,
    *,
    drain: bool = True,
    watch: Callable[[Cluster], None] = lambda cluster: None,
) -> tuple[Cluster, list[StepTelemetry], list[Request]]:
    """Run the steps of a scenario and, if it is to drain, longer ones until nothing is left.

    Returns the cluster, its telemetry, and the requests that ended, by their number.
    """
    cluster = Cluster(scenario.config, scenario.stream)
    watch(cluster)
    steps = []
    for settings in scenario.settings:
        cluster.apply(settings)
        steps.append(cluster.step(cluster.env.now + scenario.step_s))
    if drain:
        cluster.apply(OPEN)
        while not cluster.drained:
            assert len(steps) < 1000, "the run does not end"
            steps.append(cluster.step(cluster.env.now + 10 * scenario.step_s))
    return cluster, steps, sorted(cluster.take_ended(), key=lambda one: one.request_id)


def serve(
    config: ClusterConfig, stream: Iterable[Arrival], until_s: float = 1e6
) -> tuple[StepTelemetry, list[Request]]:
    """Run everything in one step; return its telemetry and the requests, by their number."""
    cluster = Cluster(config, stream)
    telemetry = cluster.step(until_s)
    assert cluster.drained
    return telemetry, sorted(cluster.take_ended(), key=lambda one: one.request_id)


def approx(value: Any, rel: float) -> Any:
    """Equality up to a relative error (and 1e-12 around 0), where NaN equals NaN."""
    return pytest.approx(value, rel=rel, nan_ok=True)


def random_scenario(seed: int) -> Scenario:
    """A scenario that is busy enough for everything to happen; the same for the same seed."""
    rng = random.Random(seed)  # noqa: S311
    time_s, stream = 0.0, []
    for _ in range(60):
        time_s += rng.choice([0.0, rng.expovariate(5.0)])
        stream.append(Arrival(time_s, rng.randint(1, 300), rng.randint(1, 300), 0))
    settings: list[dict[str, float]] = [
        {"batch_cap": rng.randint(1, 16), "admission_rate": rng.choice([2.5, 8.0, math.inf])}
        for _ in range(8)
    ]
    return Scenario(
        config(kv_blocks=rng.randint(60, 140), replicas=1 + seed % 2), stream, 1.7, settings
    )
