"""Dispatch: which pool serves a request, by shares, by length and by energy."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from inference_sim.cluster import Cluster
from inference_sim.decode_energy import DecodeEnergy
from inference_sim.deployment import ClusterConfig
from inference_sim.dispatch import ByLength, Dispatch, DispatchRule, LeastEnergy, Tiers
from inference_sim.errors import InferenceSimError
from inference_sim.hardware import find_gpu
from inference_sim.power import PowerTable, TwoResource
from inference_sim.request import Outcome, Request
from inference_sim.workload import Arrival
from tests.inference_sim.builders import approx, at_once, config
from tests.strategies import CLASSES, streams

H100 = find_gpu("h100-sxm-80gb")
ON_H100: dict[str, Any] = {"gpu": H100, "power": TwoResource.of(H100)}


def pooled(rule: DispatchRule, **pools: dict[str, Any]) -> ClusterConfig:
    """A cluster of named pools of Llama-2-7b on A100s, each with fields of its own."""
    base = config(classes=CLASSES)
    of_pools = tuple(replace(base.pool, name=name, **own) for name, own in pools.items())
    return replace(base, pools=of_pools, dispatch=rule)


def dispatch(rule: DispatchRule, *names: str, seed: int = 0) -> Dispatch:
    """A dispatch between pools that are alike."""
    cluster = Cluster(pooled(LeastEnergy(), **{name: {} for name in names}), [])
    return rule.between(list(cluster.pools.values()), CLASSES, seed)


def pools_of(chooser: Dispatch, requests: Sequence[Request]) -> list[str]:
    return [chooser.choose(request).name for request in requests]


def requests(count: int, class_id: int = 0) -> list[Request]:
    return [Request(number, 0.0, 100, 10, class_id) for number in range(count)]


# Conserved


@st.composite
def rules(draw: st.DrawFn) -> DispatchRule:
    """Any rule between pools a, b and c."""
    share = draw(st.floats(0, 1))
    shares = {"b": share, "c": (1 - share) * draw(st.floats(0, 1))}
    tiers = Tiers("a", shares, draw(st.sampled_from([{}, {"batch": {"c": 1.0}}])))
    by_length = ByLength(draw(st.integers(1, 160)), draw(st.sampled_from("abc")), "b")
    energy = LeastEnergy(draw(st.sampled_from([None, 0.009, 0.02])))
    return draw(st.sampled_from([tiers, by_length, energy]))


@given(rules(), streams(), st.lists(st.integers(1, 3), min_size=3, max_size=3))
def test_requests_tokens_and_energy_are_conserved(
    rule: DispatchRule, stream: list[Arrival], replicas: list[int]
) -> None:
    a, b, c = replicas
    cluster = Cluster(
        pooled(
            rule,
            a={"replicas": a},
            b={"replicas": b, "kv_blocks": 24},
            c={"replicas": c, "batch_cap": 2, **ON_H100},
        ),
        stream,
    )
    steps = []
    while not cluster.drained:
        assert len(steps) < 500
        steps.append(cluster.step(cluster.env.now + 5.0))
    ended = cluster.take_ended()
    assert sorted(request.request_id for request in ended) == list(range(len(stream)))
    assert {request.outcome for request in ended} <= {Outcome.COMPLETED}
    bounds = {"a": range(a), "b": range(a, a + b), "c": range(a + b, a + b + c)}
    by_pool = {
        name: [request for request in ended if request.replica in replicas_of]
        for name, replicas_of in bounds.items()
    }
    assert sum(len(served) for served in by_pool.values()) == len(stream)
    assert sum(request.generated_tokens for request in ended) == sum(
        arrival.output_tokens for arrival in stream
    )
    for name, served in by_pool.items():
        attributed_j = 5.0 * sum(step.pools[name].attributed_power_w for step in steps)
        assert sum(request.energy_j for request in served) == approx(attributed_j, 1e-9)
    for step in steps:
        powers_w = [pool.gpu_power_w for pool in step.pools.values()]
        assert step.gpu_power_w == approx(math.fsum(powers_w), 1e-12)


# Tiers


@given(st.floats(0, 1), st.integers(0, 2**32))
def test_a_pool_gets_the_share_that_was_asked_for(share: float, seed: int) -> None:
    count = 2000
    chosen = pools_of(dispatch(Tiers("a", {"b": share}), "a", "b", seed=seed), requests(count))
    found = binomtest(chosen.count("b"), count).proportion_ci(1 - 1e-9)
    assert found.low <= share <= found.high


def test_classes_may_have_shares_of_their_own() -> None:
    chooser = dispatch(Tiers("a", {"b": 0.2}, {"batch": {"b": 0.9}}), "a", "b")
    chat, batch = (Counter(pools_of(chooser, requests(4000, number))) for number in (0, 1))
    assert binomtest(chat["b"], 4000, 0.2).pvalue > 1e-6
    assert binomtest(batch["b"], 4000, 0.9).pvalue > 1e-6


@given(st.floats(0, 1), st.floats(0, 1))
def test_raising_a_share_moves_requests_to_that_pool_alone(share: float, higher: float) -> None:
    share, higher = sorted((share, higher))
    before, after = (
        pools_of(dispatch(Tiers("a", {"b": one}), "a", "b"), requests(500))
        for one in (share, higher)
    )
    moved = {(was, now) for was, now in zip(before, after, strict=True) if was != now}
    assert moved <= {("a", "b")}


@given(st.floats(0, 0.5), st.floats(0, 0.5), st.floats(0, 0.5))
def test_with_several_that_of_the_last_one_takes_from_the_rest(
    first: float, share: float, higher: float
) -> None:
    share, higher = sorted((share, higher))
    before, after = (
        pools_of(dispatch(Tiers("a", {"b": first, "c": one}), "a", "b", "c"), requests(500))
        for one in (share, higher)
    )
    moved = {(was, now) for was, now in zip(before, after, strict=True) if was != now}
    assert moved <= {("a", "c")}


def test_sessions_stay_together() -> None:
    chooser = dispatch(Tiers("a", {"b": 0.5}), "a", "b")
    turns = requests(3000)
    for request in turns:
        request.session = request.request_id % 300
    chosen = pools_of(chooser, turns)
    by_session = [set(chosen[session::300]) for session in range(300)]
    assert {len(pools) for pools in by_session} == {1}
    assert binomtest(sum(pools == {"b"} for pools in by_session), 300, 0.5).pvalue > 1e-6


def test_a_share_set_while_running_takes_effect_at_once() -> None:
    stream = [Arrival(0.01 * number, 16, 1, 0) for number in range(400)]
    cluster = Cluster(pooled(Tiers("a", {"b": 0.0}), a={}, b={}), stream)
    assert cluster.step(2.0).pools["b"].settings["tier_share"] == 0
    cluster.apply({"tier_share": {"b": 1.0}})
    cluster.step(60.0)
    replicas = {request.request_id: request.replica for request in cluster.take_ended()}
    # request 200 comes as the step begins, before anything can be set
    assert {replicas[number] for number in range(200)} == {0}
    assert {replicas[number] for number in range(201, 400)} == {1}


def test_the_default_pool_has_no_share_to_set() -> None:
    cluster = Cluster(pooled(Tiers("a", {"a": 0.5, "b": 0.5}), a={}, b={}), [])
    assert [name for name, pool in cluster.pools.items() if "tier_share" in pool.knobs] == ["b"]


def test_shares_that_exceed_the_whole_are_errors() -> None:
    cluster = Cluster(pooled(Tiers("a", {"b": 0.3, "c": 0.5}), a={}, b={}, c={}), [])
    for wrong in ({"b": -0.1}, {"b": 1.2}, {"b": 0.6}, {"c": 0.8}):
        with pytest.raises(InferenceSimError, match="tier_share must be from 0 to what other"):
            cluster.apply({"tier_share": wrong})
    for pools in ({"b": 0.9, "c": 0.1}, {"b": 0.1, "c": 0.9}, {"c": 0.0, "b": 1.0}):
        cluster.apply({"tier_share": pools})  # whichever is set first
        found = {name: cluster.pools[name].knobs["tier_share"].get() for name in pools}
        assert found == pools


@pytest.mark.parametrize(
    ("rule", "message"),
    [
        (Tiers("z"), "no pool is named 'z'; known: a, b"),
        (Tiers("a", {"z": 0.1}), "no pool is named 'z'"),
        (Tiers("a", {"b": 1.1}), "shares add up to 1.1; expected 1 at most"),
        (Tiers("a", {}, {"batch": {"z": 0.1}}), "no pool is named 'z'"),
        (Tiers("a", {}, {"batch": {"b": 1.1}}), "by_class.batch add up to 1.1"),
        (Tiers("a", {}, {"night": {"b": 0.1}}), "no class is named 'night' .known: chat, batch"),
        (ByLength(10, "a", "z"), "no pool is named 'z'"),
    ],
)
def test_rules_that_cannot_be_followed(rule: DispatchRule, message: str) -> None:
    with pytest.raises(InferenceSimError, match=message):
        dispatch(rule, "a", "b")


# Requests that are too long


def test_a_request_too_long_for_its_pool_goes_to_one_that_can_serve_it() -> None:
    stream = [Arrival(0.0, tokens, 8, 0) for tokens in (50, 180, 400)]
    limits: dict[str, dict[str, Any]] = {"a": {"max_model_len": 256}, "b": {"max_model_len": 100}}
    cluster = Cluster(pooled(Tiers("a", {"b": 1.0}), **limits), stream)
    cluster.step(100.0)
    ended = {request.prompt_tokens: request for request in cluster.take_ended()}
    assert [ended[50].replica, ended[180].replica] == [1, 0]
    assert ended[400].outcome is Outcome.REJECTED
    assert cluster.rejections == Counter({"context_too_long": 1})


# By length


def test_prompts_up_to_the_threshold_are_short() -> None:
    chooser = dispatch(ByLength(100, "a", "b"), "a", "b")
    prompts = [Request(number, 0.0, number, 500, 0) for number in (1, 99, 100, 101, 5000)]
    assert pools_of(chooser, prompts) == ["a", "a", "a", "b", "b"]


# By energy


def test_energy_per_token_is_that_of_an_engine_that_decodes() -> None:
    """A second in the middle of the answers, in which nothing else is done."""
    tokens: list[int] = []
    for end_s in (2.0, 3.0):
        cluster = Cluster(config(), at_once(8, 500, 600))
        cluster.step(2.0)
        step = cluster.step(end_s) if end_s > 2.0 else None
        tokens.append(sum(request.generated_tokens for request in cluster.take_in_flight()))
    assert step is not None
    given = tokens[1] - tokens[0]
    context = 500 + round(sum(tokens) / 16)
    (pool,) = cluster.pools.values()
    cost = DecodeEnergy(pool.config).of(pool.pace.stages, 8, context)
    assert cost.energy_j == pytest.approx(step.gpu_power_w / given, rel=0.01)
    assert cost.duration_s == pytest.approx(8 / given, rel=0.01)


def table(*powers_w: float) -> PowerTable:
    """The power of a batch of 1 and of 5 [W]."""
    return PowerTable(idle_w=70, sleep_w=50, max_w=330, batches=(1, 5), powers_w=powers_w)


def test_a_request_goes_where_its_token_costs_least() -> None:
    """By hand: pools alike but for their power, so that their times cancel out.

    One sequence costs 120 t in a and 150 t in b. A second one in a costs (120 + 210) / 2 / 2 of
    142.5 / 2 = 71 t, less than the first one in b. With 4 in b a fifth costs 160 / 5 = 32 t there,
    less than the first in a.
    """
    pools: dict[str, dict[str, Any]] = {
        "a": {"power": table(120, 210)},
        "b": {"power": table(150, 160)},
    }
    cluster = Cluster(pooled(LeastEnergy(), **pools), at_once(3, 100, 300))
    cluster.step(0.5)
    assert [pool.running for pool in cluster.pools.values()] == [3, 0]
    cluster = Cluster(pooled(LeastEnergy(), **pools), [])
    for request in requests(4):
        cluster.pools["b"].submit(request)
    chooser = LeastEnergy().between(list(cluster.pools.values()), CLASSES, 0)
    assert pools_of(chooser, requests(1)) == ["b"]


def test_a_full_pool_is_left() -> None:
    pools: dict[str, dict[str, Any]] = {
        "a": {"power": table(120, 210), "batch_cap": 2},
        "b": {"power": table(150, 160)},
    }
    cluster = Cluster(pooled(LeastEnergy(), **pools), at_once(3, 100, 300))
    cluster.step(0.5)
    assert [pool.running for pool in cluster.pools.values()] == [2, 1]


def test_a_late_pool_is_left_for_a_faster_one() -> None:
    """An A100 at half its clock takes 14.0 ms and 1.78 J for a token, an H100 5.7 ms and 2.52 J."""
    for tpot_s, expected in ((None, "old"), (0.02, "old"), (0.01, "new"), (0.001, "new")):
        cluster = Cluster(pooled(LeastEnergy(tpot_s), old={}, new=ON_H100), [])
        cluster.apply({"clock_fraction": {"old": 0.5}})
        chooser = LeastEnergy(tpot_s).between(list(cluster.pools.values()), CLASSES, 0)
        assert pools_of(chooser, [Request(0, 0.0, 512, 10, 0)]) == [expected]
