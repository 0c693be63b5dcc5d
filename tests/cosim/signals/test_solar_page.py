"""The figures of docs/solar.md are those of its script."""

import re

import pytest

from calibration import page, solar
from cosim.signals.solar import Place
from tests.cosim.builders import data_file

PVLIB, DAYS = (page.section(name, solar.PAGE) for name in ("pvlib", "days"))


def cells(row: list[object]) -> str:
    return page.table(["-"] * len(row), [row]).splitlines()[-1]


def test_the_five_places_are_as_the_page_says() -> None:
    rows = [line.split("|") for line in PVLIB.splitlines() if re.search(r"\| 20..-..-.. \|", line)]
    shown = {(row[1].strip(), row[2].strip()): row for row in rows if len(row) == 7}
    assert len(shown) == len(solar.FIVE) * len(solar.SEASONS)
    for (name, day), row in shown.items():
        site = next(one for one in solar.FIVE if one.name == name)
        found = solar.difference(site, day)
        assert float(row[3]) == pytest.approx(found.energy_kwh, abs=0.006)
        assert float(row[4]) == pytest.approx(found.energy_percent, abs=0.051)
        assert float(row[5]) == pytest.approx(found.rmse_percent, abs=0.051)


def test_the_random_places_are_as_the_page_says() -> None:
    assert cells(solar.spread_row("2023-12-21")) in PVLIB


def test_the_days_are_as_the_page_says() -> None:
    path = data_file("case_study/solar_san_francisco_2022.csv")
    assert solar.days_report(path) == DAYS


def test_more_haze_and_height_do_what_the_page_says() -> None:
    from datetime import datetime

    from cosim.scenario.solar import ClearSkySolar
    from cosim.signals.solar import computed_solar

    def energy(day: str, place: Place, turbidity: float) -> float:
        start_s = datetime.fromisoformat(f"{day}T00:00Z").timestamp()
        keys = {"type": "clear_sky", "peak_power_w": 1000, "linke_turbidity": turbidity}
        config = ClearSkySolar.model_validate(keys | {"tilt_deg": 40})
        return float(computed_solar(config, start_s, start_s + 86400, place, 0).values.sum())

    stockholm = ("2023-12-21", Place(59.33, 18.07, 30))
    assert energy(*stockholm, 2.3) / energy(*stockholm, 2.2) == pytest.approx(0.94, abs=0.01)
    low, high = (energy("2023-03-20", Place(40, 0, height), 3) for height in (0, 2000))
    assert high / low == pytest.approx(1.10, abs=0.03)
