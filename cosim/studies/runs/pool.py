"""Jobs on all cores; their outcomes do not depend on the number of workers."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")


def on_all_cores(
    do: Callable[[Job], Outcome], jobs: Sequence[Job], *, working_dir: Path, workers: int | None
) -> Iterator[Outcome]:
    """Yield the outcomes of jobs as they end, in no certain order.

    Args:
        do: Does one job; a function of a module, or a `partial` of one.
        jobs: The jobs.
        working_dir: Where relative paths start from, whatever process does the job.
        workers: Jobs at once; None for as many as there are cores.
    """
    from joblib import Parallel, delayed

    pool = Parallel(n_jobs=workers or cores(), return_as="generator_unordered")
    yield from pool(delayed(_do)(do, job, working_dir) for job in jobs)


def _do(do: Callable[[Job], Outcome], job: Job, working_dir: Path) -> Outcome:
    os.chdir(working_dir)  # a worker may have started elsewhere
    return do(job)


def cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
