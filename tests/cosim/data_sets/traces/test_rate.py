"""Rates over time, against a count of all arrivals."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cosim.data_sets.traces.chart import chart_lines
from cosim.data_sets.traces.rate import ArrivalCounts, Rate
from tests.samples import examples

SPANS_S = st.one_of(
    st.floats(0.001, 100), st.floats(60, 1e5), st.floats(1e5, 1e7), st.floats(1e7, 3e9)
)


@settings(max_examples=examples(150))
@given(span_s=SPANS_S, count=st.integers(1, 400), most=st.integers(3, 400), seed=st.integers(0, 9))
def test_every_arrival_is_counted_once(span_s: float, count: int, most: int, seed: int) -> None:
    """In intervals of one width, however long the trace is and in whatever pieces it comes."""
    rng = np.random.default_rng(seed)
    times_s = np.sort(np.append(rng.uniform(0, span_s, count), [0.0, span_s]))
    counts, again = ArrivalCounts(), ArrivalCounts()
    counts.add(times_s)
    for part in np.array_split(times_s, 7):
        if len(part):
            again.add(part)
    rate = counts.rate(span_s, most)
    assert again.rate(span_s, most).per_s.tolist() == rate.per_s.tolist()
    assert 1 <= len(rate.per_s) <= most
    edges = np.append(np.arange(len(rate.per_s)) * rate.width_s, span_s)
    widths = np.maximum(np.diff(edges), 1e-3)
    assert (rate.per_s * widths).sum() == pytest.approx(count + 2)
    # Each interval holds what lies in it; times on an edge to the millisecond may be in either.
    inside, _ = np.histogram(times_s, edges)
    near = np.abs(times_s[:, None] - edges[None, 1:-1]).min(initial=np.inf) < 2e-3
    assert near or (rate.per_s * widths).round(6).tolist() == inside.tolist()


@pytest.mark.parametrize(
    ("span_s", "most", "width_s"),
    [
        (3502, 66, 60),
        (604_800, 66, 10_800),
        (121 * 86_400, 66, 172_800),
        (9.5, 66, 0.2),
        (0, 66, 0.001),
    ],
)
def test_intervals_of_readable_width(span_s: float, most: int, width_s: float) -> None:
    counts = ArrivalCounts()
    counts.add(np.array([0.0, span_s]))
    assert counts.rate(span_s, most).width_s == width_s


def test_a_last_interval_that_is_hardly_covered() -> None:
    """Two requests in the last second are no rate of 120 a minute."""
    counts = ArrivalCounts()
    counts.add(np.append(np.arange(180.0), [180.5, 181.0]))
    rate = counts.rate(181.0, 4)
    assert rate.width_s == 60
    assert rate.per_s.tolist() == [1, 1, 62 / 61]


def test_the_chart() -> None:
    """Heights in proportion, in eighths of a line, under a round number."""
    rate = Rate(60.0, np.array([0.0, 1.0, 5.0, 10.0, 0.01]), 290.0)
    lines = list(chart_lines(rate, blocks=True))
    assert lines[0] == "10 |   █"
    assert lines[3] == "   |   █"
    assert lines[4] == " 5 |  ██"
    assert lines[7] == "   | ▇██▁"
    assert lines[8] == " 0 +-----"
    assert lines[9].split() == ["0", "4.833", "min"]
    plain = list(chart_lines(rate, blocks=False))
    assert plain[0] == "10 |   #"
    assert plain[7] == "   | ####"
    assert "".join(plain).isascii()
