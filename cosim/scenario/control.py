"""Scenario keys around the controllers: forecasts, and the guard of the SLOs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from cosim.scenario.fields import DurationS, InputFile, NonNegative, StrictModel


class SameHourYesterdayForecast(StrictModel):
    """Forecast of each step by the value 24 h earlier, or by the current value without history."""

    type: Literal["same_hour_yesterday"] = "same_hour_yesterday"
    """As on the day before; where that is not known, as now."""


class PersistenceForecast(StrictModel):
    """Forecast of each step by the current value."""

    type: Literal["persistence"]
    """As now, for ever."""


class NoisyForecast(StrictModel):
    """Forecast by the true values with an error that grows with the lead time."""

    type: Literal["noisy"]
    """The truth and a first-order autoregressive error along the time ahead."""
    error: NonNegative
    """Standard deviation of the error far ahead, over the mean of the signal's size."""
    correlation: DurationS = 4 * 3600.0
    """Time over which errors are correlated."""
    issue_every: DurationS = 3600.0
    """Time between two issues of the forecast."""


class RecordedForecast(StrictModel):
    """Recorded forecasts from a file."""

    type: Literal["recorded"]
    """From a CSV file with the columns `request_time`, `forecast_time` and `value`, or WattTime's
    history of forecasts."""
    path: InputFile
    """The file; times in ISO 8601 with a zone, values in the unit of the signal: g/kWh, W or
    requests/s."""


ForecastModel = Annotated[
    SameHourYesterdayForecast | PersistenceForecast | NoisyForecast | RecordedForecast,
    Field(discriminator="type"),
]


class ForecastsKeys(StrictModel):
    """Forecasts for controllers that ask. Perfect forecasts go only to controllers whose
    entry says `clairvoyant: true`."""

    carbon_intensity: ForecastModel = SameHourYesterdayForecast()
    """The carbon intensity of the grid."""
    solar: ForecastModel = SameHourYesterdayForecast()
    """Solar power on site."""
    arrivals: ForecastModel = SameHourYesterdayForecast()
    """The mean rate at which requests arrive."""


class SloGuardKeys(StrictModel):
    """Guard that releases every throttle of a site for a while, and defers deferrable requests,
    when the latency of a class that may not be deferred comes near its SLO."""

    margin: Annotated[float, Field(ge=0, lt=1)] = 0.1
    """It acts at this share below an SLO for the time to the first token or per token, by the 99th
    percentile of the last five minutes."""
    hold: DurationS = 900.0
    """Least time for which it stays active; doubled when it is needed again within a day."""
    max_hold: DurationS = 6 * 3600.0
    """Longest time for which it stays active."""

    @model_validator(mode="after")
    def _ordered(self) -> SloGuardKeys:
        if not 0 < self.hold <= self.max_hold:
            raise ValueError(
                f"hold must be above 0 and at most max_hold (got {self.hold:g} s and "
                f"{self.max_hold:g} s)"
            )
        return self
