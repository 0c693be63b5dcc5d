"""Workloads: lazy streams of requests, so that a long run does not need more memory.

A stream joins arrivals with lengths::

    stream = generated_stream(PoissonArrivals(2.0), FixedLengths(512, 128), seed=1, requests=1000)
"""

from inference_sim.workload.arrivals import (
    BurstArrivals,
    DailyArrivals,
    GammaArrivals,
    HourlyArrivals,
    PoissonArrivals,
    StaticArrivals,
)
from inference_sim.workload.day_to_day import DayToDayArrivals
from inference_sim.workload.empirical import EmpiricalLengths, find_lengths
from inference_sim.workload.lengths import (
    FixedLengths,
    LognormalLengths,
    LognormalTokens,
    SpreadLengths,
    UniformLengths,
    ZipfLengths,
)
from inference_sim.workload.replay import Replay
from inference_sim.workload.sessions import (
    ExponentialDuration,
    FixedDuration,
    LognormalDuration,
    Sessions,
    Turns,
    client_starts,
    session_starts,
)
from inference_sim.workload.stream import (
    Arrival,
    coming,
    first,
    generated_stream,
    thinned,
    trace_stream,
)
from inference_sim.workload.trace_requests import RequestTrace
from inference_sim.workload.traces import Reading, TraceFile, open_trace, read_trace

__all__ = [
    "Arrival",
    "BurstArrivals",
    "DailyArrivals",
    "DayToDayArrivals",
    "EmpiricalLengths",
    "ExponentialDuration",
    "FixedDuration",
    "FixedLengths",
    "GammaArrivals",
    "HourlyArrivals",
    "LognormalDuration",
    "LognormalLengths",
    "LognormalTokens",
    "PoissonArrivals",
    "Reading",
    "Replay",
    "RequestTrace",
    "Sessions",
    "SpreadLengths",
    "StaticArrivals",
    "TraceFile",
    "Turns",
    "UniformLengths",
    "ZipfLengths",
    "client_starts",
    "coming",
    "find_lengths",
    "first",
    "generated_stream",
    "open_trace",
    "read_trace",
    "session_starts",
    "thinned",
    "trace_stream",
]
