"""Points at which parameters are tried: spread evenly, and drawn where trials are good."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from cosim.errors import CosimError
from cosim.studies.tune.samplers import Design, Tpe


def test_a_design_covers_the_cube_evenly() -> None:
    """Of 16 points of a Sobol sequence each half of each axis has eight, each eighth has two."""
    source, again, other = Design(3, 5), Design(3, 5), Design(3, 6)
    points = np.array([source.draw() for _ in range(16)])
    assert points.shape == (16, 3)
    for axis in points.T:
        assert np.histogram(axis, bins=8, range=(0, 1))[0].tolist() == [2] * 8
    assert points.tolist() == [list(again.draw()) for _ in range(16)]
    assert points[0].tolist() != list(other.draw())


def test_tpe_draws_where_the_scores_are_low() -> None:
    pytest.importorskip("optuna")

    def draws() -> list[float]:
        source, design, places = Tpe(2, 1), Design(2, 1), []
        for number in range(40):
            point = design.draw() if number < 12 else source.draw()
            source.learn(point, abs(point[0] - 0.8))
            places.append(point[0])
        return places

    places = draws()
    assert places == draws()  # the same seed
    assert np.mean(np.abs(np.array(places[-20:]) - 0.8)) < 0.2  # 0.34 of even ones


def test_without_optuna(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(
        CosimError, match=r"pip install 'carbon-cosim\[tune\]' \(or pip install optuna\)"
    ):
        Tpe(2, 1)
