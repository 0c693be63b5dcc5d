"""A scenario from file to result folder: ``cosim run``, callable from Python."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import pyarrow as pa

from cosim.errors import ScenarioError
from cosim.loop.live import Live, live_sites
from cosim.loop.observer import RunObserver
from cosim.loop.participants import Connect
from cosim.loop.record import Run
from cosim.loop.run import run
from cosim.loop.stop import StopRequest
from cosim.report.run_data import REQUESTS, RunData
from cosim.report.run_report import folder_page
from cosim.results.folder import (
    file_hash,
    input_files,
    make_manifest,
    scenario_hash,
    write_results,
)
from cosim.results.requests import RequestLog
from cosim.results.result_folder import ResultFolder
from cosim.results.summarise import summarise
from cosim.results.summary import Summary
from cosim.world.plan import Plan


@dataclass(frozen=True, slots=True)
class Result:
    """A run that has ended, its summary and where it was written.

    Attributes:
        run: The run; its ``failure`` says whether it broke off.
        summary: Its summary; ``to_dict`` gives the content of ``summary.json``.
        folder: The result folder, which may have another name than was asked for where good results
            stood; None if none was asked for.
        data: Its content in memory; None if that was not asked for.
    """

    run: Run
    summary: Summary
    folder: Path | None
    data: RunData | None = None


def execute(
    plan: Plan,
    out: Path | None = None,
    *,
    observers: Sequence[RunObserver] = (),
    live: Live | None = None,
    coupling: Literal["mosaik", "native"] = "native",
    in_memory: bool = False,
    connect: Connect | None = None,
) -> Result:
    """Run a plan, and write its results if `out` is given.

    A run that fails midway does not raise: its folder holds its results, marked as failed.

    Args:
        plan: From :func:`cosim.world.plan.load_plan`.
        out: The result folder.
        observers: Observers of the run, called in this order.
        live: Makes it go in real time.
        coupling: How the parts are coupled where the scenario does not say so; the results say it.
        in_memory: Whether a run without a folder keeps in memory all that it would write.
        connect: Connects further simulators to the mosaik world of the run.

    Raises:
        RunFailed: If a live signal has no value to begin with.
        ScenarioError: If `out` holds something else than earlier results, or a signal is live
            and the run is not.
    """
    if plan.scenario.coupling is None:
        chosen = plan.scenario.model_copy(update={"coupling": coupling})
        plan = replace(plan, scenario=chosen)
    if live is not None:
        live.connect()
    elif sites := live_sites(plan):
        raise ScenarioError(
            f"the carbon intensity of site '{next(iter(sites))}' is of type live: its values only "
            "come with `cosim run --live`"
        )
    hashes = {place: file_hash(path) for place, path in input_files(plan).items()}
    folder = ResultFolder(out) if out is not None else None
    kept = pa.BufferOutputStream() if in_memory and folder is None else None
    # without a folder, as in the workers of a study, signals go where they would
    with StopRequest(at_once=live is not None) if folder else nullcontext(StopRequest()) as stop:
        try:
            with RequestLog(plan, folder.requests_path if folder else kept) as log:
                began = time.perf_counter()
                done = run(plan, observers=(log, *observers), live=live, stop=stop, connect=connect)
                stop.write()
                summary, written = _results(done, log, hashes, began, folder)
        except BaseException:
            if folder is not None:
                folder.discard()
            raise
    data = None
    if kept is not None:
        manifest = make_manifest(done.plan, hashes, summary.wall)
        data = RunData.of_run(done, summary, manifest, kept.getvalue())
    return Result(done, summary, written, data)


def _results(
    done: Run, log: RequestLog, hashes: Mapping[str, str], began: float, folder: ResultFolder | None
) -> tuple[Summary, Path | None]:
    """Return the summary of a run that has ended, and the folder where its results are.

    Raises:
        CosimError: If not all could be written.
    """
    try:
        for name, cluster in done.clusters.items():
            log.add(name, cluster.take_ended())
            log.add(name, cluster.take_in_flight(), cluster.env.now)
        log.close()
        run_s = time.perf_counter() - began
        summary = summarise(done, log, scenario_hash(done.plan, hashes), run_s)
        if folder is None:
            return summary, None
        manifest = make_manifest(done.plan, hashes, summary.wall)
        return summary, _write(folder, done, summary, manifest, log.fault)
    except OSError as error:
        raise (folder.unwritten(error) if folder else error) from error


def save(result: Result, path: Path) -> Path:
    """Write a run whose content is in memory into a folder, and return where that is.

    Raises:
        ScenarioError: If something else than earlier results stands there.
        CosimError: If not all could be written.
    """
    data = result.data
    requests = None if data is None else data.tables[REQUESTS]
    if data is None or requests is None or isinstance(requests, Path):
        raise ValueError("the content of the run is not in memory")
    folder = ResultFolder(path)
    try:
        folder.requests_path.write_bytes(requests)
        return _write(folder, result.run, result.summary, data.manifest)
    except OSError as error:
        raise folder.unwritten(error) from error
    except BaseException:
        folder.discard()
        raise


def _write(
    folder: ResultFolder,
    done: Run,
    summary: Summary,
    manifest: Mapping[str, Any],
    lost: OSError | None = None,
) -> Path:
    """Write everything but the requests, and return the folder.

    Args:
        folder: The folder, which has the requests.
        done, summary, manifest: The run.
        lost: Why the requests could not be written; None if they could.

    Raises:
        CosimError: If not all could be written.
    """
    faults: list[Exception] = []

    def write(place: Path) -> None:
        write_results(place, done, summary, manifest)
        try:
            folder_page(place).write(place)
        except OSError:
            raise
        except Exception as fault:  # of the page, which cannot cost the results
            faults.append(fault)

    written = folder.finish(write, _failure(done), lost)
    for fault in faults:
        raise fault
    return written


def _failure(run: Run) -> str:
    """Return the text of the mark of a run that failed; empty if it did not."""
    failure = run.failure
    return "" if failure is None else f"The run failed at step {failure.step}.\n{failure}\n"
