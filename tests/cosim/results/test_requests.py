"""The log of requests against a plain count of them, and its memory."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.results import requests as module
from cosim.results.requests import LATENCIES, SCHEMA, ClassShare, RequestLog
from cosim.scenario.workload import RequestClass, Slo
from cosim.world.plan import Plan
from inference_sim.latencies import tpot_s, ttft_s
from inference_sim.request import Outcome, Request
from tests.samples import examples, sizes

CUT_OFF_S = 100.0
CLASSES = {
    "a": [
        RequestClass(name="strict", share=0.5, slo=Slo(ttft_s=1.0, tpot_s=0.1)),
        RequestClass(name="none", share=0.5, deadline=6.0),
    ],
    "b": [
        RequestClass(name="whole", share=0.4, slo=Slo(e2e_s=20.0)),
        RequestClass(name="first", share=0.6, slo=Slo(ttft_s=5.0)),
    ],
}


def plan() -> Plan:
    """What the log reads of a plan."""
    sites = [
        SimpleNamespace(
            name=name,
            cluster=None,
            workload=SimpleNamespace(
                config=SimpleNamespace(classes=one, sessions=None, retry=None)
            ),
        )
        for name, one in CLASSES.items()
    ]
    return cast(Plan, SimpleNamespace(sites=sites))


@st.composite
def made(draw: st.DrawFn) -> Request:
    time = st.sampled_from([0.0, 0.5, 1.0, 4.0, 30.0])
    request = Request(
        draw(st.integers(0, 9)),
        draw(st.floats(0, CUT_OFF_S)),
        draw(st.integers(1, 99)),
        draw(st.integers(1, 3)),
        draw(st.integers(0, 1)),
    )
    request.outcome = draw(st.sampled_from(list(Outcome)))
    request.energy_j, request.carbon_g = draw(st.floats(0, 9)), draw(st.floats(0, 9))
    if request.outcome is Outcome.REJECTED:
        request.reason = "admission_rate"
    elif request.outcome is not Outcome.WAITING:
        request.scheduled_s = request.arrival_s + draw(time)
        if request.outcome is Outcome.COMPLETED or draw(st.booleans()):
            request.first_token_s = request.scheduled_s + draw(time)
    if request.outcome is Outcome.COMPLETED:
        request.finish_s = request.first_token_s + draw(time) * 0.1 * (request.output_tokens - 1)
    return request


def counted(batches: list[tuple[str, list[Request]]], site: str) -> dict[str, Any]:
    """The same figures, request by request."""
    values: dict[str, list[float]] = {name: [] for name in LATENCIES}
    tokens = [0, 0]
    tally = {one.name: [0, 0] for one in CLASSES[site] if one.slo != Slo()}
    shares = {one.name: ClassShare() for one in CLASSES[site]}
    for request in (one for name, batch in batches if name == site for one in batch):
        kind = CLASSES[site][request.class_id]
        completed = request.outcome is Outcome.COMPLETED
        first, tpot = ttft_s(request), tpot_s(request)
        whole = request.finish_s - request.arrival_s
        share = shares[kind.name]
        share.requests += 1
        share.energy_j += request.energy_j
        share.carbon_g += request.carbon_g
        if completed:
            share.completed += 1
            share.output_tokens += request.output_tokens
            share.late += kind.deadline is not None and whole > kind.deadline
            tokens[0] += request.prompt_tokens
            tokens[1] += request.output_tokens
            values["ttft"].append(first)
            values["e2e"].append(whole)
            values["queue"].append(request.scheduled_s - request.arrival_s)
            values["tpot"] += [tpot] if request.output_tokens > 1 else []
        if kind.name not in tally:
            continue
        slo, age = kind.slo, CUT_OFF_S - request.arrival_s
        if completed:
            met = [
                slo.ttft_s is None or first <= slo.ttft_s,
                slo.tpot_s is None or request.output_tokens == 1 or tpot <= slo.tpot_s,
                slo.e2e_s is None or whole <= slo.e2e_s,
            ]
            tally[kind.name][0] += all(met)
            tally[kind.name][1] += 1
        elif request.outcome in (Outcome.REJECTED, Outcome.TIMED_OUT):
            tally[kind.name][1] += 1
        else:
            until_first = age if math.isnan(request.first_token_s) else first
            tally[kind.name][1] += (slo.ttft_s is not None and until_first > slo.ttft_s) or (
                slo.e2e_s is not None and age > slo.e2e_s
            )
    return {"values": values, "tokens": tokens, "by_class": tally, "shares": shares}


@settings(max_examples=examples(120))
@given(
    batches=st.lists(
        st.tuples(st.sampled_from(["a", "b"]), st.lists(made(), max_size=12)), max_size=6
    ),
    chunk=st.sampled_from([1, 7, 8192]),
)
def test_the_same_as_counted_one_by_one(
    batches: list[tuple[str, list[Request]]], chunk: int
) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_CHUNK", chunk)
        with RequestLog(plan(), None) as log:
            for site, batch in batches:
                log.add(site, iter(batch), CUT_OFF_S)
        for site, found in log.sites.items():
            expected = counted(batches, site)
            assert [found.prompt_tokens, found.output_tokens] == expected["tokens"]
            assert found.by_class == expected["by_class"]
            for name, share in expected["shares"].items():
                assert asdict(found.shares[name]) == pytest.approx(asdict(share), rel=1e-12)
            for name, values in expected["values"].items():
                kept = getattr(found, name)
                assert kept.count == len(values)
                ranks = np.arange(len(values), dtype=np.float64)
                assert kept.ordered(ranks).tolist() == sorted(values)


def stream(count: int) -> Iterator[Request]:
    rng = np.random.default_rng(0)
    for index, (wait, length) in enumerate(rng.exponential((0.2, 1.0), (count, 2)).tolist()):
        request = Request(index, index * 0.1, 10, 2 + index % 5, index % 2)
        request.scheduled_s = request.arrival_s + wait
        request.first_token_s = request.scheduled_s + 0.1
        request.finish_s = request.first_token_s + length
        request.outcome = Outcome.COMPLETED if index % 9 else Outcome.REJECTED
        request.reason = "" if index % 9 else "admission_rate"
        yield request


def test_what_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A row a request, in the order they were taken; groups of bounded size; null for no time."""
    monkeypatch.setattr(module, "_CHUNK", 70)
    monkeypatch.setattr(module, "ROW_GROUP", 200)
    made, path = list(stream(1000)), tmp_path / "requests.parquet"
    with RequestLog(plan(), path) as log:
        for at in range(0, 1000, 13):
            log.add("ab"[at % 2], made[at : at + 13])
    file = pq.ParquetFile(path)
    sizes = [file.metadata.row_group(k).num_rows for k in range(file.num_row_groups)]
    assert all(200 <= size < 200 + 70 + 13 for size in sizes[:-1])
    table = file.read()
    assert table.schema.equals(SCHEMA)
    for name in ("request_id", "arrival_s", "output_tokens", "outcome"):
        assert table.column(name).to_pylist() == [getattr(one, name) for one in made]
    assert table.column("reason").to_pylist() == [one.reason or None for one in made]
    assert table.column("admitted_s").null_count == 1000
    sites = ["ab"[at % 2] for at in range(0, 1000, 13) for _ in made[at : at + 13]]
    assert table.column("site").to_pylist() == sites
    classes = [CLASSES[site][one.class_id].name for site, one in zip(sites, made, strict=True)]
    assert table.column("class").to_pylist() == classes


@pytest.mark.parametrize("written", [True, False])
@pytest.mark.parametrize(
    "requests", sizes(240_000, 800_000, "800,000 requests in the log; every day 240,000")
)
def test_memory_does_not_grow_with_the_requests(
    tmp_path: Path, written: bool, requests: int
) -> None:
    """Four latencies each would take 7.7 MB of 240,000 requests, and 25.6 MB of 800,000."""
    batch = list(stream(200))
    path = tmp_path / "requests.parquet" if written else None
    tracemalloc.start()
    try:
        with RequestLog(plan(), path) as log:
            for _ in range(requests // 200):
                log.add("a", batch)
            found = log.sites["a"].ttft
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert found.count > 0.875 * requests
    assert not found.exact
    assert held < 1e6
    assert peak < 18e6
