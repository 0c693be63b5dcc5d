"""A cluster of Dask: one that there is, or one on this machine for as long as it is needed."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from cosim.errors import CosimError

if TYPE_CHECKING:
    from distributed import Client
    from distributed.cfexecutor import ClientExecutor

_CONNECT_S = 20
_LOGGERS = ("distributed", "distributed.client", "distributed.nanny", "tornado.application")
_LOCAL = {
    "distributed.scheduler.allowed-failures": 0,  # a job is done again by us, alone
    "distributed.scheduler.worker-saturation": 1.0,  # jobs that wait do not wait at a worker
}


@dataclass(frozen=True, slots=True)
class DaskCluster:
    """A :class:`~cosim.studies.runs.cluster.Cluster` of Dask."""

    client: Client
    executor: ClientExecutor
    deaths: tuple[type[BaseException], ...]
    name: str = "Dask"

    def put(self, content: bytes) -> Any:
        """Return a handle of a content: a task that gives it, which Dask can repeat.

        Data that is scattered would be lost with the worker that has it.
        """
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)  # that it is large
            return self.client.submit(_same, content)

    def submit(self, do: Callable[..., Any], job: Any, contents: Sequence[Any]) -> Future[Any]:
        """Do a job on a worker."""
        future: Future[Any] = self.executor.submit(_alone, do, job, *contents)
        return future

    def cancel(self, futures: Sequence[Future[Any]]) -> None:
        """Cancel the jobs; one that has begun goes on to its end, and its outcome is dropped."""
        for future in futures:
            future.cancel()


def _same(content: bytes) -> bytes:
    return content


def _alone(do: Callable[..., Any], job: Any, *contents: bytes) -> Any:
    """Do a job in a worker that does one at a time."""
    from distributed import get_worker

    threads = get_worker().state.nthreads
    if threads > 1:
        raise CosimError(
            f"a worker of Dask has {threads} threads, and a run needs a process of its own: start "
            "workers with --nthreads 1, and as many as there are cores (--nworkers auto)"
        )
    return do(job, *contents)


@contextmanager
def dask_cluster(address: str | None, count: int) -> Iterator[DaskCluster]:
    """Connect to a cluster.

    Args:
        address: HOST:PORT of its scheduler; None to start a cluster on this machine.
        count: Number of workers of one that is started.

    Raises:
        CosimError: If it cannot be reached.
    """
    import dask
    from distributed import Client, LocalCluster
    from distributed.scheduler import KilledWorker

    with ExitStack() as stack:
        for name in _LOGGERS:  # whose errors come as exceptions
            logging.getLogger(name).setLevel(logging.CRITICAL)
        if address is None:
            stack.enter_context(dask.config.set(_LOCAL))
            target: Any = stack.enter_context(
                LocalCluster(
                    n_workers=count,
                    threads_per_worker=1,
                    memory_limit=0,  # the system's, as for other processes
                    dashboard_address=None,
                    silence_logs=logging.CRITICAL,
                )
            )
        else:
            target = f"tcp://{address}"
        try:
            client = Client(target, timeout=_CONNECT_S, set_as_default=False)
        except (OSError, TimeoutError) as error:
            raise CosimError(
                f"no scheduler of Dask answers at '{address}'; `dask scheduler` starts one"
            ) from error
        stack.enter_context(client)
        yield DaskCluster(client, client.get_executor(pure=False), (KilledWorker,))
