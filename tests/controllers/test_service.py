"""A deployment as numbers to plan with: capacity, the batch that an objective allows, the draw."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers import ClassInfo
from controllers.service import LoadSplit
from tests.controllers.builders import service
from tests.controllers.planning import BATCH, CHAT, LONG, SHORT

SITE = service(replicas=4)


@pytest.mark.parametrize(
    ("tpot_s", "clock", "batch"),
    [
        (None, 1.0, 8),
        (0.024, 1.0, 8),
        (0.0239, 1.0, 4),
        (0.012, 1.0, 2),
        (0.001, 1.0, 1),  # none is quick enough: the least
        (0.024, 0.5, 4),  # tokens take 1.5 times as long
        (0.018, 0.75, 2),  # and 1.25 times in between
        (0.0125, 0.75, 1),
    ],
)
def test_the_largest_batch_within_an_objective(
    tpot_s: float | None, clock: float, batch: float
) -> None:
    assert SITE.largest_batch(tpot_s, clock) == batch


@given(st.floats(0.001, 0.1), st.floats(0.001, 0.1), st.floats(0.5, 1), st.floats(0.5, 1))
def test_a_looser_objective_or_a_higher_clock_allows_no_smaller_batch(
    one_s: float, other_s: float, clock: float, other: float
) -> None:
    strict, loose = sorted((one_s, other_s))
    slow, fast = sorted((clock, other))
    assert SITE.largest_batch(strict, slow) <= SITE.largest_batch(loose, slow)
    assert SITE.largest_batch(strict, slow) <= SITE.largest_batch(strict, fast)
    assert SITE.capacity_per_s(strict) <= SITE.capacity_per_s(loose) <= SITE.capacity_per_s()


def test_between_two_clocks_tables_are_linear() -> None:
    assert SITE.at_clock(SITE.tpot_s, 0.75) == pytest.approx(1.25 * SITE.tpot_s[1])
    assert SITE.at_clock(SITE.power_w, 1.0).tolist() == SITE.power_w[1].tolist()
    assert SITE.at_clock(SITE.power_w, 0.1).tolist() == SITE.power_w[0].tolist()


def test_capacity() -> None:
    assert SITE.capacity_per_s() == pytest.approx(4 * 8 / 0.24)
    assert SITE.capacity_per_s(replicas=1) == pytest.approx(8 / 0.24)
    assert SITE.capacity_per_s(0.012, replicas=2) == pytest.approx(2 * 2 / 0.12)
    rising = np.array([[1.0, 4, 3, 2]] * 2)  # where larger batches are not faster
    assert service(rate_per_s=rising).capacity_per_s() == 4


def test_draw() -> None:
    full = 8 / 0.24
    assert SITE.draw_w(0.0) == 400  # idle
    assert SITE.draw_w(4 * full) == pytest.approx(2000)
    assert SITE.draw_w(40 * full) == pytest.approx(2000)  # what exceeds the capacity draws no more
    assert SITE.draw_w(full, replicas=2) == pytest.approx(2 * 300 + 2 * 20)  # two are asleep
    assert SITE.draw_w(np.array([[0.0, 2 * full]])) == pytest.approx(np.array([[400, 1200]]))


@given(st.lists(st.floats(0, 500), min_size=2, max_size=20), st.integers(1, 4))
def test_more_load_draws_no_less(rates: list[float], replicas: int) -> None:
    draw_w = SITE.draw_w(np.sort(rates), replicas)
    assert (np.diff(draw_w) >= -1e-9).all()
    assert draw_w[0] >= SITE.idle_w * replicas + SITE.sleep_w * (4 - replicas)


def test_its_tables_are_its_own_and_read_only() -> None:
    batches = np.array([1.0, 2, 4, 8])
    made = service(batches=batches)
    batches[0] = 5
    assert made.batches[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        made.batches[0] = 5


class TestLoadSplit:
    def test_in_mean_requests(self) -> None:
        split = LoadSplit.of((SHORT, LONG))
        assert split.interactive_load == pytest.approx(0.25 * 0.4)
        assert (split.deferrable_share, split.deferrable_weight) == (0.75, pytest.approx(1.2))
        total = split.interactive_load + split.deferrable_share * split.deferrable_weight
        assert total == pytest.approx(1)
        assert (split.may_wait_s, split.tpot_slo_s) == (7000, 0.05)

    def test_several_deferrable_classes_count_by_their_shares(self) -> None:
        classes = [
            ClassInfo(name="a", share=0.5, deferrable=True, weight=0.5, latest_start_s=600),
            ClassInfo(name="b", share=0.1, deferrable=True, weight=3.5, latest_start_s=300),
            ClassInfo(name="c", share=0.4, weight=1.0),
            ClassInfo(name="none", share=0.0, deferrable=True, weight=9, latest_start_s=1),
        ]
        split = LoadSplit.of(classes)
        assert split.deferrable_weight == pytest.approx((0.5 * 0.5 + 0.1 * 3.5) / 0.6)
        assert split.may_wait_s == 300

    def test_equal_lengths_weigh_one_exactly(self) -> None:
        split = LoadSplit.of((CHAT, BATCH))
        assert (split.interactive_load, split.deferrable_weight) == (0.25, 1.0)

    def test_without_classes_nothing_waits(self) -> None:
        split = LoadSplit.of(())
        assert (split.interactive_load, split.deferrable_share, split.tpot_slo_s) == (1, 0, None)
