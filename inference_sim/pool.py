"""A pool: replicas that are alike, those of them that serve, and their knobs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import simpy

from inference_sim.arrays import FloatArray
from inference_sim.attribution import Attribution
from inference_sim.disaggregated import DecodeEngine, PrefillEngine
from inference_sim.engine import Engine
from inference_sim.errors import InferenceSimError
from inference_sim.execution import ExecutionModel
from inference_sim.front_end import FrontEnd
from inference_sim.knobs import POSITIVE, SHARE, WHOLE, Knob
from inference_sim.meter import Meter
from inference_sim.pace import CLOCKS, Pace
from inference_sim.pipeline import Pipeline
from inference_sim.pipelined import PipelinedEngine
from inference_sim.pool_config import PoolConfig
from inference_sim.pool_limits import check_clock, check_power_cap
from inference_sim.power_integral import MeterReading, PowerIntegral
from inference_sim.replica import Replica
from inference_sim.request import Request
from inference_sim.segment import FIELDS
from inference_sim.staged_replica import StagedReplica
from inference_sim.standby import Standby
from inference_sim.telemetry import PoolReading

_DECODING, _PREFILL_TOKENS = FIELDS.index("decoding"), FIELDS.index("prefill_tokens")


class Pool:
    """A pool of replicas that are alike, which serves the requests given to :meth:`submit`.

    Args:
        config: The pool.
        env: The cluster's clock.
        seed: Seed of its router.
        first_replica: Number of its first replica in the cluster.

    Attributes:
        replicas: All replicas, asleep or awake.
        standby: The replicas that serve.
        pace: Clock state of their GPUs.
        knobs: Values that may be set, by name.
        batch_cap: Largest batch of a replica in force [sequences].
        cache_host_gib: Host memory behind each KV cache in force [GiB]; None without any.
        max_context_tokens: Longest request that is served, prompt and output [tokens].
        decoders: Pools that go on with its requests, if it computes their prompts alone.

    Raises:
        ModelDoesNotFit: If a GPU cannot hold the model and one request.
        InferenceSimError: If the pool cannot be simulated for another reason.
    """

    def __init__(
        self, config: PoolConfig, env: simpy.Environment, seed: int = 0, first_replica: int = 0
    ) -> None:
        self.config, self.env = config, env
        self.max_context_tokens = config.max_context_tokens
        self.decoders: Sequence[Pool] = ()
        stages = config.execution_stages()
        speculative = config.speculative
        growth = 1.0 if speculative is None else speculative.tokens_per_iteration
        self.pace = Pace(
            stages, config.power, config.gpu.peak_bytes_per_s, growth, config.lowest_clock
        )
        self._peak_flops = stages[0].peak_flops
        self._integral = PowerIntegral(
            config.power, config.tensor_parallel, self._peak_flops, config.gpu.peak_bytes_per_s
        )
        self._metered_s = 0.0
        blocks = config.blocks()
        self.replicas = [
            self._make_replica(first_replica + index, stages, blocks)
            for index in range(config.replicas)
        ]
        self.standby = Standby(env, self.replicas, config.startup_s)
        self._route = config.routing(self.standby.live, seed)
        self._front_end = FrontEnd(env, config.engine.front_end_s, self._serve)
        self.batch_cap = config.batch_cap
        offload = config.kv_offload
        self.cache_host_gib = None if offload is None else offload.host_gib
        self._readings: list[MeterReading] = []
        self._reported: Counter[str] = Counter()
        knobs = [
            Knob("batch_cap", lambda: self.batch_cap, self._set_batch_cap, WHOLE),
            Knob("active_replicas", lambda: self.standby.active, self._set_active, WHOLE),
            *(self._clock_knob(name) for name in CLOCKS),
            Knob("power_cap", lambda: self.pace.power_cap_w, self._set_power_cap, POSITIVE),
        ]
        if offload is not None:
            most = offload.host_gib
            allowed = (f"from 0 to {most:g} GiB", lambda value: 0 <= value <= most)
            knobs.append(
                Knob("cache_host_gib", lambda: self.cache_host_gib or 0.0, self._set_host, allowed)
            )
        self.knobs = {knob.name: knob for knob in knobs}
        self.knobs["power_cap"].set(config.power_cap_w)

    def _make_replica(self, index: int, stages: Sequence[ExecutionModel], blocks: int) -> Replica:
        """Return a replica, with one engine, or with one scheduler or an engine per stage.

        All replicas share the execution models, with their memos.
        """
        config, count = self.config, self.config.engines_per_replica
        pipeline = Pipeline(self.env, stages)
        if count < len(stages):
            scheduler = config.make_scheduler(config.batch_cap)
            cache = scheduler.make_cache(blocks, self.max_context_tokens)
            return StagedReplica(index, self.env, pipeline, scheduler, cache)
        make_engine: type[Engine] = Engine if len(stages) == 1 else PipelinedEngine
        if config.role != "both":
            make_engine = PrefillEngine if config.role == "prefill" else DecodeEngine
        engines: list[Engine] = []
        for _ in range(count):
            scheduler = config.make_scheduler(max(1, config.batch_cap // count))
            cache = scheduler.make_cache(blocks // count, self.max_context_tokens)
            engines.append(
                make_engine(
                    self.env,
                    pipeline,
                    scheduler,
                    cache,
                    Meter(scheduler.decode_tokens),
                    stepwise=config.stepwise,
                    speculative=config.speculative,
                )
            )
        return Replica(index, engines)

    def add_knob(self, knob: Knob) -> None:
        """Have one more value that may be set: one of the cluster for this pool."""
        self.knobs[knob.name] = knob

    @property
    def name(self) -> str:
        """Name of the pool in its cluster."""
        return self.config.name

    @property
    def engines(self) -> list[Engine]:
        """The engines of all replicas."""
        return [engine for replica in self.replicas for engine in replica.engines]

    @property
    def rows_kept(self) -> int:
        """Number of segments that are not metered yet."""
        return sum(engine.meter.rows_kept for engine in self.engines)

    @property
    def waiting(self) -> int:
        """Requests not yet in a batch."""
        on_their_way = len(self._front_end.in_flight())
        return on_their_way + sum(replica.waiting for replica in self.replicas)

    @property
    def running(self) -> int:
        """Requests in a batch, those whose prompt is being computed included."""
        return sum(replica.running for replica in self.replicas)

    def refusal(self, tokens: int) -> str:
        """Return why a request of so many tokens can never be served; empty if it can."""
        if tokens > self.max_context_tokens:
            return "context_too_long"
        held = tokens + self.config.lookahead_tokens
        if not self.replicas[0].engines[0].kv.can_ever_hold(held):
            return "kv_cache_too_small"
        reason = ""
        for pool in self.decoders:
            reason = pool.refusal(tokens)
            if not reason:
                return ""
        return reason

    def submit(self, request: Request) -> None:
        """Take a request; one of the replicas that serve gets it after the front end."""
        if self.config.engine.front_end_s:
            self._front_end.submit(request)
        else:
            self._serve(request)

    def _serve(self, request: Request) -> None:
        self._route(request).submit(request)

    def receive(self, request: Request) -> None:
        """Take a request whose prompt another pool has computed, without the front end."""
        self._route(request).receive(request)

    def cancel_on_its_way(self, request: Request) -> bool:
        """Drop a request if it is in the front end; return whether it was."""
        return self._front_end.cancel(request)

    def cancel(self, request: Request) -> None:
        """Drop a request, if one of the replicas has it."""
        for replica in self.replicas:
            if replica.index == request.replica:
                replica.cancel(request)

    def flush(self, until_s: float) -> None:
        """Meter the segments since the last flush, up to `until_s` [s]."""
        since_s, self._metered_s = self._metered_s, until_s
        busy: list[tuple[Attribution, int]] = []
        tables: list[FloatArray] = []
        bounds = [0]
        for engine in self.engines:
            table, ended = engine.take_rows(since_s, until_s)
            if len(table):
                busy.append((engine.meter.attribution, ended))
                tables.append(table)
                bounds.append(bounds[-1] + len(table))
        if not busy:
            return
        rows = tables[0] if len(tables) == 1 else np.concatenate(tables)
        energy_j, reading = self._integral.over(rows, bounds, since_s, until_s)
        self._readings.append(reading)
        decoding, prefill_tokens = rows[:, _DECODING], rows[:, _PREFILL_TOKENS]
        for number, (attribution, ended) in enumerate(busy):
            engine_rows = slice(bounds[number], bounds[number + 1])
            attribution.credit(
                energy_j[engine_rows], decoding[engine_rows], prefill_tokens[engine_rows], ended
            )

    def take_reading(self, step_s: float) -> PoolReading:
        """Return the reading of the step that ends now, of `step_s` [s]."""
        config, replicas = self.config, self.replicas
        readings, self._readings = self._readings, []
        groups_s = len(replicas) * config.pipeline_parallel * step_s  # of GPUs in lockstep
        busy_s = sum(reading.busy_s for reading in readings)
        served_j = sum(reading.energy_j for reading in readings)
        asleep_s = self.standby.take_asleep_s(self.env.now) * config.pipeline_parallel
        idle_s = max(groups_s - busy_s - asleep_s, 0.0)
        idle_j = idle_s * config.power.idle_w + asleep_s * config.power.sleep_w
        return PoolReading(
            step_s=step_s,
            gpu_j=served_j + idle_j * config.tensor_parallel,
            served_j=served_j,
            host_power_w=config.gpus * config.host_power_w
            + config.host_memory_w(self.cache_host_gib),
            groups_s=groups_s,
            busy_s=busy_s,
            asleep_s=asleep_s,
            batch_seconds=sum(reading.batch_seconds for reading in readings),
            clock_seconds=sum(reading.clock_seconds for reading in readings),
            over_cap_s=sum(reading.over_cap_s for reading in readings),
            flops=sum(reading.flops for reading in readings),
            possible_flops=groups_s * self._peak_flops,
            preemptions=self._since_reading("preemptions"),
            prefilled_tokens=self._since_reading("prefilled_tokens"),
            cached_tokens=self._since_reading("cached_tokens"),
            loaded_tokens=self._since_reading("loaded_tokens"),
            waiting=self.waiting,
            running=self.running,
            replicas=len(replicas),
            awake_replicas=self.standby.awake,
            kv_in_use=sum(replica.kv_utilisation for replica in replicas),
            settings={name: knob.get() for name, knob in self.knobs.items()},
        )

    def _since_reading(self, name: str) -> int:
        """Return by how much a count of the replicas has grown since the last reading."""
        total: int = sum(getattr(replica, name) for replica in self.replicas)
        grown = total - self._reported[name]
        self._reported[name] = total
        return grown

    def take_ended(self) -> tuple[list[Request], list[Request]]:
        """Return requests that completed, or got their first token, since the last call."""
        completed: list[Request] = []
        first_tokens: list[Request] = []
        for replica in self.replicas:
            ended, started = replica.take_ended()
            completed += ended
            first_tokens += started
        return completed, first_tokens

    def take_in_flight(self) -> list[Request]:
        """Return the requests waiting or running, with their energy; this ends the run."""
        of_replicas = [request for replica in self.replicas for request in replica.take_in_flight()]
        return of_replicas + self._front_end.in_flight()

    def _set_batch_cap(self, value: float) -> None:
        self.batch_cap = int(value)
        for replica in self.replicas:
            replica.set_batch_cap(self.batch_cap)

    def _set_active(self, value: float) -> None:
        if value > len(self.replicas):
            raise InferenceSimError(
                f"active_replicas must be at most {len(self.replicas)}, the replicas of pool "
                f"'{self.name}' (got {value:g})"
            )
        self.standby.set_active(int(value))

    def _set_host(self, value: float) -> None:
        self.cache_host_gib = value
        blocks = self.config.host_blocks(value)
        for replica in self.replicas:
            replica.resize_host(blocks)

    def _clock_knob(self, name: str) -> Knob:
        def put(value: float) -> None:
            check_clock(self.config, value)
            self.pace.set_clock(name, value)
            self._change_pace()

        return Knob(name, lambda: self.pace.clocks[name], put, SHARE)

    def _set_power_cap(self, value: float) -> None:
        check_power_cap(self.config, value)
        self.pace.set_power_cap(value)
        self._change_pace()
        self._integral.power_cap_w = value

    def _change_pace(self) -> None:
        for replica in self.replicas:
            replica.set_stages(self.pace.stages)
