"""The balancing areas whose signals are built in, and the sites near them."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from cosim.signals.areas import AREA_ZONES, hours_apart
from tests.conftest import Cli
from tests.cosim.builders import edited, write

BERLIN = ("longitude: -122.27", "longitude: 13.4")
NOTE = (
    "carbon_intensity is of CISO (America/Los_Angeles), hours away from the site's location "
    "(13.4 degrees east): its day is not that of the site"
)


@pytest.mark.parametrize(
    ("area", "longitude", "hours"),
    [
        ("CISO", -120.0, 0),
        ("CISO", 15.0, 9),
        ("ERCO", 180.0, 6),
        ("PJM", 165.0, 8),
        ("NYIS", -87.6, 0.84),
        ("DE", 10.0, 0),
    ],
)
def test_hours_apart(area: str, longitude: float, hours: float) -> None:
    assert hours_apart(area, longitude) == pytest.approx(hours)


def test_every_area_that_a_scenario_may_name_has_a_zone() -> None:
    from typing import get_args

    from cosim.scenario.signals import Area

    assert set(get_args(Area)) == set(AREA_ZONES)


def test_a_site_far_from_its_grid_is_warned_of_once(cosim: Cli) -> None:
    scenario = write("s.yaml", edited(BERLIN))
    answer = cosim("validate", scenario)
    assert answer.out.count(NOTE) == 1
    answer = cosim("run", scenario, "-o", "out")
    assert " ".join(answer.out.split()).count(NOTE) == 1
    assert Path("out/report.html").read_text().count(NOTE.replace("'", "&#x27;")) == 1
    assert list(json.loads(Path("out/manifest.json").read_text())["signal_notes"].values()) == [
        [NOTE]
    ]


def test_a_site_in_the_area_of_its_grid_is_not(cosim: Cli) -> None:
    assert "away" not in cosim("validate", write("s.yaml", edited())).out
