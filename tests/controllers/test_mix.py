"""A mix of models: the shares with the least emissions at a mean quality."""

from __future__ import annotations

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from controllers import ActuatorLimits, PoolContext
from controllers.example import example_context
from controllers.mix import Mix

TWO = Mix(
    pools=("large", "small"),
    quality=np.array([0.66, 0.48]),
    energy_j=np.array([1000.0, 100.0]),
    capacity_per_s=np.array([10.0, 20.0]),
)


def quality(mix: Mix, shares: np.ndarray, requests: np.ndarray) -> float:
    return float((shares @ mix.quality) @ requests)


def test_a_constant_mix_has_the_quality_that_is_asked_for() -> None:
    shares = TWO.constant(0.6)
    assert shares == pytest.approx([2 / 3, 1 / 3])
    assert TWO.settings(shares) == {"small": pytest.approx(1 / 3, abs=1e-6)}


def test_a_floor_below_the_worst_gives_it_everything() -> None:
    assert TWO.constant(0.1) == pytest.approx([0, 1])


def test_no_mix_is_better_than_the_best_model() -> None:
    with pytest.raises(ValueError, match=r"floor must be at most 0\.66"):
        TWO.check(0.7)


def test_the_better_model_gets_the_clean_hours() -> None:
    intensity, requests = np.array([100.0, 300.0, 200.0]), np.ones(3)
    shares = TWO.least_carbon(intensity, requests, 0.6 * 3, utilisation=1.0)
    assert shares[:, 0] == pytest.approx([1, 0, 1])
    shares = TWO.least_carbon(intensity, requests, 0.57 * 3, utilisation=1.0)
    assert shares[:, 0] == pytest.approx([1, 0, 0.5])


def test_a_quality_out_of_reach_is_come_near_to() -> None:
    shares = TWO.least_carbon(np.ones(2), np.ones(2), 5.0, utilisation=1.0)
    assert shares[:, 0] == pytest.approx([1, 1])


def test_no_pool_gets_more_than_its_room() -> None:
    shares = TWO.least_carbon(np.ones(1), np.array([20.0]), 0.66 * 20, utilisation=0.8)
    assert shares[0] == pytest.approx([0.4, 0.6])  # 8 of 20 requests a second


def test_what_exceeds_all_room_is_shared_by_capacity() -> None:
    shares = TWO.least_carbon(np.ones(1), np.array([90.0]), 0.0, utilisation=1.0)
    assert shares[0] == pytest.approx([1 / 3, 2 / 3])


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.integers(1, 9), st.integers(0, 5)), min_size=1, max_size=3),
    st.integers(0, 10),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)),
    st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)),
)
def test_no_mix_on_a_grid_emits_less(
    periods: list[tuple[int, int]],
    tenths: int,
    scores: tuple[int, int, int],
    joules: tuple[int, int, int],
) -> None:
    mix = Mix(
        pools=("a", "b", "c"),
        quality=np.array(scores, dtype=float),
        energy_j=np.array(joules, dtype=float),
        capacity_per_s=np.full(3, np.inf),
    )
    intensity, requests = (np.array(column, dtype=float) for column in zip(*periods, strict=True))
    floor = min(scores) + (max(scores) - min(scores)) * tenths / 10
    wanted = floor * requests.sum()
    found = mix.least_carbon(intensity, requests, wanted, utilisation=1.0)
    assert found.sum(axis=1) == pytest.approx(np.ones(len(periods)))
    assert quality(mix, found, requests) >= wanted - 1e-6

    def grams(shares: np.ndarray) -> float:
        return float((shares @ mix.energy_j) @ (intensity * requests))

    grid = [(i / 4, j / 4, 1 - (i + j) / 4) for i in range(5) for j in range(5 - i)]
    for rows in product(grid, repeat=len(periods)):
        shares = np.array(rows)
        if quality(mix, shares, requests) >= wanted - 1e-9:
            assert grams(found) <= grams(shares) + 1e-6


def test_pools_need_a_score_in_common() -> None:
    service = example_context().service
    share = {"tier_share": ActuatorLimits(0, 1, 0.5)}
    pools = {
        "large": PoolContext(limits={}, service=service, quality={"mmlu": 0.8}),
        "small": PoolContext(limits=share, service=service, quality={"gpqa": 0.3}),
    }
    context = example_context(pools=pools)
    with pytest.raises(ValueError, match="pool 'large' needs `quality` with a score of the same"):
        Mix.of(context, None)
    with pytest.raises(ValueError, match="pool 'small' needs `quality` with a score of mmlu"):
        Mix.of(context, "mmlu")


def test_energy_is_that_which_a_request_adds() -> None:
    service = example_context().service
    assert service is not None
    share = {"tier_share": ActuatorLimits(0, 1, 0.5)}
    pools = {
        "small": PoolContext(limits=share, service=service, quality={"mmlu": 0.7}),
        "large": PoolContext(limits={}, service=service, quality={"mmlu": 0.8}),
    }
    limits = {"admission_rate": ActuatorLimits(0, 2.0)}
    mix = Mix.of(example_context(pools=pools, limits=limits), None)
    assert mix is not None
    assert mix.pools == ("large", "small")  # the default first
    added_w = service.draw_w(2.0) - service.draw_w(0.0)
    assert mix.energy_j == pytest.approx([added_w / 2, added_w / 2])


def test_a_site_without_shares_is_refused() -> None:
    context = example_context(limits={})
    with pytest.raises(ValueError, match="has no tier_share to set: it needs `pools`"):
        Mix.of(context, None)
