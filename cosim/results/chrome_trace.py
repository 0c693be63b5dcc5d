"""A trace of a run that chrome://tracing and Perfetto (ui.perfetto.dev) show.

One process per site, with its queue, the requests in its batches and its power by step, and every
change of an actuator; one process per replica, with a thread per pipeline stage, on which each
prefill, each run of decodes and each mixed iteration is a slice. Written as the run goes, in the
JSON Object Format of Google's "Trace Event Format": only the next changes are kept.

Work still under way when the run ends has no slice.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from controllers import ActuatorChange
from cosim.accounting.words import setting
from cosim.errors import ScenarioError
from cosim.loop.observer import RunObserver
from cosim.loop.record import Run, SiteRecord
from inference_sim.cluster import Cluster
from inference_sim.engine import Engine
from inference_sim.segment import Segment

_HEAD = '{"displayTimeUnit":"ms","traceEvents":[\n'
_TAIL = "\n]}\n"


class ChromeTrace(RunObserver):
    """Writer of the trace of one run; every event is a line.

    Args:
        file: The file to write; complete after :meth:`close`.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._run: Run | None = None
        self._sites: dict[str, int] = {}
        self._processes = 0
        self._changes = 0
        self._separator = ""
        file.write(_HEAD)

    def on_start(self, run: Run) -> None:
        """Name the processes and threads of a run that begins, and watch its engines."""
        self._run = run
        for site in run.recorder.sites:
            self._sites[site] = self._add_process(site)
            cluster = run.clusters.get(site)
            if cluster is not None:
                self._watch(site, cluster)

    def on_step(self, steps: int) -> None:
        """Write the step that has just ended, the `steps`-th of the run."""
        run = self._run
        assert run is not None  # noqa: S101 - on_start comes first
        step_s = run.plan.scenario.time.step_s
        begin, end = _microseconds((steps - 1) * step_s), _microseconds(steps * step_s)
        for site, pid in self._sites.items():
            record = run.recorder.sites[site]
            power_w = _last(record, "facility_power_w")
            self._count(pid, begin, "power [W]", facility=power_w)
            if site in run.clusters:
                gateway, replicas = (
                    _last(record, "gateway_waiting"),
                    _last(record, "replica_waiting"),
                )
                self._count(pid, end, "queue [requests]", gateway=gateway, replicas=replicas)
                self._count(pid, end, "running [requests]", running=_last(record, "running"))
        self._write_changes(run)

    def close(self) -> None:
        """Write the end."""
        if self._run is not None:
            self._write_changes(self._run)  # of a step that broke off
        self._file.write(_TAIL)

    def _watch(self, site: str, cluster: Cluster) -> None:
        for replica in cluster.replicas:
            pid = self._add_process(f"{site} replica {replica.index}")
            stages = len(replica.engines[0].pipeline.stages)
            for stage in range(stages):
                name = f"stage {stage}" if stages > 1 else "engine"
                self._write(_metadata("thread_name", pid, stage + 1, name))
            free_ns = [0] * stages
            for index, engine in enumerate(replica.engines):
                self._watch_engine(engine, pid, index, free_ns)

    def _watch_engine(self, engine: Engine, pid: int, index: int, free_ns: list[int]) -> None:
        """Make an engine's meter write a slice for each segment; stages are free from `free_ns`."""
        several = len(free_ns) > 1

        def on_record(segments: Sequence[Segment]) -> None:
            for stage, segment in enumerate(segments):
                # Rounded to nanoseconds, a slice may seem to begin before the last one ended.
                end_s = segment.start_s + segment.elapsed_s(segment.iterations)
                begin_ns = max(round(segment.start_s * 1e9), free_ns[stage])
                free_ns[stage] = end_ns = max(round(end_s * 1e9), begin_ns)
                kind = "decode"
                if segment.prefill_tokens:
                    kind = "mixed" if segment.decoding else "prefill"
                more = f',"engine":{index}' if several else ""
                self._write(
                    f'{{"name":"{kind} of {segment.sequences}","cat":"{kind}","ph":"X",'
                    f'"ts":{_from_ns(begin_ns)},"dur":{_from_ns(end_ns - begin_ns)},'
                    f'"pid":{pid},"tid":{stage + 1},"args":{{"batch":{segment.sequences},'
                    f'"decoding":{segment.decoding},"iterations":{segment.iterations},'
                    f'"prefill_tokens":{segment.prefill_tokens}{more}}}}}'
                )

        engine.meter.on_record = on_record

    def _write_changes(self, run: Run) -> None:
        for change in run.host.changes[self._changes :]:
            self._write(_instant(change, self._sites[change.site]))
        self._changes = len(run.host.changes)

    def _add_process(self, name: str) -> int:
        self._processes += 1
        self._write(_metadata("process_name", self._processes, 0, name))
        return self._processes

    def _count(self, pid: int, time: str, name: str, **values: float) -> None:
        given = json.dumps(values, allow_nan=False)
        self._write(f'{{"name":"{name}","ph":"C","ts":{time},"pid":{pid},"args":{given}}}')

    def _write(self, event: str) -> None:
        self._file.write(self._separator + event)
        self._separator = ",\n"


@contextmanager
def traced(path: Path | None, results: Path) -> Iterator[RunObserver]:
    """Yield an observer that writes the trace of a run.

    Args:
        path: The file; compressed if it ends in ``.gz``. None for no trace.
        results: The folder of results, which the file may not be in.

    Raises:
        ScenarioError: If the file cannot be written.
    """
    if path is None:
        yield RunObserver()
        return
    if path.resolve().is_relative_to(results.resolve()):
        raise ScenarioError(
            f"--chrome-trace: '{path}' is in the folder of results, which only appears at the end; "
            "choose a file elsewhere"
        )
    try:
        file = _open(path)
    except OSError as error:
        raise ScenarioError(f"--chrome-trace: '{path}' cannot be written: {error}") from error
    with file:
        trace = ChromeTrace(file)
        try:
            yield trace
        finally:
            trace.close()


def _open(path: Path) -> TextIO:
    if path.suffix == ".gz":
        return gzip.open(path, "wt", encoding="utf-8")
    return path.open("w", encoding="utf-8")


def _last(record: SiteRecord, column: str) -> float:
    return float(record.column(column)[-1])


def _metadata(what: str, pid: int, tid: int, name: str) -> str:
    return json.dumps({"name": what, "ph": "M", "pid": pid, "tid": tid, "args": {"name": name}})


def _instant(change: ActuatorChange, pid: int) -> str:
    old, new = (setting(change.actuator, value) for value in (change.old, change.new))
    event = {
        "name": f"{change.label} {old} -> {new}",
        "cat": "actuator",
        "ph": "i",
        "s": "p",
        "ts": change.time_s * 1e6,
        "pid": pid,
        "tid": 0,
        "args": {"controller": change.controller, "reason": change.reason},
    }
    return json.dumps(event, allow_nan=False)


def _microseconds(time_s: float) -> str:
    return _from_ns(round(time_s * 1e9))


def _from_ns(time_ns: int) -> str:
    """Return a time in microseconds, exactly."""
    return f"{time_ns // 1000}.{time_ns % 1000:03d}"
