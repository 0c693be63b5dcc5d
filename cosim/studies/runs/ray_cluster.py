"""A cluster of Ray: one that there is, or one on this machine for as long as it is needed."""

from __future__ import annotations

import os
import signal
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from typing import Any

from cosim.errors import CosimError

_ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")


@dataclass(frozen=True, slots=True)
class RayCluster:
    """A :class:`~cosim.studies.runs.cluster.Cluster` of Ray."""

    deaths: tuple[type[BaseException], ...]
    task: Any
    name: str = "Ray"
    _tasks: dict[Future[Any], Any] = field(default_factory=dict)

    def put(self, content: bytes) -> Any:
        """Return a handle of a content in Ray's store."""
        import ray

        return ray.put(content)

    def submit(self, do: Callable[..., Any], job: Any, contents: Sequence[Any]) -> Future[Any]:
        """Do a job on a worker."""
        reference = self.task.remote(do, job, *contents)
        future: Future[Any] = reference.future()
        self._tasks[future] = reference
        future.add_done_callback(self._tasks.pop)
        return future

    def cancel(self, futures: Sequence[Future[Any]]) -> None:
        """End the jobs and the processes that do them."""
        import ray

        for future in futures:
            if (reference := self._tasks.get(future)) is not None:
                ray.cancel(reference, force=True)


def _call(do: Callable[..., Any], job: Any, *contents: bytes) -> Any:
    return do(job, *contents)


@contextmanager
def ray_cluster(address: str | None, count: int) -> Iterator[RayCluster]:
    """Connect to a cluster.

    Args:
        address: HOST:PORT of its server of clients; None to start a cluster on this machine.
        count: Number of workers of one that is started.

    Raises:
        CosimError: If it cannot be reached.
    """
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is reported to anybody
    import ray
    from ray.exceptions import NodeDiedError, OutOfMemoryError, WorkerCrashedError

    before = signal.getsignal(signal.SIGTERM)
    options: dict[str, Any] = {
        "log_to_driver": False,
        "logging_level": "CRITICAL",
        "runtime_env": {"env_vars": _ONE_THREAD},
    }
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that no server answers: the error says so
            if address is None:
                ray.init("local", num_cpus=count, include_dashboard=False, **options)
            else:
                ray.init(f"ray://{address}", **options)
    except (ConnectionError, TimeoutError) as error:
        raise CosimError(
            f"no server of Ray's clients answers at '{address}': `ray start --head` starts one, on "
            "port 10001; where it wants a token, set RAY_AUTH_MODE=token here"
        ) from error
    _restore(before)  # Ray has its own, which would end this process
    deaths = (WorkerCrashedError, OutOfMemoryError, NodeDiedError)
    with redirect_stdout(sys.stderr):  # where Ray says that a worker died
        try:
            yield RayCluster(deaths, ray.remote(num_cpus=1, max_retries=0)(_call))
        finally:
            ray.shutdown()


def _restore(handler: Any) -> None:
    try:
        signal.signal(signal.SIGTERM, handler)
    except ValueError:  # not in the main thread, where Ray has set none
        return
