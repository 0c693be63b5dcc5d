"""The hours of 2022 that are built in, and their maker."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import numpy as np
import pytest
from pydantic import TypeAdapter, ValidationError

from calibration.eia930 import FUELS, Generation, nuclear_trips
from calibration.fleet_2022 import fleet_growth, solar_share
from calibration.hourly_2022 import AREAS, marginal_intensity
from cosim.scenario.signals import CarbonIntensity, MarginalIntensity, Solar
from cosim.signals import Window, carbon_series, solar_series
from cosim.signals.hourly_2022 import HOURS, hourly_intensity, hourly_sun
from cosim.signals.typical_day import areas, typical_day_means

CARBON: TypeAdapter[Any] = TypeAdapter(CarbonIntensity)
SOLAR: TypeAdapter[Any] = TypeAdapter(Solar)
MARGINAL: TypeAdapter[Any] = TypeAdapter(MarginalIntensity)
DAY_S = 86400.0
STARTS = np.datetime64("2022-01-01T00", "h") + np.arange(HOURS)
MONTHS = STARTS.astype("datetime64[M]").astype(int) % 12
FILLED = {"CISO": {0, 4, 5}, "PJM": {1, 2, 9, 10}, "NYIS": {2}}
"""Months with hours that are filled: EIA has none, or some that cannot be."""


def hours(keys: dict[str, str], start: datetime, count: int) -> list[float]:
    adapter = MARGINAL if keys.get("kind") == "marginal" else CARBON
    config = adapter.validate_python({"type": "hourly_2022", "area": "ERCO", **keys})
    window = Window.of(start, count * 3600)
    series = carbon_series(config, window)
    assert series.kind == config.kind
    assert series.starts_s[0] == window.start_s - 7 * DAY_S
    values: list[float] = series.step_means(window.start_s, 3600, count).tolist()
    return values


@pytest.mark.parametrize("area", AREAS)
def test_their_means_by_month_and_hour_are_the_typical_days(area: str) -> None:
    values = hourly_intensity(area, "average")
    for month in range(12):
        mine = values[month == MONTHS].reshape(-1, 24).mean(axis=0)
        most = np.full(24, 9.0 if month in FILLED.get(area, ()) else 0.1)
        if month == 11:
            most[23] = 2.5  # whose last hour is not in EIA's files of 2022
        assert (np.abs(mine - typical_day_means(area)[month]) <= most).all()


def test_a_run_in_2022_gets_its_own_hours() -> None:
    first = int((datetime(2022, 4, 10) - datetime(2022, 1, 1)).total_seconds() // 3600)
    expected = hourly_intensity("ERCO", "average")[first : first + 48]
    assert hours({}, datetime(2022, 4, 10, tzinfo=UTC), 48) == expected.tolist()
    assert len(set(expected)) > 40


def test_other_years_get_those_of_their_dates() -> None:
    whole = hourly_intensity("ERCO", "average")
    assert hours({}, datetime(2027, 12, 31, tzinfo=UTC), 48) == [*whole[-24:], *whole[:24]]
    february = whole[58 * 24 : 59 * 24]
    assert hours({}, datetime(2024, 2, 28, tzinfo=UTC), 48) == [*february, *february]


def test_the_week_before_2022_is_that_before_2023() -> None:
    config = CARBON.validate_python({"type": "hourly_2022", "area": "PJM"})
    window = Window.of(datetime(2022, 1, 1, tzinfo=UTC), 3600)
    past = carbon_series(config, window).step_means(window.start_s - 7 * DAY_S, 3600, 7 * 24)
    assert past.tolist() == hourly_intensity("PJM", "average")[-7 * 24 :].tolist()


def test_a_marginal_intensity_is_that_of_fossil_fuels() -> None:
    """From gas [490 g/kWh] to coal [820]; in California and the Northwest only gas burns."""
    for area in areas():
        values = hourly_intensity(area, "marginal")
        assert (values >= 489.9).all()
        assert (values < 820).all()
        changes = len(set(values.tolist()))
        assert changes > 20 if area in ("ERCO", "PJM", "NYIS") else np.ptp(values) < 0.3
    assert hours({"kind": "marginal"}, datetime(2022, 7, 1, tzinfo=UTC), 24) == pytest.approx(
        hourly_intensity("ERCO", "marginal")[181 * 24 : 182 * 24]
    )


def test_an_area_that_is_not_there() -> None:
    with pytest.raises(ValidationError, match="'CISO'"):
        CARBON.validate_python({"type": "hourly_2022", "area": "MOON"})
    with pytest.raises(KeyError):
        hourly_intensity("MOON", "average")


def test_the_regression_finds_the_plant_that_follows_the_demand() -> None:
    """Coal runs first, up to 10 GW, then gas; nuclear power and wind do what they do."""
    rng = np.random.default_rng(1)
    fossil = 10_000 + 6_000 * np.sin(np.arange(HOURS) / 40) + rng.normal(0, 30, HOURS)
    mix = {fuel: np.zeros(HOURS) for fuel in FUELS.values()}
    mix |= {
        "coal": np.minimum(fossil, 10_000),
        "gas": np.maximum(fossil - 10_000, 0),
        "wind": rng.uniform(0, 9_000, HOURS),
        "nuclear": np.full(HOURS, 5_000.0),
    }
    mix["coal"][126] = np.nan
    found = marginal_intensity(Generation(mix, mix))
    assert np.isnan(found[126])
    assert found[fossil < 7_500] == pytest.approx(820, abs=1e-6)
    assert found[fossil > 13_000] == pytest.approx(490, abs=1e-6)


def test_nuclear_plants_do_not_come_back_within_hours() -> None:
    nuclear = np.full(200, 30_000.0)
    nuclear[10:14] = 16_000  # half of it, for four hours
    nuclear[50] = np.nan
    nuclear[60:90] = 10_000  # an outage that lasts
    nuclear[150] = 0
    assert np.flatnonzero(nuclear_trips(nuclear)).tolist() == [10, 11, 12, 13, 150]


@pytest.mark.parametrize(("area", "noon"), [("CISO", 20), ("ERCO", 18), ("PJM", 17)])
def test_days_of_a_fleet_are_real(area: str, noon: int) -> None:
    share = hourly_sun(area)
    assert (share.min(), share.max()) == (0, 1)
    assert 0.2 < share.mean() < 0.3
    days = np.roll(share, 12 - noon).reshape(365, 24)
    assert (days[:, [0, 1, 2, 22, 23]] < 0.02).all()  # night
    assert days.mean(axis=0).argmax() in (10, 11, 12, 13)
    energy = days.sum(axis=1)
    assert len(set(energy.round(4))) > 350
    assert energy.min() < 0.2 * energy.mean()


def test_the_power_of_a_fleet() -> None:
    config = SOLAR.validate_python({"type": "fleet_2022", "area": "PJM", "peak_power_w": 500})
    window = Window.of(datetime(2025, 1, 1, tzinfo=UTC), 48 * 3600)
    series = solar_series(config, window)
    power_w = series.step_means(window.start_s - 7 * DAY_S, 3600, 9 * 24)
    share = hourly_sun("PJM")
    assert power_w.tolist() == pytest.approx([*(500 * share[-7 * 24 :]), *(500 * share[:48])])


def test_areas_without_sun() -> None:
    for area in ("NYIS", "BPAT"):
        with pytest.raises(ValidationError, match="'CISO', 'ERCO' or 'PJM'"):
            SOLAR.validate_python({"type": "fleet_2022", "area": area, "peak_power_w": 1})


def test_growth_of_a_fleet_is_taken_out() -> None:
    hours = np.arange(HOURS)
    season = 1 + 0.3 * np.cos(2 * np.pi * (hours / 24 - 171) / 365)
    sun = np.maximum(0, season * np.cos(2 * np.pi * (hours % 24 - 12) / 24))
    power_mw = 4000 * 1.2 ** (hours / HOURS) * sun
    generation = Generation({"solar": power_mw}, {"solar": power_mw})
    assert fleet_growth(generation) == pytest.approx(np.log(1.2), abs=0.02)
    share = solar_share(generation)
    assert share == pytest.approx(sun / sun.max(), abs=0.02)
