"""Jobs on a cluster: those of Dask and of Ray in the same way.

joblib has backends for both, but its jobs end together: if the worker of one dies, the others are
lost with it, and nothing says which job it was. So the futures of the libraries are used.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Generator, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, Protocol

from cosim.errors import CosimError
from cosim.results.code import installed
from cosim.studies.runs.pool import POLL_S, Job, Outcome, no_files
from cosim.studies.runs.sent_file import SentFile


class Cluster(Protocol):
    """A cluster that this process is connected to."""

    @property
    def name(self) -> str:
        """Name of the library."""

    @property
    def deaths(self) -> tuple[type[BaseException], ...]:
        """Errors of a future whose worker died."""

    def put(self, content: bytes) -> Any:
        """Return a handle of a content, which travels to a worker once."""

    def submit(self, do: Callable[..., Any], job: Any, contents: Sequence[Any]) -> Future[Any]:
        """Do a job on a worker.

        Args:
            do: Is called with the job and the contents.
            job: The job.
            contents: Handles of the contents.
        """

    def cancel(self, futures: Sequence[Future[Any]]) -> None:
        """End the jobs of some futures, as far as the library can."""


@dataclass(frozen=True, slots=True)
class _Raised:
    """An error of a job, as it was: the libraries would wrap it in errors of their own."""

    error: Exception


@dataclass(frozen=True, slots=True)
class ClusterPool:
    """A :class:`~cosim.studies.runs.pool.Pool` on a cluster, which begins as many jobs as it can.

    Attributes:
        cluster: The cluster.
        most: Most jobs at once; None for all of them: the cluster has a queue, and may grow by it.
    """

    cluster: Cluster
    most: int | None = None
    _handles: dict[str, Any] = field(default_factory=dict)

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

        Jobs whose workers died are done again at the end.
        """
        work = partial(_do, do, working_dir, installed())
        died: list[Job] = []
        yield from self._outcomes(work, jobs, files, died.append, poll)
        for job in died:
            again: list[Job] = []
            yield from self._outcomes(work, [job], files, again.append, poll)
            yield from map(lost, again)

    def _outcomes(
        self,
        work: Callable[..., Outcome | _Raised],
        jobs: Sequence[Job],
        files: Callable[[Job], Sequence[SentFile]],
        on_death: Callable[[Job], object],
        poll: Callable[[], object],
    ) -> Generator[Outcome, None, None]:
        todo = list(reversed(jobs))
        most = self.most or len(jobs)
        under_way: dict[Future[Outcome | _Raised], Job] = {}
        ended: SimpleQueue[Future[Outcome | _Raised]] = SimpleQueue()
        try:
            while todo or under_way:
                while todo and len(under_way) < most:
                    job = todo.pop()
                    contents = [self._handle(file) for file in files(job)]
                    future = self.cluster.submit(work, job, contents)
                    under_way[future] = job
                    future.add_done_callback(ended.put)
                poll()
                try:
                    future = ended.get(timeout=POLL_S)
                except Empty:
                    continue
                job = under_way.pop(future)
                try:
                    outcome = future.result()
                except self.cluster.deaths:
                    on_death(job)
                except CosimError:
                    raise
                except Exception as error:
                    raise self._failure(error) from error
                else:
                    if isinstance(outcome, _Raised):
                        raise outcome.error
                    yield outcome
        finally:
            self.cluster.cancel(list(under_way))

    def _handle(self, file: SentFile) -> Any:
        if file.sha256 not in self._handles:
            self._handles[file.sha256] = self.cluster.put(file.content())
        return self._handles[file.sha256]

    def _failure(self, error: Exception) -> CosimError:
        """Return the error of a job that no worker could begin, or whose cluster is gone."""
        text = f"{type(error).__name__}: {error}".strip().splitlines()[-1]
        if "No module named" in str(error):
            return CosimError(
                f"a worker of {self.cluster.name} cannot import cosim ({text}): install there what "
                "is installed here"
            )
        return CosimError(f"{self.cluster.name} failed: {text}")


def _do(
    do: Callable[..., Outcome],
    working_dir: Path,
    here: Mapping[str, str],
    job: Any,
    *contents: bytes,
) -> Outcome | _Raised:
    """Do a job on a worker; the arguments after `do` are those of the process that wants it."""
    try:
        _check(here)
        if working_dir.is_dir():  # as it is on a shared file system
            os.chdir(working_dir)
        return do(job, *contents)
    except Exception as error:
        return _Raised(error)


def _check(expected: Mapping[str, str]) -> None:
    """Refuse to work where the figures could be others.

    Raises:
        CosimError: If versions differ, or other jobs may run in this process.
    """
    mine = installed()
    differences = [
        f"{name} {mine[name]} (here {version})"
        for name, version in expected.items()
        if mine[name] != version
    ]
    if differences:
        raise CosimError(
            f"the worker on '{socket.gethostname()}' has {', '.join(differences)}: install there "
            "what is installed here"
        )
