"""Scenario keys of the signals: carbon intensity, solar power, load and price.

Each signal is a union discriminated by ``type``. ``cosim.signals.build`` turns them into series.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cosim.scenario.fields import InputFile, NonNegative, Positive, StrictModel
from cosim.scenario.live import LiveCarbon
from cosim.scenario.recorded import (
    CarbonUnit,
    FileCarbon,
    FilePrice,
    FileTemperature,
    Kind,
    RecordedKeys,
)
from cosim.scenario.solar import ClearSkySolar, FleetSolar, PvlibSolar, SolcastSolar

Area = Literal["CISO", "ERCO", "PJM", "NYIS", "BPAT"]
"""US balancing area with built-in hours of 2022 and typical days."""


class CsvFile(RecordedKeys):
    """A signal read from a CSV file with one row per interval."""

    type: Literal["csv"]
    """Read the signal from a file."""
    path: InputFile
    """The file: UTF-8, its first line names the columns, commas separate them."""
    column: str | None = None
    """Column of the values; may be left out where there is only one beside the stamps."""
    time_column: str | None = None
    """Column of the stamps: ISO 8601, or seconds from 0 on with ``align: start``; the first one by
    default."""
    stamp: Literal["start", "end"] = "start"
    """Whether a row is stamped with the start or the end of its interval."""
    separator: Annotated[str, Field(pattern=r"^([^\w\s.\"'+-]|\t|tab)$")] = ","
    """Separator of two fields: a character, or ``tab``."""
    comment: Annotated[str, Field(min_length=1)] | None = None
    """Leave lines out that begin with it, such as ``"#"``."""
    skip_rows: Annotated[int, Field(ge=0)] = 0
    """Leave so many lines out at the top, before the one that names the columns."""
    decimal: Literal[".", ","] = "."
    """Decimal mark of numbers."""
    thousands: Annotated[str, Field(pattern=r"^[,.'’_ \u00a0\u202f]$")] | None = None
    """Thousands separator; none by default."""

    @model_validator(mode="after")
    def _decimal_is_not_thousands(self) -> CsvFile:
        if self.decimal == self.thousands:
            raise ValueError(f"`decimal` and `thousands` must differ (both are {self.decimal!r})")
        return self


class ConstantCarbon(StrictModel):
    """A carbon intensity that does not change."""

    type: Literal["constant"]
    """One value for the whole run."""
    value_g_per_kwh: NonNegative
    """Carbon intensity [g/kWh]."""
    kind: Kind = "average"
    """Whether the intensity is average or marginal."""


class CsvCarbon(CsvFile):
    """A carbon intensity from a CSV file."""

    unit: CarbonUnit = "g/kWh"
    """Unit of the values in the file."""
    kind: Kind = "average"
    """Whether the intensity is average or marginal."""


class ConstantMarginal(ConstantCarbon):
    """A marginal carbon intensity that does not change."""

    kind: Literal["marginal"] = "marginal"
    """Marginal."""


class CsvMarginal(CsvCarbon):
    """A marginal carbon intensity from a CSV file."""

    kind: Literal["marginal"] = "marginal"
    """Marginal."""


class TypicalDayCarbon(StrictModel):
    """The mean day of each month of 2022 in a US balancing area, built in."""

    type: Literal["typical_day"]
    """Hourly means by month and UTC hour."""
    area: Area
    """EIA code of the balancing area."""

    @property
    def kind(self) -> Kind:
        """Average: the intensity of the whole generation mix."""
        return "average"


class HourlyCarbon(StrictModel):
    """The hours of 2022 in a US balancing area, built in; other years get those of their dates."""

    type: Literal["hourly_2022"]
    """Hourly values of 2022."""
    area: Area
    """EIA code of the balancing area."""
    kind: Kind = "average"
    """Average: of the whole generation mix. Marginal: of the plants that follow the demand, an
    estimate by regression."""


class HourlyMarginal(HourlyCarbon):
    """The hours of 2022 in a US balancing area: an estimate of the marginal intensity."""

    kind: Literal["marginal"] = "marginal"
    """Marginal."""


class ConstantPower(StrictModel):
    """A power that does not change."""

    type: Literal["constant"]
    """One value for the whole run."""
    power_w: NonNegative
    """Power [W]."""


class CsvSolar(CsvFile):
    """Solar power from a CSV file."""

    unit: Literal["W", "kW", "fraction"] = "W"
    """Unit of the values in the file; ``fraction`` is that of `peak_power_w`."""
    peak_power_w: Positive | None = None
    """Peak power of the array [W]; for ``unit: fraction``, and only there."""

    @model_validator(mode="after")
    def _peak_only_with_fraction(self) -> CsvSolar:
        if self.unit == "fraction" and self.peak_power_w is None:
            raise ValueError("peak_power_w is needed where unit is fraction")
        if self.unit != "fraction" and self.peak_power_w is not None:
            raise ValueError(f"peak_power_w goes with unit: fraction (got unit: {self.unit})")
        return self


class CsvLoad(CsvFile):
    """A load from a CSV file."""

    unit: Literal["W", "kW"] = "W"
    """Unit of the values in the file."""


class ConstantPrice(StrictModel):
    """An energy price that does not change."""

    type: Literal["constant"]
    """One value for the whole run."""
    value_per_kwh: float
    """Price [currency/kWh]; may be negative."""
    currency: Annotated[str, Field(min_length=1)] = "USD"
    """Currency of the price; only printed."""


class CsvPrice(CsvFile):
    """An energy price from a CSV file; may be negative."""

    unit: Literal["per_kwh", "per_mwh"] = "per_kwh"
    """Unit of the values in the file [currency/kWh or currency/MWh]."""
    currency: Annotated[str, Field(min_length=1)] = "USD"
    """Currency of the price; only printed."""


class ConstantTemperature(StrictModel):
    """A temperature that does not change."""

    type: Literal["constant"]
    """One value for the whole run."""
    temperature_c: Annotated[float, Field(ge=-90, le=60)]
    """Temperature [°C]."""


class CsvTemperature(CsvFile):
    """A temperature from a CSV file."""

    unit: Literal["C", "F", "K"] = "C"
    """Unit of the values in the file."""


CarbonIntensity = Annotated[
    ConstantCarbon | CsvCarbon | FileCarbon | TypicalDayCarbon | HourlyCarbon | LiveCarbon,
    Field(discriminator="type"),
]
"""Carbon intensity of the grid; every form has a ``kind``, which a file may state."""

MarginalIntensity = Annotated[
    ConstantMarginal | CsvMarginal | HourlyMarginal, Field(discriminator="type")
]
"""Marginal intensity; the built-in typical days are averages."""

Solar = Annotated[
    ConstantPower | CsvSolar | FleetSolar | SolcastSolar | ClearSkySolar | PvlibSolar,
    Field(discriminator="type"),
]
"""AC power of a solar array."""

Load = Annotated[ConstantPower | CsvLoad, Field(discriminator="type")]
"""Power drawn by a plain load."""

Price = Annotated[ConstantPrice | CsvPrice | FilePrice, Field(discriminator="type")]
"""Price of energy drawn from the grid."""

Temperature = Annotated[
    ConstantTemperature | CsvTemperature | FileTemperature, Field(discriminator="type")
]
"""Temperature of the air outside."""
