"""The clusters in a mosaik world of their own, with a stand-in for controllers and microgrid."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Mapping, Sequence
from typing import Any

import mosaik
import mosaik_api_v3
import pytest

from inference_sim.cluster import Cluster
from inference_sim.errors import InferenceSimError
from inference_sim.participant import ClusterSimulator
from inference_sim.workload import Arrival, FixedLengths, PoissonArrivals, generated_stream
from tests.inference_sim.builders import approx, config

STEP_S = 30


class Operator(mosaik_api_v3.Simulator):
    """Plays back one value of each actuator per step."""

    def __init__(self):
        models = {
            "Operator": {"public": True, "params": [], "attrs": ["admission_rate", "batch_cap"]}
        }
        super().__init__({"type": "time-based", "models": models})

    def init(self, sid, time_resolution=1.0, *, script):
        self.script = script
        return self.meta

    def create(self, num, model):
        return [{"eid": "operator", "type": model}]

    def step(self, time, inputs, max_advance):
        self.now = self.script[time // STEP_S]
        return time + STEP_S

    def get_data(self, outputs):
        return {"operator": dict(self.now)}


class Grid(mosaik_api_v3.Simulator):
    """Writes down what it gets."""

    def __init__(self):
        models = {"Grid": {"public": True, "params": [], "attrs": ["power", "telemetry"]}}
        super().__init__({"type": "time-based", "models": models})

    def init(self, sid, time_resolution=1.0, *, seen):
        self.seen = seen
        return self.meta

    def create(self, num, model):
        return [{"eid": "grid", "type": model}]

    def step(self, time, inputs, max_advance):
        self.seen.append(dict(inputs["grid"]))
        return time + STEP_S

    def get_data(self, outputs):
        return {}


def run_world(
    clusters: Mapping[str, Cluster], script: Sequence[Mapping[str, float]], **kwargs: Any
) -> list[dict[str, Any]]:
    """Run one step per entry of the script; return what the grid saw in each."""
    seen: list[dict[str, Any]] = []
    models = {
        "Operator": {"python": f"{__name__}:Operator"},
        "Clusters": {"python": "inference_sim.participant:ClusterSimulator"},
        "Grid": {"python": f"{__name__}:Grid"},
    }
    with mosaik.World(models, skip_greetings=True, configure_logging=False) as world:
        operator = world.start("Operator", script=script).Operator()
        grid = world.start("Grid", seen=seen).Grid()
        simulator = world.start("Clusters", clusters=clusters, step_s=STEP_S, **kwargs)
        for name in clusters:
            cluster = simulator.Cluster(name=name)
            world.connect(operator, cluster, "admission_rate", "batch_cap")
            world.connect(cluster, grid, "power", "telemetry")
        try:
            world.run(until=STEP_S * len(script), print_progress=False)
        finally:
            cancel_runners(world.loop)
    return seen


def cancel_runners(loop: asyncio.AbstractEventLoop) -> None:
    """A failed run leaves the other simulators waiting."""
    pending = [task for task in asyncio.all_tasks(loop) if not task.done()]
    for task in pending:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))


def stream():
    return generated_stream(PoissonArrivals(4.0), FixedLengths(100, 40), 5)


def test_same_as_alone() -> None:
    """Actuators act from the start of their step, and the power of that step leaves in it."""
    rates, caps = [math.inf, 1.0, 0.0, 3.0], [128, 2, 7, 64]
    script = [
        {"admission_rate": rate, "batch_cap": cap} for rate, cap in zip(rates, caps, strict=True)
    ]
    options = {"host_power_w": 50.0, "pue": 1.2}
    telemetry: dict[str, Any] = {}
    seen = run_world({"dc": Cluster(config(**options), stream())}, script, telemetry=telemetry)
    alone = Cluster(config(**options), stream())
    assert len(seen) == 4
    for step, settings in enumerate(script):
        alone.apply(settings)
        expected = alone.step(STEP_S * (step + 1.0))
        (power_w,) = seen[step]["power"].values()
        (observed,) = seen[step]["telemetry"].values()
        assert power_w == -expected.facility_power_w <= -alone.config.idle_power_w
        assert repr(observed) == repr(expected)  # NaN too
    assert repr(telemetry["dc"]) == repr(expected)
    assert expected.settings["admission_rate"] == 3.0
    assert expected.pools["main"].settings["batch_cap"] == 64


def test_actuators_act_at_the_step_they_are_set() -> None:
    script = [
        {"admission_rate": 0.0, "batch_cap": 5},
        {"admission_rate": math.inf, "batch_cap": 5},
        {"admission_rate": 0.0, "batch_cap": 5},
    ]
    seen = run_world({"dc": Cluster(config(), stream())}, script)
    admitted = [next(iter(one["telemetry"].values())).admitted for one in seen]
    waiting = [next(iter(one["telemetry"].values())).gateway_waiting for one in seen]
    assert admitted[0] == 0
    assert waiting[0] > 80
    assert waiting[1] == 0
    assert admitted[1] > 80 + waiting[0]
    assert admitted[2] == 0
    assert waiting[2] > 80


def test_power_of_an_idle_cluster() -> None:
    cluster = Cluster(config(replicas=2, host_power_w=30.0, pue=1.5), [])
    (first,) = run_world({"dc": cluster}, [{"admission_rate": 1.0, "batch_cap": 1}])
    assert list(first["power"].values()) == approx([-2 * (65 + 30) * 1.5], 1e-12)


def test_two_clusters() -> None:
    clusters = {
        "north": Cluster(config(), []),
        "south": Cluster(config(), [Arrival(1.0, 100, 50, 0)]),
    }
    (first,) = run_world(clusters, [{"admission_rate": 1.0, "batch_cap": 1}])
    completed = {name: one.completed for name, one in first["telemetry"].items()}
    assert sorted(completed.values()) == [0, 1]
    assert {name.split(".")[-1] for name, count in completed.items() if count} == {"south"}


@pytest.mark.parametrize(
    ("settings", "text"),
    [
        ({"admission_rate": -1.0}, r"admission_rate must be at least 0 \(got -1\)"),
        ({"admission_rate": math.nan}, r"admission_rate must be at least 0 \(got nan\)"),
        ({"batch_cap": 0}, r"batch_cap must be a whole number from 1 \(got 0\)"),
        ({"batch_cap": 2.5}, r"batch_cap must be a whole number from 1 \(got 2\.5\)"),
        ({"batch_cap": math.nan}, r"batch_cap must be a whole number from 1 \(got nan\)"),
        ({"batch_cap": math.inf}, r"batch_cap must be a whole number from 1 \(got inf\)"),
        ({"clock": 1.0}, "unknown actuator 'clock'; known: admission_rate, deferrable_rate"),
        ({"clock_fraction": 0.0}, r"clock_fraction must be above 0 and at most 1 \(got 0\)"),
        ({"clock_fraction": 1.2}, r"clock_fraction must be above 0 and at most 1 \(got 1\.2\)"),
        ({"active_replicas": 0}, r"active_replicas must be a whole number from 1 \(got 0\)"),
    ],
)
def test_actuators_out_of_range(settings: dict[str, float], text: str) -> None:
    with pytest.raises(InferenceSimError, match=text):
        Cluster(config(), []).apply(settings)


def test_actuators_out_of_range_end_the_world() -> None:
    with pytest.raises(InferenceSimError, match="batch_cap must be a whole number from 1"):
        run_world({"dc": Cluster(config(), [])}, [{"admission_rate": 1.0, "batch_cap": 0}])


def test_wrong_wiring() -> None:
    simulator = ClusterSimulator()
    clusters = {"dc": Cluster(config(), [])}
    with pytest.raises(ValueError, match=r"time_resolution must be 1\.0 s \(got 0\.5\)"):
        simulator.init("Clusters", 0.5, clusters=clusters, step_s=60)
    simulator.init("Clusters", clusters=clusters, step_s=60)
    assert simulator.create(1, "Cluster", name="dc") == [{"eid": "dc", "type": "Cluster"}]
    with pytest.raises(ValueError, match=r"expected one cluster of dc \(got 'nowhere'\)"):
        simulator.create(1, "Cluster", name="nowhere")
    with pytest.raises(ValueError, match="expected one cluster of dc"):
        simulator.create(2, "Cluster", name="dc")
