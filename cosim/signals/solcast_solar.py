"""Power of a solar array from measured or modelled irradiance, in a file of Solcast."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from cosim.errors import SignalError
from cosim.scenario.solar import SolcastSolar
from cosim.signals.clear_sky import clear_sky_light, sun_direction
from cosim.signals.faults import file_error
from cosim.signals.formats import ReadOptions, Source, read_signal
from cosim.signals.formats.solcast import columns
from cosim.signals.gaps import Fill
from cosim.signals.place import Place
from cosim.signals.pv_array import PvArray, ac_power_w
from cosim.signals.series import Series

_ANY_TURBIDITY = 3.0  # of the clear sky, of which only the part beyond the air is used


def solcast_power(config: SolcastSolar, place: Place | None, fill: Fill | None) -> Series:
    """Return the AC power of an array [W]; that of a period is that of its middle.

    Args:
        config: Keys of the scenario.
        place: Where the array is.
        fill: How gaps are filled.

    Raises:
        SignalError: If the file cannot be used, or there is no place.
    """
    if place is None:
        raise SignalError(
            "solar of type solcast needs the place of the site: give sites.N.location, such as "
            "{latitude: 37.87, longitude: -122.27}"
        )
    has_temperature = "air_temp" in columns(Source(config.path))
    names = ["ghi", "dni", "dhi", *(["air_temp"] if has_temperature else [])]
    by_name = {
        name: read_signal(
            config.path,
            ReadOptions(column=name, timezone=config.timezone, fill=fill),
            "solcast",
        )[1]
        for name in names
    }
    ghi = by_name["ghi"]
    for name, series in by_name.items():
        if not np.array_equal(series.starts_s, ghi.starts_s):
            raise file_error(
                config.path, None, f"'{name}' has values at other times than 'ghi' at the ends"
            )
    step_s = (ghi.end_s - ghi.starts_s[0]) / len(ghi)
    middles_s = ghi.starts_s + step_s / 2
    sun = sun_direction(middles_s, place.latitude, place.longitude)
    sky = clear_sky_light(
        middles_s, sun[2], linke_turbidity=_ANY_TURBIDITY, altitude_m=place.altitude_m
    )
    light = replace(sky, ghi=ghi.values, dni=by_name["dni"].values, dhi=by_name["dhi"].values)
    array = PvArray(
        peak_power_w=config.peak_power_w,
        tilt_deg=config.tilt_deg,
        azimuth_deg=config.azimuth_deg,
        losses_fraction=config.losses_fraction,
        temperature_c=by_name["air_temp"].values if has_temperature else config.temperature_c,
        albedo=config.albedo,
    )
    notes = {note: None for series in by_name.values() for note in series.notes}
    return replace(ghi, values=ac_power_w(array, sun, light), notes=tuple(notes))
