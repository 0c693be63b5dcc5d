import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cosim.errors import SignalError
from cosim.signals import Series
from cosim.signals.series import utc_stamp

START_S = 1_686_182_400.0  # 2023-06-08T00:00:00Z


def hourly(*values: float, start_s: float = START_S) -> Series:
    return Series(
        start_s + 3600.0 * np.arange(len(values)), start_s + 3600 * len(values), np.array(values)
    )


@st.composite
def series_and_steps(draw: st.DrawFn) -> tuple[Series, float, float, int]:
    # Quarters of a second are exact in binary, so no instant is near another without being it.
    widths_s = np.array(draw(st.lists(st.integers(1, 40_000), min_size=1, max_size=30))) / 4
    size = len(widths_s)
    values = draw(st.lists(st.floats(-1e3, 1e3), min_size=size, max_size=size))
    edges_s = START_S + np.append(0, np.cumsum(widths_s))
    total_s = edges_s[-1] - START_S
    step_s = draw(st.integers(1, int(total_s * 4))) / 4
    start_s = START_S + draw(st.integers(0, int((total_s - step_s) * 4))) / 4
    steps = draw(st.integers(1, min(200, int((edges_s[-1] - start_s) / step_s))))
    return Series(edges_s[:-1], edges_s[-1], np.array(values)), start_s, step_s, steps


@given(series_and_steps())
def test_sum_of_step_means_is_the_integral(drawn: tuple[Series, float, float, int]) -> None:
    series, start_s, step_s, steps = drawn
    means = series.step_means(start_s, step_s, steps)

    edges_s = np.append(series.starts_s, series.end_s)
    widths_s = np.diff(np.clip(edges_s, start_s, start_s + steps * step_s))
    integral = float(series.values @ widths_s)
    scale = float(np.abs(series.values) @ widths_s)
    assert means.sum() * step_s == pytest.approx(integral, rel=0, abs=1e-9 * max(scale, 1))
    assert (means >= series.values.min() - 1e-9).all()
    assert (means <= series.values.max() + 1e-9).all()


@given(
    st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=1, max_size=20),
    st.sampled_from([0.1, 1.0, 60.0, 300.0, 1200.0]),
)
def test_values_are_held_bit_for_bit(values: list[float], step_s: float) -> None:
    width_s = step_s * 3
    starts_s = START_S + width_s * np.arange(len(values))
    series = Series(starts_s, START_S + width_s * len(values), np.array(values))
    means = series.step_means(START_S, step_s, 3 * len(values))
    assert means.tobytes() == np.repeat(np.array(values), 3).tobytes()


def test_only_steps_that_a_change_falls_into_are_averaged() -> None:
    series = hourly(0.1, 0.3, 0.7)
    means = series.step_means(START_S + 1800, 1200, 5)
    assert means[0] == 0.1
    assert means[1] == pytest.approx((0.1 * 600 + 0.3 * 600) / 1200)
    assert means[2] == means[3] == 0.3
    assert means[4] == pytest.approx((0.3 * 600 + 0.7 * 600) / 1200)


def test_a_step_may_span_many_values() -> None:
    assert hourly(1, 2, 3, 6).step_means(START_S, 4 * 3600, 1).tolist() == [3.0]


def test_no_steps_have_no_means() -> None:
    assert hourly(1).step_means(START_S, 60, 0).shape == (0,)


@pytest.mark.parametrize(("step_s", "steps"), [(0, 1), (-60, 1), (float("nan"), 1), (60, -1)])
def test_senseless_steps_are_refused(step_s: float, steps: int) -> None:
    with pytest.raises(ValueError, match="positive step_s"):
        hourly(1).step_means(START_S, step_s, steps)


def test_uncovered_steps_tell_what_is_covered_and_needed() -> None:
    with pytest.raises(SignalError) as caught:
        hourly(1, 2).step_means(START_S - 60, 60, 10)
    text = str(caught.value)
    assert "covers 2023-06-08T00:00:00Z to 2023-06-08T02:00:00Z" in text
    assert "2023-06-07T23:59:00Z to 2023-06-08T00:09:00Z is needed" in text
    assert "align: start" in text
    assert "time.start" in text


def test_covers_the_whole_span_and_no_more() -> None:
    series = hourly(1, 2)
    assert series.covers(START_S, START_S + 7200)
    assert not series.covers(START_S - 1, START_S + 7200)
    assert not series.covers(START_S, START_S + 7201)


def test_scaled_and_shifted() -> None:
    series = hourly(1, 2).scaled(3).shifted(60)
    assert series.values.tolist() == [3, 6]
    assert series.starts_s[0] == START_S + 60
    assert series.end_s == START_S + 7260


def test_arrays_are_copied_and_cannot_be_written() -> None:
    values = np.array([1.0])
    series = Series(np.array([0.0]), 1.0, values)
    values[0] = 5
    assert series.values[0] == 1
    with pytest.raises(ValueError, match="read-only"):
        series.values[0] = 2
    assert series.step_means(0, 1, 1).flags.writeable


@pytest.mark.parametrize(
    ("starts_s", "end_s", "values", "text"),
    [
        ([], 1, [], "at least one"),
        ([0, 1], 2, [1], "one length"),
        ([[0]], 2, [[1]], "1-d"),
        ([0, 0], 2, [1, 1], "strictly increasing"),
        ([0, 1], 1, [1, 1], "strictly increasing"),
        ([0, 1], float("inf"), [1, 1], "finite"),
        ([0, 1], 2, [1, float("nan")], "finite"),
    ],
)
def test_malformed_series_are_refused(starts_s, end_s, values, text) -> None:
    with pytest.raises(ValueError, match=text):
        Series(starts_s, end_s, values)


def test_stamps_show_fractions_only_where_there_are_any() -> None:
    assert utc_stamp(START_S) == "2023-06-08T00:00:00Z"
    assert utc_stamp(START_S + 0.25) == "2023-06-08T00:00:00.250Z"
    assert utc_stamp(253402300800.0) == "10000-01-01T00:00:00Z"
