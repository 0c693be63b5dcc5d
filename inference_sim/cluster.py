"""A cluster: gateway, router and replicas on one SimPy clock, advanced step by step."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Iterable, Mapping, Sequence

import simpy

from inference_sim.actuators import check_setting
from inference_sim.deferral import DeferralLine
from inference_sim.deployment import ClusterConfig, check_deployment, check_power_cap
from inference_sim.engine import Engine
from inference_sim.errors import InferenceSimError
from inference_sim.execution import ExecutionModel, pipeline_stages
from inference_sim.fleet import Fleet
from inference_sim.garbage import paused_gc
from inference_sim.gateway import Gateway
from inference_sim.memory_plan import plan_blocks
from inference_sim.meter import Meter, MeterReading
from inference_sim.pace import Pace
from inference_sim.pipeline import Pipeline
from inference_sim.pipelined import PipelinedEngine
from inference_sim.power.pue import as_pue
from inference_sim.replica import Replica
from inference_sim.request import Outcome, Request
from inference_sim.routing import ROUTERS
from inference_sim.scheduling import SCHEDULERS
from inference_sim.telemetry import (
    ROLLING_WINDOW_S,
    RollingLatencies,
    StepTelemetry,
)
from inference_sim.workload import Arrival

__all__ = ["Cluster", "ClusterConfig", "check_deployment"]

_SLICE_S = 600.0
"""A step is metered in slices no longer than this."""


class Cluster:
    """Serves a stream of requests in simulated time.

    State lives through the whole run: :meth:`step` continues where the last one ended.

    Args:
        config: The deployment.
        stream: Requests in order of arrival.

    Raises:
        ModelDoesNotFit: If a GPU cannot hold the model and one request.
        InferenceSimError: If the deployment cannot be simulated for another reason.
    """

    def __init__(self, config: ClusterConfig, stream: Iterable[Arrival]) -> None:
        self.config = config
        self.env = simpy.Environment()
        self._pue = as_pue(config.pue)
        scheduler = SCHEDULERS[config.scheduler]
        self._max_batch_tokens = (
            config.max_batch_tokens
            or scheduler.default_batch_tokens
            or config.model.max_context_tokens
        )
        self.max_context_tokens = config.model.max_context_tokens
        if scheduler.whole_prompts:
            self.max_context_tokens = min(self.max_context_tokens, self._max_batch_tokens)
        layers, count = config.model.layers, config.pipeline_parallel
        stages = [config.execution(stage) for stage in pipeline_stages(layers, count)]
        self.pace = Pace(stages, config.power, config.gpu.peak_bytes_per_s)
        self._peak_flops = stages[0].peak_flops
        self.replicas = [
            Replica(index, self._make_engines(stages)) for index in range(config.replicas)
        ]
        self.fleet = Fleet(self.env, self.replicas, config.startup_s)
        router = ROUTERS[config.router](self.fleet.live, config.seed)
        self.gateway = Gateway(
            self.env,
            lambda request: router().submit(request),
            rate_per_s=config.admission_rate_per_s,
            burst=config.burst,
            overflow=config.overflow,
        )
        self.deferral = DeferralLine(
            self.env, self.gateway.submit, self.gateway.admit, config.classes
        )
        self._may_wait = [one.deferrable for one in config.classes]
        self.batch_cap = config.batch_cap
        self.arrived = self.completed = self.rejected = 0
        self.rejections: Counter[str] = Counter()
        self.exhausted = False
        self.busy_s = self.flops = 0.0
        self._refused: list[Request] = []
        self._ended: list[Request] = []
        self._admitted_before = self._preemptions_before = 0
        self._latencies: RollingLatencies | None = None
        self.apply({"power_cap": config.power_cap_w})
        self.env.process(self._arrive(stream))

    def _make_engines(self, stages: Sequence[ExecutionModel]) -> list[Engine]:
        """Return the engines of one replica, one per pipeline stage, with their shares of it.

        The execution models are shared by all replicas, and what they remember with them.
        """
        config, count = self.config, self.config.pipeline_parallel
        pipeline = Pipeline(self.env, stages)
        blocks = config.kv_blocks or plan_blocks(
            config.model,
            config.gpu,
            config.tensor_parallel,
            config.memory_utilisation,
            config.pipeline_parallel,
        )
        make_engine = Engine if count == 1 else PipelinedEngine
        engines: list[Engine] = []
        for _ in range(count):
            scheduler = SCHEDULERS[config.scheduler](
                max(1, config.batch_cap // count), self._max_batch_tokens
            )
            meter = Meter(
                config.power,
                config.tensor_parallel,
                self._peak_flops,
                config.gpu.peak_bytes_per_s,
            )
            cache = scheduler.make_cache(blocks // count, self.max_context_tokens)
            engines.append(
                make_engine(self.env, pipeline, scheduler, cache, meter, stepwise=config.stepwise)
            )
        return engines

    @property
    def engines(self) -> list[Engine]:
        """The engines of all replicas."""
        return [engine for replica in self.replicas for engine in replica.engines]

    @property
    def in_flight(self) -> int:
        """Requests that have arrived and not ended."""
        return self.arrived - self.completed - self.rejected

    @property
    def drained(self) -> bool:
        """Whether every request of the stream has arrived and ended."""
        return self.exhausted and self.in_flight == 0

    def apply(self, settings: Mapping[str, float]) -> None:
        """Set actuators, by their names in :data:`~inference_sim.actuators.ACTUATORS`.

        Raises:
            InferenceSimError: On an unknown actuator or a value out of range.
        """
        for name, value in settings.items():
            check_setting(name, value)
            if value != self.in_force(name):
                self._set(name, value)

    def in_force(self, name: str) -> float:
        """Return the value of an actuator that is in force."""
        return {
            "admission_rate": self.gateway.rate_per_s,
            "deferrable_rate": self.deferral.rate_per_s,
            "batch_cap": self.batch_cap,
            "active_replicas": self.fleet.active,
            "clock_fraction": self.pace.clock_fraction,
            "power_cap": self.pace.power_cap_w,
        }[name]

    def _set(self, name: str, value: float) -> None:
        if name == "admission_rate":
            self.gateway.set_rate(value)
        elif name == "deferrable_rate":
            self.deferral.set_rate(value)
        elif name == "batch_cap":
            self.batch_cap = int(value)
            for replica in self.replicas:
                replica.set_batch_cap(self.batch_cap)
        elif name == "active_replicas":
            if value > self.config.replicas:
                raise InferenceSimError(
                    f"active_replicas must be at most {self.config.replicas}, the replicas of the "
                    f"cluster (got {value:g})"
                )
            self.fleet.set_active(int(value))
        elif name == "clock_fraction":
            self.pace.set_clock(value)
            for replica in self.replicas:
                replica.set_stages(self.pace.stages)
        elif name == "power_cap":
            check_power_cap(value, self.config.power)
            self.pace.set_power_cap(value)
            for replica in self.replicas:
                replica.set_stages(self.pace.stages)
            for engine in self.engines:
                engine.meter.power_cap_w = value

    def step(self, until_s: float) -> StepTelemetry:
        """Run from where the last step ended to `until_s` [s] and report."""
        since_s = self.env.now
        arrived, completed, rejected = self.arrived, self.completed, self.rejected
        readings: list[MeterReading] = []
        while self.env.now < until_s:  # in slices, for metering takes memory for each iteration
            with paused_gc():
                self.env.run(until=min(until_s, self.env.now + _SLICE_S))
                for replica in self.replicas:
                    readings += replica.flush(self.env.now)
        step_s = until_s - since_s
        if self._latencies is None:
            self._latencies = RollingLatencies(max(1, math.ceil(ROLLING_WINDOW_S / step_s)))
        ended, first_tokens = self._collect()
        self._ended += ended
        self._latencies.add_step(first_tokens, ended)
        counts = (self.arrived - arrived, self.completed - completed, self.rejected - rejected)
        return self._report(readings, step_s, counts, self._latencies)

    def follow_carbon(self) -> None:
        """Expect :meth:`settle_carbon` after each step from now on."""
        for engine in self.engines:
            engine.meter.attribution.follows_carbon = True

    def settle_carbon(self, g_per_j: float) -> None:
        """Attribute the emissions of the step that has just ended [g per J of GPU energy]."""
        for engine in self.engines:
            engine.meter.attribution.settle_carbon(g_per_j)

    def take_ended(self) -> list[Request]:
        """Return the requests that completed or were rejected since the last call."""
        ended, self._ended = self._ended, []
        return ended

    def take_in_flight(self) -> list[Request]:
        """Return what is still waiting or running, with the energy spent on it; ends the run.

        After a step that broke off, what ended in it is returned as well.
        """
        for replica in self.replicas:
            replica.flush(self.env.now)  # of a step that broke off; otherwise it was done
        found, _ = self._collect()
        found += [*self.deferral.waiting, *self.gateway.waiting]
        for replica in self.replicas:
            found += replica.take_in_flight()
        return sorted(found, key=lambda request: request.request_id)

    def _arrive(self, stream: Iterable[Arrival]) -> Generator[simpy.Event, object, None]:
        env, longest, may_wait = self.env, self.max_context_tokens, self._may_wait
        kv = self.engines[0].kv
        for time_s, prompt, output, class_id in stream:
            if time_s > env.now:
                yield env.timeout(time_s - env.now)
            request = Request(self.arrived, env.now, prompt, output, class_id)
            self.arrived += 1
            if prompt + output > longest:
                self._refuse(request, "context_too_long")
            elif not kv.can_ever_hold(prompt + output):
                self._refuse(request, "kv_cache_too_small")
            elif may_wait and may_wait[class_id]:
                self.deferral.submit(request)
            else:
                self.gateway.submit(request)
        self.exhausted = True

    def _refuse(self, request: Request, reason: str) -> None:
        request.outcome = Outcome.REJECTED
        request.reason = reason
        self._refused.append(request)

    def _collect(self) -> tuple[list[Request], list[Request]]:
        """Take the requests that ended in the step, and those that got their first token."""
        rejected = self.gateway.rejected + self._refused
        self.gateway.rejected = []
        self._refused = []
        completed: list[Request] = []
        first_tokens: list[Request] = []
        for replica in self.replicas:
            ended, started = replica.take_ended()
            completed += ended
            first_tokens += started
        self.completed += len(completed)
        self.rejected += len(rejected)
        self.rejections.update(request.reason for request in rejected)
        return completed + rejected, first_tokens

    def _report(
        self,
        readings: list[MeterReading],
        step_s: float,
        counts: tuple[int, int, int],
        latencies: RollingLatencies,
    ) -> StepTelemetry:
        config, replicas = self.config, self.replicas
        busy_s = sum(reading.busy_s for reading in readings)
        batch_seconds = sum(reading.batch_seconds for reading in readings)
        flops = sum(reading.flops for reading in readings)
        served_j = sum(reading.energy_j for reading in readings)
        self.busy_s += busy_s
        self.flops += flops
        groups = len(replicas) * config.pipeline_parallel  # of GPUs that work in lockstep
        asleep_s = self.fleet.take_asleep_s(self.env.now) * config.pipeline_parallel
        idle_s = max(groups * step_s - busy_s - asleep_s, 0.0)
        idle_j = idle_s * config.power.idle_w + asleep_s * config.power.sleep_w
        gpu_w = (served_j + idle_j * config.tensor_parallel) / step_s
        host_w = config.gpus * config.host_power_w
        outside = config.outside_temperature_c
        outside_c = outside(self.env.now - step_s) if outside else None
        admitted, self._admitted_before = (
            self.gateway.admitted - self._admitted_before,
            self.gateway.admitted,
        )
        preemptions = sum(replica.preemptions for replica in replicas)
        preempted, self._preemptions_before = (
            preemptions - self._preemptions_before,
            preemptions,
        )
        deferred = self.deferral.waiting
        return StepTelemetry(
            facility_power_w=self._pue.facility_w(gpu_w + host_w, outside_c),
            gpu_power_w=gpu_w,
            host_power_w=host_w,
            attributed_power_w=served_j / step_s,
            arrived=counts[0],
            admitted=admitted,
            completed=counts[1],
            rejected=counts[2],
            preemptions=preempted,
            gateway_waiting=len(self.gateway.waiting),
            deferrable_waiting=len(deferred),
            deferrable_waiting_tokens=sum(request.prompt_tokens for request in deferred),
            deferrable_slack_s=self.deferral.slack_s if deferred else math.nan,
            replica_waiting=sum(replica.waiting for replica in replicas),
            running=sum(replica.running for replica in replicas),
            busy_fraction=busy_s / (groups * step_s),
            asleep_fraction=asleep_s / (groups * step_s),
            kv_utilisation=sum(replica.kv_utilisation for replica in replicas) / len(replicas),
            batch_mean=batch_seconds / busy_s if busy_s else 0.0,
            mfu=flops / (groups * step_s * self._peak_flops),
            awake_replicas=self.fleet.awake,
            ttft_p99_s=latencies.ttft_p99_s(),
            tpot_p99_s=latencies.tpot_p99_s(),
            latency_p99_s_by_class={
                one.name: (latencies.ttft_p99_s(number), latencies.tpot_p99_s(number))
                for number, one in enumerate(config.classes)
            },
            admission_rate_per_s=self.gateway.rate_per_s,
            deferrable_rate_per_s=self.deferral.rate_per_s,
            batch_cap=self.batch_cap,
            active_replicas=self.fleet.active,
            clock_fraction=self.pace.clock_fraction,
            power_cap_w=self.pace.power_cap_w,
            clock_mean=sum(reading.clock_seconds for reading in readings) / busy_s
            if busy_s
            else math.nan,
            over_cap_fraction=sum(reading.over_cap_s for reading in readings) / (groups * step_s),
        )
