"""Scenario keys of signals from files: the file, and the processing of its rows."""

from __future__ import annotations

import zoneinfo
from typing import Annotated, Literal

from pydantic import Field, field_validator, model_validator

from cosim.errors import did_you_mean
from cosim.scenario.fields import (
    DurationS,
    InputFile,
    NonNegative,
    SignedDurationS,
    StrictModel,
)

Kind = Literal["average", "marginal"]
"""Whether an intensity is that of the whole mix, or of the plant that follows the demand."""

CarbonUnit = Literal["g/kWh", "kg/MWh", "lb/MWh"]
"""Unit of a carbon intensity."""

FillMethod = Literal["hold", "linear"]
"""hold: the value before the gap. linear: a line across it."""


def known_timezone(name: str) -> str:
    """Return the name of a time zone.

    Raises:
        ValueError: If there is no such zone.
    """
    known = zoneinfo.available_timezones()
    if name not in known:
        raise ValueError(f"expected an IANA time zone (got {name!r}{did_you_mean(name, known)})")
    return name


class Resample(StrictModel):
    """Interpolation between the rows of a file; without it each row's value is held."""

    method: Literal["hold", "linear", "pchip", "cubic", "mean_preserving"]
    """cubic is the method of the paper; it is clipped at 0 where a signal cannot be negative. pchip
    does not overshoot. mean_preserving keeps the mean of every row, the others do not."""
    to: DurationS = 60.0
    """Length of the new intervals; divides that of the rows."""


class FillKeys(StrictModel):
    """Rules for gaps in a file."""

    method: FillMethod
    """hold: the value before the gap. linear: a line across it."""
    limit: Annotated[DurationS, Field(gt=0)] = 21600.0
    """Longest gap that may be filled; 6 h by default."""


class RecordedKeys(StrictModel):
    """A signal from a file."""

    path: InputFile
    """The file."""
    align: Literal["clock", "start"] = "clock"
    """``clock`` takes stamps as they are; ``start`` moves the first row to the start of the run."""
    timezone: str | None = None
    """IANA time zone of stamps that carry none, such as ``US/Pacific``."""
    shift: SignedDurationS = 0.0
    """Moves every row later, or earlier if negative, such as ``365d`` or ``-3h``."""
    repeat_year: bool = False
    """Fill dates of the run that the file lacks from the same dates of a year that it has."""
    fill: FillMethod | FillKeys | None = None
    """Fill gaps, as the run then reports; gaps are errors by default. ``hold`` and ``linear``
    alone fill gaps of up to 6 h."""
    resample: Resample | None = None
    """Interpolate to a finer grid; each row's value is held by default."""

    @field_validator("timezone")
    @classmethod
    def _known_timezone(cls, value: str | None) -> str | None:
        return None if value is None else known_timezone(value)

    @model_validator(mode="after")
    def _one_alignment(self) -> RecordedKeys:
        if self.align == "start" and (self.shift or self.repeat_year):
            raise ValueError("`shift` and `repeat_year` go with `align: clock`")
        return self


class SourceFile(RecordedKeys):
    """A signal from a file of a known source."""

    type: Literal["file"]
    """Read the signal from a file of a known source."""
    format: str | None = None
    """Format of the file, such as ``eia930``; recognised by its content by default. Packages can
    offer others."""


class FileCarbon(SourceFile):
    """A carbon intensity from a file of a known source."""

    area: str | None = None
    """Zone, region or balancing authority, for a file that has several."""
    column: str | None = None
    """Which values: ``life_cycle`` or ``direct`` of Electricity Maps, ``actual`` or ``forecast`` of
    NESO; the first ones by default."""
    factors: dict[str, NonNegative] = {}
    """Emission factors of fuels [g/kWh] in place of the built-in ones, for a generation mix."""
    leave_out: list[str] = []
    """Fuels that do not count in a generation mix, such as ``other``."""
    blank_fuels: Literal["gap", "zero"] | None = None
    """Meaning of a blank of one fuel in a generation mix. By default a gap, but 0 where the fuel
    begins or ends within the file, or is blank in half of its rows."""
    lead: DurationS = 0.0
    """Least lead time of a recorded forecast: from its issue to the time forecast."""
    unit: CarbonUnit | None = None
    """Unit of recorded forecasts, g/kWh by default; other files state theirs."""
    kind: Kind | None = None
    """Kind of recorded forecasts, average by default; it must match files that state theirs."""


class FilePrice(SourceFile):
    """An energy price from a file of a known source; may be negative."""

    area: str | None = None
    """Area, for a file that has several."""
    column: str | None = None
    """Sequence of the auction, for a file with several; the first one by default."""
    currency: Annotated[str, Field(min_length=1)] = "EUR"
    """Currency, which must be that of the file."""


class FileTemperature(SourceFile):
    """The temperature of the air from a file of a known source."""
