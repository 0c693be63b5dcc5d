"""The option ``--executor``: where the runs of a study are made."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Literal, cast

from cosim.errors import CosimError, ScenarioError, did_you_mean, install_hint
from cosim.studies.runs.cluster import Cluster, ClusterPool
from cosim.studies.runs.pool import Pool
from cosim.studies.runs.processes import Processes, cores

KINDS = ("processes", "dask", "ray")
_MODULES = {"dask": "distributed", "ray": "ray"}
_ADDRESS = re.compile(r"[^\s/:@]+:\d{1,5}|\[[0-9a-fA-F:]+\]:\d{1,5}")


@dataclass(frozen=True, slots=True)
class Executor:
    """A place where the runs of a study are made.

    Attributes:
        kind: Processes on this machine, or a cluster of Dask or Ray.
        address: HOST:PORT of a cluster; None for one that is started on this machine, and ended
            with the study.
    """

    kind: Literal["processes", "dask", "ray"] = "processes"
    address: str | None = None

    @classmethod
    def parse(cls, text: str) -> Executor:
        """Return the executor of a text such as ``dask://HOST:PORT``.

        Raises:
            ScenarioError: If there is no such executor.
            CosimError: If its library is not installed.
        """
        kind, has_address, address = text.partition("://")
        if kind not in KINDS or (has_address and kind == "processes"):
            raise ScenarioError(
                "--executor: expected processes, dask, dask://HOST:PORT, ray or ray://HOST:PORT "
                f"(got '{text}'){did_you_mean(kind, KINDS)}"
            )
        if has_address and not _ADDRESS.fullmatch(address):
            raise ScenarioError(
                f"--executor: expected {kind}://HOST:PORT, such as {kind}://10.0.0.5:"
                f"{8786 if kind == 'dask' else 10001} (got '{text}')"
            )
        module = _MODULES.get(kind)
        if module is not None and find_spec(module) is None:
            raise CosimError(
                f"--executor {kind} needs the package {module}, which is not installed: "
                + install_hint(kind)
            )
        known = cast(Literal["processes", "dask", "ray"], kind)
        return cls(known, address if has_address else None)

    @contextmanager
    def opened(self, workers: int | None = None) -> Iterator[Pool]:
        """Give a pool there; a cluster on this machine is started before and ended after.

        Args:
            workers: Jobs at once; None for as many as there are cores here, or as the cluster can.

        Raises:
            CosimError: If the cluster cannot be reached.
        """
        if self.kind == "processes":
            yield Processes(workers)
            return
        with self._cluster(workers or cores()) as cluster:
            yield ClusterPool(cluster, workers)

    def _cluster(self, count: int) -> AbstractContextManager[Cluster]:
        if self.kind == "dask":
            from cosim.studies.runs.dask_cluster import dask_cluster

            return dask_cluster(self.address, count)
        from cosim.studies.runs.ray_cluster import ray_cluster

        return ray_cluster(self.address, count)


PROCESSES = Executor()
