from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from controllers import Band, IntensityBand, IntensityWindow
from tests.controllers.builders import context, observation

INTENSITIES = st.floats(0, 1000, allow_nan=False)


@given(
    past=st.lists(INTENSITIES, max_size=20),
    seen=st.lists(INTENSITIES, min_size=1, max_size=30),
    q=st.floats(0, 1),
)
def test_quantiles_are_those_of_numpy(past, seen, q):
    window = IntensityWindow(context(past_carbon_intensity_g_per_kwh=past), hours=10 / 60)
    for step, value in enumerate(seen):
        window.see(observation(step, value))
    values = [*past, *seen][-10:]
    assert len(window) == len(values)
    assert window.quantile(q) == pytest.approx(np.quantile(values, q), abs=1e-9)


def test_quantiles_of_equal_values_are_that_value():
    window = IntensityWindow(context(past_carbon_intensity_g_per_kwh=[0.1] * 7), hours=1)
    window.see(observation(0, 0.1))
    assert {window.quantile(q) for q in (0, 0.1, 0.3, 0.77, 1)} == {0.1}


def test_steps_in_between_count_as_the_last_value_seen():
    window = IntensityWindow(context(), hours=1)
    window.see(observation(0, 100))
    window.see(observation(3, 400))
    assert len(window) == 4
    assert window.quantile(0.5) == 100
    assert window.quantile(1) == 400


def test_past_is_read_only():
    past = context(past_carbon_intensity_g_per_kwh=[1, 2]).past_carbon_intensity_g_per_kwh
    with pytest.raises(ValueError, match="read-only"):
        past[0] = 3


def test_position_in_a_band():
    assert [Band(100, 300).position(ci) for ci in (50, 100, 150, 300, 400)] == [0, 0, 0.25, 1, 1]
    assert [Band(100, 100).position(ci) for ci in (50, 100, 150)] == [0, 0, 0]


def test_band_before_reset():
    band = IntensityBand(default_quantiles=(0.1, 0.9), window_h=24)
    with pytest.raises(RuntimeError, match="reset"):
        band.see(observation())


@given(st.lists(st.floats(0, 1e4), min_size=1, max_size=30), st.floats(0, 1e4))
def test_mean_is_that_of_the_window_and_exact_where_it_is_flat(past, present):
    window = IntensityWindow(context(past_carbon_intensity_g_per_kwh=past), 20 / 60)
    window.see(observation(0, present))
    assert window.mean() == pytest.approx(np.mean([*past, present][-20:]))
    flat = IntensityWindow(context(past_carbon_intensity_g_per_kwh=[present] * 30), 20 / 60)
    flat.see(observation(0, present))
    assert flat.mean() == present
