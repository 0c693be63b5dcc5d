"""Content of batteries: what the bounds say of it holds for those that Vessim steps."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from vessim import DefaultDispatchPolicy, GridConnection

from controllers.lp import BatterySpec
from cosim.scenario.microgrid import ClcBattery, SimpleBattery
from cosim.studies.bounds.automatic_battery import most_stored_wh, tapering_h
from cosim.world.context import battery_limits_w
from cosim.world.microgrid import battery
from inference_sim.arrays import FloatArray
from tests.samples import examples

CAPACITY_WH = 1000.0
ROUNDING_WH = 1e-6
Config = SimpleBattery | ClcBattery

configs = st.builds(
    lambda kind, start, least, c_rate: (
        ClcBattery(
            type="clc", capacity_wh=CAPACITY_WH, initial_soc=max(start, least), min_soc=least
        )
        if kind == "clc"
        else SimpleBattery(
            type="simple",
            capacity_wh=CAPACITY_WH,
            initial_soc=max(start, least),
            min_soc=least,
            c_rate=c_rate,
        )
    ),
    st.sampled_from(["clc", "simple"]),
    st.integers(0, 100).map(lambda percent: percent / 100),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.sampled_from([None, 0.2, 1.0]),
)


def spec_of(config: Config, step_s: float) -> BatterySpec:
    charge_w, discharge_w = battery_limits_w(config, step_s)
    lossless = isinstance(config, SimpleBattery)
    return BatterySpec(
        capacity_wh=CAPACITY_WH,
        min_wh=config.min_soc * CAPACITY_WH,
        start_wh=config.initial_soc * CAPACITY_WH,
        charge_w=charge_w,
        discharge_w=discharge_w,
        charge_efficiency=1.0 if lossless else 0.978,
        discharge_efficiency=1.0 if lossless else 1 / 1.014,
    )


def stepped_wh(config: Config, lacking_w: FloatArray, step_s: float) -> FloatArray:
    """Return the content at the ends of steps of a battery that nobody sets."""
    storage: Any = battery(config)
    contents = []
    for needed_w in lacking_w:
        DefaultDispatchPolicy().apply(-float(needed_w), step_s, [storage, GridConnection("grid")])
        storage.step(step_s)
        contents.append(storage.soc() * CAPACITY_WH)
    return np.array(contents)


@settings(max_examples=examples(60))
@given(configs, st.integers(0, 2**16), st.sampled_from([20.0, 300.0, 3600.0]))
def test_an_automatic_battery_never_holds_more(config: Config, seed: int, step_s: float) -> None:
    """Beside any load above the least one, in any order of deficit and surplus."""
    rng = np.random.default_rng(seed)
    least_w = rng.uniform(-800, 800, 40) * rng.choice([0.05, 1.0, 3.0])
    more_w = rng.exponential(200, 40) * (rng.random(40) < 0.5)
    most_wh = most_stored_wh(config, spec_of(config, step_s), least_w, step_s)
    assert (stepped_wh(config, least_w + more_w, step_s) <= most_wh + ROUNDING_WH).all()
    assert (stepped_wh(config, least_w, step_s) <= most_wh + ROUNDING_WH).all()


def test_a_lossless_battery_gives_what_lacks() -> None:
    """400 Wh above the least, at 100 W, 1000 W of which it gives 250, and 300 W of surplus."""
    config = SimpleBattery(
        type="simple", capacity_wh=CAPACITY_WH, initial_soc=0.5, min_soc=0.1, c_rate=0.25
    )
    lacking_w = np.array([100.0, 1000.0, 1000.0, -300.0])
    most_wh = most_stored_wh(config, spec_of(config, 3600), lacking_w, 3600)
    assert most_wh == pytest.approx([400, 150, 100, 350])


@settings(max_examples=examples(60))
@given(st.integers(0, 100), st.integers(0, 2**16), st.sampled_from([20.0, 300.0, 3600.0]))
def test_a_battery_that_is_set_tapers(percent: int, seed: int, step_s: float) -> None:
    """Near full it charges slowly, and near empty it gives little, whatever is asked."""
    rng = np.random.default_rng(seed)
    config = ClcBattery(type="clc", capacity_wh=CAPACITY_WH, initial_soc=percent / 100)
    full_h, empty_h = tapering_h(config)
    storage: Any = battery(config)
    for wanted_w in rng.choice([-3000.0, -100.0, 100.0, 3000.0], 40):
        least_w, most_w = storage.feasible_range(step_s)
        power_w = min(max(wanted_w, least_w), most_w)
        storage.set_power(power_w, step_s)
        storage.step(step_s)
        stored_wh = storage.soc() * CAPACITY_WH
        assert stored_wh + full_h * max(power_w, 0.0) <= CAPACITY_WH + ROUNDING_WH
        assert stored_wh >= empty_h * max(-power_w, 0.0) - ROUNDING_WH
