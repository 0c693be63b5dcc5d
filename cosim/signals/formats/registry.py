"""The formats by name: those of this folder, and those that installed packages offer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from importlib.metadata import entry_points
from pathlib import Path
from types import MappingProxyType

from cosim.errors import SignalError, did_you_mean
from cosim.signals.faults import file_error, shown, shown_names
from cosim.signals.formats import (
    eia930,
    electricity_maps,
    entsoe,
    entsoe_prices,
    forecasts,
    gridstatus,
    neso,
    solcast,
    watttime,
)
from cosim.signals.formats.advice import csv_advice
from cosim.signals.formats.contract import Quantity, SignalFormat
from cosim.signals.formats.source import ReadOptions, Source
from cosim.signals.mix import emission_factors
from cosim.signals.series import Series
from inference_sim.errors import InferenceSimError
from inference_sim.plugins import find_part

_MODULES = (
    electricity_maps,
    watttime,
    neso,
    eia930,
    entsoe,
    entsoe_prices,
    gridstatus,
    solcast,
    forecasts,
)

FORMATS: Mapping[str, SignalFormat] = MappingProxyType(
    {module.FORMAT.name: module.FORMAT for module in _MODULES}
)
"""The formats that come with the package, by name."""

GROUP = "cosim.signals"
"""Group of entry points under which an installed package offers formats by name."""


def find_format(name: str) -> SignalFormat:
    """Return a format that comes with the package, or that an installed one offers.

    Raises:
        SignalError: If there is none of that name, or it cannot be imported.
    """
    try:
        found = find_part("signal format", name, FORMATS, GROUP)
    except InferenceSimError as error:
        raise SignalError(str(error)) from error
    if not isinstance(found, SignalFormat):
        raise SignalError(f"signal format '{name}' must be a SignalFormat (got {shown(found)})")
    return found


def _all() -> Iterator[SignalFormat]:
    """Yield the formats, those of other packages last."""
    yield from FORMATS.values()
    for name in sorted({point.name for point in entry_points(group=GROUP)} - FORMATS.keys()):
        yield find_format(name)


def recognise(source: Source) -> SignalFormat:
    """Return the format that a file is in.

    Raises:
        SignalError: If it is in none of them, or cannot be read.
    """
    for one in _all():
        if one.matches(source):
            return one
    got = f"the columns {shown_names(source.header)}" if source.header else "JSON of another shape"
    raise file_error(
        source.path,
        1,
        f"no known format of signals (got {got}, known are {', '.join(FORMATS)})"
        f"{csv_advice(source)}",
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
    found = recognise(source) if name is None else find_format(name)
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
                f"factors: no such fuel (got {shown(fuel)}, expected one of {[*fuels]}"
                f"{did_you_mean(fuel, fuels)})",
            )
    if options.column is not None and options.column not in found.columns:
        known = f"expected one of {list(found.columns)}" if found.columns else "it has only one"
        hint = did_you_mean(options.column, found.columns)
        raise file_error(
            source.path,
            None,
            f"column: no such values in format '{found.name}' (got {shown(options.column)}, "
            f"{known}{hint})",
        )
    for key, given, fits in (
        ("area", options.area is not None, found.areas),
        ("factors", bool(options.factors), found.mix),
        ("leave_out", bool(options.leave_out), found.mix),
        ("blank_fuels", options.blank_fuels is not None, found.mix),
        ("lead", options.lead_s > 0, found.forecasts),
    ):
        if given and not fits:
            raise file_error(source.path, None, f"{key}: does not go with format '{found.name}'")
