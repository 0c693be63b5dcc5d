"""Prices of work: no iteration costs less, whatever is in it, and no run of a cluster does."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from cosim.studies.bounds.compositions import amounts, draw
from cosim.studies.bounds.machine import Composition, Machine, request_amounts
from cosim.studies.bounds.prices import Floor, Worth, best_prices, find_floor
from inference_sim.cluster import Cluster
from inference_sim.deployment import ClusterConfig
from inference_sim.hardware import find_gpu
from inference_sim.models import find_model
from inference_sim.power import MfuPowerLaw, TwoResource
from tests.deployments import one_pool
from tests.samples import examples
from tests.strategies import Scenario, scenarios

H100, A100 = find_gpu("h100-sxm-80gb"), find_gpu("a100-sxm-80gb")
CLOCKS = (0.3, 0.5, 0.75, 1.0)


def deployment(model: str = "meta-llama/Meta-Llama-3-8B", **values: object) -> ClusterConfig:
    usual = {"gpu": H100, "power": TwoResource.of(H100), "batch_cap": 64}
    return one_pool(model=find_model(model), **usual | values)


DEPLOYMENTS = {
    "chunks": deployment(),
    "experts": deployment("Qwen/Qwen3-30B-A3B", scheduler="vllm"),
    "windows": deployment("google/gemma-2-9b-it", scheduler="sarathi", batch_cap=16),
    "pipeline": deployment(
        pipeline_parallel=2, scheduler="orca", power=MfuPowerLaw.of(A100), gpu=A100
    ),
}


@pytest.mark.parametrize(
    "cluster",
    [
        DEPLOYMENTS["pipeline"],
        *(
            pytest.param(
                each,
                marks=pytest.mark.nightly("prices of work on four deployments; every day on one"),
            )
            for name, each in DEPLOYMENTS.items()
            if name != "pipeline"
        ),
    ],
)
def test_no_iteration_costs_less_than_its_prices(cluster: ClusterConfig) -> None:
    machine = Machine.of(cluster, 50, 3000)
    total = np.array([0.0, 4e5, 500, 1e8, 1e5, 1e8])
    chat = Worth(500.0, 2e4, total / 10)
    floor = find_floor(machine, [1.0], total, [Worth(0, 0, total), chat], [100.0])
    drawn = draw(machine, 800, np.random.default_rng(99))
    check(machine, floor, drawn, 1.0)
    floor = find_floor(machine, CLOCKS, total, [], [])
    check(machine, floor, drawn, 0.62)  # between the clocks of the grid
    assert (floor.prices_j[4:] > 0).all()


def check(machine: Machine, floor: Floor, drawn: list[Composition], clock: float) -> None:
    energy_j, time_s = machine.costs(drawn, clock)
    x = amounts(drawn)
    assert (x @ floor.prices_j <= energy_j * (1 + 1e-3)).all()
    for line in floor.lines:
        value = line.power_w * time_s + line.decoding_j * x[:, 0]
        value += line.prompts * floor.prompts_j(x) + line.steps * floor.steps_j(x)
        limit = line.share * energy_j
        assert (value <= limit + 1e-3 * (energy_j + abs(line.power_w) * time_s)).all()


def test_prices_are_those_of_the_best_iterations() -> None:
    """Batches n from 1 to 4, contexts K from n to 5 n: energy 1 + 0.5 n + 0.1 K."""
    batches = [(n, k) for n in range(1, 5) for k in (n, 5 * n)]
    x = np.array(batches, dtype=float)
    energy = 1 + 0.5 * x[:, 0] + 0.1 * x[:, 1]
    prices = best_prices(x, energy, np.array([100.0, 300.0]))
    assert prices == pytest.approx([0.25 + 0.5, 0.1])  # a full batch shares the 1


def test_amounts_of_a_request_do_not_depend_on_its_chunks() -> None:
    """A prompt of 100 and an output of 4: 3 steps over contexts of 101, 102 and 103."""
    (whole,) = request_amounts(np.array([100.0]), np.array([4.0]), None)
    assert list(whole) == [0, 100, 1, 5000, 3, 306]
    pieces = [Composition(((30, 0),), 0, 0, 0), Composition(((70, 30),), 1, 0, 0)]
    steps = [Composition((), 0, 1, context) for context in (101, 102, 103)]
    sums = np.sum([piece.amounts() for piece in (*pieces, *steps)], axis=0)
    assert list(sums[1:]) == list(whole[1:])


@settings(max_examples=examples(2), suppress_health_check=list(HealthCheck))
@given(scenarios(), st.integers(0, 2**16))
def test_no_cluster_spends_less_than_the_floor(scenario: Scenario, seed: int) -> None:
    """Random deployments with little memory, under settings that move: evictions included."""
    check_floor(scenario)


@settings(max_examples=examples(2), suppress_health_check=list(HealthCheck))
@given(scenarios(drafts=True))
def test_no_cluster_with_drafts_spends_less_than_the_floor(scenario: Scenario) -> None:
    check_floor(scenario.but(batch_cap=24))  # the most that is set


def check_floor(scenario: Scenario) -> None:
    cluster = Cluster(scenario.config, iter(scenario.stream))
    energy_j = busy_s = 0.0
    pool = scenario.config.pool
    for step in itertools.count():
        if step < len(scenario.settings):
            cluster.apply(scenario.settings[step])
        elif step == len(scenario.settings):
            cluster.apply({"admission_rate": np.inf, "deferrable_rate": np.inf})
        telemetry = cluster.step((step + 1) * scenario.step_s)
        groups_s = pool.replicas * pool.pipeline_parallel * scenario.step_s
        energy_j += telemetry.attributed_power_w * scenario.step_s
        busy_s += telemetry.busy_fraction * groups_s
        if cluster.drained or step > 3000:
            break
    assume(cluster.drained)
    served = [request for request in cluster.take_ended() if request.finish_s >= 0]
    assume(served)
    lengths = np.array([(each.prompt_tokens, each.output_tokens) for each in served], dtype=float)
    work = request_amounts(lengths[:, 0], lengths[:, 1], pool.speculative).sum(axis=0)
    machine = Machine.of(scenario.config, int(lengths[:, 0].min()), int(lengths.sum(axis=1).max()))
    floor = find_floor(machine, CLOCKS, work, [Worth(0.0, 0.0, work)], [50.0])
    above_j = energy_j - busy_s * pool.tensor_parallel * machine.awake_w
    assert work @ floor.prices_j <= above_j * (1 + 1e-6)
    time_s = busy_s / pool.pipeline_parallel
    for line in floor.lines:
        value = line.prompts * floor.prompts_j(work) + line.steps * floor.steps_j(work)
        assert value <= (line.share * above_j - line.power_w * time_s) * (1 + 1e-6)
