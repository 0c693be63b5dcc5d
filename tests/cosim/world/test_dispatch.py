"""A battery whose power a controller sets, and Vessim's own dispatch when none does."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import vessim
from hypothesis import given
from hypothesis import strategies as st
from pandas.testing import assert_frame_equal

from cosim.scenario.microgrid import ClcBattery, SimpleBattery
from cosim.world.microgrid import SetpointDispatch, dispatchables
from tests.conftest import Runs
from tests.cosim.builders import BASE, Ran, controlled, write

STEP_S = 60.0
CONFIGS = {
    "simple": SimpleBattery(type="simple", capacity_wh=100, initial_soc=0.5, min_soc=0.2),
    "limited": SimpleBattery(type="simple", capacity_wh=100, initial_soc=0.5, c_rate=0.5),
    "full": SimpleBattery(type="simple", capacity_wh=100, initial_soc=1.0, c_rate=0.5),
    "empty": SimpleBattery(type="simple", capacity_wh=100, initial_soc=0.2, min_soc=0.2),
    "clc": ClcBattery(type="clc", capacity_wh=100, initial_soc=0.5, min_soc=0.2),
}
powers_w = st.floats(-2000, 2000)


def dispatched(
    battery: str, setpoint_w: float, deltas_w: list[float]
) -> list[tuple[float, float, float, float, float]]:
    """For each step: the powers of battery and grid, its range, and the state of charge after."""
    storage, grid = parts = dispatchables(CONFIGS[battery])
    policy = SetpointDispatch(lambda: setpoint_w)
    found = []
    for delta_w in deltas_w:
        least_w, most_w = storage.feasible_range(STEP_S)
        policy.apply(delta_w, STEP_S, parts)
        row = (storage.current_power, grid.current_power, least_w, most_w)
        storage.step(STEP_S)
        found.append((*row, storage.soc()))
    return found


@given(st.sampled_from(sorted(CONFIGS)), powers_w, st.lists(powers_w, min_size=1, max_size=8))
def test_what_must_hold(battery: str, setpoint_w: float, deltas_w: list[float]) -> None:
    rows = dispatched(battery, setpoint_w, deltas_w)
    for delta_w, (power_w, grid_w, least_w, most_w, soc) in zip(deltas_w, rows, strict=True):
        assert power_w + grid_w == pytest.approx(delta_w, abs=1e-9)  # it balances
        assert least_w <= power_w <= most_w
        assert CONFIGS[battery].min_soc - 1e-9 <= soc <= 1 + 1e-9
        if setpoint_w >= 0:
            assert power_w == min(setpoint_w, most_w)  # the sun, and the grid for the rest
        else:  # at most what the site lacks: nothing is sold from the battery
            assert power_w == max(setpoint_w, least_w, min(0.0, delta_w))
            assert grid_w <= max(0.0, delta_w) + 1e-9


@given(st.sampled_from(sorted(CONFIGS)), st.lists(powers_w, min_size=1, max_size=20))
def test_without_a_setpoint_it_is_vessims_own(battery: str, deltas_w: list[float]) -> None:
    storage, grid = parts = dispatchables(CONFIGS[battery])
    plain = vessim.DefaultDispatchPolicy()
    for delta_w, row in zip(deltas_w, dispatched(battery, math.inf, deltas_w), strict=True):
        plain.apply(delta_w, STEP_S, parts)
        powers = (storage.current_power, grid.current_power)
        storage.step(STEP_S)
        assert (*powers, storage.soc()) == (row[0], row[1], row[4])  # to the last bit


@pytest.mark.parametrize(
    ("setpoint_w", "delta_w", "power_w"),
    [
        (30.0, 100.0, 30.0),  # 70 W of the surplus are sold
        (30.0, -100.0, 30.0),  # charged from the grid
        (80.0, 0.0, 50.0),  # as fast as it can
        (-30.0, -100.0, -30.0),
        (-30.0, -10.0, -10.0),  # no more than the site lacks
        (-30.0, 10.0, 0.0),  # it lacks nothing
        (-80.0, -100.0, -50.0),
        (0.0, -100.0, 0.0),  # it rests
        (0.0, 100.0, 0.0),
    ],
)
def test_by_example(setpoint_w: float, delta_w: float, power_w: float) -> None:
    ((found_w, grid_w, *_),) = dispatched("limited", setpoint_w, [delta_w])
    assert (found_w, grid_w) == (power_w, delta_w - power_w)


def test_its_state() -> None:
    assert SetpointDispatch(lambda: -5.0).state() == {"setpoint_w": -5.0}


# In a run

CODE = """
from controllers import Controller, SiteAction

SETPOINTS_W = {2: 60.0, 5: -30.0, 9: 0.0, 12: -1e9, 15: float("inf"), 17: 20.0}


class Mine(Controller):
    actuators = frozenset({"battery_power"})

    def reset(self, context):
        self.limits = context.limits["battery_power"]

    def step(self, observation):
        if observation.step - 1 in SETPOINTS_W:
            wished = SETPOINTS_W[observation.step - 1]
            assert observation.battery_setpoint_w == max(wished, self.limits.minimum)
        wished = SETPOINTS_W.get(observation.step)
        if wished is not None:
            return SiteAction(battery_setpoint_w=max(wished, self.limits.minimum))
"""
CLC = "{type: clc, capacity_wh: 100, initial_soc: 0.8, min_soc: 0.2}"
BATTERIES = {"clc": CLC, "simple": "{type: simple, capacity_wh: 100, initial_soc: 0.8, c_rate: 1}"}


def scenario(folder: Path, battery: str) -> Path:
    write(folder / "mine.py", CODE)
    text = controlled("{type: './mine.py:Mine'}").replace(CLC, BATTERIES[battery])
    return write(folder / "s.yaml", text.replace("T00:00:00Z", "T16:00:00Z"))  # the sun is up


@pytest.fixture(scope="module", params=sorted(BATTERIES))
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, runs: Runs
) -> list[Ran]:
    path = scenario(tmp_path_factory.mktemp("battery"), request.param)
    return [runs(path, f"coupling={name}") for name in ("native", "mosaik")]


def test_both_couplings_agree(both: list[Ran]) -> None:
    for ran in both:
        assert ran.summary["status"] == "completed", ran.summary
        assert len(ran.actions) == 6
    assert_frame_equal(both[0].steps, both[1].steps, check_exact=True)
    assert both[0].final_soc("dc") == both[1].final_soc("dc")


def test_the_energy_of_the_site_balances(both: list[Ran]) -> None:
    ran = both[0]
    supplied = ran.column("solar_w") + ran.column("import_w")
    taken = ran.column("facility_power_w") + ran.column("battery_power_w") + ran.column("export_w")
    assert supplied == pytest.approx(taken, abs=1e-9 * supplied.max())
    assert not (ran.column("import_w") * ran.column("export_w")).any()


def test_the_setpoint_is_in_force_from_its_step_on(both: list[Ran]) -> None:
    ran = both[0]
    power_w = ran.column("battery_power_w")
    lack_w = ran.column("facility_power_w") - ran.column("solar_w")
    assert power_w[0] * lack_w[0] < 0  # left to itself it covers a lack, and takes what is left
    assert (power_w[2:5] > 0).all()  # as asked for, or what the battery can take
    assert (power_w[2:5] <= 60 + 1e-9).all()
    assert power_w[5:9] == pytest.approx(-np.clip(lack_w[5:9], 0, 30.0))
    assert not power_w[9:12].any()


def test_the_charge_is_what_went_in_and_out(tmp_path: Path, runs: Runs) -> None:
    ran = runs(scenario(tmp_path, "simple"), "coupling=native")
    energy_wh = ran.column("battery_power_w").sum() * 60 / 3600
    assert ran.final_soc("dc") - 0.8 == pytest.approx(energy_wh / 100, abs=1e-9)


def test_a_controller_that_never_sets_it_changes_nothing(tmp_path: Path, runs: Runs) -> None:
    write(tmp_path / "mine.py", CODE.replace("SETPOINTS_W = {", "SETPOINTS_W = {} and {"))
    idle = runs(write(tmp_path / "s.yaml", controlled("{type: './mine.py:Mine'}")))
    plain = runs(write(tmp_path / "plain.yaml", controlled()))
    assert BASE.count("battery") == 1
    assert_frame_equal(idle.steps, plain.steps, check_exact=True)
