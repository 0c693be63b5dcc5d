"""The log of requests: written to Parquet in row groups as the run goes, latencies kept aside.

Memory does not grow with the requests: the values of a few thousand are held as they are, those of
a row group as Arrow columns, and latencies as :class:`Quantiles`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cosim.accounting.quantiles import Quantiles
from cosim.loop.observer import RunObserver
from cosim.scenario.workload import RequestClass, Slo
from cosim.world.plan import Plan
from inference_sim.arrays import FloatArray
from inference_sim.deployment import ClusterConfig
from inference_sim.request import Outcome, Request

Mask = NDArray[np.bool_]

ROW_GROUP = 32_768
_CHUNK = 8192
"""Requests that are taken at once; few, for until then each of their values is an object."""

_FROM_REQUEST = {
    "request_id": pa.int64(),
    "outcome": pa.dictionary(pa.int32(), pa.string()),
    "reason": pa.dictionary(pa.int32(), pa.string()),
    "arrival_s": pa.float64(),
    "admitted_s": pa.float64(),
    "scheduled_s": pa.float64(),
    "first_token_s": pa.float64(),
    "finish_s": pa.float64(),
    "prompt_tokens": pa.int64(),
    "output_tokens": pa.int64(),
    "generated_tokens": pa.int64(),
    "preemptions": pa.int32(),
    "replica": pa.int32(),
    "gpu_energy_j": pa.float64(),
    "carbon_g": pa.float64(),
}
_ATTRIBUTES = {"gpu_energy_j": "energy_j"}  # where a request calls it otherwise
SCHEMA = pa.schema(
    {
        "site": pa.dictionary(pa.int32(), pa.string()),
        "class": pa.dictionary(pa.int32(), pa.string()),
        **_FROM_REQUEST,
    }
)
"""Columns of ``requests.parquet``; a time that did not come is null. See `request_schema`."""

_OF_CLIENTS = {"session": pa.int64(), "retries": pa.int32()}
"""Further columns: of runs with sessions, and of runs with retries; a request on its own has -1 for
its session."""

_GETTERS = {
    name: attrgetter(_ATTRIBUTES.get(name, name))
    for name in ("class_id", *_FROM_REQUEST, *_OF_CLIENTS)
}
LATENCIES = ("ttft", "tpot", "e2e", "queue")


@dataclass(slots=True)
class ClassShare:
    """Requests of a class at a site, and their share of energy and emissions.

    Attributes:
        requests, completed: Requests that arrived, and that completed.
        late: Completed requests that missed their deadline.
        output_tokens: Tokens of the completed ones.
        energy_j: GPU energy of all [J].
        carbon_g: Emissions of that energy, hosts and facility included [g].
    """

    requests: int = 0
    completed: int = 0
    late: int = 0
    output_tokens: int = 0
    energy_j: float = 0.0
    carbon_g: float = 0.0


@dataclass(slots=True)
class PoolShare:
    """Requests that a pool completed.

    Attributes:
        by_class: Their number, by class.
        prompt_tokens, output_tokens: Their tokens.
    """

    by_class: dict[str, int] = field(default_factory=dict)
    prompt_tokens: int = 0
    output_tokens: int = 0


@dataclass(slots=True)
class SiteLatencies:
    """Latencies of the completed requests of a site [s], and their SLO attainment.

    ``queue`` is the time from arrival to the start of the first prefill. A class's SLOs are
    met by a completed request if it keeps all that are given.
    """

    ttft: Quantiles = field(default_factory=Quantiles)
    tpot: Quantiles = field(default_factory=Quantiles)
    e2e: Quantiles = field(default_factory=Quantiles)
    queue: Quantiles = field(default_factory=Quantiles)
    prompt_tokens: int = 0
    output_tokens: int = 0
    by_class: dict[str, list[int]] = field(default_factory=dict)
    """By class with an SLO: requests that met it, requests that ended or broke it."""
    shares: dict[str, ClassShare] = field(default_factory=dict)
    """By class: totals of its requests, in flight or ended."""
    pools: dict[str, PoolShare] = field(default_factory=dict)
    """By pool, where there are several."""


class RequestLog(RunObserver):
    """A log of requests, which takes them as they end.

    Args:
        plan: Plan of the run.
        file: The Parquet file to write, or a stream in memory; None to keep latencies only.

    Attributes:
        fault: Why the file could not be written, after which there is none; None if it could.
    """

    def __init__(self, plan: Plan, file: Path | pa.BufferOutputStream | None) -> None:
        self._classes = {
            site.name: site.workload.config.classes for site in plan.sites if site.workload
        }
        self._sites = {name: SiteLatencies() for name in self._classes}
        for name, latencies in self._sites.items():
            for request_class in self._classes[name]:
                latencies.shares[request_class.name] = ClassShare()
                if _has_slo(request_class):
                    latencies.by_class[request_class.name] = [0, 0]
        self._pools = {
            site.name: _Pools.of(site.cluster)
            for site in plan.sites
            if site.cluster is not None and len(site.cluster.pools) > 1
        }
        self._schema = request_schema(plan)
        self._plain = _plain(self._schema)
        self._names = [name for name in _GETTERS if name not in _OF_CLIENTS]
        self._names += [name for name in self._schema.names if name in _OF_CLIENTS]
        self._held: dict[str, list[Any]] = {name: [] for name in self._names}
        self._batches: list[tuple[str, int, float]] = []  # of these: site, length, cut-off
        self._tables: list[pa.Table] = []
        self._file = file
        self._writer = None if file is None else pq.ParquetWriter(file, self._schema)
        self.fault: OSError | None = None

    @property
    def sites(self) -> Mapping[str, SiteLatencies]:
        """Latencies of the requests logged so far, by site."""
        self._take()
        return self._sites

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def on_requests(self, site: str, requests: list[Request]) -> None:
        """Log requests of a site that ended."""
        self.add(site, requests)

    def add(self, site: str, requests: Iterable[Request], cut_off_s: float = float("nan")) -> None:
        """Log requests of a site that ended, or that the end of the run cut off.

        Args:
            site: The site.
            requests: The requests.
            cut_off_s: When the run ended, for requests that had not [s]. One of these counts for
                its class's SLOs only if it had broken them by then.
        """
        batch = list(requests)
        if not batch:
            return
        for name, values in self._held.items():  # by column: a tuple a row would take twice as long
            values.extend(map(_GETTERS[name], batch))
        self._batches.append((site, len(batch), cut_off_s))
        if len(self._held["class_id"]) >= _CHUNK:
            self._take()

    def close(self) -> None:
        """Write the remaining requests and close the file."""
        self._take()
        self._write()
        writer, self._writer = self._writer, None
        if writer is not None:
            try:
                writer.close()
            except OSError as error:
                self._give_up(error)

    def _take(self) -> None:
        """Convert the buffered requests into a table, and add them to the latencies."""
        if not self._batches:
            return
        held, self._held = self._held, {name: [] for name in self._names}
        names, lengths, cut_offs_s = zip(*self._batches, strict=True)
        self._batches.clear()
        class_id = held.pop("class_id")
        of_site, of_class = np.repeat(names, lengths), np.array(class_id)
        ended = _Ended.of(held, np.repeat(cut_offs_s, lengths))
        for name in dict.fromkeys(names):
            self._note(self._sites[name], self._classes[name], ended, of_site == name, of_class)
        pool_labels = self._note_pools(of_site, of_class, ended, held["replica"])
        if self._writer is None:
            return
        sites = of_site.tolist()
        labels = [self._classes[name][k].name for name, k in zip(sites, class_id, strict=True)]
        values = (sites, labels, *held.values(), *pool_labels)
        plain = self._plain
        arrays = [_array(column, kind) for column, kind in zip(values, plain.types, strict=True)]
        self._tables.append(pa.Table.from_arrays(arrays, schema=plain))
        if sum(len(table) for table in self._tables) >= ROW_GROUP:
            self._write()

    @staticmethod
    def _note(
        latencies: SiteLatencies,
        classes: Sequence[RequestClass],
        ended: _Ended,
        at_site: Mask,
        of_class: NDArray[np.int64],
    ) -> None:
        completed = at_site & ended.completed
        latencies.prompt_tokens += int(ended.prompt_tokens[completed].sum())
        latencies.output_tokens += int(ended.output_tokens[completed].sum())
        latencies.ttft.add(ended.ttft_s[completed])
        latencies.e2e.add(ended.e2e_s[completed])
        latencies.queue.add(ended.queue_s[completed])
        latencies.tpot.add(ended.tpot_s[completed & (ended.output_tokens > 1)])
        for index, request_class in enumerate(classes):
            mine = at_site & (of_class == index)
            done = mine & ended.completed
            share = latencies.shares[request_class.name]
            share.requests += _count(mine)
            share.completed += _count(done)
            if request_class.deadline is not None:
                share.late += _count(done & (ended.e2e_s > request_class.deadline))
            share.output_tokens += int(ended.output_tokens[done].sum())
            share.energy_j += float(ended.energy_j[mine].sum())
            share.carbon_g += float(ended.carbon_g[mine].sum())
            if request_class.name in latencies.by_class:
                late = mine & ended.unfinished & ended.is_late(request_class.slo)
                tally = latencies.by_class[request_class.name]
                tally[0] += _count(done & ended.meets(request_class.slo))
                tally[1] += _count(done | (mine & ended.failed) | late)

    def _note_pools(
        self,
        of_site: NDArray[np.str_],
        of_class: NDArray[np.int64],
        ended: _Ended,
        replicas: Sequence[int],
    ) -> list[list[str]]:
        """Count the completed requests of each pool; return the pools as a column, if any."""
        if not self._pools:
            return []
        of_replica, labels = np.array(replicas), np.full(len(of_site), "", dtype=object)
        for site, pools in self._pools.items():
            shares = self._sites[site].pools
            for name, mine in pools.masks(of_replica, of_site == site):
                labels[mine] = name
                share, done = shares.setdefault(name, PoolShare()), mine & ended.completed
                share.prompt_tokens += int(ended.prompt_tokens[done].sum())
                share.output_tokens += int(ended.output_tokens[done].sum())
                for index, request_class in enumerate(self._classes[site]):
                    count = _count(done & (of_class == index))
                    known = share.by_class.get(request_class.name, 0)
                    share.by_class[request_class.name] = known + count
        return [labels.tolist()]

    def _write(self) -> None:
        if self._writer is not None and self._tables:
            table = pa.concat_tables(self._tables).combine_chunks()
            try:
                self._writer.write_table(table.cast(self._schema))
            except OSError as error:
                self._give_up(error)
        self._tables.clear()

    def _give_up(self, error: OSError) -> None:
        """Go on without a file: a full disk need not cost the run its other results."""
        self.fault, self._writer = error, None
        if isinstance(self._file, Path):
            self._file.unlink(missing_ok=True)


@dataclass(frozen=True, slots=True)
class _Pools:
    """The pools of a site, and the number of the first replica after each."""

    names: tuple[str, ...]
    ends: NDArray[np.int64]

    @classmethod
    def of(cls, cluster: ClusterConfig) -> Self:
        """Return those of a cluster."""
        replicas = [pool.replicas for pool in cluster.pools]
        return cls(tuple(pool.name for pool in cluster.pools), np.cumsum(replicas))

    def masks(self, of_replica: NDArray[np.int64], at_site: Mask) -> Iterator[tuple[str, Mask]]:
        """Yield each pool with the requests that its replicas have served."""
        number = np.searchsorted(self.ends, of_replica, side="right")
        for index, name in enumerate(self.names):
            yield name, at_site & (of_replica >= 0) & (number == index)


@dataclass(frozen=True, slots=True)
class _Ended:
    """Requests that ended, or that the end of the run cut off; arrays of shape (n,).

    Attributes:
        completed, failed, unfinished: Their outcome; the second, rejected or timed out.
        prompt_tokens, output_tokens: Their lengths [tokens].
        ttft_s, tpot_s, e2e_s, queue_s: Their latencies [s]; NaN where they have none.
        age_s: Time from arrival to the end of the run, for those that it cut off [s].
        energy_j, carbon_g: GPU energy [J], and its emissions [g].
    """

    completed: Mask
    failed: Mask
    unfinished: Mask
    prompt_tokens: NDArray[np.int64]
    output_tokens: NDArray[np.int64]
    ttft_s: FloatArray
    tpot_s: FloatArray
    e2e_s: FloatArray
    queue_s: FloatArray
    age_s: FloatArray
    energy_j: FloatArray
    carbon_g: FloatArray

    @classmethod
    def of(cls, rows: Mapping[str, Sequence[Any]], cut_off_s: FloatArray) -> Self:
        """Return the requests of columns of the log."""
        completed, rejected, timed_out = (
            np.array([value is outcome for value in rows["outcome"]], dtype=bool)
            for outcome in (Outcome.COMPLETED, Outcome.REJECTED, Outcome.TIMED_OUT)
        )
        failed = rejected | timed_out
        arrival_s, scheduled_s, first_token_s, finish_s = (
            np.array(rows[name], dtype=np.float64)
            for name in ("arrival_s", "scheduled_s", "first_token_s", "finish_s")
        )
        output_tokens = np.array(rows["output_tokens"], dtype=np.int64)
        gaps = np.where(output_tokens > 1, output_tokens - 1.0, np.nan)
        return cls(
            completed=completed,
            failed=failed,
            unfinished=~(completed | failed),
            prompt_tokens=np.array(rows["prompt_tokens"], dtype=np.int64),
            output_tokens=output_tokens,
            ttft_s=first_token_s - arrival_s,
            tpot_s=(finish_s - first_token_s) / gaps,
            e2e_s=finish_s - arrival_s,
            queue_s=scheduled_s - arrival_s,
            age_s=cut_off_s - arrival_s,
            energy_j=np.array(rows["gpu_energy_j"], dtype=np.float64),
            carbon_g=np.array(rows["carbon_g"], dtype=np.float64),
        )

    def meets(self, slo: Slo) -> Mask:
        """Return which meet their SLOs, if they completed."""
        good = np.ones(len(self.completed), dtype=bool)
        if slo.ttft_s is not None:
            good &= self.ttft_s <= slo.ttft_s
        if slo.tpot_s is not None:
            good &= ~(self.tpot_s > slo.tpot_s)  # a single token has none
        if slo.e2e_s is not None:
            good &= self.e2e_s <= slo.e2e_s
        return good

    def is_late(self, slo: Slo) -> Mask:
        """Return which can no longer meet their SLOs, if they have not ended."""
        late = np.zeros(len(self.completed), dtype=bool)
        if slo.ttft_s is not None:
            late |= np.where(np.isnan(self.ttft_s), self.age_s, self.ttft_s) > slo.ttft_s
        if slo.e2e_s is not None:
            late |= self.age_s > slo.e2e_s
        return late


def request_schema(plan: Plan) -> pa.Schema:
    """Return the columns of the log of a run: also the sessions and the retries, if it has any."""
    keys = [site.workload.config for site in plan.sites if site.workload is not None]
    schema = SCHEMA
    for name, given in (
        ("session", any(workload.sessions is not None for workload in keys)),
        ("retries", any(workload.retry is not None for workload in keys)),
    ):
        if given:
            schema = schema.append(pa.field(name, _OF_CLIENTS[name]))
    if any(site.cluster is not None and len(site.cluster.pools) > 1 for site in plan.sites):
        schema = schema.append(pa.field("pool", pa.dictionary(pa.int32(), pa.string())))
    return schema


def _plain(schema: pa.Schema) -> pa.Schema:
    """Return a schema with texts in place of dictionaries."""
    return pa.schema(
        {
            field.name: pa.string() if pa.types.is_dictionary(field.type) else field.type
            for field in schema
        }
    )


def _count(mask: Mask) -> int:
    return int(np.count_nonzero(mask))


def _array(values: Sequence[Any], kind: pa.DataType) -> pa.Array:
    if pa.types.is_string(kind):
        return pa.array([value or None for value in values], kind)
    return pa.array(values, kind, from_pandas=True)  # NaN becomes null


def _has_slo(request_class: RequestClass) -> bool:
    slo = request_class.slo
    return any(bound is not None for bound in (slo.ttft_s, slo.tpot_s, slo.e2e_s))
