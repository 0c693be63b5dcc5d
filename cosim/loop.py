"""The closed loop: controllers, clusters and microgrids, one step at a time.

Step k covers [t_k, t_k + step). The controllers see telemetry of step k-1 and the signals at t_k;
the clusters apply what they set, run to the end of the step and report their mean power over it;
Vessim dispatches that power over the same interval. So energy is exact, intensity is never stale,
and telemetry and battery state are one step old.

Two couplings give the same numbers. ``mosaik`` makes each part a participant of a mosaik world,
where others can join; ``native`` makes the clusters' power a Vessim signal, and is faster.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import vessim
from loguru import logger

from controllers import ACTUATORS, ControllerHost, microgrid_telemetry
from cosim.errors import RunFailed
from cosim.microgrid import LOAD, actors, dispatchables
from cosim.plan import Plan
from cosim.record import Drained, Recorder, RequestSink
from inference_sim.cluster import Cluster
from inference_sim.telemetry import StepTelemetry

_CARBON = "carbon_intensity"


@dataclass(frozen=True, slots=True)
class Run:
    """A run that has ended, by itself or by a failure.

    Attributes:
        plan: What was run.
        recorder: The steps it took.
        clusters: The clusters by site, as they were at its end.
        host: The controllers, and the record of what they did.
        failure: Why it broke off; None if it did not.
    """

    plan: Plan
    recorder: Recorder
    clusters: Mapping[str, Cluster]
    host: ControllerHost
    failure: RunFailed | None


def run(
    plan: Plan,
    *,
    on_requests: RequestSink = lambda site, requests: None,
    on_step: Callable[[int], None] = lambda steps: None,
) -> Run:
    """Run a plan to its end.

    A failure in the middle does not raise: what was recorded until then is worth keeping, and the
    result says what failed.

    Args:
        plan: What to run.
        on_requests: Called with the site and the requests that ended in each step.
        on_step: Called after each step with the number of steps done.
    """
    for library in ("mosaik", "mosaik_api_v3", "vessim"):
        logger.disable(library)
    clusters = {
        site.name: Cluster(site.cluster, site.workload.stream())
        for site in plan.sites
        if site.cluster is not None and site.workload is not None
    }
    telemetry: dict[str, StepTelemetry] = {}
    host = plan.host()
    recorder = Recorder(plan, clusters, telemetry, on_requests, on_step)
    failure: RunFailed | None = None
    couple = _mosaik if plan.scenario.coupling == "mosaik" else _native
    environment = _environment(plan)
    try:
        couple(plan, environment, clusters, host, telemetry, recorder)
        environment.run(until=plan.scenario.time.horizon_s)
    except Drained:
        pass
    except KeyboardInterrupt:
        failure = RunFailed("interrupted", step=recorder.steps)
    except Exception as error:
        cause = host.failure or error
        kind = "" if host.failure else f"{type(cause).__name__}: "
        failure = RunFailed(f"{kind}{cause}", step=recorder.steps)
        failure.__cause__ = cause
    _settle(plan, environment, recorder)
    return Run(plan, recorder, clusters, host, failure)


def _environment(plan: Plan) -> vessim.Environment:
    time, scenario = plan.scenario.time, plan.scenario
    return vessim.Environment(
        sim_start=time.start.replace(tzinfo=None),
        step_size=time.step_s,
        name=scenario.name,
        backend=scenario.coupling,
        sim_config=_SIMULATORS if scenario.coupling == "mosaik" else None,
    )


_SIMULATORS = {
    "Cluster": {"python": "inference_sim.participant:ClusterSimulator"},
    "Controllers": {"python": "controllers.participant:ControllersSimulator"},
}


def _add_microgrids(
    plan: Plan, environment: vessim.Environment, loads: Mapping[str, vessim.Actor]
) -> None:
    for site in plan.sites:
        location = site.config.location
        own = [loads[site.name]] if site.name in loads else []
        environment.add_microgrid(
            name=site.name,
            actors=actors(site, plan.scenario.time.step_s) + own,
            dispatchables=dispatchables(site.config.microgrid.battery),
            coords=(location.latitude, location.longitude) if location else None,
        )


def _mosaik(
    plan: Plan,
    environment: vessim.Environment,
    clusters: Mapping[str, Cluster],
    host: ControllerHost,
    telemetry: dict[str, StepTelemetry],
    recorder: Recorder,
) -> None:
    """Make a mosaik world: controllers -> clusters -> microgrids, and back one step later."""
    _add_microgrids(plan, environment, {})
    environment.add_controller(recorder)
    environment.prepare()
    world, step_s = environment.world, plan.scenario.time.step_s
    if not clusters:
        return
    cluster_simulator = world.start(
        "Cluster", clusters=clusters, step_s=step_s, telemetry=telemetry
    )
    control_simulator = world.start("Controllers", host=host, step_s=step_s)
    for name in clusters:
        cluster = cluster_simulator.Cluster(name=name)
        control = control_simulator.SiteController(site=name)
        microgrid = environment.entities[name]
        world.connect(control, cluster, *ACTUATORS)
        world.connect(cluster, microgrid, "power")
        world.connect(
            cluster, control, "telemetry", time_shifted=True, initial_data={"telemetry": {}}
        )
        world.connect(
            microgrid,
            control,
            "dispatch_states",
            "p_grid",
            time_shifted=True,
            initial_data={"dispatch_states": _initial(environment, name), "p_grid": 0.0},
        )


def _native(
    plan: Plan,
    environment: vessim.Environment,
    clusters: Mapping[str, Cluster],
    host: ControllerHost,
    telemetry: dict[str, StepTelemetry],
    recorder: Recorder,
) -> None:
    """Make the clusters' power a signal that runs them when Vessim samples it."""
    microgrids: dict[str, dict[str, float | None]] = {}
    step_s = plan.scenario.time.step_s
    host.reset()

    def advance(step: int) -> None:
        observed = {name: one.observed() for name, one in telemetry.items()}
        settings = host.step(step, observed, microgrids)
        for name, cluster in clusters.items():
            cluster.apply(settings[name])
            telemetry[name] = cluster.step(float((step + 1) * step_s))

    class ClusterPower(vessim.Signal):  # type: ignore[misc]
        """Facility power of a cluster [W]; the first one sampled in a step runs them all."""

        done = -1

        def __init__(self, site: str) -> None:
            self.site = site

        def at(self, elapsed: Any = None) -> float:
            step = int(elapsed) // step_s
            if step > ClusterPower.done:
                ClusterPower.done = step
                advance(step)
            return telemetry[self.site].facility_power_w

    class Feedback(vessim.Controller):  # type: ignore[misc]
        """Keeps what the microgrids did, for the controllers to see one step later."""

        def step(self, now: Any, microgrid_states: Mapping[str, Any]) -> None:
            for name in clusters:
                state = microgrid_states[name]
                microgrids[name] = microgrid_telemetry(state["dispatch_states"], state["p_grid"])

    loads = {name: vessim.Consumer(LOAD, ClusterPower(name)) for name in clusters}
    _add_microgrids(plan, environment, loads)
    for name in clusters:
        microgrids[name] = microgrid_telemetry(_initial(environment, name), 0.0)
    environment.add_controller(Feedback())
    environment.add_controller(recorder)


def _initial(environment: vessim.Environment, site: str) -> dict[str, Any]:
    """Return the states of a microgrid's dispatchables before the first step."""
    return {one.name: one.state() for one in environment.microgrids[site].dispatchables}


def _settle(plan: Plan, environment: vessim.Environment, recorder: Recorder) -> None:
    """Bring the batteries to the end of the last recorded step.

    After a whole run they are there already; a run that ended early left its last step open.
    """
    end_s = recorder.steps * plan.scenario.time.step_s
    for site in plan.sites:
        grid = environment.microgrids.get(site.name)
        if grid is None:
            continue
        for resource in grid.dispatchables:
            if isinstance(resource, vessim.Storage):
                if grid._last_elapsed < end_s:
                    grid.finish(end_s)
                recorder.sites[site.name].final_soc = float(resource.soc())
