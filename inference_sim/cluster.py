"""A cluster: gateway, router and replicas on one SimPy clock, advanced step by step."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import simpy

from inference_sim.engine import Engine
from inference_sim.errors import InferenceSimError
from inference_sim.execution import (
    EngineProfile,
    ExecutionModel,
    Roofline,
    Stage,
    find_engine,
    pipeline_stages,
)
from inference_sim.garbage import paused_gc
from inference_sim.gateway import Gateway
from inference_sim.hardware import GpuSpec
from inference_sim.memory_plan import plan_blocks
from inference_sim.meter import Meter, MeterReading
from inference_sim.models import ModelSpec
from inference_sim.pipeline import Pipeline
from inference_sim.pipelined import PipelinedEngine
from inference_sim.power import PowerModel
from inference_sim.replica import Replica
from inference_sim.request import Outcome, Request
from inference_sim.routing import ROUTERS
from inference_sim.scheduling import SCHEDULERS
from inference_sim.telemetry import (
    ROLLING_WINDOW_S,
    RollingPercentile,
    StepTelemetry,
    tpot_s,
    ttft_s,
)
from inference_sim.workload import Arrival

_SLICE_S = 600.0
"""A step is metered in slices no longer than this."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterConfig:
    """A deployment.

    Attributes:
        engine: What the engine adds to the kernels, for the roofline.
        stages: Makes the execution model of a pipeline stage; the roofline by default.
        scheduler: Name of the scheduler; see ``scheduling``.
        max_batch_tokens: Most tokens of one iteration; None for the scheduler's default, or the
            model's context.
        kv_blocks: KV blocks per replica; None to plan them from the memory.
        host_power_w: Constant power of the host, per GPU [W].
        pue: Facility power over IT power.
        admission_rate_per_s: Highest admission rate [requests/s]; infinite for no limit.
        burst: Tokens that the gateway's bucket holds [requests].
        seed: Seed of routers that draw.
        stepwise: One event per iteration (a check of the segment engine; slow).
    """

    model: ModelSpec
    gpu: GpuSpec
    power: PowerModel
    engine: EngineProfile = field(default_factory=lambda: find_engine("none"))
    replicas: int = 1
    tensor_parallel: int = 1
    pipeline_parallel: int = 1
    router: str = "round_robin"
    scheduler: str = "vllm_v1"
    batch_cap: int = 128
    max_batch_tokens: int | None = None
    memory_utilisation: float = 0.9
    kv_blocks: int | None = None
    host_power_w: float = 0.0
    pue: float = 1.0
    admission_rate_per_s: float = math.inf
    burst: int = 1
    overflow: Literal["wait", "reject"] = "wait"
    stepwise: bool = False
    seed: int = 0
    stages: Callable[[Stage], ExecutionModel] | None = None

    @property
    def gpus(self) -> int:
        """Number of GPUs."""
        return self.replicas * self.tensor_parallel * self.pipeline_parallel

    def execution(self, stage: Stage) -> ExecutionModel:
        """Return the execution model of a pipeline stage."""
        if self.stages is not None:
            return self.stages(stage)
        return Roofline(self.model, self.gpu, self.engine, self.tensor_parallel, stage)

    @property
    def idle_power_w(self) -> float:
        """Facility power with nothing running [W]."""
        return self.gpus * (self.power.idle_w + self.host_power_w) * self.pue

    @property
    def peak_power_w(self) -> float:
        """The most the facility can draw [W]."""
        return self.gpus * (self.power.max_w + self.host_power_w) * self.pue


def check_deployment(config: ClusterConfig) -> list[ExecutionModel]:
    """Return the execution models of a replica's stages, if the deployment can be simulated.

    Raises:
        ModelDoesNotFit: If a GPU cannot hold its share of the model and one request.
        InferenceSimError: If the deployment cannot be simulated for another reason.
    """
    if config.pipeline_parallel > config.model.layers:
        raise InferenceSimError(
            f"'{config.model.name}' has {config.model.layers} layers, too few for "
            f"{config.pipeline_parallel} pipeline stages"
        )
    plan_blocks(
        config.model,
        config.gpu,
        config.tensor_parallel,
        config.memory_utilisation,
        config.pipeline_parallel,
    )
    layers = config.model.layers
    return [config.execution(stage) for stage in pipeline_stages(layers, config.pipeline_parallel)]


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
        self._peak_flops = stages[0].peak_flops
        self.replicas = [
            Replica(index, self._make_engines(stages)) for index in range(config.replicas)
        ]
        router = ROUTERS[config.router](self.replicas, config.seed)
        self.gateway = Gateway(
            self.env,
            lambda request: router().submit(request),
            rate_per_s=config.admission_rate_per_s,
            burst=config.burst,
            overflow=config.overflow,
        )
        self.batch_cap = config.batch_cap
        self.arrived = self.completed = self.rejected = 0
        self.rejections: Counter[str] = Counter()
        self.exhausted = False
        self.busy_s = self.flops = 0.0
        self._refused: list[Request] = []
        self._ended: list[Request] = []
        self._admitted_before = self._preemptions_before = 0
        self._ttft: RollingPercentile | None = None
        self._tpot: RollingPercentile | None = None
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
        """Set actuators by name: ``admission_rate`` [requests/s], ``batch_cap`` [sequences].

        Raises:
            InferenceSimError: On an unknown actuator or a value out of range.
        """
        for name, value in settings.items():
            if name == "admission_rate":
                if not value >= 0:
                    raise InferenceSimError(f"admission_rate must be at least 0 (got {value!r})")
                if value != self.gateway.rate_per_s:
                    self.gateway.set_rate(value)
            elif name == "batch_cap":
                if not (value >= 1 and value % 1 == 0):
                    raise InferenceSimError(
                        f"batch_cap must be a whole number from 1 (got {value:g})"
                    )
                if value != self.batch_cap:
                    self.batch_cap = int(value)
                    for replica in self.replicas:
                        replica.set_batch_cap(self.batch_cap)
            else:
                raise InferenceSimError(
                    f"unknown actuator '{name}'; known: admission_rate, batch_cap"
                )

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
        ended, ttft, tpot = self._collect()
        step_s = until_s - since_s
        if self._ttft is None or self._tpot is None:
            steps = max(1, math.ceil(ROLLING_WINDOW_S / step_s))
            self._ttft, self._tpot = RollingPercentile(99, steps), RollingPercentile(99, steps)
        self._ended.extend(ended)
        return self._report(
            readings,
            step_s,
            counts=(
                self.arrived - arrived,
                self.completed - completed,
                self.rejected - rejected,
            ),
            percentiles=(self._ttft.add_step(ttft), self._tpot.add_step(tpot)),
        )

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
        found, _, _ = self._collect()
        found += self.gateway.waiting
        for replica in self.replicas:
            found += replica.take_in_flight()
        return sorted(found, key=lambda request: request.request_id)

    def _arrive(self, stream: Iterable[Arrival]) -> Generator[simpy.Event, object, None]:
        env, submit, longest = self.env, self.gateway.submit, self.max_context_tokens
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
            else:
                submit(request)
        self.exhausted = True

    def _refuse(self, request: Request, reason: str) -> None:
        request.outcome = Outcome.REJECTED
        request.reason = reason
        self._refused.append(request)

    def _collect(self) -> tuple[list[Request], list[float], list[float]]:
        """Take what ended in the step: requests, and the latencies that came to be known [s]."""
        rejected = self.gateway.rejected + self._refused
        self.gateway.rejected = []
        self._refused = []
        completed: list[Request] = []
        ttft: list[float] = []
        for replica in self.replicas:
            ended, first_tokens = replica.take_ended()
            completed += ended
            ttft += map(ttft_s, first_tokens)
        self.completed += len(completed)
        self.rejected += len(rejected)
        self.rejections.update(request.reason for request in rejected)
        tpot = [tpot_s(request) for request in completed if request.output_tokens > 1]
        return completed + rejected, ttft, tpot

    def _report(
        self,
        readings: list[MeterReading],
        step_s: float,
        counts: tuple[int, int, int],
        percentiles: tuple[float, float],
    ) -> StepTelemetry:
        config, replicas = self.config, self.replicas
        busy_s = sum(reading.busy_s for reading in readings)
        batch_seconds = sum(reading.batch_seconds for reading in readings)
        flops = sum(reading.flops for reading in readings)
        served_j = sum(reading.energy_j for reading in readings)
        self.busy_s += busy_s
        self.flops += flops
        groups = len(replicas) * config.pipeline_parallel  # of GPUs that work in lockstep
        idle_s = groups * step_s - busy_s
        idle_j = max(idle_s, 0.0) * config.tensor_parallel * config.power.idle_w
        gpu_w = (served_j + idle_j) / step_s
        host_w = config.gpus * config.host_power_w
        admitted, self._admitted_before = (
            self.gateway.admitted - self._admitted_before,
            self.gateway.admitted,
        )
        preemptions = sum(replica.preemptions for replica in replicas)
        preempted, self._preemptions_before = (
            preemptions - self._preemptions_before,
            preemptions,
        )
        return StepTelemetry(
            facility_power_w=(gpu_w + host_w) * config.pue,
            gpu_power_w=gpu_w,
            host_power_w=host_w,
            attributed_power_w=served_j / step_s,
            arrived=counts[0],
            admitted=admitted,
            completed=counts[1],
            rejected=counts[2],
            preemptions=preempted,
            gateway_waiting=len(self.gateway.waiting),
            replica_waiting=sum(replica.waiting for replica in replicas),
            running=sum(replica.running for replica in replicas),
            busy_fraction=busy_s / (groups * step_s),
            kv_utilisation=sum(replica.kv_utilisation for replica in replicas) / len(replicas),
            batch_mean=batch_seconds / busy_s if busy_s else 0.0,
            mfu=flops / (groups * step_s * self._peak_flops),
            ttft_p99_s=percentiles[0],
            tpot_p99_s=percentiles[1],
            admission_rate_per_s=self.gateway.rate_per_s,
            batch_cap=self.batch_cap,
        )
