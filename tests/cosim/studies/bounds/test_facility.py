"""Lines below the facility's power."""

from __future__ import annotations

import numpy as np
import pytest

from cosim.studies.bounds.facility import facility_lines
from inference_sim.power.pue import ConstantPue, LinearPue, LoadPue, Pue, TemperaturePue

BENT = LoadPue((0.0, 0.3, 0.7, 1.0), (1.9, 1.3, 1.15, 1.3), 1000.0)


@pytest.mark.parametrize("pue", [ConstantPue(1.3), LinearPue(120.0, 1.1), BENT], ids=str)
def test_lines_are_below_the_power_and_near_it(pue: Pue) -> None:
    lines = facility_lines(pue, None, 3, 60.0, 250.0, 1000.0)
    loads = np.linspace(250.0, 1000.0, 1001)
    highest = np.max([line.fixed_w + line.slope[1] * loads for line in lines], axis=0)
    powers = np.array([pue.facility_w(load) for load in loads])
    assert (highest <= powers + 1e-9).all()
    assert (powers - highest).max() <= (30.0 if pue is BENT else 1e-9)


def test_a_pue_by_temperature_is_a_line_of_each_step() -> None:
    pue = TemperaturePue((10.0, 30.0), (1.1, 1.5))
    (line,) = facility_lines(pue, lambda time_s: 10.0 if time_s < 60 else 30.0, 2, 60.0, 50, 500)
    assert line.fixed_w == 0
    assert line.slope == pytest.approx([1.1, 1.5])
