"""The front end of an engine: a delay before the scheduler, of which no GPU knows."""

from __future__ import annotations

from typing import Any

import pytest
import simpy

from inference_sim.clients import Clients, Patience
from inference_sim.cluster import Cluster
from inference_sim.execution import find_engine
from inference_sim.front_end import FrontEnd
from inference_sim.request import Outcome, Request
from inference_sim.workload import FixedLengths, Sessions, client_starts
from tests.inference_sim.builders import config


def served(front_end_s: float, arrivals_s: list[float]) -> tuple[Cluster, list[Request]]:
    engine = find_engine("none").with_numbers({"front_end_s": front_end_s})
    stream: list[Any] = [(at_s, 500, 20, 0, None, 0, -1) for at_s in arrivals_s]
    cluster = Cluster(config(engine=engine, scheduler="vllm_v1"), stream)
    cluster.step(60.0)
    return cluster, sorted(cluster.take_ended(), key=lambda request: request.request_id)


def test_it_comes_on_top_of_the_time_to_first_token_alone() -> None:
    """Requests far apart: 20 ms later, with the same time per token."""
    times = [[], []]  # type: list[list[tuple[float, float]]]
    for found, front_end_s in zip(times, (0.0, 0.020), strict=True):
        _, requests = served(front_end_s, [1.0, 8.0, 20.0])
        found += [(r.first_token_s - r.arrival_s, r.finish_s - r.first_token_s) for r in requests]
    for (ttft_s, rest_s), (later_s, same_s) in zip(*times, strict=True):
        assert later_s == pytest.approx(ttft_s + 0.020)
        assert same_s == pytest.approx(rest_s)


def test_no_gpu_works_meanwhile() -> None:
    plain, late = (served(front_end_s, [1.0])[0] for front_end_s in (0.0, 0.5))
    assert late.pools["main"].waiting == plain.pools["main"].waiting == 0
    cluster, _ = served(10.0, [55.0])
    assert cluster.pools["main"].waiting == 1
    assert [r.request_id for r in cluster.pools["main"].take_in_flight()] == [0]


def test_requests_keep_their_order() -> None:
    env = simpy.Environment()
    through: list[tuple[float, int]] = []
    front = FrontEnd(env, 2.0, lambda request: through.append((env.now, request.request_id)))
    for number in range(3):
        front.submit(Request(number, 0.0, 10, 10))
    env.run(until=1.0)
    assert [request.request_id for request in front.waiting] == [0, 1, 2]
    env.run()
    assert through == [(2.0, 0), (2.0, 1), (2.0, 2)]


def test_a_request_that_is_given_up_on_its_way_reaches_no_replica() -> None:
    env = simpy.Environment()
    through: list[int] = []
    front = FrontEnd(env, 2.0, lambda request: through.append(request.request_id))
    requests = [Request(number, 0.0, 10, 10) for number in range(3)]
    for request in requests:
        front.submit(request)
    assert front.cancel(requests[1])
    assert not front.cancel(requests[1])
    assert not front.cancel(Request(9, 0.0, 10, 10))
    assert front.in_flight() == [requests[0], requests[2]]
    env.run()
    assert through == [0, 2]
    assert not front.waiting


def test_clients_whose_patience_ends_on_the_way() -> None:
    """All of them are dropped, none is lost, and no GPU has worked."""
    engine = find_engine("none").with_numbers({"front_end_s": 3.0})
    sessions = Sessions(FixedLengths(100, 10), 1, clients=4)
    clients = Clients(sessions, Patience(timeout_s=1.0), requests=8)
    cluster = Cluster(
        config(engine=engine, scheduler="vllm_v1"), client_starts(sessions, 0.0), clients=clients
    )
    cluster.step(60.0)
    ended = cluster.take_ended()
    assert len(ended) == 8
    assert {request.outcome for request in ended} == {Outcome.TIMED_OUT}
    assert cluster.in_flight == 0
