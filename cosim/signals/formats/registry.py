"""The formats by name: what they hold, and what can be said of a file in each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal

from cosim.errors import did_you_mean
from cosim.signals.faults import file_error, shown
from cosim.signals.formats import (
    eia930,
    electricity_maps,
    entsoe,
    forecasts,
    neso,
    solcast,
    watttime,
)
from cosim.signals.formats.source import ReadOptions, Source
from cosim.signals.mix import emission_factors
from cosim.signals.series import Series

Quantity = Literal["carbon intensity", "weather", "any"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFormat:
    """How a source writes its files.

    Attributes:
        name: What scenarios call it.
        about: What it is, in a few words.
        quantity: What its values are.
        unit: Unit of the series that is read; empty if the file does not tell.
        matches: Whether a file looks like one.
        read: Returns the series; raises a SignalError if the file is not as it should be.
        kind: Kind of a carbon intensity; None where the file tells, or it has none.
        columns: What ``column`` may be; the first is the default.
        areas, mix: Whether a file may have several areas; whether it has generation by fuel.
    """

    name: str
    about: str
    quantity: Quantity
    unit: str
    matches: Callable[[Source], bool]
    read: Callable[[Source, ReadOptions], Series]
    kind: Literal["average", "marginal"] | None = None
    columns: tuple[str, ...] = ()
    areas: bool = False
    mix: bool = False


FORMATS: Mapping[str, SignalFormat] = {
    one.name: one
    for one in (
        SignalFormat(
            name="electricity_maps",
            about="Electricity Maps, CSV files from 2021 on",
            quantity="carbon intensity",
            unit="g/kWh",
            matches=electricity_maps.matches,
            read=electricity_maps.read,
            kind="average",
            columns=electricity_maps.COLUMNS,
            areas=True,
        ),
        SignalFormat(
            name="watttime",
            about="WattTime v3, JSON or the CSV of its client",
            quantity="carbon intensity",
            unit="g/kWh",
            matches=watttime.matches,
            read=watttime.read,
            areas=True,
        ),
        SignalFormat(
            name="neso",
            about="carbon intensity of Great Britain, JSON of NESO's API",
            quantity="carbon intensity",
            unit="g/kWh",
            matches=neso.matches,
            read=neso.read,
            kind="average",
            columns=neso.COLUMNS,
        ),
        SignalFormat(
            name="eia930",
            about="EIA-930, generation by fuel of US balancing authorities",
            quantity="carbon intensity",
            unit="g/kWh",
            matches=eia930.matches,
            read=eia930.read,
            kind="average",
            areas=True,
            mix=True,
        ),
        SignalFormat(
            name="entsoe",
            about="ENTSO-E, generation by production type of a European area",
            quantity="carbon intensity",
            unit="g/kWh",
            matches=entsoe.matches,
            read=entsoe.read,
            kind="average",
            areas=True,
            mix=True,
        ),
        SignalFormat(
            name="solcast",
            about="Solcast, irradiance and temperature",
            quantity="weather",
            unit="W/m2",
            matches=solcast.matches,
            read=solcast.read,
            columns=solcast.COLUMNS,
        ),
        SignalFormat(
            name="forecasts",
            about="recorded forecasts",
            quantity="any",
            unit="",
            matches=forecasts.matches,
            read=forecasts.read,
        ),
    )
}
"""The formats by name."""


def recognise(source: Source) -> SignalFormat:
    """Return the format that a file is in.

    Raises:
        SignalError: If it is in none of them, or cannot be read.
    """
    for one in FORMATS.values():
        if one.matches(source):
            return one
    got = f"the columns {shown(list(source.header))}" if source.header else "JSON of another shape"
    raise file_error(
        source.path,
        1,
        f"no known format of signals (got {got}, known are {', '.join(FORMATS)}); read other files "
        "with type: csv",
    )


def read_signal(
    path: Path,
    options: ReadOptions | None = None,
    name: str | None = None,
    *,
    quantity: Quantity = "any",
) -> tuple[SignalFormat, Series]:
    """Read a signal from a file of a known source.

    Args:
        path: The file.
        options: What else is known of it.
        name: Its format; recognised by its content if None.
        quantity: What it must hold.

    Returns:
        The format, and the series in its unit.

    Raises:
        SignalError: If the file cannot be read, or an option does not go with it.
    """
    source, options = Source(path), options or ReadOptions()
    found = recognise(source) if name is None else FORMATS[name]
    if "any" not in (quantity, found.quantity) and quantity != found.quantity:
        raise file_error(
            path,
            None,
            f"expected a file of {quantity} (got one of {found.quantity}, format '{found.name}')",
        )
    _check_options(source, found, options)
    series = found.read(source, options)
    return found, series if series.kind else replace(series, kind=found.kind)


def _check_options(source: Source, found: SignalFormat, options: ReadOptions) -> None:
    """Refuse what does not go with a format."""
    fuels = emission_factors()
    for fuel in options.factors:
        if fuel not in fuels:
            raise file_error(
                source.path,
                None,
                f"factors: no such fuel (got {fuel!r}, expected one of {[*fuels]}"
                f"{did_you_mean(fuel, fuels)})",
            )
    if options.column is not None and options.column not in found.columns:
        known = f"expected one of {list(found.columns)}" if found.columns else "it has only one"
        hint = did_you_mean(options.column, found.columns)
        raise file_error(
            source.path,
            None,
            f"column: no such values in format '{found.name}' (got {options.column!r}, "
            f"{known}{hint})",
        )
    for key, given, fits in (
        ("area", options.area is not None, found.areas),
        ("factors", bool(options.factors), found.mix),
        ("lead", options.lead_s > 0, found.name == "forecasts"),
    ):
        if given and not fits:
            raise file_error(source.path, None, f"{key}: does not go with format '{found.name}'")
