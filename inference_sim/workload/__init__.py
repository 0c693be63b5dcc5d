"""What requests arrive, and when: lazy streams, so that a long run needs no more memory."""

from inference_sim.workload.arrivals import DailyArrivals, PoissonArrivals, StaticArrivals
from inference_sim.workload.lengths import FixedLengths, UniformLengths, ZipfLengths
from inference_sim.workload.stream import Arrival, generated_stream, thinned, trace_stream
from inference_sim.workload.traces import RequestTrace, read_trace

__all__ = [
    "Arrival",
    "DailyArrivals",
    "FixedLengths",
    "PoissonArrivals",
    "RequestTrace",
    "StaticArrivals",
    "UniformLengths",
    "ZipfLengths",
    "generated_stream",
    "read_trace",
    "thinned",
    "trace_stream",
]
