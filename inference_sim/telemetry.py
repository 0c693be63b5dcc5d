"""Telemetry: the report of a cluster at the end of every step."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any, get_type_hints

ROLLING_WINDOW_S = 300.0
"""Latency percentiles look back this far, and at least over the last step."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolReading:
    """Sums of a pool over a step, and its state at the end; they add up over pools.

    Attributes:
        step_s: Length of the step [s].
        gpu_j: Energy of its GPUs, idling and sleeping included [J].
        served_j: The part of it spent on serving [J].
        host_power_w: Power of their hosts [W].
        groups_s: Length of the step times the groups of GPUs that work in lockstep [s].
        busy_s: Time that these had an iteration under way [s].
        asleep_s: Time that they were asleep [s].
        batch_seconds: Integral of the batch size over the busy time [sequences * s].
        clock_seconds: Integral of the clock fraction over it [s].
        over_cap_s: Time in which the GPUs drew more than their power cap [s].
        flops, possible_flops: Achieved FLOPs per GPU, and at the peak of all of the step.
        preemptions: Evictions in the step.
        prefilled_tokens, cached_tokens, loaded_tokens: Tokens of prefills that were computed in the
            step, found in KV caches of GPUs, and loaded from host memory [tokens].
        waiting, running: Requests at its end.
        replicas: All replicas.
        awake_replicas: Replicas not asleep at its end.
        kv_in_use: Sum of the replicas' shares of KV blocks in use at its end.
        settings: Its knobs in force during the step, by name.
    """

    step_s: float
    gpu_j: float
    served_j: float
    host_power_w: float
    groups_s: float
    busy_s: float
    asleep_s: float
    batch_seconds: float
    clock_seconds: float
    over_cap_s: float
    flops: float
    possible_flops: float
    preemptions: int
    prefilled_tokens: int
    cached_tokens: int
    loaded_tokens: int
    waiting: int
    running: int
    replicas: int
    awake_replicas: int
    kv_in_use: float
    settings: Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolTelemetry:
    """One step of one pool, or of all pools of a cluster together.

    Attributes:
        gpu_power_w: Mean power of all GPUs [W].
        host_power_w: Mean power of their hosts [W].
        attributed_power_w: The part of the GPU power spent on serving, not on idling [W].
        preemptions: Evictions in the step.
        prefilled_tokens, cached_tokens, loaded_tokens: Tokens of prefills that were computed in the
            step, found in KV caches of GPUs, and loaded from host memory [tokens].
        replica_waiting, running: Requests at its end.
        busy_fraction: Share of replica time with an iteration under way.
        asleep_fraction: Share of replica time asleep.
        kv_utilisation: Mean share of KV blocks in use at its end.
        batch_mean: Mean batch over the busy time [sequences].
        mfu: Achieved FLOPs over the peak of all GPUs and the whole step [fraction].
        awake_replicas: Replicas not asleep at its end: serving, draining or waking up.
        clock_mean: Mean clock over the busy time [fraction]; NaN without any.
        over_cap_fraction: Share of replica time in which the GPUs drew more than their power cap.
        settings: Knobs in force during the step, by name; of several pools none.
    """

    gpu_power_w: float
    host_power_w: float
    attributed_power_w: float
    preemptions: int
    prefilled_tokens: int
    cached_tokens: int
    loaded_tokens: int
    replica_waiting: int
    running: int
    busy_fraction: float
    asleep_fraction: float
    kv_utilisation: float
    batch_mean: float
    mfu: float
    awake_replicas: int
    clock_mean: float
    over_cap_fraction: float
    settings: Mapping[str, float]

    def by_name(self) -> dict[str, Any]:
        """Return its fields by name, to make the telemetry of a whole cluster from."""
        return {name: getattr(self, name) for name in _POOL_FIELDS}


_POOL_FIELDS = tuple(field.name for field in fields(PoolTelemetry))


@dataclass(frozen=True, slots=True, kw_only=True)
class StepTelemetry(PoolTelemetry):
    """One step of one cluster: all its pools together, and the queues in front of them.

    Attributes:
        facility_power_w: Mean power over the step, PUE included [W].
        arrived, admitted, completed, rejected: Counts in the step.
        deferrable_arrived: Of the first, requests that may be deferred.
        gateway_waiting: Requests queued at the gateway at its end.
        deferrable_waiting: Requests deferred in front of the gateway at its end.
        deferrable_waiting_tokens: Prompt tokens of these.
        deferrable_slack_s: Least time until one of these must start [s]; NaN without any.
        ttft_p99_s, tpot_p99_s: 99th percentiles over the last five minutes; NaN without data.
        latency_p99_s_by_class: The same two of each class of requests, by its name.
        settings: Knobs of the cluster itself, its gateway's and its deferral's, by name.
        clients: Counts in the step where there are clients, by name: `timed_out`, `retried`.
        pools: Telemetry of each pool, by name.
    """

    facility_power_w: float
    arrived: int
    deferrable_arrived: int
    admitted: int
    completed: int
    rejected: int
    gateway_waiting: int
    deferrable_waiting: int
    deferrable_waiting_tokens: int
    deferrable_slack_s: float
    ttft_p99_s: float
    tpot_p99_s: float
    latency_p99_s_by_class: Mapping[str, tuple[float, float]]
    clients: Mapping[str, int]
    pools: Mapping[str, PoolTelemetry]

    def as_dict(self) -> dict[str, float]:
        """Return the numbers by name."""
        return {name: getattr(self, name) for name in NUMBERS}


_TYPES = get_type_hints(StepTelemetry)
NUMBERS = tuple(name for name, kind in _TYPES.items() if kind in (int, float))
"""Fields of :class:`StepTelemetry` that are single numbers."""
COUNTS = tuple(name for name, kind in _TYPES.items() if kind is int)
"""Those that are whole numbers."""


def pool_telemetry(readings: Sequence[PoolReading]) -> PoolTelemetry:
    """Return the telemetry of several pools together.

    Args:
        readings: Their readings of the step, at least one.
    """
    step_s = readings[0].step_s
    groups_s = sum(reading.groups_s for reading in readings)
    busy_s = sum(reading.busy_s for reading in readings)
    replicas = sum(reading.replicas for reading in readings)
    clock_seconds = sum(reading.clock_seconds for reading in readings)
    batch_seconds = sum(reading.batch_seconds for reading in readings)
    possible_flops = sum(reading.possible_flops for reading in readings)
    return PoolTelemetry(
        gpu_power_w=sum(reading.gpu_j for reading in readings) / step_s,
        host_power_w=sum(reading.host_power_w for reading in readings),
        attributed_power_w=sum(reading.served_j for reading in readings) / step_s,
        preemptions=sum(reading.preemptions for reading in readings),
        prefilled_tokens=sum(reading.prefilled_tokens for reading in readings),
        cached_tokens=sum(reading.cached_tokens for reading in readings),
        loaded_tokens=sum(reading.loaded_tokens for reading in readings),
        replica_waiting=sum(reading.waiting for reading in readings),
        running=sum(reading.running for reading in readings),
        busy_fraction=busy_s / groups_s,
        asleep_fraction=sum(reading.asleep_s for reading in readings) / groups_s,
        kv_utilisation=sum(reading.kv_in_use for reading in readings) / replicas,
        batch_mean=batch_seconds / busy_s if busy_s else 0.0,
        mfu=sum(reading.flops for reading in readings) / possible_flops,
        awake_replicas=sum(reading.awake_replicas for reading in readings),
        clock_mean=clock_seconds / busy_s if busy_s else math.nan,
        over_cap_fraction=sum(reading.over_cap_s for reading in readings) / groups_s,
        settings=readings[0].settings if len(readings) == 1 else {},
    )
