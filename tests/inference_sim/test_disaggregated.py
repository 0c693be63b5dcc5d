"""Prefill and decode apart: nothing is lost on the way, and known cases come out by formula."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import pytest
import simpy
from hypothesis import assume, event, given, settings
from hypothesis import strategies as st

from inference_sim.clients import Clients, Patience
from inference_sim.cluster import Cluster
from inference_sim.deployment import ClusterConfig
from inference_sim.disaggregated import DecodeEngine, PrefillEngine
from inference_sim.dispatch import Disaggregated
from inference_sim.errors import InferenceSimError
from inference_sim.execution import find_engine
from inference_sim.kv_transfer import KvTransfer
from inference_sim.kv_transfers import KvTransfers
from inference_sim.models import find_model
from inference_sim.pool_config import PoolConfig
from inference_sim.request import Outcome, Request
from inference_sim.scheduling.releases import RELEASES
from inference_sim.segment import Segment
from inference_sim.speculative import Speculative
from inference_sim.workload import Arrival, FixedLengths, PoissonArrivals, generated_stream
from tests.inference_sim.builders import OPEN, approx, at_once, config, prefill, serve
from tests.inference_sim.test_closed_forms import roofline
from tests.inference_sim.test_invariants import Watch
from tests.samples import examples
from tests.strategies import A100, LLAMA2_7B, Scenario, actuators, engines, streams

INSTANT = KvTransfer(bytes_per_s=math.inf)
ONE = config(scheduler="vllm_v1", kv_blocks=700)


def apart(transfer: KvTransfer = INSTANT, local_tokens: int = 0, **changes: Any) -> ClusterConfig:
    """A prefill and a decode pool of Llama-2-7b, of one A100 each."""
    pool = replace(ONE.pool, **changes)
    return ClusterConfig(
        pools=(
            replace(pool, name="prefill", role="prefill"),
            replace(pool, name="decode", role="decode"),
        ),
        dispatch=Disaggregated(local_tokens),
        kv_transfer=transfer,
    )


@pytest.mark.parametrize("release", [None, *RELEASES])
@pytest.mark.parametrize("prompt", [5, 16, 1000, 5000])
def test_one_request_over_instant_links_takes_the_time_of_one_engine(
    prompt: int, release: str | None
) -> None:
    stream = [Arrival(0.7, prompt, 50, 0)]
    rules: dict[str, Any] = {"release": release, "max_batch_tokens": 2048, "max_model_len": 5100}
    pool = replace(ONE.pool, **rules)
    _, (together,) = serve(replace(ONE, pools=(pool,)), stream)
    _, (split,) = serve(apart(**rules), stream)
    assert split.first_token_s == approx(together.first_token_s, 1e-9)
    assert split.finish_s == approx(together.finish_s, 1e-9)
    assert split.energy_j == approx(together.energy_j, 1e-9)


@pytest.mark.parametrize(
    ("model", "size_bytes"),
    [
        ("meta-llama/Llama-3.1-8B-Instruct", 536_870_912),
        ("meta-llama/Llama-3.1-70B-Instruct", 1_342_177_280),
    ],
)
@pytest.mark.parametrize("tensor_parallel", [1, 4, 16])
def test_kv_of_a_prompt_of_4096_tokens(model: str, size_bytes: int, tensor_parallel: int) -> None:
    """Of 2 x 8 heads x 128 values x 2 bytes in 32 or 80 layers, however they are spread."""
    pool = replace(ONE.pool, model=find_model(model), tensor_parallel=tensor_parallel)
    assert 4096 * pool.kv_bytes_per_token == size_bytes


@pytest.mark.parametrize("layerwise", [False, True])
@pytest.mark.parametrize("bytes_per_s", [1e9, 1e10, 1e12])
def test_the_gap_before_the_second_token_holds_the_transfer(
    bytes_per_s: float, layerwise: bool
) -> None:
    """By the formula: latency and bytes, less the prefill but for its last layer."""
    links = KvTransfer(bytes_per_s=bytes_per_s, latency_s=0.02, layerwise=layerwise)
    stream = [Arrival(0.0, 3000, 9, 0)]
    deployment = replace(apart(links, max_batch_tokens=1024))
    cluster = Cluster(deployment, stream)
    cluster.step(100.0)
    (split,) = cluster.take_ended()
    _, (together,) = serve(replace(ONE, pools=(replace(ONE.pool, max_batch_tokens=1024),)), stream)
    transfer_s = 0.02 + 3000 * 2 * 32 * 128 * 2 * 32 / bytes_per_s
    prefill_s = together.first_token_s
    if layerwise:
        transfer_s = max(0.0, transfer_s - prefill_s * (1 - 1 / 32))
    assert split.first_token_s == approx(together.first_token_s, 1e-9)
    assert split.finish_s - together.finish_s == pytest.approx(transfer_s, abs=1e-9)
    assert cluster.handover is not None
    assert cluster.handover.transfers.count == 1


def test_transfers_share_the_links() -> None:
    """Three at once on two links: each has two thirds of one, and none more than one of its own."""
    links = KvTransfer(bytes_per_s=1e9, links=2)
    deployment = apart(links)
    stream = at_once(3, 800, 3)
    _, (first, *others) = serve(deployment, stream)
    size_s = 800 * ONE.pool.kv_bytes_per_token / 1e9
    decode_s = first.finish_s - first.first_token_s - 1.5 * size_s
    assert all(one.first_token_s == first.first_token_s for one in others)  # in one iteration
    assert 0 < decode_s < 0.05
    _, (alone,) = serve(deployment, stream[:1])
    assert alone.finish_s - alone.first_token_s == pytest.approx(size_s + decode_s, abs=2e-3)


def test_a_short_prompt_stays_where_it_decodes() -> None:
    cluster = Cluster(apart(local_tokens=100), [Arrival(0.0, 100, 5, 0), Arrival(9.0, 101, 5, 0)])
    cluster.step(20.0)
    assert [engine.prefilled_tokens for engine in cluster.engines] == [101, 100]
    assert cluster.handover is not None
    assert cluster.handover.transfers.count == 1


def test_mean_wait_of_a_prefill_replica() -> None:
    """M/D/1: Poisson arrivals, prompts one at a time, equal lengths (Pollaczek-Khinchine)."""
    tokens, load = 600, 0.6
    deployment = apart(max_batch_tokens=tokens, max_model_len=tokens + 4, kv_blocks=None)
    service_s = prefill(roofline(replace(ONE, pools=(deployment.pools[0],))), [tokens]).duration_s
    arrivals = PoissonArrivals(load / service_s)
    stream = generated_stream(arrivals, FixedLengths(tokens, 2), 1, requests=20_000)
    _, requests = serve(deployment, stream)
    waits_s = np.array([one.scheduled_s - one.arrival_s for one in requests])
    expected_s = load * service_s / (2 * (1 - load))
    means_s = waits_s.reshape(20, -1).mean(axis=1)  # batches of 1,000 are nearly independent
    assert abs(waits_s.mean() - expected_s) < 3 * means_s.std(ddof=1) / math.sqrt(20)


def test_links_draw_power_while_they_work() -> None:
    links = KvTransfer(bytes_per_s=1e9, links=2, power_w_per_link=30.0)
    stream = at_once(5, 700, 4)
    telemetry, _ = serve(apart(links, host_power_w=11.0), stream, until_s=50.0)
    size_bytes = 5 * 700 * ONE.pool.kv_bytes_per_token
    assert telemetry.host_power_w == approx(2 * 11.0 + 30.0 * size_bytes / 1e9 / 50, 1e-9)
    assert sum(pool.host_power_w for pool in telemetry.pools.values()) == 22.0


@st.composite
def deployments(draw: st.DrawFn) -> ClusterConfig:
    """Up to two pools of each role, with little KV memory and slow links."""
    release = draw(st.sampled_from([None, *RELEASES]))
    common = PoolConfig(
        model=LLAMA2_7B,
        gpu=A100,
        engine=draw(engines()),
        power=ONE.pool.power,
        scheduler="vllm_v1",
        release=release,
        max_batch_tokens=draw(st.sampled_from([320, 600, None])),
    )
    cap = st.integers(1, 24)
    blocks = st.integers(21, 54)
    pools: list[PoolConfig] = []
    for role, most in (("prefill", 2), ("decode", 2), ("both", 1)):
        for number in range(draw(st.integers(0 if role == "both" else 1, most))):
            name = f"{role}{number}"
            pool = replace(
                common,
                name=name,
                replicas=draw(st.integers(1, 2)),
                batch_cap=draw(cap),
                kv_blocks=draw(blocks),
                startup_s=draw(st.sampled_from([0.0, 0.5])),
            )
            pools.append(replace(pool, role=role))
    transfer = KvTransfer(
        bytes_per_s=draw(st.sampled_from([math.inf, 1e8, 3.3e9])),
        latency_s=draw(st.sampled_from([0.0, 0.013, 0.7])),
        links=draw(st.integers(1, 3)),
        power_w_per_link=7.0,
        layerwise=draw(st.booleans()),
    )
    return ClusterConfig(
        pools=tuple(draw(st.permutations(pools))),
        dispatch=Disaggregated(draw(st.sampled_from([0, 0, 16, 90]))),
        kv_transfer=transfer,
    )


@st.composite
def scenarios(draw: st.DrawFn) -> Scenario:
    """Such a deployment, whose actuators move."""
    deployment = draw(deployments())
    fewest = min(pool.replicas for pool in deployment.pools)
    values = actuators(fewest)
    values.pop("deferrable_rate")
    moves = st.fixed_dictionaries({}, optional=values)
    stream = [arrival._replace(class_id=0) for arrival in draw(streams())]
    step_s = draw(st.sampled_from([0.37, 1.3, 5.0]))
    return Scenario(deployment, stream, step_s, draw(st.lists(moves, max_size=8)))


class Noted(KvTransfers):
    """Transfers whose sizes are noted, and when those land that take some time."""

    def __init__(self, env: simpy.Environment, config: KvTransfer | None) -> None:
        assert config is not None
        super().__init__(env, config)
        self.env = env
        self.sizes: list[float] = []
        self.landings_s: list[float] = []

    def start(self, size_bytes: float, overlap_s: float, on_end: Callable[[], None]) -> None:
        began_s = self.env.now
        self.sizes.append(size_bytes)

        def at_end() -> None:
            if self.env.now > began_s:
                self.landings_s.append(self.env.now)
            on_end()

        super().start(size_bytes, overlap_s, at_end)


def patience() -> st.SearchStrategy[Patience]:
    return st.builds(
        Patience, st.sampled_from([0.31, 2.3, 9.1]), st.integers(0, 1), st.just(0.77)
    ) | st.just(Patience())


@settings(max_examples=examples(100))
@given(scenario=scenarios(), patience=patience())
def test_nothing_is_lost_at_any_event(scenario: Scenario, patience: Patience) -> None:
    """Requests, tokens, KV blocks and energy are conserved, whoever gives up."""
    clients = Clients(patience=patience)
    cluster = Cluster(scenario.config, scenario.stream, clients=clients)
    assert cluster.handover is not None
    transfers = cluster.handover.transfers = Noted(cluster.env, cluster.handover.transfers.config)
    watch = Watch(cluster)
    steps = []
    lengths_s = [scenario.step_s] * len(scenario.settings)
    for set_now in scenario.settings:
        cluster.apply(set_now)
        steps.append(watch.step(cluster.env.now + scenario.step_s))
    cluster.apply(OPEN)
    lengths_s.append(1e4 - cluster.env.now)
    steps.append(watch.step(1e4))
    assert cluster.drained
    ended = cluster.take_ended()
    assert cluster.arrived == len(ended) == len(scenario.stream) + clients.retried
    outcomes = Counter(one.outcome for one in ended)
    assert outcomes[Outcome.COMPLETED] == cluster.completed
    assert outcomes[Outcome.TIMED_OUT] == cluster.timed_out
    for engine in cluster.engines:
        assert engine.kv.free == engine.kv.blocks
        assert engine.kv.sequences == engine.context == engine.outstanding == 0
        assert engine.kv.loads_under_way == 0
    assert not cluster.handover._senders
    assert transfers.count == len(transfers.sizes)
    served_j = sum(
        step.attributed_power_w * length for step, length in zip(steps, lengths_s, strict=True)
    )
    assert sum(one.energy_j for one in ended) == approx(served_j, 1e-6)
    preempted = any(one.preemptions for one in ended)
    if not cluster.timed_out and not preempted:
        assert sum(engine.prefilled_tokens for engine in cluster.engines) == sum(
            one.prompt_tokens for one in ended if one.outcome is Outcome.COMPLETED
        )
    links_j = sum(
        (step.host_power_w - sum(pool.host_power_w for pool in step.pools.values())) * length
        for step, length in zip(steps, lengths_s, strict=True)
    )
    busy_s = sum(transfers.sizes) / transfers.config.bytes_per_s
    assert links_j == pytest.approx(7.0 * busy_s, rel=1e-6, abs=1e-6)
    event(f"timed out: {cluster.timed_out > 0}")
    event(f"evicted: {preempted}")
    event(f"transfers: {transfers.count > 0}")


@settings(max_examples=examples(100))
@given(scenario=scenarios(), patience=patience())
def test_segments_agree_with_one_event_per_iteration(
    scenario: Scenario, patience: Patience
) -> None:
    """But where something happens at the end of an iteration to the last digit.

    Iterations of equal length make such ties: a prompt and a decode that begin together may end
    together, and the decode engine then sees the request at once or an iteration later.
    """
    outcomes: list[list[Request]] = []
    ends_s, decode_ends_s = [-math.inf, math.inf], [-math.inf, math.inf]
    landings_s: list[float] = []
    for stepwise in (False, True):
        pools = tuple(replace(pool, stepwise=stepwise) for pool in scenario.config.pools)
        deployment = replace(scenario.config, pools=pools)
        cluster = Cluster(deployment, scenario.stream, clients=Clients(patience=patience))
        for engine in cluster.engines:
            engine.meter.on_record = partial(
                note_ends, ends_s, decode_ends_s if isinstance(engine, DecodeEngine) else []
            )
        assert cluster.handover is not None
        transfers = cluster.handover.transfers = Noted(cluster.env, scenario.config.kv_transfer)
        for set_now in scenario.settings:
            cluster.apply(set_now)
            cluster.step(cluster.env.now + scenario.step_s)
        cluster.apply(OPEN)
        cluster.step(1e4)
        assert cluster.drained
        outcomes.append(sorted(cluster.take_ended(), key=lambda one: one.request_id))
        landings_s += transfers.landings_s
    acts_s = [one.arrival_s for one in outcomes[1]]
    if patience.timeout_s < math.inf:
        acts_s += [one.arrival_s + patience.timeout_s for one in outcomes[1]]
    assume(not any_tie(ends_s, acts_s + landings_s))
    assume(not any_tie(decode_ends_s, [one.first_token_s for one in outcomes[1]]))
    for quick, plain in zip(*outcomes, strict=True):
        for name in ("outcome", "replica", "preemptions", "generated_tokens"):
            assert getattr(quick, name) == getattr(plain, name), name
        for name in ("scheduled_s", "first_token_s", "finish_s", "energy_j"):
            assert getattr(quick, name) == approx(getattr(plain, name), 1e-9), name
    event(f"evicted: {any(one.preemptions for one in outcomes[1])}")


def note_ends(all_s: list[float], own_s: list[float], segments: Sequence[Segment]) -> None:
    """Note when segments have ended, in two lists."""
    for segment in segments:
        all_s.append(segment.start_s + segment.elapsed_s(segment.iterations))
        own_s.append(all_s[-1])


def any_tie(ends_s: list[float], acts_s: list[float]) -> bool:
    """Whether something happens when an iteration ends, to the last digit."""
    ends, acts = np.sort(ends_s), np.array([one for one in acts_s if math.isfinite(one)])
    after = np.searchsorted(ends, acts)
    return bool(np.any(np.minimum(ends[after] - acts, acts - ends[after - 1]) < 1e-9))


def test_an_evicted_sequence_is_computed_where_it_decodes() -> None:
    deployment = apart()
    small = replace(deployment.pools[1], kv_blocks=70)
    deployment = replace(deployment, pools=(deployment.pools[0], small))
    cluster = Cluster(deployment, at_once(2, 500, 120))
    cluster.step(100.0)
    ended = cluster.take_ended()
    assert sum(one.preemptions for one in ended) > 0
    assert cluster.engines[0].prefilled_tokens == 1000
    assert cluster.engines[1].prefilled_tokens > 500


def test_blocks_stay_in_the_prefill_pool_until_they_are_read() -> None:
    """The second prompt does not fit beside the first one's blocks, so it waits for the link."""
    links = KvTransfer(bytes_per_s=2e8)
    deployment = apart(links, kv_blocks=40)
    cluster = Cluster(deployment, at_once(2, 400, 4))
    engine = cluster.engines[0]
    assert isinstance(engine, PrefillEngine)
    size_s = 400 * ONE.pool.kv_bytes_per_token / 2e8
    cluster.step(size_s / 2)
    assert len(engine.sending) == 1
    assert len(engine.waiting) == 1
    cluster.step(100.0)
    first, second = sorted(cluster.take_ended(), key=lambda one: one.request_id)
    assert second.scheduled_s == approx(first.first_token_s + size_s, 1e-9)


MISTAKES: list[tuple[dict[str, Any], str]] = [
    ({"pipeline_parallel": 2}, "pipeline stages"),
    ({"speculative": Speculative(draft_tokens=2, accepted_tokens=1.0)}, "speculative"),
    ({"scheduler": "sarathi"}, "vllm_v1"),
    ({"prefix_caching": True}, "prefix_caching is not modelled with role decode"),
    ({"model": find_model("Qwen/Qwen2.5-7B-Instruct")}, "one model"),
    ({"model": replace(LLAMA2_7B, kv_bytes_per_value=1.0)}, "one KV layout"),
    ({"role": "prefill"}, "needs a pool of role decode"),
]


@pytest.mark.parametrize(("changes", "reason"), MISTAKES)
def test_pools_that_cannot_be_partners(changes: dict[str, Any], reason: str) -> None:
    first, second = apart().pools
    deployment = replace(apart(), pools=(first, replace(second, **changes)))
    with pytest.raises(InferenceSimError, match=reason):
        deployment.check()


def test_links_belong_to_roles() -> None:
    with pytest.raises(InferenceSimError, match="need kv_transfer"):
        replace(apart(), kv_transfer=None).check()
    with pytest.raises(InferenceSimError, match="there are none"):
        replace(ONE, kv_transfer=INSTANT).check()


def test_a_request_needs_both_pools() -> None:
    """One that no decode pool can hold is refused, and one that only decode holds stays there."""
    first, second = apart(engine=find_engine("none")).pools
    small = replace(apart(), pools=(first, replace(second, kv_blocks=20)))
    _, (refused,) = serve(small, [Arrival(0.0, 500, 5, 0)])
    assert refused.outcome is Outcome.REJECTED
    other = replace(apart(), pools=(replace(first, kv_blocks=20), second))
    cluster = Cluster(other, [Arrival(0.0, 500, 5, 0)])
    cluster.step(100.0)
    assert cluster.completed == 1
    assert cluster.engines[1].prefilled_tokens == 500
