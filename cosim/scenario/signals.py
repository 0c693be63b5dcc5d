"""Scenario keys of the signals: carbon intensity, solar power, load and price.

Each signal is a union told apart by ``type``. ``cosim.signals.build`` turns them into series.
"""

from __future__ import annotations

import zoneinfo
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from cosim.errors import did_you_mean
from cosim.scenario.fields import DurationS, InputFile, NonNegative, Positive, StrictModel
from cosim.scenario.live import LiveCarbon
from cosim.scenario.solar import ClearSkySolar, PvlibSolar

Kind = Literal["average", "marginal"]
"""Whether an intensity is that of the whole mix, or of the plant that follows the demand."""

Area = Literal["CISO", "ERCO", "PJM", "NYIS", "BPAT"]
"""US balancing area with a built-in typical day."""


class Resample(StrictModel):
    """Interpolation between the rows of a file; without it each row's value is held."""

    method: Literal["linear", "cubic"]
    """cubic is what the paper did; it is clipped at 0 where a signal cannot be negative."""
    to: DurationS = 60.0
    """Length of the new intervals; divides that of the rows."""


class CsvFile(StrictModel):
    """A signal read from a CSV file with one row per interval, all of one length."""

    type: Literal["csv"]
    """Read the signal from a file."""
    path: InputFile
    """The file: comma-separated, UTF-8, its first line names the columns."""
    column: str | None = None
    """Column of the values; may be left out where there is only one beside the stamps."""
    time_column: str | None = None
    """Column of the stamps (ISO 8601); the first one by default."""
    stamp: Literal["start", "end"] = "start"
    """Whether a row is stamped with the start or the end of its interval."""
    align: Literal["clock", "start"] = "clock"
    """``clock`` takes stamps as they are; ``start`` moves the first row to the start of the run."""
    timezone: str | None = None
    """IANA time zone of stamps that carry none, such as ``US/Pacific``."""
    resample: Resample | None = None
    """Interpolate to a finer grid; each row's value is held by default."""

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str | None) -> str | None:
        if value is not None:
            known = zoneinfo.available_timezones()
            if value not in known:
                hint = did_you_mean(value, known)
                raise ValueError(f"expected an IANA time zone (got {value!r}{hint})")
        return value


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

    unit: Literal["g/kWh", "kg/MWh", "lb/MWh"] = "g/kWh"
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
    ConstantCarbon | CsvCarbon | TypicalDayCarbon | LiveCarbon, Field(discriminator="type")
]
"""Carbon intensity of the grid; every form has a ``kind``."""

MarginalIntensity = Annotated[ConstantMarginal | CsvMarginal, Field(discriminator="type")]
"""Marginal intensity; the built-in typical days are averages."""

Solar = Annotated[
    ConstantPower | CsvSolar | ClearSkySolar | PvlibSolar, Field(discriminator="type")
]
"""AC power of a solar array."""

Load = Annotated[ConstantPower | CsvLoad, Field(discriminator="type")]
"""Power drawn by a plain load."""

Price = Annotated[ConstantPrice | CsvPrice, Field(discriminator="type")]
"""Price of energy drawn from the grid."""

Temperature = Annotated[ConstantTemperature | CsvTemperature, Field(discriminator="type")]
"""Temperature of the air outside."""
