"""Solar power that is computed rather than read: from the place, the time and a seed."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from cosim.errors import SignalError
from cosim.scenario.solar import ClearSkySolar, Clouds, PvlibSolar
from cosim.signals.clear_sky import clear_sky_power_w
from cosim.signals.clouds import clearness
from cosim.signals.place import Place
from cosim.signals.pv_array import PvArray
from cosim.signals.series import Series
from cosim.signals.turbidity import linke_turbidity

STEP_S = 300.0
"""Length of the intervals [s]; each value is that of the interval's middle."""


def computed_solar(
    config: ClearSkySolar | PvlibSolar,
    start_s: float,
    end_s: float,
    place: Place | None,
    seed: int | tuple[int, ...],
) -> Series:
    """Return the AC power of an array over a span of time [W].

    Args:
        config: What the scenario says.
        start_s: Start of the span, in seconds since the Unix epoch.
        end_s: End of the span, in seconds since the Unix epoch.
        place: Where the array is.
        seed: Of the clouds.

    Raises:
        SignalError: If there is no place, pvlib is not installed, or its weather cannot be used.
    """
    if place is None:
        raise SignalError(
            f"solar of type {config.type} needs the place of the site: give sites.N.location, such "
            "as {latitude: 37.87, longitude: -122.27}"
        )
    start, stop = math.floor(start_s / STEP_S), math.ceil(end_s / STEP_S)
    starts_s = np.arange(start, stop).astype(np.float64) * STEP_S
    middles_s = starts_s + STEP_S / 2
    if isinstance(config, PvlibSolar):
        from cosim.signals.pvlib_chain import clear_sky_chain_power_w, weather_series

        if config.weather is not None:
            return weather_series(config, config.weather, start_s, end_s, place)
        power_w = clear_sky_chain_power_w(config, middles_s, place)
    else:
        turbidity = config.linke_turbidity
        power_w = clear_sky_power_w(
            middles_s,
            PvArray(
                peak_power_w=config.peak_power_w,
                tilt_deg=config.tilt_deg,
                azimuth_deg=config.azimuth_deg,
                losses_fraction=config.losses_fraction,
                temperature_c=config.temperature_c,
                albedo=config.albedo,
            ),
            latitude=place.latitude,
            longitude=place.longitude,
            altitude_m=place.altitude_m,
            linke_turbidity=linke_turbidity(middles_s, place.latitude, place.longitude)
            if turbidity is None
            else turbidity,
        )
    series = Series(starts_s, stop * STEP_S, power_w, source=config.type.replace("_", " "))
    return series if config.clouds is None else _clouded(series, config.clouds, seed)


def _clouded(series: Series, clouds: Clouds, seed: int | tuple[int, ...]) -> Series:
    share = clearness(
        len(series),
        STEP_S,
        mean=clouds.mean,
        std=clouds.std,
        correlation_time_s=clouds.correlation_time,
        seed=seed,
    )
    return replace(series, values=series.values * share)
