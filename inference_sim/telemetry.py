"""What a cluster reports at the end of every step."""

from __future__ import annotations

from collections import deque
from dataclasses import asdict, dataclass

import numpy as np

from inference_sim.request import Request

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
        busy_fraction: Share of replica time with an iteration under way.
        kv_utilisation: Mean share of KV blocks in use at its end.
        batch_mean: Mean batch over the busy time [sequences].
        mfu: Achieved FLOPs over the peak of all GPUs and the whole step [fraction].
        ttft_p99_s, tpot_p99_s: 99th percentiles over the last five minutes; NaN without data.
        admission_rate_per_s, batch_cap: Actuators in force during the step.
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
    replica_waiting: int
    running: int
    busy_fraction: float
    kv_utilisation: float
    batch_mean: float
    mfu: float
    ttft_p99_s: float
    tpot_p99_s: float
    admission_rate_per_s: float
    batch_cap: int

    def as_dict(self) -> dict[str, float]:
        """Return the fields by name, as plain numbers."""
        return asdict(self)

    def observed(self) -> dict[str, float]:
        """Return what a controller may see, by name, as plain numbers."""
        return {name: getattr(self, name) for name in OBSERVED}


OBSERVED = (
    "facility_power_w",
    "arrived",
    "admitted",
    "completed",
    "gateway_waiting",
    "replica_waiting",
    "running",
    "kv_utilisation",
    "batch_mean",
    "ttft_p99_s",
    "tpot_p99_s",
)
"""Telemetry that controllers see, by field of :class:`StepTelemetry`."""


class RollingPercentile:
    """A percentile over the values of the last few steps."""

    def __init__(self, percent: float, steps: int) -> None:
        self._percent = percent
        self._window: deque[list[float]] = deque(maxlen=steps)

    def add_step(self, values: list[float]) -> float:
        """Take the values of a step and return the percentile; NaN while there are none."""
        self._window.append(values)
        pooled = [value for step in self._window for value in step]
        return float(np.percentile(pooled, self._percent)) if pooled else float("nan")


def ttft_s(request: Request) -> float:
    """Time to first token: from arrival at the gateway [s]."""
    return request.first_token_s - request.arrival_s


def tpot_s(request: Request) -> float:
    """Time per output token after the first [s]; NaN for a single token."""
    gaps = request.output_tokens - 1
    return (request.finish_s - request.first_token_s) / gaps if gaps else float("nan")
