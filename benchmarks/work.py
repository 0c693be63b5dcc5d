"""The kinds of work to time: serving alone, the closed loop, a report, a trace, or starting up.

Imports of the simulator stand inside the functions: the process that starts the others stays small,
because a child's peak memory is never less than that of its parent when it was started.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple, Protocol

ROOT = Path(__file__).resolve().parents[1]
STEP_S = 60.0


class Done(NamedTuple):
    """Result of a piece of work: requests served, and the simulated time [s]."""

    requests: int
    simulated_s: float


class Work(Protocol):
    """A piece of work to time."""

    def prepare(self) -> Callable[[], Done]:
        """Prepare the work, untimed, and return the function to time."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Serve:
    """Requests through a cluster, without a microgrid, in steps of a minute and with telemetry.

    Attributes:
        requests: Number of requests, all of which are served.
        rate_per_s: Poisson arrivals [requests/s].
        lengths: Prompt and output tokens; None for Zipf (theta 0.6, 1024 to 4096 tokens, 20 tokens
            of prompt to one of output).
        replicas: Copies of the model, on an A100 each.
        step_s: Length of a step [s].
        vidur: Whether iterations take what Vidur says; the roofline if not.
        prefix_caching: Whether the KV cache finds blocks again; the requests share nothing.
    """

    requests: int
    rate_per_s: float
    model: str = "meta-llama/Llama-2-7b-hf"
    scheduler: str = "vllm"
    lengths: tuple[int, int] | None = None
    replicas: int = 1
    step_s: float = STEP_S
    vidur: bool = False
    prefix_caching: bool = False

    def prepare(self) -> Callable[[], Done]:
        """Return a run until every request has ended; the stream is drawn in it."""
        from inference_sim.cluster import Cluster
        from inference_sim.deployment import ClusterConfig
        from inference_sim.execution import find_engine
        from inference_sim.execution.vidur_fit import vidur_execution
        from inference_sim.hardware import find_gpu
        from inference_sim.models import find_model
        from inference_sim.pool_config import PoolConfig
        from inference_sim.power import TwoResource
        from inference_sim.workload import (
            FixedLengths,
            PoissonArrivals,
            ZipfLengths,
            generated_stream,
        )

        gpu = find_gpu("a100-sxm-80gb")
        model = find_model(self.model)
        pool = PoolConfig(
            model=model,
            gpu=gpu,
            engine=find_engine("none"),
            power=TwoResource.of(gpu),
            scheduler=self.scheduler,
            prefix_caching=self.prefix_caching,
            replicas=self.replicas,
            stages=(lambda stage: vidur_execution(model, gpu, 1, stage)) if self.vidur else None,
        )
        arrivals = PoissonArrivals(self.rate_per_s)
        lengths = FixedLengths(*self.lengths) if self.lengths else ZipfLengths(0.6, 1024, 4096, 20)

        def serve() -> Done:
            stream = generated_stream(arrivals, lengths, 42, requests=self.requests)
            cluster = Cluster(ClusterConfig(pools=(pool,)), stream)
            served = 0
            while not cluster.drained:
                cluster.step(cluster.env.now + self.step_s)
                served += len(cluster.take_ended())
            return Done(served, cluster.env.now)

        return serve


@dataclass(frozen=True, slots=True)
class CloseLoop:
    """The scenario ``closed_loop.yaml`` with settings, results included."""

    settings: tuple[str, ...]

    def prepare(self) -> Callable[[], Done]:
        """Return a run of the scenario, which is read beforehand."""
        from cosim.results.totals import ServingTotals
        from cosim.studies.runs.execute import execute
        from cosim.world.plan import load_plan

        plan = load_plan(ROOT / "benchmarks" / "closed_loop.yaml", self.settings)

        def close_loop() -> Done:
            with tempfile.TemporaryDirectory() as folder:
                summary = execute(plan, Path(folder) / "out").summary
            if summary.failure is not None or not isinstance(summary.totals, ServingTotals):
                raise RuntimeError(f"a run to measure is to end, and to serve ({summary.failure})")
            return Done(summary.totals.requests.completed, summary.time.duration_s)

        return close_loop


@dataclass(frozen=True, slots=True)
class Report:
    """The report of the scenario ``closed_loop.yaml`` with settings, which is run beforehand."""

    settings: tuple[str, ...]

    def prepare(self) -> Callable[[], Done]:
        """Return the writing of the report."""
        from cosim.report.run_report import folder_page
        from cosim.studies.runs.execute import execute
        from cosim.world.plan import load_plan

        folder = tempfile.TemporaryDirectory()
        plan = load_plan(ROOT / "benchmarks" / "closed_loop.yaml", self.settings)
        execute(plan, Path(folder.name) / "out")

        def report() -> Done:
            out = Path(folder.name) / "out"  # the folder lasts as long as this function
            folder_page(out).write(out)
            return Done(0, 0.0)

        return report


@dataclass(frozen=True, slots=True)
class ReadTrace:
    """A generated trace in the format of Azure's.

    Attributes:
        rows: Number of requests.
        held: Whether it is read into memory; otherwise it is streamed, as a larger file would be.
    """

    rows: int
    held: bool

    def prepare(self) -> Callable[[], Done]:
        """Return the reading of the trace, whose file is written beforehand."""
        from inference_sim.workload import read_trace
        from inference_sim.workload.traces import read_pieces

        folder = tempfile.TemporaryDirectory()
        with (Path(folder.name) / "trace.csv").open("w", encoding="utf-8") as file:
            file.write("TIMESTAMP,ContextTokens,GeneratedTokens\r\n")
            for row in range(self.rows):
                second, fraction = divmod(row * 1_234_567, 10_000_000)
                minute, hour, day = second // 60, second // 3600, second // 86_400
                file.write(
                    f"2023-11-{day + 1:02} {hour % 24:02}:{minute % 60:02}:{second % 60:02}."
                    f"{fraction:07},{row % 7919 + 1},{row % 997 + 1}\r\n"
                )

        def read() -> Done:
            path = Path(folder.name) / "trace.csv"  # the folder lasts as long as this function
            if self.held:
                return Done(read_trace(path).requests, 0.0)
            return Done(sum(piece.requests for piece in read_pieces(path)), 0.0)

        return read


@dataclass(frozen=True, slots=True)
class StartUp:
    """A call of the command line, in a process of its own."""

    arguments: tuple[str, ...]

    def prepare(self) -> Callable[[], Done]:
        """Return the call, made in an empty folder."""

        def start_up() -> Done:
            with tempfile.TemporaryDirectory() as folder:
                arguments = [argument.replace("OUT", folder) for argument in self.arguments]
                subprocess.run(  # noqa: S603 - our own command line
                    [sys.executable, "-m", "cosim", *arguments],
                    cwd=ROOT,
                    check=True,
                    stdout=subprocess.DEVNULL,
                )
            return Done(0, 0.0)

        return start_up
