"""Light of a cloudless sky and the power of a solar array under it, from place and time alone.

The sun's position [1] and the irradiance of a clear sky after Ineichen and Perez [2], which needs
the altitude and the Linke turbidity: how many clean, dry atmospheres would dim the light as much.
The array is that of :mod:`cosim.signals.pv_array`. A real day has clouds and yields less.

The same chain in pvlib is matched within 3 % of a day's energy; see docs/solar.md.

References:
    [1] J. J. Michalsky, "The Astronomical Almanac's algorithm for approximate solar position
        (1950-2050)", Solar Energy 40(3), 1988.
    [2] P. Ineichen, R. Perez, "A new airmass independent formulation for the Linke turbidity
        coefficient", Solar Energy 73(3), 2002.
    [3] F. Kasten, A. Young, "Revised optical air mass tables and approximation formula", Applied
        Optics 28(22), 1989.
    [4] M. Reno, C. Hansen, J. Stein, "Global horizontal irradiance clear sky models",
        SAND2012-2389, 2012: solar constant and pressure by altitude as in pvlib.
    [5] G. Bennett, "The calculation of astronomical refraction in marine navigation", Journal of
        Navigation 35(2), 1982, inverted by T. Saemundsson, Sky and Telescope 72, 1986.
"""

from __future__ import annotations

import numpy as np

from cosim.signals.pv_array import Light, PvArray, ac_power_w
from inference_sim.arrays import FloatArray

_J2000_S = 946_728_000.0  # 2000-01-01T12:00Z in seconds since the Unix epoch
_SOLAR_CONSTANT_W_M2 = 1366.1  # [4]


def sun_direction(
    times_s: FloatArray, latitude: float, longitude: float
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return where the sun is seen, as the parts (east, north, up) of a unit vector.

    ``up`` is the sine of the elevation, with refraction [5]. Within 0.02 deg between 1950 and
    2050 where the sun stands over the horizon [1].

    Args:
        times_s: Seconds since the Unix epoch.
        latitude: Degrees north.
        longitude: Degrees east.
    """
    days = (times_s - _J2000_S) / 86400
    mean_longitude = 280.460 + 0.9856474 * days
    anomaly = np.radians(357.528 + 0.9856003 * days)
    ecliptic = np.radians(mean_longitude + 1.915 * np.sin(anomaly) + 0.020 * np.sin(2 * anomaly))
    obliquity = np.radians(23.439 - 0.0000004 * days)
    right_ascension = np.arctan2(np.cos(obliquity) * np.sin(ecliptic), np.cos(ecliptic))
    sin_declination = np.sin(obliquity) * np.sin(ecliptic)
    cos_declination = np.sqrt(1 - sin_declination**2)
    # Greenwich mean sidereal time, 18.697374558 h + 24.06570982441908 h a day.
    sidereal = np.radians(280.46061837 + 360.98564736629 * days + longitude)
    hour_angle = sidereal - right_ascension

    sin_latitude, cos_latitude = np.sin(np.radians(latitude)), np.cos(np.radians(latitude))
    toward_meridian = cos_declination * np.cos(hour_angle)
    east = -cos_declination * np.sin(hour_angle)
    north = sin_declination * cos_latitude - toward_meridian * sin_latitude
    up = sin_declination * sin_latitude + toward_meridian * cos_latitude

    elevation_deg = np.degrees(np.arcsin(np.clip(up, -1, 1)))
    lifted_deg = np.maximum(elevation_deg, -1.0)  # refraction has no meaning further down
    lift_deg = 1.02 / 60 / np.tan(np.radians(lifted_deg + 10.3 / (lifted_deg + 5.11)))
    seen_up = np.sin(np.radians(elevation_deg + lift_deg))
    seen_level = np.sqrt((1 - seen_up**2) / np.maximum(1 - up**2, 1e-12))
    return east * seen_level, north * seen_level, seen_up


def clear_sky_light(
    times_s: FloatArray,
    sin_elevation: FloatArray,
    *,
    linke_turbidity: float | FloatArray,
    altitude_m: float = 0.0,
) -> Light:
    """Return the irradiance under a clear sky, after Ineichen and Perez [2].

    Args:
        times_s: Seconds since the Unix epoch.
        sin_elevation: Sine of the sun's elevation at these times.
        linke_turbidity: At all times, or at each; 2 is very clear, 7 very hazy.
        altitude_m: Height above the sea [m].
    """
    anomaly = np.radians(357.528 + 0.9856003 * (times_s - _J2000_S) / 86400)
    distance_au = 1.00014 - 0.01671 * np.cos(anomaly) - 0.00014 * np.cos(2 * anomaly)  # [1]
    beyond_air = _SOLAR_CONSTANT_W_M2 / distance_au**2

    up = np.maximum(sin_elevation, 0)
    elevation_deg = np.degrees(np.arcsin(np.minimum(up, 1)))
    air_mass = 1 / (up + 0.50572 * (elevation_deg + 6.07995) ** -1.6364)  # [3]
    pressure = ((44331.514 - altitude_m) / 11880.516) ** (1 / 0.1902632) / 1013.25  # [4]
    absolute = air_mass * pressure

    haze = linke_turbidity - 1
    low, lower = np.exp(-altitude_m / 8000), np.exp(-altitude_m / 1250)
    dimming = (3.92e-5 * altitude_m + 0.0387) * absolute * (low + lower * haze)
    ghi = (5.09e-5 * altitude_m + 0.868) * beyond_air * up * np.exp(-dimming)
    dni = beyond_air * (0.664 + 0.163 / low) * np.exp(-0.09 * absolute * haze)
    direct_share = 1 - (0.1 - 0.2 * np.exp(-haze - 1)) / (0.1 + 0.882 / low)
    most = ghi * direct_share / np.where(up > 0, up, 1)
    dni = np.where(up > 0, np.minimum(dni, most), 0.0)
    return Light(ghi, dni, ghi - dni * up, beyond_air, air_mass)


def clear_sky_power_w(
    times_s: FloatArray,
    array: PvArray,
    *,
    latitude: float,
    longitude: float,
    linke_turbidity: float | FloatArray,
    altitude_m: float = 0.0,
) -> FloatArray:
    """Return the AC power of a fixed array under a clear sky [W], shape of `times_s`.

    Args:
        times_s: Seconds since the Unix epoch.
        array: The array.
        latitude: Degrees north.
        longitude: Degrees east.
        linke_turbidity: At all times, or at each.
        altitude_m: Height above the sea [m].
    """
    sun = sun_direction(times_s, latitude, longitude)
    light = clear_sky_light(times_s, sun[2], linke_turbidity=linke_turbidity, altitude_m=altitude_m)
    return ac_power_w(array, sun, light)
