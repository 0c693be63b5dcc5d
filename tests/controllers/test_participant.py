"""The controllers in a mosaik world of their own, with a stand-in for cluster and microgrid."""

from __future__ import annotations

import asyncio

import mosaik
import mosaik_api_v3
import pytest

from controllers import ControllerError, MicrogridReport, QueueView, SiteAction, SiteReport
from controllers.participant import ControllersSimulator
from tests.controllers.builders import Scripted, context, host


class Plant(mosaik_api_v3.Simulator):
    """Reports the step it is in, and keeps the batch caps it was given."""

    def __init__(self):
        attrs = ["batch_cap", "telemetry", "dispatch_states", "p_grid"]
        models = {"Plant": {"public": True, "params": [], "attrs": attrs}}
        super().__init__({"type": "time-based", "models": models})

    def init(self, sid, time_resolution=1.0, *, received):
        self.received = received
        return self.meta

    def create(self, num, model):
        return [{"eid": "plant", "type": model}]

    def step(self, time, inputs, max_advance):
        self.received += inputs["plant"]["batch_cap"].values()
        self.steps = time // 60
        return time + 60

    def get_data(self, outputs):
        states = {
            "battery": {"soc": 0.5, "charge_level": 50, "current_power": -20.0},
            "grid": {"current_power": -100.0 * self.steps, "connected": True},
        }
        data = {
            "telemetry": self.steps,
            "dispatch_states": states,
            "p_grid": -100.0 * self.steps,
        }
        return {"plant": data}


def read_cluster(completed):
    return SiteReport(queue=QueueView(completed=completed or 0))


def read_microgrid(states, p_grid):
    if not states:
        return MicrogridReport()
    return MicrogridReport(
        import_w=-p_grid,
        battery_soc=states["battery"]["soc"],
        battery_power_w=states["battery"]["current_power"],
    )


READ = {"read_cluster": read_cluster, "read_microgrid": read_microgrid}


def cancel_runners(loop):
    """A failed run leaves the other simulators waiting."""
    pending = [task for task in asyncio.all_tasks(loop) if not task.done()]
    for task in pending:
        task.cancel()
    loop.run_until_complete(asyncio.gather(*pending, return_exceptions=True))


def run_world(running, steps):
    received: list[float] = []
    config = {
        "Plant": {"python": f"{__name__}:Plant"},
        "Controllers": {"python": "controllers.participant:ControllersSimulator"},
    }
    with mosaik.World(config, skip_greetings=True, configure_logging=False) as world:
        plant = world.start("Plant", received=received).Plant()
        controlling = world.start("Controllers", host=running, step_s=60, **READ)
        control = controlling.SiteController(site="dc")
        world.connect(control, plant, "batch_cap")
        for attr, initial in (("telemetry", {}), ("dispatch_states", {}), ("p_grid", 0.0)):
            world.connect(plant, control, attr, time_shifted=True, initial_data={attr: initial})
        try:
            world.run(until=60 * steps, print_progress=False)
        finally:
            cancel_runners(world.loop)
    return received


def test_actions_act_at_once_and_telemetry_is_of_the_step_before():
    controller = Scripted(SiteAction(batch_cap=5), None, SiteAction(batch_cap=7))
    site = context(battery_capacity_wh=100.0, battery_min_soc=0.0)
    assert run_world(host(controller, contexts={"dc": site}), 4) == [5, 5, 7, 5]
    assert [seen.step for seen in controller.seen] == [0, 1, 2, 3]
    assert [seen.completed for seen in controller.seen] == [0, 0, 1, 2]
    assert [seen.import_w for seen in controller.seen] == [0, 0, 100, 200]
    assert [seen.battery_soc for seen in controller.seen] == [None, 0.5, 0.5, 0.5]
    assert [seen.battery_power_w for seen in controller.seen] == [0, -20, -20, -20]
    assert [seen.batch_cap for seen in controller.seen] == [128, 5, 5, 7]


def test_failure_is_kept_for_the_coupling():
    running = host(Scripted(None, SiteAction(batch_cap=0)))
    with pytest.raises(ControllerError, match="batch_cap=0 at step 1"):
        run_world(running, 4)
    assert running.failure is not None
    assert running.failure.step == 1


def test_wrong_wiring():
    simulator = ControllersSimulator()
    with pytest.raises(ValueError, match=r"time_resolution must be 1\.0 s"):
        simulator.init("Controllers", 0.5, host=host(), step_s=60, **READ)
    simulator.init("Controllers", 1.0, host=host(), step_s=60, **READ)
    assert simulator.create(1, "SiteController", site="dc") == [
        {"eid": "dc", "type": "SiteController"}
    ]
    with pytest.raises(ValueError, match="one SiteController per site"):
        simulator.create(1, "SiteController", site="dc")
    with pytest.raises(ValueError, match=r"one source of p_grid \(got a, b\)"):
        simulator.step(0, {"dc": {"p_grid": {"a": 1.0, "b": 2.0}}}, 60)
