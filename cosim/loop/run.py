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
from functools import partial
from typing import Any

import vessim
from loguru import logger

from controllers import ControllerHost, microgrid_telemetry
from cosim.errors import RunFailed
from cosim.loop.live import Live
from cosim.loop.record import Drained, Recorder, RequestSink
from cosim.world.microgrid import LOAD, SetpointDispatch, actors, dispatchables
from cosim.world.plan import Plan
from inference_sim.cluster import Cluster
from inference_sim.telemetry import StepTelemetry

_CARBON = "carbon_intensity"


@dataclass(frozen=True, slots=True)
class Run:
    """A run, when it has ended by itself or by a failure.

    Attributes:
        plan: What was run.
        recorder: The steps it took.
        clusters: The clusters by site, as they were at its end.
        host: The controllers, and the record of what they did.
        failure: Why it broke off; None if it did not.
        live: Its clock and feeds, if it went in real time.
    """

    plan: Plan
    recorder: Recorder
    clusters: Mapping[str, Cluster]
    host: ControllerHost
    failure: RunFailed | None
    live: Live | None = None


def run(
    plan: Plan,
    *,
    on_requests: RequestSink = lambda site, requests: None,
    on_step: Callable[[int], None] = lambda steps: None,
    on_start: Callable[[Run], None] = lambda run: None,
    live: Live | None = None,
) -> Run:
    """Run a plan to its end.

    A failure in the middle does not raise: what was recorded until then is worth keeping, and the
    result says what failed.

    Args:
        plan: What to run.
        on_requests: Called with the site and the requests that ended in each step.
        on_step: Called after each step with the number of steps done.
        on_start: Called before the first step with the run, whose parts change as it goes.
        live: Makes it go in real time; its first values must be there.
    """
    for library in ("mosaik", "mosaik_api_v3", "vessim"):
        logger.disable(library)
    parts = _parts(plan, on_requests, on_step, live)
    recorder, host = parts.recorder, parts.host
    failure: RunFailed | None = None
    on_start(Run(plan, recorder, parts.clusters, host, None, live))
    try:
        (_mosaik if plan.scenario.coupling == "mosaik" else _native)(parts)
        parts.environment.run(until=plan.scenario.time.horizon_s)
        if live is not None:
            live.end()
    except Drained:
        pass
    except KeyboardInterrupt:
        failure = RunFailed("interrupted", step=recorder.steps)
    except Exception as error:
        cause = host.failure or error
        kind = "" if host.failure else f"{type(cause).__name__}: "
        failure = RunFailed(f"{kind}{cause}", step=recorder.steps)
        failure.__cause__ = cause
    finally:
        parts.environment.close()  # a run does so itself; a failure before it leaves this to us
    _settle(parts)
    return Run(plan, recorder, parts.clusters, host, failure, live)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What takes part in a run; ``telemetry`` holds each cluster's latest, by site."""

    plan: Plan
    environment: vessim.Environment
    clusters: dict[str, Cluster]
    telemetry: dict[str, StepTelemetry]
    host: ControllerHost
    recorder: Recorder


def _parts(
    plan: Plan, on_requests: RequestSink, on_step: Callable[[int], None], live: Live | None
) -> _Parts:
    clusters = {
        site.name: Cluster(site.cluster, site.workload.stream())
        for site in plan.sites
        if site.cluster is not None and site.workload is not None
    }
    telemetry: dict[str, StepTelemetry] = {}
    # Without a cluster no controller is asked, and the recorder is the first to come.
    before_step = live.begin if live is not None else lambda step: None
    return _Parts(
        plan=plan,
        environment=_environment(plan, live),
        clusters=clusters,
        telemetry=telemetry,
        host=plan.host(before_step),
        recorder=Recorder(plan, clusters, telemetry, on_requests, on_step, before_step),
    )


def _environment(plan: Plan, live: Live | None) -> vessim.Environment:
    time, scenario = plan.scenario.time, plan.scenario
    # Vessim's live environment knows no other speed than the clock's; `live` paces the others.
    in_real_time = live is not None and live.speed == 1
    return (vessim.Environment.live if in_real_time else vessim.Environment)(
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


def _add_microgrids(parts: _Parts, loads: Mapping[str, vessim.Actor]) -> None:
    for site in parts.plan.sites:
        location = site.config.location
        own = [loads[site.name]] if site.name in loads else []
        parts.environment.add_microgrid(
            name=site.name,
            actors=actors(site, parts.plan.scenario.time.step_s) + own,
            dispatchables=dispatchables(site.config.microgrid.battery),
            policy=SetpointDispatch(partial(parts.host.battery_setpoint_w, site.name))
            if parts.host.sets_battery(site.name)
            else None,
            coords=(location.latitude, location.longitude) if location else None,
        )


def _mosaik(parts: _Parts) -> None:
    """Make a mosaik world: controllers -> clusters -> microgrids, and back one step later."""
    environment, step_s = parts.environment, parts.plan.scenario.time.step_s
    _add_microgrids(parts, {})
    environment.add_controller(parts.recorder)
    environment.prepare()
    if not parts.clusters:
        return
    world = environment.world
    serving = world.start(
        "Cluster", clusters=parts.clusters, step_s=step_s, telemetry=parts.telemetry
    )
    controlling = world.start("Controllers", host=parts.host, step_s=step_s)
    for name, microgrid in environment.entities.items():
        control = controlling.SiteController(site=name)
        if name in parts.clusters:
            cluster = serving.Cluster(name=name)
            world.connect(control, cluster, *parts.host.actuators(name))
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


def _native(parts: _Parts) -> None:
    """Make the clusters' power a signal that runs them when Vessim samples it."""
    clusters, telemetry, host = parts.clusters, parts.telemetry, parts.host
    step_s = parts.plan.scenario.time.step_s
    microgrids: dict[str, dict[str, float | None]] = {}

    def advance(step: int) -> None:
        observed = {name: one.observed() for name, one in telemetry.items()}
        settings = host.step(step, observed, microgrids)
        for name, cluster in clusters.items():
            cluster.apply(settings[name])
            telemetry[name] = cluster.step(float((step + 1) * step_s))

    class ClusterPower(vessim.Signal):  # type: ignore[misc]
        """Facility power of a cluster [W]; the first one sampled in a step runs them all."""

        steps_done = 0

        def __init__(self, site: str) -> None:
            self.site = site

        def at(self, elapsed: Any = None) -> float:
            step = int(elapsed) // step_s
            if step == ClusterPower.steps_done:
                ClusterPower.steps_done += 1
                advance(step)
            return telemetry[self.site].facility_power_w

    class Feedback(vessim.Controller):  # type: ignore[misc]
        """Keeps what the microgrids did, for the controllers to see one step later."""

        def step(self, now: Any, microgrid_states: Mapping[str, Any]) -> None:
            for name, state in microgrid_states.items():
                microgrids[name] = microgrid_telemetry(state["dispatch_states"], state["p_grid"])

    host.reset()
    _add_microgrids(parts, {name: vessim.Consumer(LOAD, ClusterPower(name)) for name in clusters})
    for name in parts.environment.microgrids:
        microgrids[name] = microgrid_telemetry(_initial(parts.environment, name), 0.0)
    parts.environment.add_controller(Feedback())
    parts.environment.add_controller(parts.recorder)


def _initial(environment: vessim.Environment, site: str) -> dict[str, Any]:
    """Return the states of a microgrid's dispatchables before the first step."""
    return {one.name: one.state() for one in environment.microgrids[site].dispatchables}


def _settle(parts: _Parts) -> None:
    """Bring the batteries to the end of the last recorded step.

    After a whole run they are there already; a run that ended early left its last step open.
    """
    end_s = parts.recorder.steps * parts.plan.scenario.time.step_s
    for name, grid in parts.environment.microgrids.items():
        grid.finish(end_s)
        for resource in grid.dispatchables:
            if isinstance(resource, vessim.Storage):
                parts.recorder.sites[name].final_soc = float(resource.soc())
