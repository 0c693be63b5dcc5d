"""The closed loop: controllers, clusters and microgrids, one step at a time.

Step k covers [t_k, t_k + step). The controllers see telemetry of step k-1 and the signals at t_k;
the clusters apply the settings, run to the end of the step and report their mean power over it;
Vessim dispatches that power over the same interval. So energy is exact, intensity is never stale,
and telemetry and battery state are one step old.

Two couplings give the same numbers. ``mosaik`` makes each part a participant of a mosaik world,
where others can join; ``native`` calls one after the other, and is faster.
"""

from __future__ import annotations

import traceback
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from functools import partial
from pathlib import Path

import vessim
from loguru import logger

import cosim
import inference_sim
from cosim.errors import RunFailed, RunInterrupted, ScenarioError
from cosim.loop.coupling import Coupling
from cosim.loop.live import Live
from cosim.loop.mosaik_coupling import MosaikCoupling
from cosim.loop.native_coupling import NativeCoupling
from cosim.loop.observer import Observers, RunObserver
from cosim.loop.participants import Connect
from cosim.loop.record import Recorder, Run
from cosim.loop.stop import StopRequest
from cosim.world.microgrid import MicrogridState, add_microgrid, initial_state
from cosim.world.plan import Plan
from inference_sim.cluster import Cluster

_COUPLINGS: Mapping[str, type[Coupling]] = {"mosaik": MosaikCoupling, "native": NativeCoupling}


def run(
    plan: Plan,
    *,
    observers: Sequence[RunObserver] = (),
    live: Live | None = None,
    stop: StopRequest | None = None,
    connect: Connect | None = None,
) -> Run:
    """Run a plan to its end.

    A failure in the middle does not raise: the steps recorded until then are worth keeping, and the
    result names the failure.

    Args:
        plan: The plan.
        observers: Observers of the run, called in this order.
        live: Makes it go in real time; its first values must be there.
        stop: Tells after which step to stop, and why.
        connect: Connects further simulators to the mosaik world of the run; an error of it goes to
            the caller.

    Raises:
        ScenarioError: If simulators are to be connected, and the run does not go by mosaik.
    """
    stop = stop or StopRequest()
    for library in ("mosaik", "mosaik_api_v3", "vessim"):
        logger.disable(library)
    time = plan.scenario.time
    started = Run(plan, Recorder(plan), _clusters(plan), plan.host(), live)
    backend = plan.scenario.coupling or "native"
    coupling = _COUPLINGS[backend](started.host, started.clusters, time.step_s)
    if connect is not None and not isinstance(coupling, MosaikCoupling):
        raise ScenarioError("further simulators need `coupling: mosaik` (got native)")
    environment = _environment(plan, backend, coupling, live)
    is_connecting = False
    observer = Observers(observers)
    failure: RunFailed | None = None
    observer.on_start(started)
    try:
        _add_microgrids(environment, started, coupling)
        environment.add_controller(_Loop(started, coupling, observer, stop))
        coupling.connect(environment)
        if connect is not None and isinstance(coupling, MosaikCoupling):
            is_connecting = True
            connect(coupling.world)
            is_connecting = False
        environment.run(until=time.horizon_s)
        if live is not None:
            live.end()
    except _Drained:
        pass
    except KeyboardInterrupt as interrupt:
        reason = stop.reason or str(interrupt) or "interrupted"
        failure = RunInterrupted(reason, step=started.recorder.steps)
    except Exception as error:
        if is_connecting:
            raise
        # mosaik may wrap the error of a controller, or lose it; the host has it.
        cause = started.host.failure or error
        kind = "" if started.host.failure else f"{type(cause).__name__}: "
        text = f"{kind}{cause}{'' if started.host.failure else _where(cause)}"
        failure = RunFailed(text, step=started.recorder.steps)
        failure.__cause__ = cause
    finally:
        environment.close()  # a run does so itself; a failure before it leaves this to us
    started.recorder.settle()
    _settle(environment, started)
    return replace(started, failure=failure)


_OURS = tuple(str(Path(package.__file__ or "").parent) for package in (cosim, inference_sim))


def _where(error: BaseException) -> str:
    """Return the line of a user's own scheduler or router that raised an error; "" if none did."""
    frames = traceback.extract_tb(error.__traceback__)
    own = [
        frame
        for frame in frames
        if frame.filename.endswith(".py")
        and not frame.filename.startswith(_OURS)
        and not {"site-packages", "lib"} & set(Path(frame.filename).parts)
    ]
    return f" ({own[-1].filename}:{own[-1].lineno})" if own else ""


class _Drained(Exception):  # the wished-for end of a run, not an error
    """End of a run at the first step by which every request has ended."""


class _Loop(vessim.Controller):  # type: ignore[misc]
    """The loop over the steps.

    Vessim calls its controllers before the run, and then once a step, after the dispatch. There one
    step ends and the next one begins: so live signals, controllers and clusters are done with a
    step before Vessim samples their powers for it.

    Args:
        run: The run.
        coupling: Joins its parts.
        observer: Is called after each step.
        stop: Tells after which step to stop.
    """

    def __init__(
        self, run: Run, coupling: Coupling, observer: RunObserver, stop: StopRequest
    ) -> None:
        self._run, self._coupling, self._observer = run, coupling, observer
        self._stop = stop
        self._time = run.plan.scenario.time
        for cluster in run.clusters.values():
            cluster.follow_carbon()

    def start(self, environment: vessim.Environment) -> None:
        """Begin the first step."""
        self._begin({name: initial_state(grid) for name, grid in environment.microgrids.items()})

    def step(self, now: datetime, microgrid_states: Mapping[str, MicrogridState]) -> None:
        """End the step that Vessim has just dispatched, and begin the next one.

        Raises:
            _Drained: If the run ends when its requests have, and they have.
            KeyboardInterrupt: If it is asked to stop.
        """
        self._end(microgrid_states)
        self._stop.keep_steps()
        if self._stop.reason:
            raise KeyboardInterrupt
        if self._run.recorder.steps < self._time.steps:
            self._begin(microgrid_states)

    def _begin(self, microgrids: Mapping[str, MicrogridState]) -> None:
        step = self._run.recorder.steps
        if self._run.live is not None:
            self._run.live.begin(step)
        self._coupling.advance(step, microgrids)

    def _end(self, microgrids: Mapping[str, MicrogridState]) -> None:
        recorder, clusters = self._run.recorder, self._run.clusters
        recorder.add(microgrids, self._coupling.telemetry)
        for site, cluster in clusters.items():
            cluster.settle_carbon(recorder.sites[site].g_per_gpu_j())
            if ended := cluster.take_ended():
                self._observer.on_requests(site, ended)
        self._observer.on_step(recorder.steps)
        if self._time.until == "drained" and all(cluster.drained for cluster in clusters.values()):
            raise _Drained


def _clusters(plan: Plan) -> dict[str, Cluster]:
    return {
        site.name: site.workload.cluster(site.cluster)
        for site in plan.sites
        if site.cluster is not None and site.workload is not None
    }


def _environment(
    plan: Plan, backend: str, coupling: Coupling, live: Live | None
) -> vessim.Environment:
    time, scenario = plan.scenario.time, plan.scenario
    # Vessim's live environment knows no other speed than the clock's; `live` paces the others.
    in_real_time = live is not None and live.speed == 1
    return (vessim.Environment.live if in_real_time else vessim.Environment)(
        sim_start=time.start.replace(tzinfo=None),
        step_size=time.step_s,
        name=scenario.name,
        backend=backend,
        sim_config=coupling.simulators,
    )


def _add_microgrids(environment: vessim.Environment, run: Run, coupling: Coupling) -> None:
    for site in run.plan.sites:
        setpoint_w = partial(run.host.battery_setpoint_w, site.name)
        add_microgrid(
            environment,
            site,
            run.plan.scenario.time.step_s,
            load=coupling.loads.get(site.name),
            setpoint_w=setpoint_w if run.host.sets_battery(site.name) else None,
        )


def _settle(environment: vessim.Environment, run: Run) -> None:
    """Bring the batteries to the end of the last recorded step.

    After a whole run they are there already; a run that ended early left its last step open.
    """
    end_s = run.recorder.steps * run.plan.scenario.time.step_s
    for name, grid in environment.microgrids.items():
        grid.finish(end_s)
        for resource in grid.dispatchables:
            if isinstance(resource, vessim.Storage):
                run.recorder.sites[name].final_soc = float(resource.soc())
