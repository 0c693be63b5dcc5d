"""Jobs on a cluster: the loop on one that is made up, and each library where it is installed."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cosim.errors import CosimError, ScenarioError
from cosim.studies.runs import cluster
from cosim.studies.runs.cluster import ClusterPool
from cosim.studies.runs.executor import Executor
from cosim.studies.runs.sent_file import SentFile


class Died(Exception):
    """The death of a worker."""


class MadeUp:
    """A cluster of threads, whose workers die of some jobs."""

    name = "made up"
    deaths = (Died,)

    def __init__(self, deadly: Sequence[int] = (), once: Sequence[int] = ()) -> None:
        self.deadly, self.once = set(deadly), set(once)
        self.began: list[int] = []
        self.put_contents: list[bytes] = []
        self.cancelled: list[Future[Any]] = []
        self.most = self.now = 0
        self._threads = ThreadPoolExecutor(3)
        self._lock = threading.Lock()

    def put(self, content: bytes) -> Any:
        self.put_contents.append(content)
        return content

    def submit(self, do: Callable[..., Any], job: Any, contents: Sequence[Any]) -> Future[Any]:
        with self._lock:
            self.now += 1
            self.most = max(self.most, self.now)
        return self._threads.submit(self._work, do, job, contents)

    def _work(self, do: Callable[..., Any], job: int, contents: Sequence[Any]) -> Any:
        with self._lock:
            self.began.append(job)
            self.now -= 1
            if job in self.deadly or job in self.once:
                self.once.discard(job)
                raise Died
        return do(job, *contents)

    def cancel(self, futures: Sequence[Future[Any]]) -> None:
        self.cancelled += futures


def square(number: int, *contents: bytes) -> int:
    if contents:
        assert contents == (b"shared",)
    return number * number


def broken(number: int) -> int:
    raise ScenarioError(f"no {number}")


def outcomes(
    pool: ClusterPool, do: Callable[..., int], jobs: Sequence[int], **options: Any
) -> Iterator[int]:
    return pool.outcomes(do, jobs, lost=lambda number: -number, working_dir=Path.cwd(), **options)


@pytest.mark.parametrize("most", [None, 1, 2])
def test_each_outcome_comes_once(most: int | None) -> None:
    made_up = MadeUp()
    done = sorted(outcomes(ClusterPool(made_up, most), square, range(7)))
    assert done == [0, 1, 4, 9, 16, 25, 36]
    assert made_up.most <= (most or 7)
    assert not list(outcomes(ClusterPool(made_up, most), square, []))


def test_a_worker_that_dies_costs_its_job_alone() -> None:
    """And that only when it dies again; the second attempts come last."""
    made_up = MadeUp(deadly=[2], once=[3])
    assert sorted(outcomes(ClusterPool(made_up), square, range(6))) == [-2, 0, 1, 9, 16, 25]
    assert sorted(made_up.began[-2:]) == [2, 3]
    assert made_up.began.count(2) == 2


def test_an_error_of_a_job_ends_the_others() -> None:
    made_up = MadeUp()
    with pytest.raises(ScenarioError, match="no 0"):
        list(outcomes(ClusterPool(made_up, 1), broken, range(5)))
    assert made_up.began == [0]


def test_closing_cancels(tmp_path: Path) -> None:
    made_up = MadeUp()
    with closing(outcomes(ClusterPool(made_up), square, range(9))) as jobs:  # type: ignore[type-var]
        next(jobs)
    assert len(made_up.cancelled) == 8


def test_a_file_is_sent_once(tmp_path: Path) -> None:
    import hashlib

    path = tmp_path / "a.csv"
    path.write_bytes(b"shared")
    file = SentFile(path, hashlib.sha256(b"shared").hexdigest())
    made_up = MadeUp()
    pool = ClusterPool(made_up)
    for _ in range(2):
        assert len(list(outcomes(pool, square, range(3), files=lambda job: [file]))) == 3
    assert made_up.put_contents == [b"shared"]


def test_a_worker_with_other_versions_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    mine = cluster.installed()
    others = iter([{**mine, "numpy": "1.0"}, mine])  # here, then there
    monkeypatch.setattr(cluster, "installed", lambda: next(others))
    with pytest.raises(CosimError, match=r"has numpy .* \(here 1\.0\): install there what is"):
        list(outcomes(ClusterPool(MadeUp()), square, [1]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("threads", "expected processes, dask, dask://HOST:PORT, ray or ray://HOST:PORT (got"),
        ("dusk", "(got 'dusk'); did you mean 'dask'?"),
        ("processes://here:1", "expected processes, dask"),
        (
            "dask://here",
            "expected dask://HOST:PORT, such as dask://10.0.0.5:8786 (got 'dask://here')",
        ),
        ("ray://", "expected ray://HOST:PORT, such as ray://10.0.0.5:10001 (got 'ray://')"),
    ],
)
def test_executors_that_there_are_not(text: str, message: str) -> None:
    with pytest.raises(ScenarioError) as error:
        Executor.parse(text)
    assert message in str(error.value)


def test_a_library_that_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("cosim.studies.runs.executor.find_spec", lambda name: None)
    with pytest.raises(
        CosimError, match=r"package distributed, .*: pip install 'carbon-cosim\[dask\]'"
    ):
        Executor.parse("dask")
    with pytest.raises(CosimError, match=r"package ray, .*: pip install 'carbon-cosim\[ray\]'"):
        Executor.parse("ray://head:10001")
    assert Executor.parse("processes") == Executor()
