"""Segments against summing their iterations one by one."""

from __future__ import annotations

from itertools import accumulate, pairwise

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from inference_sim.segment import FIELDS, Segment
from inference_sim.segment_rows import SegmentRows, as_row, as_segment
from tests.samples import examples

AFFINE = (
    ("duration_s", "duration_step_s"),
    ("gpu_s", "gpu_step_s"),
    ("flops", "flops_step"),
    ("hbm_bytes", "hbm_bytes_step"),
)


@st.composite
def segments(draw: st.DrawFn) -> Segment:
    step_s = draw(st.just(0.0) | st.floats(1e-9, 1e-3))
    duration_s = draw(st.floats(1e-4, 0.1))
    return Segment(
        draw(st.floats(0, 1e5)), draw(st.integers(1, 400)), duration_s, step_s,
        0.9 * duration_s, 0.9 * step_s, 1e-3, 3e12, 5e8, 7e9, 11e6, draw(st.integers(1, 64)), 1, 0,
    )  # fmt: skip


def ends_s(segment: Segment) -> list[float]:
    """Ends of its iterations since its start, by addition [s]."""
    durations = (
        segment.duration_s + segment.duration_step_s * i for i in range(segment.iterations)
    )
    return list(accumulate(durations))


@settings(max_examples=examples(200))
@given(segment=segments())
def test_elapsed(segment: Segment) -> None:
    assert segment.elapsed_s(0) == 0
    closed = [segment.elapsed_s(j + 1) for j in range(segment.iterations)]
    assert closed == pytest.approx(ends_s(segment), rel=1e-12)


@settings(max_examples=examples(300))
@given(segment=segments(), share=st.floats(0, 1.1))
def test_first_boundary(segment: Segment, share: float) -> None:
    ends = [segment.elapsed_s(j) for j in range(1, segment.iterations + 1)]
    elapsed_s = share * ends[-1]
    expected = next((j for j, end in enumerate(ends, 1) if end >= elapsed_s), len(ends))
    assert segment.first_boundary(elapsed_s) == expected


@settings(max_examples=examples(200))
@given(segment=segments(), data=st.data())
def test_first_boundary_at_and_beside_exact_boundaries(segment: Segment, data) -> None:
    """Rounding never moves a boundary: at it, it is that one; after it, the next."""
    j = data.draw(st.integers(1, segment.iterations))
    end_s = segment.elapsed_s(j)
    assert segment.first_boundary(end_s) == j
    assert segment.first_boundary(end_s * (1 - 1e-12)) == j
    assert segment.first_boundary(end_s * (1 + 1e-12)) == min(j + 1, segment.iterations)
    assert segment.first_boundary(0.0) == 1


@settings(max_examples=examples(300))
@given(segment=segments(), shares=st.tuples(st.floats(-0.2, 1.2), st.floats(-0.2, 1.2)))
def test_window(segment: Segment, shares: tuple[float, float]) -> None:
    """Exactly the iterations that overlap the interval, each with its own quantities."""
    since_s, until_s = (segment.start_s + share * ends_s(segment)[-1] for share in sorted(shares))
    ends = [segment.start_s + segment.elapsed_s(j) for j in range(segment.iterations + 1)]
    assume(since_s < ends[-1] and until_s > ends[0])
    # Iterations that a boundary hits within rounding may count as in or out.
    assume(all(abs(end - cut) > 1e-9 * (1 + end) for end in ends for cut in (since_s, until_s)))
    inside = [i for i in range(segment.iterations) if ends[i + 1] > since_s and ends[i] < until_s]
    window = segment.window(since_s, until_s)
    assert window.iterations == len(inside)
    assert window.start_s == pytest.approx(ends[inside[0]], rel=1e-12)
    for name, slope in AFFINE:
        expected = getattr(segment, name) + getattr(segment, slope) * inside[0]
        assert getattr(window, name) == pytest.approx(expected, rel=1e-12)
        assert getattr(window, slope) == getattr(segment, slope)
    for name in ("sampling_s", "sequences", "decoding", "prefill_tokens"):
        assert getattr(window, name) == getattr(segment, name)


@settings(max_examples=examples(100))
@given(segment=segments(), shares=st.lists(st.floats(0.01, 0.99), max_size=6))
def test_windows_in_a_row_cover_a_segment_once(segment: Segment, shares: list[float]) -> None:
    """The time inside consecutive windows adds up to the segment's own."""
    whole_s = segment.elapsed_s(segment.iterations)
    cuts = [segment.start_s + share * whole_s for share in sorted({0.0, *shares, 1.0})]
    inside_s = 0.0
    for since_s, until_s in pairwise(cuts):
        window = segment.window(since_s, until_s)
        for i in range(window.iterations):
            begin = window.start_s + window.elapsed_s(i)
            end = window.start_s + window.elapsed_s(i + 1)
            inside_s += max(0.0, min(end, until_s) - max(begin, since_s))
    assert inside_s == pytest.approx(whole_s, rel=1e-9, abs=1e-9)


def test_rows_hold_every_field_in_order() -> None:
    """However many there are, and again after they were taken."""
    rows = SegmentRows()
    for count in (40, 3):
        segments = [
            Segment(float(i), 9, 0.1, 0.001, 0.1, 0.001, 0.2, 1.0, 2.0, 3.0, 4.0, 5, 5, 0, 0.5, 7.0)
            for i in range(count)
        ]
        for segment in segments:
            rows.add(segment)
        assert rows.count == count
        table = rows.take()
        for row, segment in zip(table, segments, strict=True):
            assert row.tolist() == [getattr(segment, name) for name in FIELDS]
            assert as_row(as_segment(row)) == as_row(segment) == row.tolist()
        assert rows.count == len(rows.take()) == 0
