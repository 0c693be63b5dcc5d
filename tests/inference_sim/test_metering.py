"""When energy is metered makes no difference to how much it is."""

from __future__ import annotations

from unittest.mock import patch

import numpy as np
import simpy
from hypothesis import given, settings
from hypothesis import strategies as st

from inference_sim import clock
from tests.inference_sim.builders import approx, run
from tests.strategies import Scenario, scenarios


@settings(max_examples=60, deadline=None)
@given(scenario=scenarios(), slice_s=st.floats(0.02, 5.0))
def test_at_any_slicing(scenario: Scenario, slice_s: float) -> None:
    """In slices of any length within the steps, and with none."""
    _, whole, whole_ended = run(scenario)
    with patch.object(clock, "SLICE_S", slice_s), patch.object(clock, "MOST_ROWS", -1):
        _, sliced, sliced_ended = run(scenario)
    for one, other in zip(whole, sliced, strict=True):
        assert one.as_dict() == approx(other.as_dict(), 1e-12)
    energies_j = [[one.energy_j for one in ended] for ended in (whole_ended, sliced_ended)]
    np.testing.assert_allclose(*energies_j, rtol=1e-12)


class Kept:
    """Keeps a row for each second."""

    def __init__(self, env: simpy.Environment) -> None:
        self.env, self.flushed_s = env, [0.0]

    @property
    def rows_kept(self) -> int:
        return int(self.env.now - self.flushed_s[-1])

    def flush(self, until_s: float) -> None:
        self.flushed_s.append(until_s)


def test_a_long_step_is_metered_when_many_segments_are_kept() -> None:
    env = simpy.Environment()
    clusters = [Kept(env), Kept(env)]
    with patch.object(clock, "MOST_ROWS", 3000):
        clock.advance(env, 4000.0, clusters)
        clock.advance(env, 4060.0, clusters)
    for cluster in clusters:
        assert cluster.flushed_s[1:] == [1800.0, 3600.0, 4000.0, 4060.0]
