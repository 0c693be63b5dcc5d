"""Facility power: the forms of PUE by hand, in a cluster, and what cannot be."""

from __future__ import annotations

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from inference_sim.cluster import Cluster
from inference_sim.errors import InferenceSimError
from inference_sim.power.pue import ConstantPue, LinearPue, LoadPue, TemperaturePue
from tests.inference_sim.builders import approx, at_once, config

BY_LOAD = LoadPue((0.1, 0.5, 1.0), (2.0, 1.4, 1.2), 1000.0)
BY_TEMPERATURE = TemperaturePue((0.0, 20.0, 40.0), (1.1, 1.2, 1.6))


def test_constant() -> None:
    pue = ConstantPue(1.25)
    assert pue.facility_w(400.0, 30.0) == pue.least_w(400.0) == pue.most_w(400.0) == 500
    assert str(pue) == "1.25"


def test_a_fixed_and_a_proportional_overhead() -> None:
    pue = LinearPue(fixed_w=100.0, proportional=1.1)
    assert pue.facility_w(0.0) == 100
    assert pue.facility_w(1000.0) == approx(1200, 1e-12)
    assert pue.facility_w(1000.0) / 1000 < pue.facility_w(500.0) / 500


@pytest.mark.parametrize(
    ("it_w", "expected"),
    [(0, 0), (50, 100), (100, 200), (300, 300 * 1.7), (500, 700), (750, 750 * 1.3), (1000, 1200),
     (2000, 2400)],
)  # fmt: skip
def test_by_load(it_w: float, expected: float) -> None:
    assert BY_LOAD.facility_w(it_w) == approx(expected, 1e-12)


def test_by_temperature() -> None:
    expected = {-20.0: 1.1, 0.0: 1.1, 10.0: 1.15, 20.0: 1.2, 30.0: 1.4, 50.0: 1.6}
    for temperature_c, value in expected.items():
        assert BY_TEMPERATURE.facility_w(500.0, temperature_c) == approx(500 * value, 1e-12)
    assert (BY_TEMPERATURE.least_w(500.0), BY_TEMPERATURE.most_w(500.0)) == (550, 800)
    with pytest.raises(InferenceSimError, match="needs the temperature outside"):
        BY_TEMPERATURE.facility_w(500.0)


@given(
    loads=st.lists(st.floats(0.01, 1), min_size=2, max_size=5, unique=True),
    values=st.lists(st.floats(1, 4), min_size=5, max_size=5),
    powers=st.tuples(st.floats(0, 1500), st.floats(0, 1500)),
)
def test_more_load_never_draws_less(
    loads: list[float], values: list[float], powers: tuple[float, float]
) -> None:
    try:
        pue = LoadPue(tuple(sorted(loads)), tuple(values[: len(loads)]), 1000.0)
    except InferenceSimError:
        assume(False)
    low, high = (pue.facility_w(it_w) for it_w in sorted(powers))
    assert low <= high * (1 + 1e-9)
    assert low >= min(powers)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ConstantPue(0.9), "a PUE must be at least 1 (got 0.9)"),
        (lambda: LinearPue(100, 0.5), "'proportional' must be at least 1 (got 0.5)"),
        (lambda: LinearPue(-1, 1.5), "'fixed_w' must be at least 0 (got -1)"),
        (lambda: LoadPue((0.5, 0.5), (1.2, 1.1), 1), "loads must rise (got 0.5 after 0.5)"),
        (lambda: LoadPue((0.5, 1), (1.2, 0.9), 1), "a PUE must be at least 1 (got 0.9)"),
        (
            lambda: LoadPue((0.5, 1), (1.2,), 1),
            "a PUE by load needs one PUE per load (got 1 for 2)",
        ),
        (
            lambda: LoadPue((0.1, 1), (3, 1), 1),
            "from load 0.1 to 1 the PUE falls so fast (3 to 1) that the facility would draw less "
            "under more load",
        ),
        (lambda: TemperaturePue((20, 10), (1, 2)), "temperatures must rise (got 10 after 20)"),
    ],
)
def test_what_cannot_be(make: type, message: str) -> None:
    with pytest.raises(InferenceSimError) as caught:
        make()
    assert str(caught.value) == message


def test_a_cluster_draws_what_its_pue_says() -> None:
    """The same IT power under each, step by step."""
    stream = at_once(8, 100, 200)
    plain = Cluster(config(host_power_w=50.0), stream)
    warming = {0.0: 5.0, 1.0: 25.0, 2.0: 45.0}
    by_load = Cluster(config(host_power_w=50.0, pue=BY_LOAD), stream)
    by_temperature = Cluster(
        config(
            host_power_w=50.0,
            pue=BY_TEMPERATURE,
            outside_temperature_c=lambda time_s: warming[time_s],
        ),
        stream,
    )
    it_w = []
    for start_s, temperature_c in warming.items():
        it_w.append(plain.step(start_s + 1).facility_power_w)
        assert by_load.step(start_s + 1).facility_power_w == BY_LOAD.facility_w(it_w[-1])
        expected_w = BY_TEMPERATURE.facility_w(it_w[-1], temperature_c)
        assert by_temperature.step(start_s + 1).facility_power_w == expected_w
    assert it_w[0] > it_w[-1]  # it was busy, then idle
    idle_w, peak_w = plain.config.idle_power_w, plain.config.peak_power_w
    assert by_load.config.idle_power_w == BY_LOAD.facility_w(idle_w)
    assert by_load.config.peak_power_w == BY_LOAD.facility_w(peak_w)
    assert by_temperature.config.idle_power_w == approx(1.1 * idle_w, 1e-12)
    assert by_temperature.config.peak_power_w == approx(1.6 * peak_w, 1e-12)
