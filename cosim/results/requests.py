"""The log of requests: written to Parquet in row groups as the run goes, latencies kept aside."""

from __future__ import annotations

import math
from array import array
from collections.abc import Iterable
from dataclasses import dataclass, field
from operator import attrgetter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from cosim.plan import Plan
from cosim.scenario.workload import RequestClass, Slo
from inference_sim.request import Outcome, Request
from inference_sim.telemetry import tpot_s, ttft_s

Array = NDArray[np.float64]

ROW_GROUP = 100_000

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
    "energy_j": pa.float64(),
    "carbon_g": pa.float64(),
}
SCHEMA = pa.schema(
    {
        "site": pa.dictionary(pa.int32(), pa.string()),
        "class": pa.dictionary(pa.int32(), pa.string()),
        **_FROM_REQUEST,
    }
)
"""Columns of ``requests.parquet``; a time that did not come is null."""

_row = attrgetter(*_FROM_REQUEST)
LATENCIES = ("ttft", "tpot", "e2e", "queue")


@dataclass(slots=True)
class ClassShare:
    """What the requests of a class came to at a site.

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
class SiteLatencies:
    """Latencies of the completed requests of a site [s], and how they met their objectives.

    ``queue`` is the time from arrival to the start of the first prefill. A class's objectives are
    met by a completed request if it keeps all that are given.
    """

    ttft: array[float] = field(default_factory=lambda: array("d"))
    tpot: array[float] = field(default_factory=lambda: array("d"))
    e2e: array[float] = field(default_factory=lambda: array("d"))
    queue: array[float] = field(default_factory=lambda: array("d"))
    prompt_tokens: int = 0
    output_tokens: int = 0
    by_class: dict[str, list[int]] = field(default_factory=dict)
    """By class with an objective: requests that met it, requests that ended or broke it."""
    shares: dict[str, ClassShare] = field(default_factory=dict)
    """By class: what its requests, in flight or ended, came to."""

    def values_s(self, name: str) -> Array:
        """Return the latencies called `name` [s], shape (requests,)."""
        return np.frombuffer(getattr(self, name), dtype=np.float64)


class RequestLog:
    """Takes requests as they end.

    Args:
        plan: What is run.
        path: The Parquet file to write; None to keep latencies only.
    """

    def __init__(self, plan: Plan, path: Path | None) -> None:
        self._classes = {
            site.name: site.workload.config.classes for site in plan.sites if site.workload
        }
        self.sites = {name: SiteLatencies() for name in self._classes}
        for name, latencies in self.sites.items():
            for one in self._classes[name]:
                latencies.shares[one.name] = ClassShare()
                if _has_objective(one):
                    latencies.by_class[one.name] = [0, 0]
        self._rows: list[tuple[Any, ...]] = []
        self._writer = pq.ParquetWriter(path, SCHEMA) if path else None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def add(self, site: str, requests: Iterable[Request], cut_off_s: float = float("nan")) -> None:
        """Take requests of a site that ended, or that the end of the run cut off.

        Args:
            site: The site.
            requests: The requests.
            cut_off_s: When the run ended, for requests that had not [s]. One of these counts for
                its class's objectives only if it had broken them by then.
        """
        classes, latencies = self._classes[site], self.sites[site]
        for request in requests:
            request_class = classes[request.class_id]
            completed = request.outcome is Outcome.COMPLETED
            share = latencies.shares[request_class.name]
            share.requests += 1
            share.energy_j += request.energy_j
            share.carbon_g += request.carbon_g
            if completed:
                share.completed += 1
                share.output_tokens += request.output_tokens
                if request_class.deadline is not None:
                    share.late += request.finish_s - request.arrival_s > request_class.deadline
                latencies.prompt_tokens += request.prompt_tokens
                latencies.output_tokens += request.output_tokens
                latencies.ttft.append(ttft_s(request))
                latencies.e2e.append(request.finish_s - request.arrival_s)
                latencies.queue.append(request.scheduled_s - request.arrival_s)
                if request.output_tokens > 1:
                    latencies.tpot.append(tpot_s(request))
            if request_class.name in latencies.by_class:
                tally = latencies.by_class[request_class.name]
                if completed:
                    tally[0] += _meets(request, request_class.slo)
                    tally[1] += 1
                elif request.outcome is Outcome.REJECTED:
                    tally[1] += 1
                else:
                    tally[1] += _is_late(request, request_class.slo, cut_off_s)
            if self._writer is not None:
                self._rows.append((site, request_class.name, *_row(request)))
        if len(self._rows) >= ROW_GROUP:
            self._write()

    def close(self) -> None:
        """Write what is left and close the file."""
        if self._writer is not None:
            self._write()
            self._writer.close()
            self._writer = None

    def _write(self) -> None:
        if self._writer is None or not self._rows:
            return
        columns = zip(*self._rows, strict=True)
        arrays = [_array(values, field.type) for values, field in zip(columns, SCHEMA, strict=True)]
        self._writer.write_table(pa.Table.from_arrays(arrays, schema=SCHEMA))
        self._rows.clear()


def _array(values: tuple[Any, ...], kind: pa.DataType) -> pa.Array:
    if pa.types.is_dictionary(kind):
        return pa.array([value or None for value in values], pa.string()).dictionary_encode()
    return pa.array(values, kind, from_pandas=True)  # NaN becomes null


def _has_objective(request_class: RequestClass) -> bool:
    slo = request_class.slo
    return any(bound is not None for bound in (slo.ttft_s, slo.tpot_s, slo.e2e_s))


def _meets(request: Request, slo: Slo) -> bool:
    return (
        (slo.ttft_s is None or ttft_s(request) <= slo.ttft_s)
        and (slo.tpot_s is None or not tpot_s(request) > slo.tpot_s)
        and (slo.e2e_s is None or request.finish_s - request.arrival_s <= slo.e2e_s)
    )


def _is_late(request: Request, slo: Slo, now_s: float) -> bool:
    """Tell whether a request that has not ended cannot meet its objectives any more."""
    age_s = now_s - request.arrival_s
    first_s = age_s if math.isnan(request.first_token_s) else ttft_s(request)
    return (slo.ttft_s is not None and first_s > slo.ttft_s) or (
        slo.e2e_s is not None and age_s > slo.e2e_s
    )
