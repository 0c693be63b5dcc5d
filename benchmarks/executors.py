"""Many small runs by each executor: ``python -m benchmarks.executors``.

Each run is a day of the deferrable scenario in steps of five minutes with a thousand requests. The
first executor is the reference: the figures of the others must be the same.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from cosim.errors import CosimError
from cosim.scenario.loading import read_document
from cosim.studies.frame.cases import make_run
from cosim.studies.frame.spec import RunSpec, run_specs
from cosim.studies.runs.executor import Executor
from cosim.studies.runs.figures import RunFigures
from cosim.studies.runs.processes import cores

SCENARIO = Path(__file__).parents[1] / "scenarios" / "deferrable.yaml"
SETTINGS = (
    "time.duration=24h",
    "time.step=300s",
    "workload.requests=1000",
    "workload.arrivals.rate_per_s=0.025",
)


@dataclass(frozen=True, slots=True)
class Timed:
    """A run and the time that it took its worker.

    Attributes:
        figures: Its figures.
        wall_s: Time from its first step to its last, planning included [s].
        cpu_s: Processor time of the worker meanwhile [s].
    """

    figures: RunFigures
    wall_s: float
    cpu_s: float


def timed_run(spec: RunSpec, *contents: bytes) -> tuple[str, Timed]:
    """Make a run; see :func:`cosim.studies.frame.cases.make_run`."""
    began_s, cpu_s = time.perf_counter(), time.process_time()
    key, figures = make_run(spec, *contents)
    return key, Timed(figures, time.perf_counter() - began_s, time.process_time() - cpu_s)


def lost(spec: RunSpec) -> tuple[str, Timed]:
    """Refuse to go on without a run."""
    raise CosimError(f"the process of run {spec.key} died twice")


def measure(name: str, specs: Sequence[RunSpec]) -> tuple[str, dict[str, RunFigures]]:
    """Return a row of the table for an executor, and the figures of all runs."""
    count = cores()
    began_s = time.perf_counter()
    runs: dict[str, Timed] = {}
    first_s = 0.0
    with Executor.parse(name).opened(count) as pool:
        outcomes = pool.outcomes(timed_run, specs, lost=lost, working_dir=Path.cwd())
        with closing(outcomes):
            for key, run in outcomes:
                first_s = first_s or time.perf_counter() - began_s - run.wall_s
                runs[key] = run
        all_s = time.perf_counter() - began_s
    end_s = time.perf_counter() - began_s - all_s
    wall_s = sum(run.wall_s for run in runs.values())
    cpu_s = sum(run.cpu_s for run in runs.values())
    at_work_s = count * (all_s - first_s)
    overhead_ms = 1000 * max(0.0, at_work_s - wall_s) / len(specs)
    row = (
        f"| {name} | {first_s:.1f} | {end_s:.1f} | {all_s:.0f} | {wall_s / len(specs):.2f} "
        f"| {overhead_ms:.0f} | {100 * wall_s / at_work_s:.0f} | {100 * cpu_s / at_work_s:.0f} |"
    )
    return row, {key: run.figures for key, run in runs.items()}


def main(arguments: Sequence[str] | None = None) -> int:
    """Print a row for each executor; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.executors", description="Time many small runs by executor."
    )
    parser.add_argument("executors", nargs="*", default=["processes"], metavar="EXECUTOR")
    parser.add_argument("--runs", type=int, default=200, help="runs of each [%(default)s]")
    options = parser.parse_args(arguments)
    specs = run_specs(read_document(SCENARIO, SETTINGS), range(options.runs))
    print(f"{options.runs} runs, {cores()} cores\n")
    print("| executor | start s | end s | all s | a run s | overhead ms | at work % | CPU % |")
    print("|---|---|---|---|---|---|---|---|")
    reference: dict[str, RunFigures] = {}
    for name in options.executors:
        row, figures = measure(name, specs)
        print(row, flush=True)
        reference = reference or figures
        if figures != reference:
            print(f"the figures by {name} differ from those by {options.executors[0]}")
            return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
