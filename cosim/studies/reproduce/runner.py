"""Runs the cases of experiments, on all cores, the longest first.

The figures of a case do not depend on how many workers there are, or which takes it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NoReturn

import numpy as np

from cosim.errors import RunFailed
from cosim.studies.reproduce.cases import Case
from cosim.studies.reproduce.prefixes import measure_counts
from cosim.studies.reproduce.serving import Measured
from cosim.studies.runs.executor import PROCESSES, Executor
from cosim.studies.runs.pool import DIED, Pool
from cosim.studies.runs.processes import Processes, cores
from inference_sim.models import find_model

_WORTH_A_POOL = 20_000.0  # cost from which starting processes pays
_COST_BYTES = np.dtype(np.float64).itemsize


@dataclass(frozen=True, slots=True)
class Job:
    """Cases that differ in nothing but the number of requests: one run serves them all."""

    case: Case
    counts: tuple[int, ...]

    @property
    def cost(self) -> float:
        """Requests, weighted with the simulation time of each."""
        return max(self.counts) * _weight(self.case)


def _weight(case: Case) -> float:
    """Return about how long a request takes; in a pipeline each iteration is an event."""
    return 20.0 if case.pipeline_parallel > 1 else 1.0


def jobs(cases: Sequence[Case]) -> list[tuple[Job, list[Case]]]:
    """Return the jobs, longest first, each with the cases that it is for."""
    groups: dict[Any, list[Case]] = {}
    for case in cases:
        groups.setdefault(_what_matters(case), []).append(case)
    planned = [
        (Job(group[0], tuple(sorted({case.requests for case in group}))), group)
        for group in groups.values()
    ]
    return sorted(planned, key=lambda job: -job[0].cost)


def _what_matters(case: Case) -> Any:
    """Return a key that cases share if they differ in the number of requests alone.

    Vidur's timing does not see the vocabulary: Llama-2-70b and Llama-3-70B are the same to it.
    """
    model = replace(find_model(case.model), name="", vocab_size=1, max_context_tokens=1)
    lengths = tuple(sorted(case.lengths.items()))
    parallel = (case.tensor_parallel, case.pipeline_parallel)
    return (model, parallel, case.batch_cap, case.kv_blocks, case.qps, lengths)


def run_cases(
    cases: Sequence[Case],
    workers: int | None = None,
    on_progress: Callable[[float], None] = lambda share: None,
    executor: Executor = PROCESSES,
) -> list[Measured]:
    """Run cases, and return their measurements in order.

    Args:
        cases: The cases.
        workers: Number of processes; None for as many as there are cores.
        on_progress: Told the share of the work that is done.
        executor: Where they are run.

    Raises:
        RunFailed: If a case could not be run.
        CosimError: If the cluster cannot be reached, or its workers are not like this process.
    """
    planned = jobs(cases)
    total = sum(job.cost for job, _ in planned)
    if workers is None and executor == PROCESSES:
        workers = min(cores(), len(planned)) if total > _WORTH_A_POOL else 1
    todo = [job for job, _ in planned]
    on_cost = _share_of(total, on_progress)
    if executor != PROCESSES:
        with executor.opened(workers) as pool:
            results = _run_afar(todo, pool, on_cost)
    elif workers is None or workers <= 1:
        results = _run_here(todo, on_cost)
    else:
        results = _run_in_processes(todo, Processes(workers), on_cost)
    measured = {
        id(case): results[index][case.requests]
        for index, (_, group) in enumerate(planned)
        for case in group
    }
    return [measured[id(case)] for case in cases]


def _share_of(total: float, on_progress: Callable[[float], None]) -> Callable[[float], None]:
    return lambda cost: on_progress(min(cost / total, 1.0))


Results = dict[int, dict[int, Measured]]  # by job and number of requests


def _run_here(todo: Sequence[Job], on_cost: Callable[[float], None]) -> Results:
    done = 0.0
    results: Results = {}
    for index, job in enumerate(todo):

        def add(requests: int, weight: float = _weight(job.case)) -> None:
            nonlocal done
            done += requests * weight
            on_cost(done)

        results[index] = measure_counts(job.case, job.counts, add)
    return results


def _run_in_processes(
    todo: Sequence[Job], pool: Processes, on_cost: Callable[[float], None]
) -> Results:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "done"
        done = np.memmap(path, np.float64, "w+", shape=len(todo))
        outcomes = pool.outcomes(
            partial(_run_and_note, path),
            list(enumerate(todo)),
            lost=_lost,
            working_dir=Path.cwd(),
            poll=lambda: on_cost(float(done.sum())),
        )
        with closing(outcomes):  # so that an interrupt ends the jobs that are under way
            return dict(outcomes)


def _run_afar(todo: Sequence[Job], pool: Pool, on_cost: Callable[[float], None]) -> Results:
    done = 0.0
    results: Results = {}
    outcomes = pool.outcomes(_run_job, list(enumerate(todo)), lost=_lost, working_dir=Path.cwd())
    with closing(outcomes):
        for index, measured in outcomes:
            results[index] = measured
            done += todo[index].cost
            on_cost(done)
    return results


def _run_job(numbered: tuple[int, Job]) -> tuple[int, dict[int, Measured]]:
    index, job = numbered
    return index, measure_counts(job.case, job.counts)


def _run_and_note(path: Path, numbered: tuple[int, Job]) -> tuple[int, dict[int, Measured]]:
    """Run a job, and note its cost as it goes in a file of such costs, where the jobs have rows."""
    index, job = numbered
    done = np.memmap(path, np.float64, "r+", offset=index * _COST_BYTES, shape=1)
    weight = _weight(job.case)
    done[0] = 0.0

    def add(requests: int) -> None:
        done[0] += requests * weight

    return index, measure_counts(job.case, job.counts, add)


def _lost(numbered: tuple[int, Job]) -> NoReturn:
    case = numbered[1].case
    raise RunFailed(f"{case.exp} with {case.model} at {case.qps:g} requests/s: {DIED}")
