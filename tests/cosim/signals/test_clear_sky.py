"""The reference numbers come from pvlib 0.16.1, at the middles of 5-minute intervals.

Sun: ``solarposition.get_solarposition(times, lat, lon)``. Energy and peak:
``clearsky.haurwitz(apparent_zenith)``, ``irradiance.erbs(ghi, zenith, times)``,
``irradiance.get_total_irradiance(..., albedo=0.2, model="isotropic")``,
``temperature.faiman(poa, 20, 1)``, ``pvsystem.pvwatts_dc(poa, cell, 600, -0.0035) * 0.86`` and
``inverter.pvwatts(dc, 600 / 0.96)``.
"""

from datetime import datetime

import numpy as np
import pytest

from cosim.signals.clear_sky import clear_sky_irradiance, clear_sky_power_w, sun_direction
from cosim.signals.series import FloatArray

BERKELEY = {"latitude": 37.87, "longitude": -122.27}


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


@pytest.mark.parametrize(
    ("latitude", "longitude", "tilt_deg", "azimuth_deg", "start", "energy_wh", "peak_w"),
    [
        # Each from local midnight, to the hour.
        (37.87, -122.27, 30, 180, "2023-03-20T08:00Z", 3280.1, 438.8),
        (37.87, -122.27, 30, 180, "2023-06-08T08:00Z", 3700.6, 450.5),
        (37.87, -122.27, 30, 180, "2023-12-21T08:00Z", 2067.5, 341.1),
        (59.33, 18.07, 40, 180, "2023-06-07T23:00Z", 3919.3, 445.7),
        (59.33, 18.07, 40, 180, "2023-12-20T23:00Z", 323.9, 110.8),
        (-0.18, -78.47, 10, 0, "2023-09-22T05:00Z", 3498.3, 459.7),
        (-33.87, 151.21, 30, 0, "2023-06-07T14:00Z", 2438.5, 377.1),
        (-33.87, 151.21, 30, 0, "2023-12-20T14:00Z", 3617.8, 443.8),
        (39.04, -77.49, 20, 90, "2023-06-08T05:00Z", 3863.5, 446.7),
        (39.04, -77.49, 20, 90, "2023-12-21T05:00Z", 1183.8, 219.5),
    ],
)
def test_energy_and_peak_are_those_of_pvlib(
    latitude, longitude, tilt_deg, azimuth_deg, start, energy_wh, peak_w
) -> None:
    power_w = clear_sky_power_w(
        times_s(start),
        latitude=latitude,
        longitude=longitude,
        peak_power_w=600,
        tilt_deg=tilt_deg,
        azimuth_deg=azimuth_deg,
    )
    assert power_w.sum() / 12 == pytest.approx(energy_wh, rel=0.02)
    # The sun over Stockholm in December is so low that the small differences show.
    assert power_w.max() == pytest.approx(peak_w, rel=0.02 if peak_w > 200 else 0.05)


def test_a_long_summer_day_in_berkeley_is_near_the_measured_one() -> None:
    """Measured without PVWatts's losses: 3.93 kWh, peak 531 W; there was some haze."""
    power_w = clear_sky_power_w(
        times_s("2023-06-08T08:00Z"), **BERKELEY, peak_power_w=600, losses_fraction=0
    )
    assert power_w.sum() / 12 == pytest.approx(3930, rel=0.10)
    assert power_w.max() == pytest.approx(531, rel=0.03)


def test_night_is_dark() -> None:
    times = times_s("2023-01-01T00:00Z", 24 * 365)
    power_w = clear_sky_power_w(times, **BERKELEY, peak_power_w=600)
    below = elevation_deg(times, 37.87, -122.27) < 0
    assert below.any()
    assert (power_w[below] == 0).all()
    assert (power_w >= 0).all()
    assert (power_w[~below] > 0).mean() > 0.99


def test_peak_comes_at_solar_noon() -> None:
    times = times_s("2023-06-08T08:00Z")
    noon = times[np.argmax(clear_sky_power_w(times, **BERKELEY, peak_power_w=600))]
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
        times_s("2023-06-21T00:00Z"), latitude=40, longitude=0, peak_power_w=600, azimuth_deg=180
    )
    south = clear_sky_power_w(
        times_s("2023-12-21T12:00Z"), latitude=-40, longitude=180, peak_power_w=600, azimuth_deg=0
    )
    assert south.sum() == pytest.approx(north.sum(), rel=0.01)


def test_an_array_should_face_the_equator() -> None:
    times = times_s("2023-06-21T12:00Z")
    toward, away = (
        clear_sky_power_w(
            times, latitude=-40, longitude=180, peak_power_w=600, azimuth_deg=azimuth_deg
        ).sum()
        for azimuth_deg in (0, 180)
    )
    assert away < 0.3 * toward


def test_losses_and_heat_take_their_share() -> None:
    times = times_s("2023-06-08T08:00Z")
    whole = clear_sky_power_w(times, **BERKELEY, peak_power_w=600, losses_fraction=0)
    less = clear_sky_power_w(times, **BERKELEY, peak_power_w=600, losses_fraction=0.25)
    hot = clear_sky_power_w(
        times, **BERKELEY, peak_power_w=600, losses_fraction=0, temperature_c=40
    )
    assert less == pytest.approx(0.75 * whole)
    assert hot.sum() / whole.sum() == pytest.approx(1 - 0.0035 * 20, abs=0.01)


def test_output_never_exceeds_the_peak() -> None:
    power_w = clear_sky_power_w(
        times_s("2023-03-20T08:00Z"),
        **BERKELEY,
        peak_power_w=600,
        losses_fraction=0,
        temperature_c=-60,
        albedo=1.0,
        tilt_deg=40,
    )
    assert power_w.max() == 600


@pytest.mark.parametrize("latitude", [-90, -60, 0, 60, 90])
def test_irradiance_closes_everywhere(latitude: float) -> None:
    times = times_s("2023-06-08T00:00Z", 24 * 200)
    up = sun_direction(times, latitude, 0)[2]
    ghi, dni, dhi = clear_sky_irradiance(times, up)
    assert dni * np.maximum(up, 0) + dhi == pytest.approx(ghi, abs=1e-9)
    for part in (ghi, dni, dhi):
        assert (part >= 0).all()
        assert (part < 1400).all()
