"""Processes that do jobs, wherever they are; the outcomes do not depend on which and how many."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Protocol, TypeVar

from cosim.studies.runs.sent_file import SentFile

Job = TypeVar("Job")
Outcome = TypeVar("Outcome")

DIED = "its process died, and died again in a second attempt; too little memory is a common cause"
"""Why a job is lost, in words."""
POLL_S = 0.2


def no_files(job: object) -> Sequence[SentFile]:
    """Return the files of a job that reads none."""
    return ()


class Pool(Protocol):
    """Processes that do jobs.

    They end with the process that began them, however that ends. A worker that dies, as where the
    system kills one for want of memory, costs no more than its own job.
    """

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
        """Yield the outcomes of jobs as they end, in no certain order.

        A job whose worker dies is done once more, alone, and is lost if its worker dies again.
        Closing the iterator, or an error of a job, ends the jobs that are under way.

        Args:
            do: Does one job; a function of a module, or a `partial` of one. Where the workers may
                not see the files of this machine, it gets their contents after the job.
            jobs: The jobs.
            lost: Returns the outcome of a job that is lost.
            working_dir: Where relative paths start from, whatever process does the job.
            files: Returns the files that a job reads.
            poll: Called a few times a second while jobs are under way in other processes.
        """
        ...
