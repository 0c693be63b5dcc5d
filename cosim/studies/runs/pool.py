"""Jobs on all cores; their outcomes do not depend on the number of workers.

Workers end with the process that began them, however that ends. A worker that dies, as where the
system kills one for want of memory, costs no more than its own job.
"""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from joblib.externals.loky import ProcessPoolExecutor

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")

DIED = "its process died, and died again in a second attempt; too little memory is a common cause"
"""Why a job is lost, in words."""
_POLL_S = 0.2
_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


def on_all_cores(
    do: Callable[[Job], Outcome],
    jobs: Sequence[Job],
    *,
    lost: Callable[[Job], Outcome],
    working_dir: Path,
    workers: int | None,
    poll: Callable[[], object] = lambda: None,
) -> Generator[Outcome, None, None]:
    """Yield the outcomes of jobs as they end, in no certain order.

    Of the jobs that are under way when a worker dies nobody can tell which one it did. So each is
    done once more, alone, and is lost if its worker dies again. Closing the iterator, or an error
    of a job, ends the workers at once.

    Args:
        do: Does one job; a function of a module, or a `partial` of one.
        jobs: The jobs.
        lost: Returns the outcome of a job that is lost.
        working_dir: Where relative paths start from, whatever process does the job.
        workers: Jobs at once; None for as many as there are cores. A single one works in this
            process.
        poll: Called a few times a second while jobs are under way in other processes.
    """
    count = workers or cores()
    work = partial(_do, do, working_dir)
    if count == 1:
        yield from map(work, jobs)
        return
    from joblib.externals.loky import BrokenProcessPool

    todo = list(reversed(jobs))
    while todo:
        under_way: dict[Future[Outcome], Job] = {}
        with _processes(min(count, len(todo))) as pool:
            try:
                while todo or under_way:
                    while todo and len(under_way) < count:
                        future = pool.submit(work, todo[-1])  # which a broken pool refuses
                        under_way[future] = todo.pop()
                    for future in wait(under_way, _POLL_S, FIRST_COMPLETED).done:
                        outcome = future.result()
                        del under_way[future]
                        yield outcome
                    poll()
            except BrokenProcessPool:
                pass  # those under way are done below; a new pool does the rest
        for job in under_way.values():
            yield _alone(work, job, lost)


def _alone(work: Callable[[Job], Outcome], job: Job, lost: Callable[[Job], Outcome]) -> Outcome:
    from joblib.externals.loky import BrokenProcessPool

    with _processes(1) as pool:
        future: Future[Outcome] = pool.submit(work, job)
        try:
            return future.result()
        except BrokenProcessPool:
            return lost(job)


@contextmanager
def _processes(count: int) -> Iterator[ProcessPoolExecutor]:
    """Give a pool of worker processes, which an exception ends at once."""
    from joblib.externals.loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(
        count, initializer=_begin_worker, initargs=(os.getpid(),), env=_ONE_THREAD
    )
    try:
        yield pool
    except BaseException:
        pool.shutdown(kill_workers=True)
        raise
    pool.shutdown()


def _begin_worker(parent: int) -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all; the parent decides
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()


def _end_with(parent: int) -> None:
    """End this process when its parent has ended."""
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def _do(do: Callable[[Job], Outcome], working_dir: Path, job: Job) -> Outcome:
    os.chdir(working_dir)  # a worker may have started elsewhere
    return do(job)


def cores() -> int:
    """Return the number of cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on every system
        return os.cpu_count() or 1
