"""The battery has the capacity that was asked for, whatever Vessim's cells hold."""

from __future__ import annotations

import pytest
import vessim
from hypothesis import given
from hypothesis import strategies as st

from cosim.scenario.microgrid import ClcBattery, SimpleBattery
from cosim.world.microgrid import battery, dispatchables

CELL_WH = 19.14
MINUTE_S = 60.0


def clc(capacity_wh: float, soc: float = 0.5, min_soc: float = 0.0) -> vessim.ClcBattery:
    config = ClcBattery(type="clc", capacity_wh=capacity_wh, initial_soc=soc, min_soc=min_soc)
    return battery(config)


@given(st.floats(1e-3, 1e9))
def test_any_capacity(capacity_wh: float) -> None:
    assert clc(capacity_wh).config()["capacity"] == pytest.approx(capacity_wh, rel=1e-12)
    assert clc(capacity_wh, soc=1).state()["charge_level"] == pytest.approx(capacity_wh, rel=1e-12)


def test_whole_cells_are_left_as_they_are() -> None:
    paper = clc(516.78)
    cells = vessim.ClcBattery("cells", number_of_cells=27)
    assert paper.number_of_cells == 27
    names = ("u_1", "u_2", "v_1", "v_2", "alpha_c", "alpha_d", "eta_c", "eta_d", "nom_voltage")
    for name in names:
        assert getattr(paper, name) == getattr(cells, name), name
    assert paper.config()["capacity"] == 27 * CELL_WH


@given(st.floats(20, 1e6), st.floats(0.01, 0.99))
def test_limits_scale_with_the_capacity(capacity_wh: float, soc: float) -> None:
    """A battery of any size behaves as one of whole cells, times the ratio of their capacities."""
    lowest, highest = clc(capacity_wh, soc).feasible_range(MINUTE_S)
    reference = vessim.ClcBattery("cells", number_of_cells=1000, initial_soc=soc)
    ratio = capacity_wh / (1000 * CELL_WH)
    expected = [limit * ratio for limit in reference.feasible_range(MINUTE_S)]
    assert [lowest, highest] == pytest.approx(expected, rel=1e-9)


@given(st.floats(1, 1e6))
def test_rates_are_those_of_the_cells(capacity_wh: float) -> None:
    lowest, highest = clc(capacity_wh, soc=0.5).feasible_range(MINUTE_S)
    assert lowest == pytest.approx(-1.5 * capacity_wh, rel=1e-9)  # C per hour
    assert highest == pytest.approx(0.7 * capacity_wh, rel=1e-9)


@given(st.floats(20, 1e6), st.floats(0.05, 0.95), st.floats(-1, 1))
def test_charge_and_discharge_scale_too(capacity_wh: float, soc: float, share: float) -> None:
    made = clc(capacity_wh, soc)
    reference = vessim.ClcBattery("cells", number_of_cells=1000, initial_soc=soc)
    for one in (made, reference):
        lowest, highest = one.feasible_range(MINUTE_S)
        one.current_power = share * highest if share > 0 else -share * lowest
        one.step(MINUTE_S)
    assert made.soc() == pytest.approx(reference.soc(), rel=1e-9)


def test_the_bounds_of_the_state_of_charge_are_passed_on() -> None:
    low = clc(100, soc=0.2, min_soc=0.2)
    assert low.feasible_range(MINUTE_S)[0] == 0
    assert clc(100, soc=1).feasible_range(MINUTE_S)[1] == 0
    assert clc(100, soc=0.8, min_soc=0.2).state()["soc"] == 0.8


def test_a_simple_battery() -> None:
    made = battery(SimpleBattery(type="simple", capacity_wh=120, initial_soc=0.5, c_rate=0.5))
    assert made.config()["capacity"] == 120
    assert made.feasible_range(MINUTE_S) == pytest.approx((-60, 60))
    made.current_power = 60
    made.step(MINUTE_S)
    assert made.soc() == pytest.approx(0.5 + 1 / 120)


def test_the_battery_comes_before_the_grid() -> None:
    config = SimpleBattery(type="simple", capacity_wh=120)
    assert [one.name for one in dispatchables(config)] == ["battery", "grid"]
    assert [one.name for one in dispatchables(None)] == ["grid"]
