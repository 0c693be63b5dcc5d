"""Runs the cases of experiments, on all cores, the longest first.

The figures of a case do not depend on how many workers there are, or which takes it.
"""

from __future__ import annotations

import multiprocessing
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_COMPLETED, ProcessPoolExecutor, wait
from dataclasses import dataclass, replace
from multiprocessing.sharedctypes import Synchronized
from typing import Any

from cosim.studies.reproduce.cases import Case
from cosim.studies.reproduce.prefixes import measure_counts
from cosim.studies.reproduce.serving import Measured
from cosim.studies.runs.pool import cores
from inference_sim.models import find_model

_WORTH_A_POOL = 20_000.0  # cost from which starting processes pays
_POLL_S = 0.2


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
) -> list[Measured]:
    """Run cases, and return their measurements in order.

    Args:
        cases: The cases.
        workers: Number of processes; None for as many as there are cores.
        on_progress: Told the share of the work that is done.

    Raises:
        RunFailed: If a case could not be run.
    """
    planned = jobs(cases)
    total = sum(job.cost for job, _ in planned)
    if workers is None:
        workers = min(cores(), len(planned)) if total > _WORTH_A_POOL else 1
    run = _run_here if workers <= 1 else _run_in_pool
    todo = [job for job, _ in planned]
    results = run(todo, workers, lambda cost: on_progress(min(cost / total, 1.0)))
    measured = {
        id(case): results[index][case.requests]
        for index, (_, group) in enumerate(planned)
        for case in group
    }
    return [measured[id(case)] for case in cases]


Results = dict[int, dict[int, Measured]]  # by job and number of requests


def _run_here(todo: Sequence[Job], workers: int, on_cost: Callable[[float], None]) -> Results:
    done = 0.0
    results: Results = {}
    for index, job in enumerate(todo):

        def add(requests: int, weight: float = _weight(job.case)) -> None:
            nonlocal done
            done += requests * weight
            on_cost(done)

        results[index] = measure_counts(job.case, job.counts, add)
    return results


def _run_in_pool(todo: Sequence[Job], workers: int, on_cost: Callable[[float], None]) -> Results:
    # Fresh interpreters: the same on every system, and nothing of this one's state is in them.
    context = multiprocessing.get_context("spawn")
    done: Synchronized[float] = context.Value("d", 0.0)
    results: Results = {}
    with ProcessPoolExecutor(workers, context, _begin_worker, (done,)) as pool:
        waiting = {pool.submit(_run_job, job): index for index, job in enumerate(todo)}
        try:
            while waiting:
                ended, _ = wait(waiting, _POLL_S, FIRST_COMPLETED)
                on_cost(done.value)
                for future in ended:
                    results[waiting.pop(future)] = future.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise
    return results


_done: Synchronized[float] | None = None  # of a worker: the cost that all have done


def _begin_worker(done: Synchronized[float]) -> None:
    global _done
    _done = done


def _run_job(job: Job) -> dict[int, Measured]:
    weight = _weight(job.case)

    def add(requests: int) -> None:
        assert _done is not None  # noqa: S101 - set as the worker began
        with _done.get_lock():
            _done.value += requests * weight

    return measure_counts(job.case, job.counts, add)
