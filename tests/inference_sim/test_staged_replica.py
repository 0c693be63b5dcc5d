"""Pipeline stages under one scheduler: against vLLM's rules written out plainly, and by hand."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import simpy
from hypothesis import event, given, settings
from hypothesis import strategies as st

from calibration.schedules import Iteration, LinearTimes, serve_requests
from inference_sim.cohort import Cohort
from inference_sim.pipeline import Pipeline
from inference_sim.prefix_cache import PrefixCache
from inference_sim.request import Outcome, Request
from inference_sim.scheduling import VllmV1Scheduler
from inference_sim.scheduling.releases import RELEASES, Release
from inference_sim.segment import Segment
from inference_sim.staged_replica import StagedReplica
from inference_sim.workload import Arrival
from tests.inference_sim.builders import approx, config
from tests.inference_sim.builders import serve as cluster_serve
from tests.inference_sim.plain_pipeline import PlainPipeline
from tests.inference_sim.plain_vllm import PlainVllm
from tests.inference_sim.test_vllm_schedules import TIMES, drawn_requests, schedules
from tests.samples import examples


def release_of(schedule: dict[str, Any]) -> Release:
    return RELEASES[".".join(schedule["engine"].split()[-1].split(".")[:2])]


def replica_of(schedule: dict[str, Any], stages: Sequence[LinearTimes]) -> StagedReplica:
    env = simpy.Environment()
    scheduler = VllmV1Scheduler(schedule["max_num_seqs"], schedule["max_num_batched_tokens"])
    scheduler.release = release_of(schedule)
    scheduler.prefix_caching = schedule["prefix_caching"]
    cache = scheduler.make_cache(schedule["usable_kv_blocks"], 1 << 30)
    return StagedReplica(0, env, Pipeline(env, stages), scheduler, cache)


def serve(replica: StagedReplica, requests: list[Request]) -> list[Iteration]:
    """Serve requests; return the iterations in their order, without the evictions."""
    iterations: list[Iteration] = []

    def watch(cohort: Cohort) -> Callable[[Sequence[Segment]], None]:
        def record(segments: Sequence[Segment]) -> None:
            prompts = tuple((c.request.request_id, c.tokens, c.before) for c in cohort.chunks)
            first = segments[0]
            iterations.append(Iteration(first.start_s, prompts, first.decoding, ()))

        return record

    for cohort in replica.cohorts:
        cohort.meter.on_record = watch(cohort)
    serve_requests(replica, requests)
    return iterations


def serve_plainly(schedule: dict[str, Any], stages: list[LinearTimes]) -> Any:
    scheduler = PlainVllm(
        schedule["usable_kv_blocks"],
        schedule["max_num_seqs"],
        schedule["max_num_batched_tokens"],
        release_of(schedule),
        stages[0],
        caching=schedule["prefix_caching"],
    )
    iterations, sequences = PlainPipeline(scheduler, stages).serve(drawn_requests(schedule))
    return iterations, sequences, scheduler.evicted


@settings(max_examples=examples(300))
@given(schedule=schedules(), shares=st.sampled_from([[1, 1], [1, 2], [3, 1], [1, 1, 1, 1], [1]]))
def test_same_as_the_plain_rules(schedule: dict[str, Any], shares: list[int]) -> None:
    """Stages of equal and of unequal times; of one, too, which an engine serves in a product."""
    stages = [LinearTimes(**{name: s * share for name, s in TIMES.items()}) for share in shares]
    expected, sequences, evicted = serve_plainly(schedule, stages)
    requests = drawn_requests(schedule)
    replica = replica_of(schedule, stages)
    iterations = serve(replica, requests)
    for number, (here, plain) in enumerate(zip(iterations, expected, strict=False)):
        assert here.equals(plain), f"iteration {number}: {here} instead of {plain}"
    assert len(iterations) == len(expected)
    for request, sequence in zip(requests, sequences, strict=True):
        assert request.outcome is Outcome.COMPLETED
        assert request.first_token_s == approx(sequence.tokens_s[0], 1e-9)
        assert request.finish_s == approx(sequence.tokens_s[-1], 1e-9)
        assert request.preemptions == evicted.count(request.request_id)
    cache = replica.cohorts[0].kv
    assert cache.free == cache.blocks
    if isinstance(cache, PrefixCache):
        assert cache.count_free() == cache.free
    assert not replica.outstanding
    event(f"evictions: {'some' if evicted else 'none'}")


@pytest.mark.parametrize("number", range(5))
def test_same_as_vllm(number: int) -> None:
    """``EngineCore`` and ``Scheduler`` of vLLM 0.11.0, run with simulated stages.

    With two and four stages, equal and not, with and without caching, with and without evictions.
    Each line of the file is a schedule as ``calibration.schedules`` reads them, and has beside them
    the `stages`: the time of an iteration on each, in those of the schedule.
    """
    lines = Path(__file__).with_name("vllm_pipelines.jsonl").read_text(encoding="utf-8")
    schedule = json.loads(lines.splitlines()[number])
    stages = [
        LinearTimes(**{name: s * share for name, s in schedule["iteration_s"].items()})
        for share in schedule["stages"]
    ]
    stream = drawn_requests(schedule)
    iterations = serve(replica_of(schedule, stages), stream)
    recorded = [
        Iteration(start_s, tuple((a, b, c) for a, b, c in prompts), decodes, ())
        for start_s, prompts, decodes in schedule["iterations"]
    ]
    assert len(iterations) == len(recorded)
    assert all(here.equals(vllm) for here, vllm in zip(iterations, recorded, strict=True))
    for request, (first_s, end_s, evictions) in zip(stream, schedule["results"], strict=True):
        assert request.first_token_s == pytest.approx(first_s, abs=1e-8)
        assert request.finish_s == pytest.approx(end_s, abs=1e-8)
        assert request.preemptions == evictions


SECOND = LinearTimes(1.0, 0.0, 0.0, 0.0, 0.0)
PER_TOKEN = LinearTimes(0.0, 1.0, 1.0, 0.0, 0.0)


def replica(
    stages: Sequence[LinearTimes], release: str = "0.11", tokens: int = 64, cap: int = 100
) -> StagedReplica:
    schedule = {
        "engine": f"vLLM {release}.0",
        "max_num_seqs": cap,
        "max_num_batched_tokens": tokens,
        "prefix_caching": False,
        "usable_kv_blocks": 10_000,
    }
    return replica_of(schedule, stages)


def requests(*lengths: tuple[float, int, int]) -> list[Request]:
    """Requests: arrival, prompt and output."""
    return [Request(number, *each) for number, each in enumerate(lengths)]


def test_a_deep_queue_fills_the_pipeline() -> None:
    """Of whole batches, one leaves every second, as if each passed one stage alone."""
    stream = requests(*[(0.0, 64, 1)] * 40)
    serve(replica([SECOND, SECOND]), stream)
    assert [one.finish_s for one in stream] == [2.0 + number for number in range(40)]
    one_stage = requests(*[(0.0, 64, 1)] * 40)
    serve(replica([LinearTimes(2.0, 0.0, 0.0, 0.0, 0.0)]), one_stage)
    assert one_stage[-1].finish_s / stream[-1].finish_s == approx(80 / 41, 1e-12)


def test_batches_of_different_lengths_leave_a_bubble() -> None:
    """A short batch waits on the second stage for the long one before it: the first one idles."""
    stream = requests((0.0, 64, 1), (0.0, 64, 1), (0.0, 4, 1))
    iterations = serve(replica([PER_TOKEN, PER_TOKEN]), stream)
    assert [one.finish_s for one in stream] == [128.0, 192.0, 196.0]
    assert [each.start_s for each in iterations] == [0.0, 64.0, 128.0]
    stream = requests((0.0, 4, 1), (0.0, 61, 1), (100.0, 1, 1))
    serve(replica([PER_TOKEN, PER_TOKEN], tokens=64), stream)
    assert stream[0].finish_s == 128.0  # 64 tokens, and the last of the second prompt behind them
    assert stream[1].finish_s == 129.0
    assert stream[2].finish_s == 130.0  # it was seen as the first batch ended


def test_parts_of_a_prompt_follow_each_other_without_waiting() -> None:
    stream = requests((0.0, 192, 2))
    iterations = serve(replica([SECOND, SECOND, SECOND]), stream)
    assert [each.start_s for each in iterations] == [0.0, 1.0, 2.0, 5.0]
    assert (stream[0].first_token_s, stream[0].finish_s) == (5.0, 8.0)


@pytest.mark.parametrize(("release", "together", "first_s"), [("0.11", 2, 4.0), ("0.33", 1, 5.0)])
def test_an_arrival_joins_the_sequences_that_return_or_has_a_turn_of_its_own(
    release: str, together: int, first_s: float
) -> None:
    """In 0.11 all of a light load are in one batch; 0.33 puts the second into the free turn."""
    stream = requests((0.0, 8, 10), (0.5, 8, 5))
    iterations = serve(replica([SECOND, SECOND], release), stream)
    assert max(each.decodes for each in iterations) == together
    assert stream[1].first_token_s == first_s
    assert {each.start_s % 1 for each in iterations} == {0.0}


def test_the_cap_counts_the_sequences_of_all_batches() -> None:
    served = replica([SECOND, SECOND], tokens=64, cap=3)
    stream = requests(*[(0.0, 64, 4)] * 6)
    most = 0

    def watch(segments: Sequence[Segment]) -> None:
        nonlocal most
        most = max(most, served.running)

    for cohort in served.cohorts:
        cohort.meter.on_record = watch
    serve_requests(served, stream)
    assert most == 3
    served.set_batch_cap(1)
    assert served.batch_cap == 1


@settings(max_examples=examples(150))
@given(schedule=schedules(), data=st.data())
def test_clients_that_give_up_leave_no_block_behind(
    schedule: dict[str, Any], data: st.DataObject
) -> None:
    stages = [LinearTimes(**TIMES)] * data.draw(st.sampled_from([2, 3]))
    stream = drawn_requests(schedule)
    served = replica_of(schedule, stages)
    env = served.env
    for request in stream:
        if data.draw(st.booleans()):
            patience_s = data.draw(st.sampled_from([0.0, 0.005, 0.03, 0.2, 1.0]))
            timer = simpy.Timeout(env, request.arrival_s + patience_s)
            timer.callbacks.append(lambda event, request=request: served.cancel(request))
    serve_requests(served, stream)
    ended = [request for cohort in served.cohorts for request in cohort.ended]
    assert sorted(ended, key=lambda one: one.request_id) == stream
    outcomes = {one.outcome for one in stream}
    assert outcomes <= {Outcome.COMPLETED, Outcome.TIMED_OUT}
    cache = served.cohorts[0].kv
    assert cache.free == cache.blocks
    if isinstance(cache, PrefixCache):
        assert cache.count_free() == cache.free
    assert not served.outstanding
    event(f"gave up: {'some' if Outcome.TIMED_OUT in outcomes else 'none'}")


def test_a_request_may_take_the_whole_cache() -> None:
    """It is not shared among stages, as it is where each has an engine."""
    stream = [Arrival(0.0, 500, 100, 0)]  # 38 blocks
    for scheduler, outcome in (("vllm_v1", Outcome.COMPLETED), ("vllm", Outcome.REJECTED)):
        deployment = config(scheduler=scheduler, pipeline_parallel=2, kv_blocks=40)
        _, (request,) = cluster_serve(deployment, stream)
        assert request.outcome is outcome
