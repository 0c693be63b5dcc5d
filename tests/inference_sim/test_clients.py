"""Clients and sessions: laws of closed loops, and that nothing is lost when clients give up."""

from __future__ import annotations

import math
from collections import Counter
from itertools import islice, pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from calibration.schedules import LinearTimes
from inference_sim.clients import Clients, Patience
from inference_sim.cluster import Cluster
from inference_sim.prefix_cache import PrefixCache
from inference_sim.request import Outcome, Request
from inference_sim.workload import (
    Arrival,
    ExponentialDuration,
    FixedDuration,
    FixedLengths,
    LognormalDuration,
    PoissonArrivals,
    Sessions,
    Turns,
    UniformLengths,
    client_starts,
    session_starts,
)
from inference_sim.workload.lengths import Ints
from tests.deployments import changed
from tests.inference_sim.builders import OPEN, approx, config
from tests.inference_sim.test_invariants import Watch
from tests.samples import examples
from tests.strategies import CLASSES, Scenario, scenarios


def closed_loop(
    deployment: Any, sessions: Sessions, until_s: float, *, ramp_up_s: float = 0.0, **keys: Any
) -> tuple[Cluster, list[Request]]:
    """Run the clients of a closed loop; return the cluster and the requests that ended."""
    clients = Clients(sessions, **keys)
    cluster = Cluster(deployment, client_starts(sessions, ramp_up_s), clients=clients)
    cluster.step(until_s)
    return cluster, cluster.take_ended()


def test_littles_law_of_a_closed_loop_holds_within_counting() -> None:
    """X = N / (R + Z): the cycles of N clients fill the time, but for those cut off at its ends."""
    count, until_s = 40, 800.0
    sessions = Sessions(
        UniformLengths(100, 900, 4.0), 3, pause=LognormalDuration(4.0, 0.8), clients=count
    )
    cluster, ended = closed_loop(config(batch_cap=16), sessions, until_s, ramp_up_s=20.0)
    rate = len(ended) / until_s
    response_s = np.mean([one.finish_s - one.arrival_s for one in ended])
    think_s = np.mean([sessions.session(one.session).think_s[-1] for one in ended])
    cycles = len(ended) + count  # each client has at most one that is cut off
    assert rate == pytest.approx(count / (response_s + think_s), rel=2 * count / cycles)
    assert cluster.in_flight <= count
    assert cluster.arrived == len(ended) + cluster.in_flight
    # Each client's own cycles, one after the other, are exactly its time.
    by_client: dict[int, list[Request]] = {}
    for request in ended:
        by_client.setdefault(request.session % count, []).append(request)
    assert len(by_client) == count
    for client, requests in by_client.items():
        assert [one.session for one in requests] == [
            client + count * turn for turn in range(len(requests))
        ]
        for before, after in pairwise(requests):
            pause_s = sessions.session(before.session).think_s[-1]
            assert after.arrival_s == approx(before.finish_s + pause_s, 1e-12)


class ExponentialPrompts:
    """Prompts of exponentially distributed lengths, and answers of one token."""

    def draw(self, rng: np.random.Generator, count: int) -> tuple[Ints, Ints]:
        tokens = np.rint(rng.exponential(400.0, count)).astype(np.int64)
        return np.clip(tokens, 1, 4000), np.ones(count, dtype=np.int64)


@pytest.mark.parametrize("count", [1, 3, 8])
def test_one_server_with_thinking_clients_is_the_machine_repair_model(count: int) -> None:
    """M/M/1//N: p0 = 1 / sum over n of N! / (N - n)! (s / Z)^n, and X = (1 - p0) / s.

    Kleinrock, Queueing Systems I (1975), section 3.8. One request is served at a time, for a
    millisecond a token.
    """
    deployment = config(batch_cap=1, stages=lambda stage: LinearTimes(0.0, 1e-3, 1.0, 0.0, 0.0))
    sessions = Sessions(ExponentialPrompts(), 5, pause=ExponentialDuration(1.2), clients=count)
    until_s = 3000.0
    _, ended = closed_loop(deployment, sessions, until_s)
    ratio = 0.4 / 1.2
    terms = [math.perm(count, n) * ratio**n for n in range(count + 1)]
    rate = (1 - 1 / sum(terms)) / 0.4
    # A count of n cycles has a relative standard error of at most 1 / sqrt(n).
    assert len(ended) / until_s == pytest.approx(rate, rel=3 / math.sqrt(len(ended)))
    mean_s = np.mean([one.finish_s - one.arrival_s for one in ended])
    assert mean_s == pytest.approx(count / rate - 1.2, rel=0.05)


def talking(**changes: Any) -> Sessions:
    keys: dict[str, Any] = {
        "lengths": UniformLengths(20, 90, 2.0),
        "seed": 11,
        "turns": Turns(4.0, geometric=True),
        "think": ExponentialDuration(1.5),
        "system_tokens": 40,
        "groups": 3,
    }
    return Sessions(**keys | changes)


def test_a_session_depends_on_its_number_and_the_seed_alone() -> None:
    there, back = talking(), talking()
    numbers = [0, 5, 255, 256, 70_000]
    assert [there.session(n) for n in numbers] == [back.session(n) for n in reversed(numbers)][::-1]
    assert there.session(3) != talking(seed=12).session(3)
    # the time to think changes nothing else
    slow = talking(think=FixedDuration(9.0))
    for number in numbers:
        mine, other = there.session(number), slow.session(number)
        assert (mine.texts, mine.answers, mine.group) == (other.texts, other.answers, other.group)


def test_a_prompt_holds_all_that_was_said() -> None:
    sessions = talking()
    number = next(n for n in range(100) if len(sessions.session(n).texts) >= 3)
    session = sessions.session(number)
    first, second, third = (sessions.turn(session, turn, 0.0) for turn in range(3))
    assert first.content is not None
    assert second.content is not None
    assert third.content is not None
    assert first.content[0] == (session.group, 40)
    assert first.prompt_tokens == 40 + session.texts[0]
    answer = (first.answer_stream, session.answers[0])
    assert second.content == (*first.content, answer, second.content[-1])
    assert third.content[:-2] == second.content
    assert third.prompt_tokens == sum(tokens for _, tokens in third.content)
    assert sessions.prompts(session)[:3].tolist() == [
        one.prompt_tokens for one in (first, second, third)
    ]
    streams = {stream for stream, _ in third.content} | {third.answer_stream}
    assert len(streams) == 7
    fresh = talking(accumulates=False).turn(session, 2, 0.0)
    assert fresh.content == ((session.group, 40), third.content[-1])


def test_turns_follow_their_answers_and_sessions_are_shared_by_number() -> None:
    sessions = talking()
    starts = list(islice(open_starts(sessions, 0.5), 30))
    clients = Clients(sessions)
    cluster = Cluster(config(), starts, clients=clients)
    cluster.step(10_000.0)
    ended = sorted(cluster.take_ended(), key=lambda one: one.arrival_s)
    assert cluster.drained
    for number in range(30):
        mine = [one for one in ended if one.session == number]
        session = sessions.session(number)
        assert [one.output_tokens for one in mine] == list(session.answers)
        assert mine[0].arrival_s == starts[number].time_s
        for turn, (before, after) in enumerate(pairwise(mine)):
            assert after.arrival_s == approx(before.finish_s + session.think_s[turn], 1e-12)


def open_starts(sessions: Sessions, rate_per_s: float) -> Any:
    return session_starts(sessions, PoissonArrivals(rate_per_s))


def test_a_session_ends_before_the_longest_context_and_is_counted() -> None:
    sessions = talking(turns=Turns(50), lengths=FixedLengths(100, 20), think=FixedDuration(0.0))
    clients = Clients(sessions)
    deployment = config(scheduler="vllm_v1", max_model_len=1000)
    only = [sessions.turn(sessions.session(0), 0, 0.0)]
    cluster = Cluster(deployment, only, clients=clients)
    cluster.step(1000.0)
    ended = cluster.take_ended()
    assert len(ended) == (1000 - 40) // 120
    assert max(one.prompt_tokens + one.output_tokens for one in ended) <= 1000
    assert all(one.outcome is Outcome.COMPLETED for one in ended)
    assert clients.cut == 1
    assert cluster.drained


def test_requests_are_bounded_and_the_loop_drains() -> None:
    sessions = talking(clients=5, pause=FixedDuration(0.5))
    cluster, ended = closed_loop(config(), sessions, 10_000.0, requests=37)
    assert len(ended) == cluster.arrived == 37
    assert cluster.drained
    assert {one.session % 5 for one in ended} == set(range(5))


def test_classes_end_and_clients_with_them() -> None:
    sessions = talking(clients=4, class_shares=(0.5, 0.5), pause=FixedDuration(0.2))
    cluster, ended = closed_loop(config(), sessions, 500.0, class_until_s=(20.0, 60.0))
    last = {k: max(one.arrival_s for one in ended if one.class_id == k) for k in (0, 1)}
    assert 15 < last[0] < 20
    assert 50 < last[1] < 60
    assert cluster.drained


def test_a_client_gives_up_wherever_its_request_is() -> None:
    """One at the gateway, one in the queue of a replica, one that decodes, one in its prompt."""
    for rate, cap, prompt, place in [
        (0.001, 4, 100, "gateway"),
        (math.inf, 1, 100, "waiting"),
        (math.inf, 4, 100, "running"),
        (math.inf, 4, 4000, "prefill"),
    ]:
        deployment = config(batch_cap=cap, admission_rate_per_s=rate, scheduler="sarathi")
        tail = 900 if place != "prefill" else 2
        stream = [Arrival(0.0, 100, 3900, 0), Arrival(0.001, prompt, tail, 0)]
        clients = Clients(patience=Patience(timeout_s=0.2))
        cluster = Cluster(deployment, stream, clients=clients)
        step = cluster.step(1000.0)
        second = max(cluster.take_ended(), key=lambda one: one.request_id)
        assert second.outcome is Outcome.TIMED_OUT
        assert math.isnan(second.finish_s)
        assert math.isnan(second.admitted_s) == (place == "gateway")
        assert math.isnan(second.scheduled_s) == (place in ("gateway", "waiting"))
        assert (second.generated_tokens > 0) == (place == "running")
        assert cluster.timed_out == step.clients["timed_out"] == 2
        assert cluster.drained
        assert cluster.engines[0].kv.free == cluster.engines[0].kv.blocks


def test_a_deferred_request_is_given_up_too() -> None:
    deployment = config(classes=CLASSES)
    stream = [Arrival(0.0, 100, 10, 1), Arrival(1.0, 100, 10, 1), Arrival(1.0, 100, 10, 0)]
    cluster = Cluster(deployment, stream, clients=Clients(patience=Patience(timeout_s=10.0)))
    cluster.apply({"deferrable_rate": 0.0})
    step = cluster.step(100.0)
    outcomes = {one.request_id: one.outcome for one in cluster.take_ended()}
    assert outcomes == {0: Outcome.TIMED_OUT, 1: Outcome.TIMED_OUT, 2: Outcome.COMPLETED}
    assert step.deferrable_waiting == 0
    assert cluster.drained


def test_the_next_in_line_is_served_when_the_head_gives_up() -> None:
    """The head does not fit beside the running request; the one behind it does."""
    deployment = config(kv_blocks=100, scheduler="vllm_v1")
    stream = [Arrival(0.0, 800, 600, 0), Arrival(1.0, 1200, 5, 0), Arrival(2.5, 16, 5, 0)]
    times = {}
    for stepwise in (False, True):
        cluster = Cluster(changed(deployment, stepwise=stepwise), stream)
        cluster.step(4.0)
        cluster.cancel(cluster.engines[0].waiting[0])
        cluster.step(100.0)
        ended = sorted(cluster.take_ended(), key=lambda one: one.request_id)
        assert ended[1].outcome is Outcome.TIMED_OUT
        assert ended[2].outcome is Outcome.COMPLETED
        assert ended[2].scheduled_s == pytest.approx(4.0, abs=0.02)
        times[stepwise] = [ended[0].scheduled_s, ended[2].scheduled_s]
    assert times[False] == approx(times[True], 1e-9)


def test_retries_send_the_same_again_and_stop() -> None:
    deployment = config(batch_cap=1, scheduler="vllm_v1", prefix_caching=True)
    clients = Clients(patience=Patience(timeout_s=2.0, retries=2, backoff_s=0.5))
    stream = [Arrival(0.0, 400, 900, 0), Arrival(20.0, 200, 5, 0)]
    cluster = Cluster(deployment, stream, clients=clients)
    cluster.step(100.0)
    tries = sorted(cluster.take_ended(), key=lambda one: one.request_id)
    assert [one.arrival_s for one in tries] == approx([0.0, 2.5, 5.0, 20.0], 0.02)
    assert [one.retries for one in tries] == [0, 1, 2, 0]
    assert [one.outcome for one in tries] == [Outcome.TIMED_OUT] * 3 + [Outcome.COMPLETED]
    assert len({one.content for one in tries}) == 2
    assert (clients.sent, clients.retried, clients.given_up) == (2, 2, 1)
    cache = cluster.engines[0].kv
    assert isinstance(cache, PrefixCache)
    assert cache.hit_tokens == 2 * 384  # both retries find the prompt, but its last token


@st.composite
def crowds(
    draw: st.DrawFn, *, offloaded: bool = False
) -> tuple[Scenario, Sessions | None, dict[str, Any]]:
    """A deployment with clients: on their own or in sessions, of an open loop or a closed one.

    If `offloaded`, it has host memory behind a KV cache that is small for its long sessions.
    """
    scenario = draw(scenarios(offloaded=offloaded))
    if offloaded:
        scenario = scenario.but(kv_blocks=draw(st.integers(21, 26)))
    patience = Patience(
        draw(st.sampled_from([math.inf, 0.31, 2.3, 9.1])),
        draw(st.integers(0, 2)),
        draw(st.sampled_from([0.0, 0.77])),
    )
    keys: dict[str, Any] = {"patience": patience, "class_until_s": (math.inf, math.inf)}
    if offloaded or draw(st.sampled_from([False, True, True])):
        sessions = Sessions(
            UniformLengths(4, 70, draw(st.sampled_from([0.5, 3.0]))),
            draw(st.integers(0, 99)),
            turns=Turns(draw(st.sampled_from([3.0, 7.0] if offloaded else [1.0, 3.0])), True),
            think=ExponentialDuration(draw(st.sampled_from([0.05, 0.8]))),
            pause=LognormalDuration(0.4, 1.0),
            system_tokens=draw(st.sampled_from([0, 17, 64])),
            groups=draw(st.integers(1, 2)),
            accumulates=offloaded or draw(st.booleans()),
            class_shares=(0.6, 0.4),
            clients=draw(st.sampled_from([0, 3, 17])),
        )
        least = 40 if offloaded else 1
        return scenario, sessions, {**keys, "requests": draw(st.integers(least, least + 59))}
    return scenario, None, keys


def crowd(
    scenario: Scenario, sessions: Sessions | None, keys: dict[str, Any], **changes: Any
) -> Cluster:
    stream: Any = scenario.stream
    if sessions is not None:
        closed = sessions.clients > 0
        stream = client_starts(sessions, 1.1) if closed else open_starts(sessions, 4.0)
    clients = Clients(sessions, **keys)
    return Cluster(changed(scenario.config, **changes), stream, clients=clients)


@settings(max_examples=examples(90))
@given(drawn=crowds() | crowds(offloaded=True))
def test_nothing_is_lost_at_any_event(drawn: tuple[Scenario, Sessions | None, Any]) -> None:
    """Requests, KV blocks and energy are conserved, whoever gives up and tries again."""
    scenario, sessions, keys = drawn
    cluster = crowd(scenario, sessions, keys)
    clients = cluster.clients
    assert clients is not None
    caching = scenario.config.pool.prefix_caching and sessions is not None
    watch = Watch(cluster, shares_text=caching)
    steps = []
    for set_now in scenario.settings:
        cluster.apply(set_now)
        steps.append(watch.step(cluster.env.now + scenario.step_s))
    cluster.apply(OPEN)
    steps.append(watch.step(1e5))
    assert cluster.drained
    ended = cluster.take_ended()
    outcomes = Counter(one.outcome for one in ended)
    assert cluster.arrived == len(ended) == clients.sent + clients.retried
    assert outcomes[Outcome.COMPLETED] == cluster.completed
    assert outcomes[Outcome.REJECTED] == cluster.rejected
    assert outcomes[Outcome.TIMED_OUT] == cluster.timed_out
    for name, total in (("timed_out", cluster.timed_out), ("retried", clients.retried)):
        assert sum(step.clients[name] for step in steps) == total
    assert sum(one.retries > 0 for one in ended) == clients.retried
    for engine in cluster.engines:
        assert engine.kv.free == engine.kv.blocks
        assert engine.kv.sequences == engine.context == engine.outstanding == 0
        if isinstance(engine.kv, PrefixCache):
            assert engine.kv.count_free() == engine.kv.free
    gpus = cluster.config.pool.tensor_parallel
    lengths = np.diff([0.0, *np.cumsum([scenario.step_s] * len(scenario.settings)), 1e5])
    served_j = sum(
        one.attributed_power_w * length for one, length in zip(steps, lengths, strict=True)
    )
    assert sum(one.energy_j for one in ended) == approx(served_j, 1e-6) or gpus > 1
    event(f"timed out: {cluster.timed_out > 0}")
    event(f"retried: {clients.retried > 0}")
    event(f"evicted: {any(one.preemptions for one in ended)}")
    found = [
        sum(getattr(one, name) for one in cluster.replicas)
        for name in ("prefilled_tokens", "cached_tokens", "loaded_tokens")
    ]
    if not cluster.timed_out and not any(one.preemptions for one in ended):
        served = [one for one in ended if one.outcome is Outcome.COMPLETED]
        assert sum(found) == sum(one.prompt_tokens for one in served)
    event(f"loaded: {found[2] > 0}")


@settings(max_examples=examples(90))
@given(drawn=crowds() | crowds(offloaded=True))
def test_segments_agree_with_one_event_per_iteration(
    drawn: tuple[Scenario, Sessions | None, Any],
) -> None:
    """But where a client acts at the end of an iteration to the last digit: before it, or after.

    Iterations of equal length make such ties: two requests that are given up some iterations apart
    come again as far apart.
    """
    scenario, sessions, keys = drawn
    outcomes = []
    ends_s = [-math.inf, math.inf]
    for stepwise in (False, True):
        cluster = crowd(scenario, sessions, keys, stepwise=stepwise)
        for engine in cluster.engines:
            engine.meter.on_record = lambda segments: ends_s.extend(
                one.start_s + one.elapsed_s(one.iterations) for one in segments
            )
        for set_now in scenario.settings:
            cluster.apply(set_now)
            cluster.step(cluster.env.now + scenario.step_s)
        cluster.apply(OPEN)
        cluster.step(1e5)
        outcomes.append(sorted(cluster.take_ended(), key=lambda one: one.request_id))
    patience = keys["patience"]
    acts_s = [  # a retry without a pause follows the end of an iteration: no tie
        one.arrival_s for one in outcomes[1] if patience.backoff_s or not one.retries
    ]
    if patience.timeout_s < math.inf:
        acts_s += [one.arrival_s + patience.timeout_s for one in outcomes[1]]
    ends = np.sort(ends_s)
    after = np.searchsorted(ends, acts_s)
    assume(not np.any(np.minimum(ends[after] - acts_s, acts_s - ends[after - 1]) < 1e-9))
    for mine, plain in zip(*outcomes, strict=True):
        assert mine.outcome is plain.outcome
        assert (mine.session, mine.retries, mine.replica) == (
            plain.session, plain.retries, plain.replica
        )  # fmt: skip
        times = [
            [one.arrival_s, one.scheduled_s, one.first_token_s, one.finish_s]
            for one in (mine, plain)
        ]
        assert times[0] == approx(times[1], 1e-9)
        assert mine.energy_j == approx(plain.energy_j, 1e-6)
