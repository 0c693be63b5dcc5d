"""The sun's reference directions come from ``solarposition.get_solarposition`` of pvlib 0.16.1."""

from datetime import datetime

import numpy as np
import pytest

from calibration.solar import ENERGY_TARGET, FIVE, RMSE_TARGET, SEASONS, Site, difference
from cosim.scenario.solar import ClearSkySolar, PvlibSolar
from cosim.signals.clear_sky import clear_sky_light, clear_sky_power_w, sun_direction
from cosim.signals.pv_array import PvArray
from cosim.signals.solar import Place, computed_solar
from inference_sim.arrays import FloatArray

BERKELEY = {"latitude": 37.87, "longitude": -122.27, "linke_turbidity": 3.4}


def times_s(first: str, hours: float = 24) -> FloatArray:
    start_s = datetime.fromisoformat(first).timestamp()
    return start_s + 150 + 300 * np.arange(hours * 12)


def elevation_deg(times: FloatArray, latitude: float, longitude: float) -> FloatArray:
    return np.degrees(np.arcsin(sun_direction(times, latitude, longitude)[2]))


@pytest.mark.parametrize(
    ("stamp", "latitude", "longitude", "elevation", "azimuth"),
    [
        ("2023-06-08T20:00Z", 37.87, -122.27, 74.9081, 172.7515),
        ("2023-12-21T12:00Z", 59.33, 18.07, 5.9658, 197.0950),
        ("2023-03-20T03:00Z", -33.87, 151.21, 53.8643, 335.2408),
    ],
)
def test_sun_stands_where_pvlib_has_it(stamp, latitude, longitude, elevation, azimuth) -> None:
    time = np.array([datetime.fromisoformat(stamp).timestamp()])
    east, north, up = sun_direction(time, latitude, longitude)
    assert np.degrees(np.arcsin(up[0])) == pytest.approx(elevation, abs=0.02)
    assert np.degrees(np.arctan2(east[0], north[0])) % 360 == pytest.approx(azimuth, abs=0.03)
    assert east[0] ** 2 + north[0] ** 2 + up[0] ** 2 == pytest.approx(1)


@pytest.mark.parametrize("day", SEASONS)
@pytest.mark.parametrize("site", FIVE, ids=lambda site: site.name)
def test_a_clear_day_is_that_of_pvlib(site: Site, day: str) -> None:
    """Energy of the day, and RMSE of the power every 5 minutes relative to the day's peak."""
    found = difference(site, day)
    assert abs(found.energy_percent) < ENERGY_TARGET
    assert found.rmse_percent < RMSE_TARGET


@pytest.mark.parametrize("turbidity", [2.0, 4.5])
@pytest.mark.parametrize("place", [Place(59.33, 18.07, 30), Place(39.74, -104.99, 1609)])
def test_the_same_turbidity_gives_the_same_power_as_pvlib(place: Place, turbidity: float) -> None:
    """What is left is the sun's position, which shows at the moment of sunrise."""
    keys = {"peak_power_w": 1000, "tilt_deg": 35, "azimuth_deg": 150, "temperature_c": 5}
    keys |= {"losses_fraction": 0.05, "albedo": 0.6, "linke_turbidity": turbidity}
    for day in SEASONS:
        start_s = datetime.fromisoformat(f"{day}T00:00Z").timestamp()
        ours, pvlibs = (
            computed_solar(config, start_s, start_s + 86400, place, 0).values
            for config in (
                ClearSkySolar.model_validate({"type": "clear_sky"} | keys),
                PvlibSolar.model_validate({"type": "pvlib"} | keys),
            )
        )
        assert ours.sum() == pytest.approx(pvlibs.sum(), rel=2e-3)
        assert np.sqrt(np.mean((ours - pvlibs) ** 2)) < 0.001 * pvlibs.max()
        assert ours == pytest.approx(pvlibs, abs=0.02 * pvlibs.max())


def test_a_long_summer_day_in_berkeley_is_near_the_measured_one() -> None:
    """Measured without PVWatts's losses: 3.93 kWh, peak 531 W; there was some haze."""
    power_w = clear_sky_power_w(
        times_s("2023-06-08T08:00Z"), PvArray(peak_power_w=600, losses_fraction=0), **BERKELEY
    )
    assert power_w.sum() / 12 == pytest.approx(3930, rel=0.10)
    assert power_w.max() == pytest.approx(531, rel=0.03)


def test_night_is_dark() -> None:
    times = times_s("2023-01-01T00:00Z", 24 * 365)
    power_w = clear_sky_power_w(times, PvArray(peak_power_w=600), **BERKELEY)
    below = elevation_deg(times, 37.87, -122.27) < 0
    assert below.any()
    assert (power_w[below] == 0).all()
    assert (power_w >= 0).all()
    # At dawn the light does not yet cover what the inverter itself takes, 0.6 % of the peak.
    assert (power_w[elevation_deg(times, 37.87, -122.27) > 5] > 0).all()


def test_peak_comes_at_solar_noon() -> None:
    times = times_s("2023-06-08T08:00Z")
    noon = times[np.argmax(clear_sky_power_w(times, PvArray(peak_power_w=600), **BERKELEY))]
    # Noon in Berkeley on that day: 12:00 - longitude / 15 h - 1 min of the equation of time.
    expected = datetime.fromisoformat("2023-06-08T20:08Z").timestamp()
    assert noon == pytest.approx(expected, abs=450)


def test_earth_turns_15_degrees_an_hour() -> None:
    times = times_s("2023-06-08T00:00Z")
    here = elevation_deg(times, 40, 0)
    there = elevation_deg(times + 3600, 40, -15)
    assert there == pytest.approx(here, abs=0.01)


def test_south_in_december_is_like_north_in_june() -> None:
    north = clear_sky_power_w(
        times_s("2023-06-21T00:00Z"),
        PvArray(peak_power_w=600),
        latitude=40,
        longitude=0,
        linke_turbidity=3,
    )
    south = clear_sky_power_w(
        times_s("2023-12-21T12:00Z"),
        PvArray(peak_power_w=600, azimuth_deg=0),
        latitude=-40,
        longitude=180,
        linke_turbidity=3,
    )
    # The Earth is nearest to the sun in January: 6.8 % more light than in July.
    assert south.sum() == pytest.approx(1.068 * north.sum(), rel=0.01)


def test_an_array_should_face_the_equator() -> None:
    times = times_s("2023-06-21T12:00Z")
    toward, away = (
        clear_sky_power_w(
            times,
            PvArray(peak_power_w=600, azimuth_deg=azimuth_deg),
            latitude=-40,
            longitude=180,
            linke_turbidity=3,
        ).sum()
        for azimuth_deg in (0, 180)
    )
    assert away < 0.3 * toward


def test_losses_and_heat_take_their_share() -> None:
    times = times_s("2023-06-08T08:00Z")
    whole, less, hot = (
        clear_sky_power_w(times, PvArray(peak_power_w=600, **keys), **BERKELEY)
        for keys in (
            {"losses_fraction": 0.0},
            {"losses_fraction": 0.25},
            {"losses_fraction": 0.0, "temperature_c": 40},
        )
    )
    # The inverter is a little less efficient at part load.
    assert less.sum() == pytest.approx(0.75 * whole.sum(), rel=0.01)
    assert (less <= 0.75 * whole + 1e-9).mean() > 0.6
    assert hot.sum() / whole.sum() == pytest.approx(1 - 0.0035 * 20, abs=0.01)


def test_output_never_exceeds_the_peak() -> None:
    array = PvArray(peak_power_w=600, losses_fraction=0, temperature_c=-60, albedo=1.0, tilt_deg=40)
    power_w = clear_sky_power_w(times_s("2023-03-20T08:00Z"), array, **BERKELEY)
    assert power_w.max() == 600


@pytest.mark.parametrize("altitude_m", [0.0, 3000.0])
@pytest.mark.parametrize("latitude", [-90, -60, 0, 60, 90])
def test_irradiance_closes_everywhere(latitude: float, altitude_m: float) -> None:
    times = times_s("2023-06-08T00:00Z", 24 * 200)
    up = sun_direction(times, latitude, 0)[2]
    light = clear_sky_light(times, up, linke_turbidity=3, altitude_m=altitude_m)
    assert light.dni * np.maximum(up, 0) + light.dhi == pytest.approx(light.ghi, abs=1e-9)
    for part in (light.ghi, light.dni, light.dhi):
        assert (part >= 0).all()
        assert (part < 1400).all()


def test_haze_dims_and_height_brightens() -> None:
    times = times_s("2023-06-08T08:00Z")
    up = sun_direction(times, 37.87, -122.27)[2]
    noon = int(up.argmax())
    haze = [clear_sky_light(times, up, linke_turbidity=tl) for tl in (2, 4, 7)]
    high = clear_sky_light(times, up, linke_turbidity=4, altitude_m=2000)
    dni, dhi = ([getattr(one, name)[noon] for one in haze] for name in ("dni", "dhi"))
    assert dni == sorted(dni, reverse=True)
    assert dhi == sorted(dhi)
    assert high.ghi[noon] > haze[1].ghi[noon]
