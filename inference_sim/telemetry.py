"""What a cluster reports at the end of every step."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from inference_sim.request import Outcome, Request

ROLLING_WINDOW_S = 300.0
"""Latency percentiles look back this far, and at least over the last step."""


@dataclass(frozen=True, slots=True)
class StepTelemetry:
    """One step of one cluster.

    Attributes:
        facility_power_w: Mean power over the step, PUE included [W].
        gpu_power_w: Mean power of all GPUs [W].
        host_power_w: Mean power of their hosts [W].
        attributed_power_w: The part of the GPU power spent on serving, not on idling [W].
        arrived, admitted, completed, rejected, preemptions: Counts in the step.
        gateway_waiting, replica_waiting, running: Requests at its end.
        deferrable_waiting: Deferrable requests held back in front of the gateway at its end.
        deferrable_waiting_tokens: Prompt tokens of these.
        deferrable_slack_s: Least time until one of these must start [s]; NaN without any.
        busy_fraction: Share of replica time with an iteration under way.
        asleep_fraction: Share of replica time asleep.
        kv_utilisation: Mean share of KV blocks in use at its end.
        batch_mean: Mean batch over the busy time [sequences].
        mfu: Achieved FLOPs over the peak of all GPUs and the whole step [fraction].
        awake_replicas: Replicas not asleep at its end: serving, draining or waking up.
        ttft_p99_s, tpot_p99_s: 99th percentiles over the last five minutes; NaN without data.
        latency_p99_s_by_class: The same two of each class of requests, by its name.
        admission_rate_per_s, deferrable_rate_per_s, batch_cap, active_replicas, clock_fraction,
        power_cap_w: Actuators in force during the step.
        clock_mean: Mean clock over the busy time [fraction]; NaN without any.
        over_cap_fraction: Share of replica time in which the GPUs drew more than their power cap.
    """

    facility_power_w: float
    gpu_power_w: float
    host_power_w: float
    attributed_power_w: float
    arrived: int
    admitted: int
    completed: int
    rejected: int
    preemptions: int
    gateway_waiting: int
    deferrable_waiting: int
    deferrable_waiting_tokens: int
    deferrable_slack_s: float
    replica_waiting: int
    running: int
    busy_fraction: float
    asleep_fraction: float
    kv_utilisation: float
    batch_mean: float
    mfu: float
    awake_replicas: int
    ttft_p99_s: float
    tpot_p99_s: float
    latency_p99_s_by_class: Mapping[str, tuple[float, float]]
    admission_rate_per_s: float
    deferrable_rate_per_s: float
    batch_cap: int
    active_replicas: int
    clock_fraction: float
    power_cap_w: float
    clock_mean: float
    over_cap_fraction: float

    def as_dict(self) -> dict[str, float]:
        """Return the numbers by name."""
        return {name: getattr(self, name) for name in NUMBERS}

    def observed(self) -> dict[str, Any]:
        """Return what a controller may see, by name."""
        return {name: getattr(self, name) for name in OBSERVED}


NUMBERS = tuple(one.name for one in fields(StepTelemetry) if one.type in ("int", "float"))
"""Fields of :class:`StepTelemetry` that are single numbers."""
COUNTS = tuple(one.name for one in fields(StepTelemetry) if one.type == "int")
"""Those that are whole numbers."""
OBSERVED = (
    "facility_power_w",
    "arrived",
    "admitted",
    "completed",
    "gateway_waiting",
    "deferrable_waiting",
    "deferrable_waiting_tokens",
    "deferrable_slack_s",
    "replica_waiting",
    "running",
    "busy_fraction",
    "kv_utilisation",
    "batch_mean",
    "awake_replicas",
    "ttft_p99_s",
    "tpot_p99_s",
    "latency_p99_s_by_class",
)
"""Telemetry that controllers see, by field of :class:`StepTelemetry`."""


class RollingLatencies:
    """Percentiles of the latencies in the last few steps, of all requests and of each class.

    Args:
        steps: How many steps to look back over.
    """

    def __init__(self, steps: int) -> None:
        self._ttft: deque[dict[int, list[float]]] = deque(maxlen=steps)
        self._tpot: deque[dict[int, list[float]]] = deque(maxlen=steps)

    def add_step(self, first_tokens: Iterable[Request], ended: Iterable[Request]) -> None:
        """Take the requests that got their first token in a step, and those that ended."""
        ttft: dict[int, list[float]] = {}
        for request in first_tokens:
            ttft.setdefault(request.class_id, []).append(ttft_s(request))
        tpot: dict[int, list[float]] = {}
        for request in ended:
            if request.outcome is Outcome.COMPLETED and request.output_tokens > 1:
                tpot.setdefault(request.class_id, []).append(tpot_s(request))
        self._ttft.append(ttft)
        self._tpot.append(tpot)

    def ttft_p99_s(self, class_id: int | None = None) -> float:
        """Return the 99th percentile of the time to first token [s]; NaN without any."""
        return _p99(self._ttft, class_id)

    def tpot_p99_s(self, class_id: int | None = None) -> float:
        """Return the 99th percentile of the time per output token [s]; NaN without any."""
        return _p99(self._tpot, class_id)


def _p99(steps: Iterable[Mapping[int, list[float]]], class_id: int | None) -> float:
    pooled: list[float] = []
    for by_class in steps:
        for one, values in by_class.items():
            if class_id is None or one == class_id:
                pooled += values
    return float(np.percentile(pooled, 99)) if pooled else float("nan")


def ttft_s(request: Request) -> float:
    """Time to first token: from arrival at the gateway [s]."""
    return request.first_token_s - request.arrival_s


def tpot_s(request: Request) -> float:
    """Time per output token after the first [s]; NaN for a single token."""
    gaps = request.output_tokens - 1
    return (request.finish_s - request.first_token_s) / gaps if gaps else float("nan")
