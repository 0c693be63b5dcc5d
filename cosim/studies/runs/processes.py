"""Jobs on the cores of this machine, in processes of their own."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, wait
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from cosim.studies.runs.pool import POLL_S, Job, Outcome, no_files
from cosim.studies.runs.sent_file import SentFile

if TYPE_CHECKING:
    from joblib.externals.loky import ProcessPoolExecutor

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class Processes:
    """A :class:`~cosim.studies.runs.pool.Pool` of processes on this machine.

    Attributes:
        count: Jobs at once; None for as many as there are cores. A single one works in this
            process.
    """

    count: int | None = None

    def outcomes(
        self,
        do: Callable[..., Outcome],
        jobs: Sequence[Job],
        *,
        lost: Callable[[Job], Outcome],
        working_dir: Path,
        files: Callable[[Job], Sequence[SentFile]] = no_files,
        poll: Callable[[], object] = lambda: None,
    ) -> Generator[Outcome, None, None]:
        """Yield the outcomes of jobs; see :class:`~cosim.studies.runs.pool.Pool`.

        Of the jobs that are under way when a worker dies nobody can tell which one it did, so each
        of them is done once more. The files need not be sent.
        """
        count = self.count or cores()
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
                        for future in wait(under_way, POLL_S, FIRST_COMPLETED).done:
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
