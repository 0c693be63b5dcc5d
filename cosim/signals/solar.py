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
from cosim.signals.window import Window
from inference_sim.arrays import FloatArray

STEP_S = 300.0
"""Length of the intervals [s]; each value is that of the interval's middle."""
CLOUDLESS_DAYS = 3
"""Longer runs under a sky without clouds are warned of."""
TYPICAL_YIELDS = (
    "990 a year on Germany's roofs (Schardt and te Heesen, 2015 to 2019) and 1,960 in Namibia, the "
    "country with the most (World Bank, 2020)"
)
"""J. Schardt and H. te Heesen, "Performance of Rooftop PV Systems in Selected European Countries
from 2012 to 2019", EU PVSEC: measured yields, in the mean of 2015 to 2019. M. Suri et al., "Global
Photovoltaic Power Potential by Country", World Bank, 2020: 5.38 kWh/kWp a day in Namibia."""
_HOUR_S, _DAY_S, _HOURS_A_YEAR, _LEAP_DAY_H = 3600.0, 86400.0, 8760, 24


def computed_solar(
    config: ClearSkySolar | PvlibSolar,
    start_s: float,
    end_s: float,
    place: Place | None,
    seed: int | tuple[int, ...],
) -> Series:
    """Return the AC power of an array over a span of time [W].

    Args:
        config: Keys of the scenario.
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
    if isinstance(config, PvlibSolar) and config.weather is not None:
        from cosim.signals.pvlib_chain import weather_series

        return weather_series(config, config.weather, start_s, end_s, place)
    start, stop = math.floor(start_s / STEP_S), math.ceil(end_s / STEP_S)
    starts_s = np.arange(start, stop).astype(np.float64) * STEP_S
    power_w = _cloudless_power_w(config, starts_s + STEP_S / 2, place)
    series = Series(starts_s, stop * STEP_S, power_w, source=config.type.replace("_", " "))
    return series if config.clouds is None else _clouded(series, config.clouds, seed)


def cloudless_note(
    config: ClearSkySolar | PvlibSolar, series: Series, window: Window, place: Place
) -> str:
    """Return the yield of an array under a cloudless sky; empty where that does not mislead.

    On a day or three a clear sky may be meant; over longer times its yield is that of no climate.

    Args:
        config: Keys of the scenario.
        series: Its power [W].
        window: The time of the run.
        place: Where the array is.
    """
    has_sky = config.clouds is not None or (
        isinstance(config, PvlibSolar) and config.weather is not None
    )
    span_s = window.end_s - window.start_s
    if has_sky or not config.peak_power_w or span_s <= CLOUDLESS_DAYS * _DAY_S:
        return ""
    mean_w = float(series.step_means(window.start_s, span_s, 1)[0])
    hours_s = window.start_s + _HOUR_S * (np.arange(_HOURS_A_YEAR, dtype=np.float64) + 0.5)
    year_w = float(_cloudless_power_w(config, hours_s, place).mean())
    run, year = (
        watts / config.peak_power_w * hours
        for watts, hours in ((mean_w, span_s / _HOUR_S), (year_w, _HOURS_A_YEAR))
    )
    in_a_year = (
        f"in this run and {year:,.0f} in a year"
        if abs(span_s / _HOUR_S - _HOURS_A_YEAR) > _LEAP_DAY_H
        else "in a year"
    )
    return (
        f"a sky without clouds yields {run:,.0f} kWh/kWp {in_a_year}; real skies leave "
        f"{TYPICAL_YIELDS}. `clouds` brings clouds, `type: csv` measured power"
    )


def _cloudless_power_w(
    config: ClearSkySolar | PvlibSolar, middles_s: FloatArray, place: Place
) -> FloatArray:
    """Return the AC power without clouds at some times [W]."""
    if isinstance(config, PvlibSolar):
        from cosim.signals.pvlib_chain import clear_sky_chain_power_w

        return clear_sky_chain_power_w(config, middles_s, place)
    turbidity = config.linke_turbidity
    return clear_sky_power_w(
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
