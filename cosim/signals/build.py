"""Series that cover the run, from the signals of a scenario.

All series are in W, g/kWh, currency/kWh or °C. Computed series also cover some time before the
run, for controllers that look back; files cover their own span.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import numpy as np

from cosim.errors import SignalError
from cosim.scenario import recorded
from cosim.scenario.live import LiveCarbon
from cosim.scenario.recorded import FileCarbon, FilePrice, FileTemperature, RecordedKeys
from cosim.scenario.signals import (
    CarbonIntensity,
    ConstantCarbon,
    ConstantPower,
    ConstantPrice,
    ConstantTemperature,
    CsvFile,
    CsvSolar,
    HourlyCarbon,
    Load,
    Price,
    Solar,
    Temperature,
    TypicalDayCarbon,
)
from cosim.scenario.solar import FleetSolar, SolcastSolar
from cosim.signals.csv_file import read_csv
from cosim.signals.dialect import Dialect
from cosim.signals.faults import file_error
from cosim.signals.formats import ReadOptions, read_signal
from cosim.signals.gaps import Fill
from cosim.signals.hourly_2022 import hourly_intensity_series, hourly_sun_series
from cosim.signals.place import Place
from cosim.signals.resample import resampled
from cosim.signals.series import Series
from cosim.signals.solar import cloudless_note, computed_solar
from cosim.signals.solcast_solar import solcast_power
from cosim.signals.stamps import SECONDS_NOTE
from cosim.signals.typical_day import typical_day_series
from cosim.signals.window import Window
from cosim.signals.year import repeated_year

CARBON_UNITS: Mapping[str, float] = {"g/kWh": 1.0, "kg/MWh": 1.0, "lb/MWh": 0.45359237}
"""Factors to g/kWh."""
POWER_UNITS: Mapping[str, float] = {"W": 1.0, "kW": 1e3}
"""Factors to W."""
PRICE_UNITS: Mapping[str, float] = {"per_kwh": 1.0, "per_mwh": 1e-3}
"""Factors to currency/kWh."""
TEMPERATURE_UNITS: Mapping[str, tuple[float, float]] = {
    "C": (1.0, 0.0),
    "F": (5 / 9, 32.0),
    "K": (1.0, 273.15),
}
"""Factors to °C, and the value of 0 °C in the unit."""

DAY_S = 86400.0


def carbon_series(config: CarbonIntensity, window: Window) -> Series:
    """Return the carbon intensity of the grid [g/kWh]; its kind is never None.

    Args:
        config: Keys of the scenario.
        window: Span that the series must cover.

    Raises:
        SignalError: If a file cannot be used or does not cover the window.
    """
    if isinstance(config, FileCarbon):
        return _placed(_read_carbon(config), config, window)
    if isinstance(config, HourlyCarbon):
        return hourly_intensity_series(config.area, config.kind, window.start_s, window.end_s)
    if isinstance(config, ConstantCarbon):
        series = _constant(config.value_g_per_kwh, window)
    elif isinstance(config, TypicalDayCarbon):
        series = typical_day_series(config.area, window.start_s - 7 * DAY_S, window.end_s)
    elif isinstance(config, LiveCarbon):
        raise SignalError("a live carbon intensity is only known while `cosim run --live` goes on")
    else:
        series = _from_file(config, CARBON_UNITS[config.unit], window)
    return replace(series, kind=config.kind)


def solar_series(
    config: Solar,
    window: Window,
    place: Place | None = None,
    seed: int | tuple[int, ...] = 0,
) -> Series:
    """Return the power of a solar array [W].

    Args:
        config: Keys of the scenario.
        window: Span that the series must cover.
        place: Where the site is, if the scenario says so.
        seed: Of the clouds.

    Raises:
        SignalError: If a file cannot be used or does not cover the window, or the computed series
            has no place or needs a library that is not installed.
    """
    if isinstance(config, ConstantPower):
        return _constant(config.power_w, window)
    if isinstance(config, CsvSolar):
        factor = config.peak_power_w or POWER_UNITS[config.unit]
        return _from_file(config, factor, window)
    if isinstance(config, FleetSolar):
        share = hourly_sun_series(config.area, window.start_s, window.end_s)
        return share.scaled(config.peak_power_w)
    if isinstance(config, SolcastSolar):
        return _placed(solcast_power(config, place, _fill(config.fill)), config, window)
    series = computed_solar(config, window.start_s - DAY_S, window.end_s, place, seed)
    note = "" if place is None else cloudless_note(config, series, window, place)
    return replace(series, notes=(*series.notes, note)) if note else series


def load_series(config: Load, window: Window) -> Series:
    """Return the power of a plain load [W].

    Args:
        config: Keys of the scenario.
        window: Span that the series must cover.

    Raises:
        SignalError: If a file cannot be used or does not cover the window.
    """
    if isinstance(config, ConstantPower):
        return _constant(config.power_w, window)
    return _from_file(config, POWER_UNITS[config.unit], window)


def price_series(config: Price, window: Window) -> Series:
    """Return the price of energy from the grid [currency/kWh]; may be negative.

    Args:
        config: Keys of the scenario.
        window: Span that the series must cover.

    Raises:
        SignalError: If a file cannot be used or does not cover the window.
    """
    if isinstance(config, ConstantPrice):
        return _constant(config.value_per_kwh, window)
    if isinstance(config, FilePrice):
        return _placed(_read_price(config), config, window, signed=True)
    return _from_file(config, PRICE_UNITS[config.unit], window, signed=True)


def temperature_series(config: Temperature, window: Window) -> Series:
    """Return the temperature of the air outside [°C].

    Args:
        config: Keys of the scenario.
        window: Span that the series must cover.

    Raises:
        SignalError: If a file cannot be used or does not cover the window.
    """
    if isinstance(config, ConstantTemperature):
        return _constant(config.temperature_c, window)
    if isinstance(config, FileTemperature):
        return _placed(_read_temperature(config), config, window, signed=True)
    factor, zero = TEMPERATURE_UNITS[config.unit]
    series = _from_file(config, 1.0, window, signed=True)
    return replace(series, values=factor * (series.values - zero))


def dialect_of(config: CsvFile) -> Dialect:
    """Return the dialect of a table that the scenario gives."""
    return Dialect(
        separator="\t" if config.separator == "tab" else config.separator,
        comment=config.comment,
        skip_rows=config.skip_rows,
        decimal=config.decimal,
        thousands=config.thousands,
    )


def _constant(value: float, window: Window) -> Series:
    return Series(
        np.array([window.start_s - 7 * DAY_S]), window.end_s, np.array([value]), source="constant"
    )


def _from_file(config: CsvFile, factor: float, window: Window, *, signed: bool = False) -> Series:
    series = read_csv(
        config.path,
        column=config.column,
        time_column=config.time_column,
        stamp=config.stamp,
        timezone=config.timezone,
        factor=factor,
        signed=signed,
        fill=_fill(config.fill),
        dialect=dialect_of(config),
    )
    if SECONDS_NOTE in series.notes:
        if config.align != "start":
            raise file_error(
                config.path, None, f"{SECONDS_NOTE}: set `align: start` to begin with the run"
            )
        notes = tuple(note for note in series.notes if note != SECONDS_NOTE)
        series = replace(series, notes=notes)
    return _placed(series, config, window, signed=signed)


def _placed(
    series: Series, config: RecordedKeys, window: Window, *, signed: bool = False
) -> Series:
    """Return the series that was read, shifted in time and put on its grid."""
    if config.shift:
        series = series.shifted(config.shift)
    if config.repeat_year:
        series = repeated_year(series, window.start_s, window.end_s)
    if config.resample is not None:
        series = resampled(series, config.resample.method, config.resample.to, signed=signed)
    if config.align == "start":
        series = series.shifted(window.start_s - series.starts_s[0])
    series.require_cover(window.start_s, window.end_s)
    return series


def _fill(config: recorded.FillMethod | recorded.FillKeys | None) -> Fill | None:
    if isinstance(config, str):
        config = recorded.FillKeys(method=config)
    return None if config is None else Fill(config.method, config.limit)


def _read_carbon(config: FileCarbon) -> Series:
    """Return an intensity from a file of a known source [g/kWh]."""
    options = ReadOptions(
        area=config.area,
        column=config.column,
        timezone=config.timezone,
        factors=config.factors,
        leave_out=config.leave_out,
        blank_fuels=config.blank_fuels,
        lead_s=config.lead,
        fill=_fill(config.fill),
    )
    file_format, series = read_signal(
        config.path, options, config.format, quantity="carbon intensity"
    )
    if file_format.unit:
        if config.unit is not None:
            raise file_error(
                config.path,
                None,
                f"unit: does not go with format '{file_format.name}', which has its own",
            )
    else:
        series = series.scaled(CARBON_UNITS[config.unit or "g/kWh"])
        if (series.values < 0).any():
            raise file_error(config.path, None, "expected an intensity that is not negative")
        series = replace(series, kind=config.kind or "average")
    if config.kind not in (None, series.kind):
        raise file_error(
            config.path,
            None,
            f"kind: the intensity of this file is {series.kind} (got {config.kind})",
        )
    return series


def _read_temperature(config: FileTemperature) -> Series:
    """Return a temperature from a file of a known source [°C]."""
    options = ReadOptions(column="air_temp", timezone=config.timezone, fill=_fill(config.fill))
    return read_signal(config.path, options, config.format, quantity="weather")[1]


def _read_price(config: FilePrice) -> Series:
    """Return a price from a file of a known source [currency/kWh]."""
    options = ReadOptions(
        area=config.area,
        column=config.column,
        timezone=config.timezone,
        currency=config.currency,
        fill=_fill(config.fill),
    )
    return read_signal(config.path, options, config.format, quantity="price")[1]
