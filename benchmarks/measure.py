"""Measuring a case: in a process of its own, right after bare SimPy, several times.

``python -m benchmarks.measure CASE REPEATS [--smoke]`` is that process; it prints a measurement.
"""

from __future__ import annotations

import argparse
import gc
import json
import math
import resource
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import median
from time import perf_counter

from benchmarks.cases import Case, find
from benchmarks.work import ROOT, StartUp

BARE_EVENTS = 200_000


@dataclass(frozen=True, slots=True)
class Measurement:
    """Measurement of a case; medians of the runs, each by itself.

    Attributes:
        seconds: Wall time [s].
        requests: Requests served.
        simulated_s: Simulated time [s].
        bare_events_per_s: Speed of bare SimPy [events/s].
        bare_events: Wall time in bare events, each run's by the speed measured right before it.
        peak_memory_mib: Peak resident memory of the process, interpreter included [MiB].
    """

    seconds: float
    requests: int
    simulated_s: float
    bare_events_per_s: float
    bare_events: float
    peak_memory_mib: float

    @property
    def requests_per_s(self) -> float:
        """Requests per second of wall time; NaN without requests."""
        return self.requests / self.seconds if self.requests else math.nan

    @property
    def x_real_time(self) -> float:
        """Simulated time over wall time; NaN if nothing was simulated."""
        return self.simulated_s / self.seconds if self.simulated_s else math.nan

    @property
    def per_bare_event(self) -> float:
        """Requests (starts where there are none) per bare event."""
        return max(self.requests, 1) / self.bare_events


def measure(case: Case, repeats: int, *, smoke: bool = False) -> Measurement:
    """Run a case `repeats` times in a process of its own.

    Raises:
        RuntimeError: If it fails.
    """
    arguments = [case.title, str(repeats), *(["--smoke"] if smoke else [])]
    process = subprocess.run(  # noqa: S603 - this module
        [sys.executable, "-m", "benchmarks.measure", *arguments],
        cwd=ROOT,
        check=False,
        capture_output=True,
        text=True,
    )
    if process.returncode:
        raise RuntimeError(f"{case.title} failed:\n{process.stderr}")
    return Measurement(**json.loads(process.stdout))


def bare_events_per_s(events: int = BARE_EVENTS) -> float:
    """Return the rate at which SimPy handles timeouts of one process [events/s]."""
    import simpy

    env = simpy.Environment()

    def process() -> simpy.events.ProcessGenerator:
        for _ in range(events):
            yield env.timeout(1.0)

    env.process(process())
    began = perf_counter()
    env.run()
    return events / (perf_counter() - began)


def _measure_here(case: Case, repeats: int, *, smoke: bool) -> Measurement:
    work = case.smoke if smoke and case.smoke is not None else case.work
    timed = work.prepare()
    bare_per_s, seconds = [], []
    result = timed() if isinstance(work, StartUp) else None  # fills caches
    for _ in range(repeats):
        gc.collect()
        bare_per_s.append(bare_events_per_s())
        began = perf_counter()
        result = timed()
        seconds.append(perf_counter() - began)
    assert result is not None  # noqa: S101 - repeats is at least 1
    usage_of = resource.RUSAGE_CHILDREN if isinstance(work, StartUp) else resource.RUSAGE_SELF
    unit = 2**20 if sys.platform == "darwin" else 2**10
    return Measurement(
        seconds=median(seconds),
        requests=result.requests,
        simulated_s=result.simulated_s,
        bare_events_per_s=median(bare_per_s),
        bare_events=median(s * b for s, b in zip(seconds, bare_per_s, strict=True)),
        peak_memory_mib=resource.getrusage(usage_of).ru_maxrss / unit,
    )


def main(arguments: Sequence[str] | None = None) -> None:
    """Measure a case in this process and print it as JSON."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.measure")
    parser.add_argument("case")
    parser.add_argument("repeats", type=int)
    parser.add_argument("--smoke", action="store_true")
    options = parser.parse_args(arguments)
    (case,) = find([options.case])
    print(json.dumps(asdict(_measure_here(case, options.repeats, smoke=options.smoke))))


if __name__ == "__main__":
    main()
