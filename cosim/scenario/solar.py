"""Scenario keys of solar power that is computed or built in: a clear sky, pvlib, clouds, fleets."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cosim.scenario.fields import DurationS, Fraction, InputFile, NonNegative, StrictModel
from cosim.scenario.recorded import RecordedKeys

WeatherFormat = Literal["tmy3", "epw", "pvgis", "sam"]
"""tmy3: NREL's typical years. epw: EnergyPlus. pvgis: typical year of PVGIS, as CSV. sam: the
hours or half-hours of one year from the NSRDB, in SAM's CSV."""

FleetArea = Literal["CISO", "ERCO", "PJM"]
"""US balancing area with solar plants in EIA's data."""


class Clouds(StrictModel):
    """Random clouds: a share of the clear sky's power, from 0 to 1."""

    mean: Annotated[float, Field(gt=0, lt=1)]
    """Mean share of the clear sky's power that is left."""
    std: Annotated[float, Field(gt=0, lt=0.5)]
    """Its standard deviation; less than that of a share that is only ever 0 or 1."""
    correlation_time: Annotated[DurationS, Field(gt=0)] = 3600.0
    """Time in which the autocorrelation falls to 1/e."""

    @model_validator(mode="after")
    def _possible(self) -> Clouds:
        most = (self.mean * (1 - self.mean)) ** 0.5
        if self.std >= most:
            raise ValueError(
                f"std must be less than sqrt(mean * (1 - mean)) = {most:.3g} (got {self.std:g})"
            )
        return self


class Panels(StrictModel):
    """A solar array that does not turn, on a site that has a ``location``."""

    peak_power_w: NonNegative
    """Power of the array under standard test conditions, and limit of its output [W]; 0 for
    no array."""
    tilt_deg: Annotated[float, Field(ge=0, le=90)] = 30.0
    """Tilt of the array from horizontal [deg]."""
    azimuth_deg: Annotated[float, Field(ge=0, le=360)] = 180.0
    """Direction that the array faces, clockwise from north [deg]: 180 is south, 0 north."""
    losses_fraction: Fraction = 0.14
    """Losses by soiling, wiring, mismatch and so on; the default is that of PVWatts 5."""
    temperature_c: Annotated[float, Field(ge=-60, le=60)] = 20.0
    """Temperature of the air [°C]."""
    albedo: Fraction = 0.2
    """Share of the light that the ground reflects."""


class FixedArray(Panels):
    """A solar array under a sky that is computed."""

    linke_turbidity: Annotated[float, Field(ge=1, le=15)] | None = None
    """Haze of the clear sky: 2 is very clear, 7 very hazy; that of place and month by default."""
    clouds: Clouds | None = None
    """Clouds at random; none by default."""


class ClearSkySolar(FixedArray):
    """Solar power under a cloudless sky, computed from the site's location."""

    type: Literal["clear_sky"]
    """Compute it; the site needs a ``location``."""


class SolcastSolar(RecordedKeys, Panels):
    """Solar power from the irradiance in a file of Solcast."""

    type: Literal["solcast"]
    """Compute it from irradiance; the site needs a ``location``. Air temperatures in the file
    take the place of ``temperature_c``."""


class FleetSolar(StrictModel):
    """Power of the solar plants of a US balancing area in 2022, built in, hour by hour.

    Days are real, with their clouds, and none repeats; a fleet's are smoother than one roof's.
    Other years get the days of their dates.
    """

    type: Literal["fleet_2022"]
    """Share of the fleet's best hour, times `peak_power_w`."""
    area: FleetArea
    """EIA code of the balancing area."""
    peak_power_w: NonNegative
    """Power in the fleet's best hour [W]; 0 for no array."""


class Weather(StrictModel):
    """Weather of a year from a file that pvlib reads."""

    path: InputFile
    """The file."""
    format: WeatherFormat
    """Format of the file."""


class PvlibSolar(FixedArray):
    """Solar power by pvlib's ModelChain with PVWatts: ``pip install 'carbon-cosim[solar]'``."""

    type: Literal["pvlib"]
    """Compute it with pvlib; the site needs a ``location``."""
    wind_m_per_s: NonNegative = 1.0
    """Wind that cools the array [m/s]."""
    weather: Weather | None = None
    """Irradiance, temperature and wind from a file; a clear sky by default."""

    @model_validator(mode="after")
    def _one_sky(self) -> PvlibSolar:
        if self.weather is not None:
            for name in ("clouds", "linke_turbidity"):
                if getattr(self, name) is not None:
                    raise ValueError(f"`{name}` goes with a clear sky, `weather` has its own")
        return self
