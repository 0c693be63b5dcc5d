"""Differences in words: of levels and of amounts, and against nothing."""

from __future__ import annotations

import pytest

from cosim.report.difference import Difference, points


@pytest.mark.parametrize(
    ("new", "old", "lower", "less"),
    [
        (90, 100, "10.0 % lower", "10.0 % less than base"),
        (110, 100, "10.0 % higher", "10.0 % more than base"),
        (100, 100, "the same", "the same as base"),
        (100.01, 100, "the same within 0.05 %", "the same as base within 0.05 %"),
        (0, 0, "the same", "the same as base"),
        (1, 0, "up from 0", "up from 0 in base"),
        (-1, 0, "down from 0", "down from 0 in base"),
        (-50, -100, "50.0 % higher", "50.0 % more than base"),
    ],
)
def test_differences(new: float, old: float, lower: str, less: str) -> None:
    difference = Difference(new, old)
    assert difference.lower() == lower
    assert difference.less_than("base") == less


def test_points() -> None:
    assert points(0.9, 0.95, "base") == "5.0 points below base"
    assert points(0.95, 0.9, "base") == "5.0 points above base"
    assert points(0.9, 0.9001, "base") == "as in base"
