"""A cluster: one gateway in front of pools of replicas, advanced step by step."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Generator, Iterable, Mapping

import simpy

from inference_sim.clients import Clients
from inference_sim.clock import advance
from inference_sim.deferral import DeferralLine
from inference_sim.deployment import ClusterConfig
from inference_sim.engine import Engine
from inference_sim.errors import InferenceSimError
from inference_sim.gateway import Gateway, TokenLine
from inference_sim.handover import Handover
from inference_sim.knobs import AT_LEAST_0, Knob
from inference_sim.latencies import RollingLatencies
from inference_sim.pool import Pool
from inference_sim.replica import Replica
from inference_sim.request import Outcome, Request
from inference_sim.telemetry import ROLLING_WINDOW_S, StepTelemetry, pool_telemetry
from inference_sim.workload import Arrival

Settings = Mapping[str, float | Mapping[str, float]]
"""Values by knob: a number, for every pool where it is a pool's, or numbers by pool."""


class Cluster:
    """A cluster that serves a stream of requests in simulated time.

    State lives through the whole run: :meth:`step` continues where the last one ended.

    Args:
        config: The deployment.
        stream: Requests in order of arrival.
        env: The clock; one of its own by default. Clusters that share one are advanced together,
            by :func:`inference_sim.clock.advance`, and then report.
        clients: Clients who send further requests, give up or try again; None if all requests come
            with the stream, and wait.

    Attributes:
        pools: The pools by name.
        knobs: Knobs of the cluster beside the pools' knobs, by name.
        gateway, deferral: The queues on the way to a pool.
        handover: The way of requests from prefill pools to decode pools; None without such pools.
        arrived, completed, rejected, timed_out: Counts so far.
        deferrable_arrived: Of the first, those that may be deferred.
        rejections: Rejected requests by reason.
        exhausted: Whether the whole stream has arrived.

    Raises:
        ModelDoesNotFit: If a GPU cannot hold the model and one request.
        InferenceSimError: If the deployment cannot be simulated for another reason.
    """

    def __init__(
        self,
        config: ClusterConfig,
        stream: Iterable[Arrival],
        env: simpy.Environment | None = None,
        clients: Clients | None = None,
    ) -> None:
        self.config = config
        self.env = env if env is not None else simpy.Environment()
        self.pools: dict[str, Pool] = {}
        first_replica = 0
        for pool_config in config.pools:
            pool = Pool(pool_config, self.env, config.seed, first_replica)
            self.pools[pool_config.name] = pool
            first_replica += pool_config.replicas
        self.handover: Handover | None = None
        if config.kv_transfer is not None:
            self.handover = Handover(self.env, config.kv_transfer, list(self.pools.values()))
        dispatch = config.dispatch.between(list(self.pools.values()), config.classes, config.seed)
        for name, knob in dispatch.knobs.items():
            self.pools[name].add_knob(knob)
        self._choose = dispatch.choose
        self.gateway = Gateway(
            self.env,
            self._dispatch if len(self.pools) > 1 else next(iter(self.pools.values())).submit,
            rate_per_s=config.gateway.admission_rate_per_s,
            burst=config.gateway.burst,
            overflow=config.gateway.overflow,
        )
        self.deferral = DeferralLine(
            self.env, self.gateway.submit, self.gateway.admit, config.classes
        )
        self.knobs: Mapping[str, Knob] = {
            knob.name: knob
            for knob in (
                _rate_knob("admission_rate", self.gateway),
                _rate_knob("deferrable_rate", self.deferral),
            )
        }
        self._may_wait = [service_class.deferrable for service_class in config.classes]
        self.arrived = self.deferrable_arrived = 0
        self.completed = self.rejected = self.timed_out = 0
        self.rejections: Counter[str] = Counter()
        self.exhausted = False
        self._refused: list[Request] = []
        self._dropped: list[Request] = []
        self._cancels = False
        self._ended: list[Request] = []
        self._reported_s = self.env.now
        self._reported: Counter[str] = Counter()
        self._latencies: RollingLatencies | None = None
        self._stream = iter(stream)
        self._due: Arrival | None = None
        self.clients = clients
        if clients is not None:
            clients.serve_by(self)
            self.gateway.on_reject = clients.on_end
            for engine in self.engines:
                engine.on_end = clients.on_end
        self.env.process(self._open())

    @property
    def replicas(self) -> list[Replica]:
        """The replicas of all pools."""
        return [replica for pool in self.pools.values() for replica in pool.replicas]

    @property
    def engines(self) -> list[Engine]:
        """The engines of all replicas."""
        return [engine for replica in self.replicas for engine in replica.engines]

    @property
    def in_flight(self) -> int:
        """Requests that have arrived and not ended."""
        return self.arrived - self.completed - self.rejected - self.timed_out

    @property
    def drained(self) -> bool:
        """Whether every request has arrived and ended, and no client will send another."""
        thinking = self.clients is not None and self.clients.pending > 0
        return self.exhausted and self.in_flight == 0 and not thinking

    def _dispatch(self, request: Request) -> None:
        """Give a request to the pool that is chosen, or to the first that can serve it."""
        pool = self._choose(request)
        tokens = request.prompt_tokens + request.output_tokens
        if pool.refusal(tokens):
            pool = next(other for other in self.pools.values() if not other.refusal(tokens))
        pool.submit(request)

    def apply(self, settings: Settings) -> None:
        """Set knobs of the cluster and of its pools.

        Raises:
            InferenceSimError: On an unknown knob or pool, or a value out of range.
        """
        for name, value in settings.items():
            knob = self.knobs.get(name)
            if isinstance(value, Mapping):
                knobs = [(self._pool_knob(name, pool), number) for pool, number in value.items()]
                # values that fall come first: in between shares must not add up to more than 1
                for pool_knob, number in sorted(knobs, key=lambda one: one[1] > one[0].get()):
                    pool_knob.set(number)
            elif knob is not None:
                knob.set(value)
            else:
                for pool_name in self.pools:
                    self._pool_knob(name, pool_name).set(value)

    def _pool_knob(self, name: str, pool_name: str) -> Knob:
        pool = self.pools.get(pool_name)
        if pool is None:
            raise InferenceSimError(f"unknown pool '{pool_name}'; known: {', '.join(self.pools)}")
        knob = pool.knobs.get(name)
        if knob is None:
            names = ", ".join([*self.knobs, *pool.knobs])
            raise InferenceSimError(f"unknown actuator '{name}'; known: {names}")
        return knob

    def step(self, until_s: float) -> StepTelemetry:
        """Run from where the last step ended to `until_s` [s] and report."""
        advance(self.env, until_s, [self])
        return self.report()

    @property
    def rows_kept(self) -> int:
        """Number of segments that are not metered yet."""
        return sum(pool.rows_kept for pool in self.pools.values())

    def flush(self, until_s: float) -> None:
        """Meter the segments since the last flush, up to `until_s` [s]."""
        for pool in self.pools.values():
            pool.flush(until_s)

    def report(self) -> StepTelemetry:
        """Return the telemetry since the last report; all segments up to now must be metered."""
        step_s = self.env.now - self._reported_s
        since_s, self._reported_s = self._reported_s, self.env.now
        if self._latencies is None:
            self._latencies = RollingLatencies(max(1, math.ceil(ROLLING_WINDOW_S / step_s)))
        latencies = self._latencies
        ended, first_tokens = self._collect()
        self._ended += ended
        latencies.add_step(first_tokens, ended)
        readings = {name: pool.take_reading(step_s) for name, pool in self.pools.items()}
        gpu_w = sum(reading.gpu_j for reading in readings.values()) / step_s
        links_w = self._links_w(step_s)
        host_w = sum(reading.host_power_w for reading in readings.values()) + links_w
        outside = self.config.outside_temperature_c
        outside_c = outside(since_s) if outside else None
        deferred = self.deferral.waiting
        pools = {name: pool_telemetry([reading]) for name, reading in readings.items()}
        only, *others = pools.values()
        all_pools = pool_telemetry(list(readings.values())) if others else only
        values = all_pools.by_name()
        values["host_power_w"] += links_w
        values["settings"] = {name: knob.get() for name, knob in self.knobs.items()}
        return StepTelemetry(
            **values,
            pools=pools,
            facility_power_w=self.config.pue.facility_w(gpu_w + host_w, outside_c),
            arrived=self._since_report("arrived", self.arrived),
            deferrable_arrived=self._since_report("deferrable_arrived", self.deferrable_arrived),
            admitted=self._since_report("admitted", self.gateway.admitted),
            completed=self._since_report("completed", self.completed),
            rejected=self._since_report("rejected", self.rejected),
            gateway_waiting=len(self.gateway.waiting),
            deferrable_waiting=len(deferred),
            deferrable_waiting_tokens=sum(request.prompt_tokens for request in deferred),
            deferrable_slack_s=self.deferral.slack_s if deferred else math.nan,
            ttft_p99_s=latencies.ttft_p99_s(),
            tpot_p99_s=latencies.tpot_p99_s(),
            latency_p99_s_by_class={
                service_class.name: (latencies.ttft_p99_s(number), latencies.tpot_p99_s(number))
                for number, service_class in enumerate(self.config.classes)
            },
            clients=self._clients_since_report(),
        )

    def _links_w(self, step_s: float) -> float:
        """Return the mean power of the links between pools in the step [W]."""
        if self.handover is None:
            return 0.0
        transfers = self.handover.transfers
        return transfers.take_busy_s() * transfers.config.power_w_per_link / step_s

    def _clients_since_report(self) -> dict[str, int]:
        """Return the counts of the clients in the step; none without clients."""
        if self.clients is None:
            return {}
        return {
            "timed_out": self._since_report("timed_out", self.timed_out),
            "retried": self._since_report("retried", self.clients.retried),
        }

    def _since_report(self, name: str, total: int) -> int:
        """Return by how much a running total has grown since the last report."""
        grown = total - self._reported[name]
        self._reported[name] = total
        return grown

    def follow_carbon(self) -> None:
        """Expect :meth:`settle_carbon` after each step from now on."""
        for engine in self.engines:
            engine.meter.attribution.follows_carbon = True

    def settle_carbon(self, g_per_j: float) -> None:
        """Attribute the emissions of the step that has just ended [g per J of GPU energy]."""
        for engine in self.engines:
            engine.meter.attribution.settle_carbon(g_per_j)

    def take_ended(self) -> list[Request]:
        """Return the requests that ended since the last call, however they did."""
        ended, self._ended = self._ended, []
        return ended

    def take_in_flight(self) -> list[Request]:
        """Return the requests still waiting or running, with their energy; this ends the run.

        After a step that broke off, the requests that ended in it are returned as well.
        """
        self.flush(self.env.now)  # of a step that broke off; otherwise it is flushed already
        requests, _ = self._collect()
        requests += [*self.deferral.waiting, *self.gateway.waiting]
        for pool in self.pools.values():
            requests += pool.take_in_flight()
        return sorted(requests, key=lambda request: request.request_id)

    def _open(self) -> Generator[simpy.Event, object, None]:
        """Let in the first requests of the stream when the clock begins to run."""
        self._arrive()
        yield from ()

    def _on_arrival(self, event: simpy.Event) -> None:
        self._arrive()

    def _arrive(self) -> None:
        """Let in the requests that have arrived by now, and wait for the next one.

        A request is an event that calls back: a process that waits for each would take longer.
        """
        env = self.env
        now_s: float = env.now
        if self.clients is not None and self.clients.full:
            self._due, self._stream = None, iter(())
        if self._due is not None:
            self._let_in(self._due, now_s, 0)
        for arrival in self._stream:
            if arrival[0] > now_s:
                self._due = arrival
                event = simpy.Timeout(env, arrival[0] - now_s)
                event.callbacks.append(self._on_arrival)
                return
            self._let_in(arrival, now_s, 0)
        self._due = None
        self.exhausted = True

    def send(self, arrival: Arrival, retries: int = 0) -> None:
        """Let in a request of a client, now.

        Args:
            arrival: The request; its time is not read.
            retries: How often it was sent before.
        """
        self._let_in(arrival, self.env.now, retries)

    def cancel(self, request: Request) -> None:
        """Drop a request whose client gave up, wherever it is."""
        self._cancels = True
        if (
            self.deferral.cancel(request)
            or self.gateway.cancel(request)
            or any(pool.cancel_on_its_way(request) for pool in self.pools.values())
        ):
            request.outcome = Outcome.TIMED_OUT
            self._dropped.append(request)
            if self.clients is not None:
                self.clients.on_end(request)
            return
        for pool in self.pools.values():
            pool.cancel(request)

    def _let_in(self, arrival: Arrival, now_s: float, retries: int) -> None:
        _, prompt, output, class_id, content, answer_stream, session = arrival
        request = Request(self.arrived, now_s, prompt, output, class_id)
        if content is not None:
            request.content, request.answer_stream = content, answer_stream
        if session >= 0:
            request.session = session
        if retries:
            request.retries = retries
        self.arrived += 1
        may_wait = bool(self._may_wait) and self._may_wait[class_id]
        self.deferrable_arrived += may_wait
        clients = self.clients
        if clients is not None:
            clients.on_sent(arrival, request)
        reason = self.refusal(prompt + output)
        if reason:
            request.outcome = Outcome.REJECTED
            request.reason = reason
            self._refused.append(request)
            if clients is not None:
                clients.on_end(request)
        elif may_wait:
            self.deferral.submit(request)
        else:
            self.gateway.submit(request)

    def refusal(self, tokens: int) -> str:
        """Return why no pool can ever serve a request of so many tokens; empty if one can."""
        reason = ""
        for pool in self.pools.values():
            reason = pool.refusal(tokens)
            if not reason:
                return ""
        return reason

    def _collect(self) -> tuple[list[Request], list[Request]]:
        """Take the requests that ended in the step, and those that got their first token."""
        dropped, self._dropped = self._dropped, []
        rejected = self.gateway.rejected + self._refused
        self.gateway.rejected = []
        self._refused = []
        served: list[Request] = []
        first_tokens: list[Request] = []
        for pool in self.pools.values():
            ended, started = pool.take_ended()
            served += ended
            first_tokens += started
        given_up = 0
        if self._cancels:
            given_up = sum(request.outcome is Outcome.TIMED_OUT for request in served)
        self.completed += len(served) - given_up
        self.timed_out += len(dropped) + given_up
        self.rejected += len(rejected)
        self.rejections.update(request.reason for request in rejected)
        return served + dropped + rejected, first_tokens


def _rate_knob(name: str, line: TokenLine) -> Knob:
    return Knob(name, lambda: line.rate_per_s, line.set_rate, AT_LEAST_0)
