"""The contract of a format: the attributes of a module of this folder, or of a plug-in."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from cosim.signals.formats.source import ReadOptions, Source
from cosim.signals.series import Series

Quantity = Literal["carbon intensity", "weather", "price", "any"]


@dataclass(frozen=True, slots=True, kw_only=True)
class SignalFormat:
    """File format of a source.

    A package offers one as an entry point of the group ``cosim.signals``, under its name::

        [project.entry-points."cosim.signals"]
        my_format = "my_package.my_format:FORMAT"

    Attributes:
        name: Its name in scenarios.
        about: A short description.
        quantity: Quantity of its values.
        unit: Unit of the series that is read; empty if not stated in the file. Carbon intensities
            are in g/kWh, prices in currency/kWh.
        matches: Whether a file looks like one.
        read: Returns the series; raises a SignalError if the file is not as it should be.
        kind: Kind of a carbon intensity; None where the file states it, or it has none.
        columns: Values that ``column`` may have; the first is the default.
        areas, mix: Whether a file may have several areas; whether it has generation by fuel.
        forecasts: Whether it may have forecasts made at several times, so that ``lead`` counts.
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
    forecasts: bool = False
