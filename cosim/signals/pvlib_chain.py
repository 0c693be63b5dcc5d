"""Solar power by pvlib: its ModelChain with PVWatts, a clear sky or a weather file.

The only module that needs pvlib [1], which the extra ``solar`` brings.

References:
    [1] K. Anderson, C. Hansen, W. Holmgren, A. Jensen, M. Mikofski, A. Driesse, "pvlib python:
        2023 project update", Journal of Open Source Software 8(92), 2023.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, tzinfo
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from cosim.errors import Problem, SignalError, install_hint
from cosim.scenario.solar import PvlibSolar, Weather, WeatherFormat
from cosim.signals.series import Series
from inference_sim.arrays import FloatArray

if TYPE_CHECKING:
    from cosim.signals.place import Place

_YEAR_S = 365 * 86400.0
_READERS: dict[WeatherFormat, tuple[str, float]] = {
    "tmy3": ("read_tmy3", -0.5),
    "epw": ("read_epw", 0.5),
    "pvgis": ("read_pvgis_tmy", 0.0),
    "sam": ("read_nsrdb_psm4", 0.0),
}
"""pvlib's reader of each format, and where the middle of an interval lies after its stamp, in
intervals: TMY3 has its end, EPW as pvlib reads it its start, the others a moment."""
_MODULE = {"gamma_pdc": -0.0035}  # PVWatts's premium module
_INVERTER_EFFICIENCY = 0.96  # PVWatts
_OTHER_LOSSES = (
    "shading",
    "snow",
    "mismatch",
    "wiring",
    "connections",
    "lid",
    "nameplate_rating",
    "age",
    "availability",
)
_NEEDED = ("ghi", "dni", "dhi")
_OPTIONAL = {"temp_air": "temperature_c", "wind_speed": "wind_m_per_s"}
_DAYS_BEFORE_MONTH = np.cumsum([0, 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30])


def clear_sky_chain_power_w(config: PvlibSolar, times_s: FloatArray, place: Place) -> FloatArray:
    """Return the AC power under pvlib's clear sky (Ineichen) [W], shape of `times_s`.

    Args:
        config: The array.
        times_s: Seconds since the Unix epoch.
        place: Where it is.

    Raises:
        SignalError: If pvlib is not installed.
    """
    with _pvlib() as pvlib:
        times = _utc(times_s)
        haze = {} if config.linke_turbidity is None else {"linke_turbidity": config.linke_turbidity}
        weather = _location(pvlib, place).get_clearsky(times, **haze)
        weather["temp_air"] = config.temperature_c
        weather["wind_speed"] = config.wind_m_per_s
        return _run(pvlib, config, place, weather)


def weather_series(
    config: PvlibSolar, weather: Weather, start_s: float, end_s: float, place: Place
) -> Series:
    """Return the AC power in the weather of a file [W], over a span of time in any year.

    The rows are taken by month, day and time of day, in the file's own time zone; the 29th of
    February has the weather of the 28th.

    Args:
        config: The array.
        weather: The file.
        start_s: Start of the span, in seconds since the Unix epoch.
        end_s: End of the span, in seconds since the Unix epoch.
        place: Where the array is.

    Raises:
        SignalError: If pvlib is not installed, or the file cannot be used.
    """
    with _pvlib() as pvlib:
        rows, zone = _rows(pvlib, config, weather)
        slots_s = rows.index.to_numpy(dtype=np.float64)
        step_s = _YEAR_S / len(rows)
        east_s = _east_of_utc_s(zone)
        first = np.floor((start_s + east_s - slots_s[0]) / step_s)
        last = np.ceil((end_s + east_s - slots_s[0]) / step_s)
        middles_s = slots_s[0] - east_s + step_s * np.arange(first, last + 1)
        times = _utc(middles_s)
        slots = np.searchsorted(slots_s, _slots_s(times.tz_convert(zone)) - step_s / 2)
        power_w = _run(pvlib, config, place, rows.iloc[slots].set_index(times))
    starts_s = middles_s - step_s / 2
    return Series(starts_s, starts_s[-1] + step_s, power_w, source=str(weather.path))


def _rows(pvlib: Any, config: PvlibSolar, weather: Weather) -> tuple[pd.DataFrame, tzinfo]:
    """Return a file's rows by the middles of their intervals [s since New Year], and its zone."""
    name, to_middle = _READERS[weather.format]

    def wrong(message: str) -> SignalError:
        return SignalError(Problem(message, where=str(weather.path)))

    try:
        read, facts = getattr(pvlib.iotools, name)(weather.path)
        stamps = pd.DatetimeIndex(read.index)
        table = pd.DataFrame({name: read[name].to_numpy(np.float64) for name in _NEEDED})
        for column, key in _OPTIONAL.items():
            given = column in read.columns
            table[column] = read[column].to_numpy(np.float64) if given else getattr(config, key)
        late_s = 3600 * facts.get("inputs", {}).get("irradiance time offset", 0.0)  # PVGIS
    except Exception as error:  # whatever pvlib and pandas raise on what is no such file
        raise wrong(
            f"pvlib cannot read this as {weather.format}, with the columns {', '.join(_NEEDED)} "
            f"({type(error).__name__}: {error}); check weather.format"
        ) from error
    if (zone := stamps.tz) is None:
        raise wrong("the stamps have no time zone")
    bad = ~np.isfinite(table.to_numpy()).all(axis=1) | (table[[*_NEEDED]] < 0).any(axis=1)
    if bad.any():
        raise wrong(
            f"the row of {stamps[int(np.argmax(bad))]} has a missing value or negative light "
            f"(first of {int(bad.sum())} such rows)"
        )
    leap = (stamps.month == 2) & (stamps.day == 29)
    table, stamps = table[~leap], stamps[~leap]
    step_s = _YEAR_S / max(len(table), 1)
    table.index = pd.Index(np.round(_slots_s(stamps) + to_middle * step_s + late_s) % _YEAR_S)
    table = table.sort_index()
    slots_s = table.index.to_numpy(dtype=np.float64)
    gaps_s = np.diff(slots_s, append=slots_s[:1] + _YEAR_S)
    if len(table) < 8760 or not np.allclose(gaps_s, step_s, atol=1.0):
        raise wrong(
            "expected every hour, half-hour or finer step of one year, once "
            f"(got {len(table):,} rows, {gaps_s.min(initial=np.inf):g} to "
            f"{gaps_s.max(initial=0):g} s apart)"
        )
    return table, zone


def _slots_s(stamps: pd.DatetimeIndex) -> FloatArray:
    """Return the time since New Year in a year without a 29th of February, where it is the 28th."""
    day = np.where((stamps.month == 2) & (stamps.day == 29), 28, stamps.day)
    days = _DAYS_BEFORE_MONTH[np.asarray(stamps.month) - 1] + day - 1
    seconds = 3600 * stamps.hour + 60 * stamps.minute + stamps.second
    return np.asarray(days * 86400.0 + seconds, dtype=np.float64)


def _east_of_utc_s(zone: tzinfo) -> float:
    offset = zone.utcoffset(datetime(2001, 1, 1))  # zones of weather files are fixed offsets
    return offset.total_seconds() if offset is not None else 0.0


def _utc(times_s: FloatArray) -> pd.DatetimeIndex:
    return pd.DatetimeIndex(pd.to_datetime(np.round(times_s), unit="s", utc=True))


def _location(pvlib: Any, place: Place) -> Any:
    return pvlib.location.Location(
        place.latitude, place.longitude, tz="UTC", altitude=place.altitude_m
    )


def _run(pvlib: Any, config: PvlibSolar, place: Place, weather: pd.DataFrame) -> FloatArray:
    """Return the AC power of a PVWatts array in a weather [W]."""
    models = pvlib.temperature.TEMPERATURE_MODEL_PARAMETERS["sapm"]
    array = pvlib.pvsystem.Array(
        pvlib.pvsystem.FixedMount(config.tilt_deg, config.azimuth_deg),
        albedo=config.albedo,
        module_parameters={"pdc0": config.peak_power_w} | _MODULE,
        temperature_model_parameters=models["open_rack_glass_polymer"],
    )
    system = pvlib.pvsystem.PVSystem(
        [array],
        inverter_parameters={"pdc0": config.peak_power_w / _INVERTER_EFFICIENCY},
        losses_parameters=dict.fromkeys(_OTHER_LOSSES, 0.0)
        | {"soiling": 100 * config.losses_fraction},
    )
    chain = pvlib.modelchain.ModelChain.with_pvwatts(system, _location(pvlib, place))
    chain.run_model(weather)
    # pvlib has no value where the sun is too low for it.
    power_w: FloatArray = np.nan_to_num(chain.results.ac.to_numpy(np.float64))
    return np.maximum(power_w, 0.0)


@contextmanager
def _pvlib() -> Iterator[Any]:
    """Import pvlib with its deprecation warnings silenced."""
    try:
        import pvlib
        from pvlib import iotools, location, modelchain, pvsystem, temperature  # noqa: F401
    except ImportError as error:
        raise SignalError(
            f"solar of type pvlib needs pvlib, which is not installed; {install_hint('solar')} "
            "brings it, and type clear_sky does without"
        ) from error
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", category=DeprecationWarning)
        warnings.filterwarnings("ignore", module="pvlib")
        yield pvlib
