"""What holds whatever happens: nothing is lost, nothing goes back, nobody idles beside a queue."""

from __future__ import annotations

import math
from collections import Counter
from itertools import islice

import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

from inference_sim.cluster import Cluster
from inference_sim.disaggregated import DecodeEngine, PrefillEngine
from inference_sim.engine import Engine
from inference_sim.prefix_cache import PrefixCache
from inference_sim.request import Outcome, Request
from inference_sim.scheduling import VllmV1Scheduler
from inference_sim.staged_replica import StagedReplica
from inference_sim.telemetry import StepTelemetry
from inference_sim.tiered_cache import TieredCache
from inference_sim.workload import Arrival, PoissonArrivals, UniformLengths, generated_stream
from tests.inference_sim.builders import OPEN, approx, config, random_scenario, run
from tests.samples import examples
from tests.strategies import Scenario, scenarios, streams


def blocks_held(engine: Engine) -> int:
    """KV blocks by counting every sequence: its context but the newest token, in blocks of 16.

    In an iteration under way the decodes' next blocks are taken, and the chunks' tokens computed,
    already; in a run of decodes the blocks up to which a router has looked. An engine that reserves
    counts each sequence alike. Requests that wait for blocks which are loaded hold them, too.
    """
    under_way = engine._under_way
    ahead = bool(under_way) and under_way[0].decoding > 0
    ahead = ahead and (len(under_way) > 1 or under_way[0].prefill_tokens > 0)
    blocks = engine.kv.blocks_for
    tokens = engine._tokens_in(1) if ahead else engine.caught_up
    running = sum(blocks(one.context_at(engine.iteration) - 1 + tokens) for one in engine.running)
    computed = {chunk.request: chunk.before + chunk.tokens for chunk in engine.chunks}
    whole = not isinstance(engine.scheduler, VllmV1Scheduler)
    loads = engine.kv._held.values() if isinstance(engine.kv, TieredCache) else ()
    running += sum(blocks(load.hit + load.tokens) for load in loads)
    if isinstance(engine, PrefillEngine):
        running += sum(blocks(one.prompt_tokens) for one in engine.sending)
    if isinstance(engine, DecodeEngine):
        running += sum(blocks(one.prompt_tokens) for one in engine.loading)
    return running + sum(
        blocks(one.prefill_tokens if whole else computed.get(one, one.computed_tokens))
        for one in engine.prefilling
    )


def staged_blocks_held(replica: StagedReplica) -> int:
    """The same of a pipeline with one scheduler, whose batches count from when they are formed."""
    blocks = replica.cohorts[0].kv.blocks_for
    return sum(
        blocks(
            one.context_at(cohort.iteration) - 1 if one in cohort.running else one.computed_tokens
        )
        for one, cohort in replica.admitted.items()
    )


def not_begun(cluster: Cluster) -> list[Request]:
    """Requests whose first batch waits in front of a pipeline that others are on."""
    return [
        chunk.request
        for engine in cluster.engines
        for chunk in engine.chunks
        if engine._under_way[0].start_s >= cluster.env.now and not chunk.request.energy_j
    ]


class Watch:
    """Runs a cluster event by event and checks it after each one."""

    def __init__(self, cluster: Cluster, *, shares_text: bool = False) -> None:
        self.cluster, self.env = cluster, cluster.env
        self.shares_text = shares_text
        self.now = 0.0
        self.sizes = [0] * len(cluster.engines)
        self.over_cap = False

    def step(self, until_s: float) -> StepTelemetry:
        while self.env.peek() < until_s:
            self.env.step()
            self.check()
        return self.cluster.step(until_s)

    def check(self) -> None:
        cluster, env = self.cluster, self.env
        assert env.now >= self.now
        self.now = env.now
        held = len(cluster.gateway.waiting) + len(cluster.deferral.waiting)
        waiting = held + sum(pool.waiting for pool in cluster.pools.values())
        serving = sum(one.running for one in cluster.replicas)
        ended = sum(len(one.ended) for one in cluster.engines)
        rejected = len(cluster.gateway.rejected) + len(cluster._refused)
        dropped = len(cluster._dropped)
        index = 0
        for replica in cluster.replicas:
            if isinstance(replica, StagedReplica):
                self.check_cache(replica.cohorts[0], staged_blocks_held(replica))
                self.check_cap(index, replica.running, replica.batch_cap)
                for cohort in replica.cohorts:
                    held_tokens = sum(one.context_at(cohort.iteration) for one in cohort.running)
                    assert cohort.context == held_tokens
                if replica.waiting and not replica.running:  # about to wake up
                    assert env.peek() == env.now, "idles while a request waits"
                index += len(replica.cohorts)
                continue
            for engine in replica.engines:
                self.check_engine(index, engine)
                index += 1
        assert cluster.in_flight - ended - rejected - dropped == waiting + serving

    def check_engine(self, index: int, engine: Engine) -> None:
        size = len(engine.running) + len(engine.prefilling)
        self.check_cache(engine, blocks_held(engine))
        assert engine.context == sum(one.context_at(engine.iteration) for one in engine.running)
        self.check_cap(index, size, engine.scheduler.batch_cap)
        entrance = engine.pipeline.entrance  # another engine's batch may be in it
        loading = engine.kv.loads_under_way
        if isinstance(engine, PrefillEngine):
            loading += len(engine.sending)
        if engine.queued and not size and not entrance.held and not loading:  # about to wake up
            assert self.env.peek() == self.env.now, "idles while a request waits"

    def check_cache(self, engine: Engine, held_by_each: int) -> None:
        kv = engine.kv
        assert 0 <= kv.free <= kv.blocks
        used = kv.blocks - kv.free
        if isinstance(kv, PrefixCache):
            assert kv.count_free() == kv.free
        if isinstance(kv, TieredCache):
            assert kv.host.count() == kv.host.blocks
            assert len(engine.loading) <= kv.loads_under_way <= len(kv._held)
        if isinstance(engine, DecodeEngine) and engine.kv.loads_under_way:
            given_up = engine.kv.loads_under_way + len(engine._landed) - len(engine.loading)
            assert used >= held_by_each + given_up  # blocks of contexts that come in vain
            assert given_up or used == held_by_each
        elif self.shares_text:  # a block that several requests use is one
            assert bool(used) == bool(held_by_each)
            assert used <= held_by_each
        else:
            assert used == held_by_each

    def check_cap(self, index: int, size: int, cap: int) -> None:
        assert size <= max(self.sizes[index], cap), "admitted above the cap"
        self.over_cap |= size > cap
        self.sizes[index] = size


@settings(max_examples=examples(40))
@given(scenario=scenarios())
def test_at_every_event(scenario: Scenario) -> None:
    watch = watched(scenario)
    event(f"above a lowered cap: {watch.over_cap}")


def watched(scenario: Scenario) -> Watch:
    """Run a scenario until it is drained, with a look at every event, and return who watched."""
    cluster = Cluster(scenario.config, scenario.stream)
    watch = Watch(cluster)
    for set_now in scenario.settings:
        cluster.apply(set_now)
        watch.step(cluster.env.now + scenario.step_s)
    cluster.apply(OPEN)
    watch.step(1e5)
    assert cluster.drained
    for engine in cluster.engines:
        assert engine.kv.free == engine.kv.blocks
        assert engine.kv.sequences == engine.context == 0
        assert engine.outstanding == 0
    return watch


@settings(max_examples=examples(50))
@given(scenario=scenarios(), drain=st.booleans())
def test_requests_are_conserved_and_time_never_goes_back(scenario: Scenario, drain: bool) -> None:
    cluster, steps, ended = run(scenario, drain=drain)
    sums: Counter[str] = Counter()
    for step in steps:
        sums.update({name: getattr(step, name) for name in COUNTED})
        held = step.gateway_waiting + step.deferrable_waiting
        inside = held + step.replica_waiting + step.running
        assert sums["arrived"] == sums["completed"] + sums["rejected"] + inside
        assert sums["admitted"] == sums["completed"] + step.replica_waiting + step.running
    left = cluster.take_in_flight()
    if not scenario.settings and not drain:
        return
    assert sums["arrived"] == len(ended) + len(left)
    assert sums["completed"] == sum(one.outcome is Outcome.COMPLETED for one in ended)
    assert sums["preemptions"] == sum(one.preemptions for one in ended + left)
    by_number = sorted(ended + left, key=lambda one: one.request_id)
    assert [one.request_id for one in by_number] == list(range(len(by_number)))
    now = cluster.env.now
    for request, arrival in zip(by_number, scenario.stream, strict=False):
        assert request.arrival_s == approx(arrival.time_s, 1e-12)
        assert (request.prompt_tokens, request.output_tokens) == arrival[1:3]
        check_times(request, now)
    assert len(by_number) == len(scenario.stream) or not drain


COUNTED = ("arrived", "admitted", "completed", "rejected", "preemptions")


def check_times(request: Request, now: float) -> None:
    """The times that a request must have, in order, and none that it cannot have."""
    times = [
        request.arrival_s,
        request.admitted_s,
        request.scheduled_s,
        request.first_token_s,
        request.finish_s,
    ]
    known = [time for time in times if not math.isnan(time)]
    assert known == times[: len(known)] == sorted(known)
    assert known[-1] <= now
    if request.outcome is Outcome.COMPLETED:
        assert len(known) == 5
        assert request.first_token_s > request.scheduled_s
        assert (request.finish_s > request.first_token_s) == (request.output_tokens > 1)
        assert request.generated_tokens == request.output_tokens
    elif request.outcome is Outcome.REJECTED:
        assert len(known) == 1
        assert request.reason in {"admission_rate", "context_too_long", "kv_cache_too_small"}
        assert request.energy_j == 0
    elif request.outcome is Outcome.RUNNING:
        assert 3 <= len(known) <= 4
    else:
        assert len(known) <= 2 or request.preemptions


@settings(max_examples=examples(50))
@given(scenario=scenarios(), drain=st.booleans())
def test_energy_is_conserved(scenario: Scenario, drain: bool) -> None:
    deployment, step_s = scenario.config, scenario.step_s
    cluster, steps, ended = run(scenario, drain=drain)
    lengths = [step_s] * len(scenario.settings)
    lengths += [10 * step_s] * (len(steps) - len(lengths))
    busy_s = asleep_s = attributed_j = metered_j = 0.0
    groups = deployment.pool.replicas * deployment.pool.pipeline_parallel  # of GPUs in lockstep
    power = deployment.pool.power
    lowest = deployment.gpus * min(power.sleep_w, power.idle_w, power.static_w)
    for step, length in zip(steps, lengths, strict=True):
        assert lowest * (1 - 1e-9) <= step.gpu_power_w
        assert step.gpu_power_w <= deployment.gpus * deployment.pool.power.max_w * (1 + 1e-9)
        assert 0 <= step.busy_fraction <= 1 + 1e-9
        assert 0 <= step.kv_utilisation <= 1
        assert 0 <= step.mfu <= 1
        busy_s += step.busy_fraction * length * groups
        asleep_s += step.asleep_fraction * length * groups
        attributed_j += step.attributed_power_w * length
        metered_j += step.gpu_power_w * length
    left = cluster.take_in_flight()
    idle_s = cluster.env.now * groups - busy_s - asleep_s
    idle_j = (idle_s * power.idle_w + asleep_s * power.sleep_w) * deployment.pool.tensor_parallel
    requests_j = sum(one.energy_j for one in ended + left)
    assert requests_j == approx(attributed_j, 1e-9)
    assert requests_j + idle_j == approx(metered_j, 1e-9)
    for one in ended + left:
        served = not math.isnan(one.scheduled_s) and one.scheduled_s < cluster.env.now
        assert (one.energy_j > 0) == served or one in not_begun(cluster)
    event(f"in flight: {any(one.energy_j for one in left)}")


@settings(max_examples=examples(50))
@given(scenario=scenarios(), data=st.data())
def test_carbon_is_conserved(scenario: Scenario, data: st.DataObject) -> None:
    """The requests bear each step's joules at that step's intensity, in flight or ended."""
    cluster = Cluster(scenario.config, scenario.stream)
    cluster.follow_carbon()
    attributed_g = attributed_j = 0.0
    ended: list[Request] = []
    for settings_of_step in [*scenario.settings, OPEN, {}]:
        cluster.apply(settings_of_step)
        length_s = data.draw(st.sampled_from([scenario.step_s, 700.0]))  # metered in slices
        step = cluster.step(cluster.env.now + length_s)
        g_per_j = data.draw(st.sampled_from([0.0, 1e-5, 3e-4]))
        cluster.settle_carbon(g_per_j)
        ended += cluster.take_ended()
        attributed_j += step.attributed_power_w * length_s
        attributed_g += step.attributed_power_w * length_s * g_per_j
    everyone = ended + cluster.take_in_flight()
    assert sum(one.energy_j for one in everyone) == approx(attributed_j, 1e-9)
    assert sum(one.carbon_g for one in everyone) == approx(attributed_g, 1e-9)
    for one in everyone:
        assert -1e-15 <= one.carbon_g <= one.energy_j * 3e-4 * (1 + 1e-9)


def test_carbon_of_one_request_over_steps_of_different_intensity() -> None:
    """Each step's joules at that step's intensity, for a request that spans several."""
    cluster = Cluster(config(), [Arrival(0.0, 4000, 500, 0)])
    cluster.follow_carbon()
    expected_g = 0.0
    for k in range(1, 9):  # prefill takes longer than the first steps
        step = cluster.step(0.1 * k if k < 8 else 60.0)
        length_s = 0.1 if k < 8 else 59.3
        g_per_j = 1e-4 * (1 + k % 3)
        cluster.settle_carbon(g_per_j)
        expected_g += step.attributed_power_w * length_s * g_per_j
    (request,) = cluster.take_ended()
    assert request.carbon_g == approx(expected_g, 1e-9)


@pytest.mark.parametrize("until_s", [0.05, 0.3, 2.0, 2.1])
def test_energy_of_requests_in_flight(until_s: float) -> None:
    """In a first prefill, in a decode, and in a prefill that makes a decode batch wait."""
    first = [Arrival(0.0, 1500, 400, 0), Arrival(0.0, 500, 300, 0)]
    cluster = Cluster(config(), [*first, Arrival(1.99, 3000, 10, 0)])
    report = cluster.step(until_s)
    served = cluster.take_in_flight()
    assert {one.outcome for one in served} == {Outcome.RUNNING}
    assert len(served) == report.running == (2 if until_s < 1.99 else 3)
    assert math.isnan(served[-1].first_token_s) == (until_s != 0.3)
    assert all(one.energy_j > 0 for one in served)
    energy_j = sum(one.energy_j for one in served)
    assert energy_j == approx(report.attributed_power_w * until_s, 1e-12)


def test_a_lowered_cap_is_not_an_eviction() -> None:
    cluster = Cluster(config(), [Arrival(0.0, 20, 100 + n, 0) for n in range(12)])
    watch = Watch(cluster)
    assert watch.step(0.5).running == 12
    cluster.apply({"batch_cap": 3})
    report = watch.step(1.0)
    assert (report.running, report.preemptions) == (12, 0)
    assert report.pools["main"].settings["batch_cap"] == 3
    assert watch.over_cap
    watch.step(100.0)
    assert cluster.drained


def test_a_raised_cap_acts_at_the_next_iteration() -> None:
    cluster = Cluster(config(batch_cap=1), [Arrival(0.0, 20, 300, 0)] * 4)
    Watch(cluster).step(1.0)
    cluster.apply({"batch_cap": 4})
    Watch(cluster).step(2.0)
    started = sorted(one.scheduled_s for one in cluster.take_in_flight())
    assert started[0] == 0
    assert started[1] == started[3]
    assert 1.0 <= started[1] < 1.0 + 0.012  # an iteration takes 11 ms


@pytest.mark.parametrize("seed", range(3))
def test_same_seed_same_telemetry(seed: int) -> None:
    """To the last bit: two runs of the same seed cannot be told apart; another seed can."""

    def telemetry(stream_seed: int) -> list[str]:
        arrivals, lengths = PoissonArrivals(6.0), UniformLengths(20, 500, 1.0)
        stream = generated_stream(arrivals, lengths, stream_seed, requests=200)
        cluster = Cluster(config(kv_blocks=150, replicas=2, router="least_outstanding"), stream)
        return [repr(cluster.step(10.0 * k)) for k in range(1, 9)]

    assert telemetry(seed) == telemetry(seed)
    assert telemetry(seed) != telemetry(seed + 1)


@settings(max_examples=examples(60))
@given(stream=streams(), kv_blocks=st.integers(21, 54), replicas=st.integers(1, 2))
def test_length_of_steps_does_not_matter(
    stream: list[Arrival], kv_blocks: int, replicas: int
) -> None:
    """Steps of 7 s, of 60 s and of one go: the same times, to the bit, and the same energy."""
    deployment = config(kv_blocks=kv_blocks, replicas=replicas)
    runs = []
    for step_s in (420.0, 60.0, 7.0):
        cluster = Cluster(deployment, stream)
        steps = [cluster.step(step_s * k) for k in range(1, round(420 / step_s) + 1)]
        assert cluster.drained
        energy_j = sum(step.gpu_power_w * step_s for step in steps)
        flops = sum(step.mfu * step_s for step in steps)
        ended = sorted(cluster.take_ended(), key=lambda one: one.request_id)
        runs.append((ended, energy_j, flops))
    once, *cut = runs
    for ended, energy_j, flops in cut:
        assert energy_j == approx(once[1], 1e-9)
        assert flops == approx(once[2], 1e-9)
        for got, expected in zip(ended, once[0], strict=True):
            for name in ("first_token_s", "finish_s", "scheduled_s"):
                assert getattr(got, name) == getattr(expected, name)
            assert got.energy_j == approx(expected.energy_j, 1e-9)


def test_cutting_does_not_matter_under_pressure() -> None:
    scenario = random_scenario(3)
    for settings_of_step in scenario.settings:
        settings_of_step.clear()
    (_, _, coarse), (_, _, fine) = (
        run(Scenario(scenario.config, scenario.stream, step_s, [])) for step_s in (6.0, 0.013)
    )
    assert [one.finish_s for one in fine] == [one.finish_s for one in coarse]
    assert [one.energy_j for one in fine] == approx([one.energy_j for one in coarse], 1e-9)
    assert sum(one.preemptions for one in fine) > 10


def test_endless_streams_are_read_no_further_than_needed() -> None:
    taken = 0

    def counting():
        nonlocal taken
        for arrival in generated_stream(PoissonArrivals(5.0), UniformLengths(20, 50, 1.0), 1):
            taken += 1
            yield arrival

    cluster = Cluster(config(), counting())
    report = cluster.step(30.0)
    assert taken == report.arrived + 1  # the next one is known, and waited for
    assert not cluster.exhausted
    assert len(list(islice(counting(), 3))) == 3
