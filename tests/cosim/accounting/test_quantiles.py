"""Quantiles in bounded memory, against those of all values."""

from __future__ import annotations

import tracemalloc
from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from cosim.accounting import quantiles as module
from cosim.accounting.quantiles import LEAST, RELATIVE_ERROR, Quantiles
from tests.samples import examples

MARKS = (0.0, 0.001, 0.1, 0.5, 0.9, 0.95, 0.99, 0.9999, 1.0)
VALUES = hnp.arrays(
    np.float64,
    st.integers(1, 300),
    elements=st.one_of(st.floats(0, 1e5), st.floats(0, 1e-3), st.sampled_from([0.0, 1.0, 1e12])),
)


def of(parts: Sequence[np.ndarray]) -> Quantiles:
    made = Quantiles()
    for part in parts:
        made.add(part)
    return made


def close(found: Sequence[float], exact: Sequence[float]) -> None:
    """Within the stated error; values below the least count as 0."""
    for one, true in zip(found, exact, strict=True):
        assert abs(one - true) <= RELATIVE_ERROR * true * (1 + 1e-9) + LEAST


def test_exact_up_to_a_number() -> None:
    """Bit for bit what NumPy says, however the values come."""
    values = np.random.default_rng(0).lognormal(0, 2, module.EXACT_VALUES)
    made = of(np.array_split(values, 700))
    assert (made.exact, made.how(), made.count) == (True, "exact", len(values))
    assert made.mean() == values.mean()
    assert made.quantiles(MARKS) == np.quantile(values, MARKS).tolist()
    made.add(values[:1])
    assert not made.exact
    assert made.how() == "sketch, relative error at most 0.001"


@pytest.mark.parametrize("shape", ["lognormal", "pareto", "uniform", "exponential", "two modes"])
def test_a_million_values(shape: str) -> None:
    rng = np.random.default_rng(3)
    values = {
        "lognormal": lambda: rng.lognormal(-2, 2.5, 1_000_000),
        "pareto": lambda: rng.pareto(1.1, 1_000_000),
        "uniform": lambda: rng.uniform(0, 3, 1_000_000),
        "exponential": lambda: rng.exponential(0.2, 1_000_000),
        "two modes": lambda: np.abs(rng.choice([0.0, 1e-3, 50.0], 1_000_000)),
    }[shape]()
    made = of(np.array_split(values, 4321))
    assert not made.exact
    assert made.mean() == pytest.approx(values.mean(), rel=1e-12)
    close(made.quantiles(MARKS), np.quantile(values, MARKS).tolist())
    assert made.quantiles((0.0, 1.0)) == [values.min(), values.max()]


@settings(max_examples=examples(150))
@given(parts=st.lists(VALUES, min_size=1, max_size=4), limit=st.sampled_from([0, 10, 10_000]))
@example(parts=[np.zeros(3)], limit=0)
@example(parts=[np.array([1e-300, 1e300])], limit=0)
def test_within_the_stated_error(parts: list[np.ndarray], limit: int) -> None:
    """Whatever the values, taken one after the other or pooled."""
    everything = np.concatenate(parts)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "EXACT_VALUES", limit)
        made = of(parts)
        pool = Quantiles.pooled([of([part]) for part in parts])
        for one in (made, pool):
            assert one.count == len(everything)
            assert one.mean() == pytest.approx(everything.mean(), rel=1e-12)
            close(one.quantiles(MARKS), np.quantile(everything, MARKS).tolist())
            ranks = np.arange(len(everything), dtype=np.float64)
            close(one.ordered(ranks).tolist(), np.sort(everything).tolist())
        if made.exact and pool.exact:
            assert pool.quantiles(MARKS) == made.quantiles(MARKS)


def test_the_order_of_parts_does_not_matter() -> None:
    values = np.random.default_rng(1).exponential(1, 900_000)
    parts = np.array_split(values, 9)
    assert of(parts).quantiles(MARKS) == of(parts[::-1]).quantiles(MARKS)


def test_exact_parts_stay_exact_in_a_pool() -> None:
    """Sites with 80,000 values each."""
    parts = np.random.default_rng(1).exponential(1, (2, 80_000))
    pool = Quantiles.pooled([of([part]) for part in parts])
    assert pool.exact
    assert pool.quantiles(MARKS) == np.quantile(parts.ravel(), MARKS).tolist()
    pool = Quantiles.pooled([pool, of([np.ones(300_000)])])
    assert not pool.exact
    assert pool.count == 460_000


def test_nothing() -> None:
    assert np.isnan(Quantiles().mean())
    assert Quantiles.pooled([]).count == 0
    with pytest.raises(ValueError, match="no values"):
        Quantiles().quantiles([0.5])


@pytest.mark.parametrize("bad", [-1.0, float("nan")])
def test_values_that_have_no_bin(bad: float) -> None:
    made = of([np.ones(module.EXACT_VALUES - 1)])
    with pytest.raises(ValueError, match="at least 0"):
        made.add(np.array([1.0, bad]))


def test_memory() -> None:
    """Ten million values take no more than the first few hundred thousand."""
    rng = np.random.default_rng(5)
    part = rng.lognormal(0, 3, 20_000)
    tracemalloc.start()
    try:
        made = Quantiles()
        for _ in range(500):
            made.add(part)
        held, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert made.count == 10_000_000
    assert held < 1e6
    assert peak < 9e6
