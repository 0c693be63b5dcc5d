"""A replay of a recorded trace: faster or slower, later, once or over and over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import count

from inference_sim.errors import TraceError
from inference_sim.workload.trace_requests import RequestTrace
from inference_sim.workload.traces import Recording


@dataclass(frozen=True, slots=True, kw_only=True)
class Replay:
    """Arrivals of a trace on the clock of a run; lengths stay as recorded.

    Example::

        replay = Replay(trace=open_trace(Path("requests.csv")), rate_scale=2.0, loop=True)
        stream = trace_stream(replay, seed=1)

    Attributes:
        trace: The recorded trace.
        rate_scale: Factor on the rate: 2 halves the gaps, so that the rate doubles.
        shift_s: Time of the first arrival, not scaled [s]; nothing arrives before.
        loop: Whether to begin again whenever the trace ends. One mean gap lies between its last
            arrival and the next first one, so that the mean rate stays that of the trace.

    Raises:
        TraceError: If a trace whose requests all arrive at once is to be looped.
    """

    trace: Recording
    rate_scale: float = 1.0
    shift_s: float = 0.0
    loop: bool = False

    def __post_init__(self) -> None:
        if self.loop and self.trace.span_s <= 0:
            raise TraceError("a trace whose requests all arrive at once cannot be looped")

    @property
    def period_s(self) -> float:
        """Time from one beginning of a looped trace to the next [s]."""
        gaps = max(1, self.trace.requests - 1)
        return self.trace.span_s * (1 + 1 / gaps) / self.rate_scale

    @property
    def peak_rate_per_s(self) -> float:
        """The mean rate of the trace's busiest minute, at the rate of the run [requests/s]."""
        return self.trace.peak_rate_per_s * self.rate_scale

    def parts(self) -> Iterator[RequestTrace]:
        """Yield the requests in parts of bounded size, times counted from the start of the run."""
        for lap in count() if self.loop else range(1):
            start_s = self.shift_s + lap * self.period_s
            for part in self.trace.parts():
                times_s = start_s + part.times_s / self.rate_scale
                yield replace(part, times_s=times_s, lap=lap)
