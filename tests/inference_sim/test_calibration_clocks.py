"""Sweeps of clocks and caps: ours is what the roofline and the power model say."""

from __future__ import annotations

import math

import pytest

from calibration import clocks, page
from calibration.clocks import Work
from inference_sim.execution import Roofline, find_engine
from inference_sim.hardware import find_gpu
from inference_sim.models import find_model


def test_every_measured_point_stands_beside_ours() -> None:
    points = clocks.points()
    assert len({point.sweep for point in points}) == 7
    for point in points:
        assert not (math.isnan(point.rate) and math.isnan(point.joules))
        assert 0 < point.our_rate <= 1.0 + 1e-9
        assert 0.3 <= point.clock <= 1.0


def test_a_clock_sweep_by_hand() -> None:
    """Decodes of Llama-2-70B on four H100: the rate of the roofline at 0.8 of the clock."""
    (point,) = [point for point in clocks.points() if point.sweep == "h100-llama-2-70b"]
    model, gpu = find_model("meta-llama/Llama-2-70b-hf"), find_gpu("h100-sxm-80gb")
    roofline = Roofline(model, gpu, find_engine("none"), 4)
    full, slow = (r.decode(32).at(32_000).duration_s for r in (roofline, roofline.at_clock(0.8)))
    assert point.our_rate == pytest.approx(full / slow)


def test_a_cap_sets_the_highest_clock_under_it() -> None:
    values = {"gpu": "a40", "model": "meta-llama/Meta-Llama-3-8B", "gpus": 1, "prompt": 2048}
    work = Work.of(values)
    clock = work.clock_under(200.0)
    assert work.power_w(clock) <= 200.0 < work.power_w(clock + 0.01)
    assert work.clock_under(1e9) == 1.0
    assert work.clock_under(1.0) == 0.3


def test_every_miss_has_its_reason_and_nothing_else_has() -> None:
    """Above 8 points, from 0.6 of the clock or cap on and below."""
    for name, sweep in clocks.sweeps().items():
        for key, below in (("why", False), ("why_below", True)):
            assert (clocks.worst(name, below=below) > clocks.WITHIN) == (key in sweep), (name, key)


def test_the_low_clocks_save_nothing() -> None:
    """Decodes have their least energy where the voltage stops following, and lose rate below it."""
    work = Work.of(clocks._CLIFF["decodes"])
    energies = {f: work.power_w(f) * work.cost(f).duration_s for f in (0.2, 0.3, 0.5, 0.7, 1.0)}
    assert min(energies, key=energies.__getitem__) == 0.5
    assert energies[0.2] > energies[1.0]
    assert work.cost(0.7).duration_s < 1.01 * work.cost(1.0).duration_s
    assert work.cost(0.3).duration_s > 2 * work.cost(1.0).duration_s


def test_the_page_has_the_sweeps() -> None:
    assert page.section("clocks") == clocks.report()
