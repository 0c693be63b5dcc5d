"""Scenario keys of a microgrid: the grid's signals, solar power, and a battery."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from cosim.scenario.fields import Fraction, NonNegative, Positive, StrictModel
from cosim.scenario.signals import CarbonIntensity, MarginalIntensity, Price, Solar
from cosim.scenario.solar import Panels


class _Battery(StrictModel):
    capacity_wh: NonNegative
    """Energy that it stores when full [Wh]; 0 for no battery."""
    initial_soc: Fraction = 0.5
    """State of charge at the start [0 to 1]."""
    min_soc: Fraction = 0.0
    """State of charge below which it is not discharged [0 to 1]."""

    @model_validator(mode="after")
    def _above_minimum(self) -> _Battery:
        if self.initial_soc < self.min_soc:
            raise ValueError(
                f"initial_soc must be at least min_soc (got {self.initial_soc:g} < "
                f"{self.min_soc:g})"
            )
        return self


class SimpleBattery(_Battery):
    """A lossless battery."""

    type: Literal["simple"]
    """No losses; power limited by c_rate alone."""
    c_rate: Positive | None = None
    """Power limit over capacity [1/h]; no limit by default."""


class ClcBattery(_Battery):
    """A lithium-ion battery: the C-L-C model, with losses, power limits and tapering."""

    type: Literal["clc"]
    """Kazhamiaka et al., Energy Informatics 2, 4 (2019); cells of 19.14 Wh scaled to capacity."""


class Microgrid(StrictModel):
    """Power supply of a site."""

    carbon_intensity: CarbonIntensity
    """Carbon intensity of the grid; the one that controllers see."""
    marginal_carbon_intensity: MarginalIntensity | None = None
    """Marginal intensity beside the average one: emissions are then given by both."""
    solar: Solar | None = None
    """Solar power on site."""
    battery: Annotated[SimpleBattery | ClcBattery, Field(discriminator="type")] | None = None
    """Battery on site; it takes solar surplus and covers deficits before the grid does."""
    price: Price | None = None
    """Price of energy from the grid."""

    @field_validator("battery")
    @classmethod
    def _battery_of_nothing(
        cls, value: SimpleBattery | ClcBattery | None
    ) -> SimpleBattery | ClcBattery | None:
        return value if value is not None and value.capacity_wh else None

    @field_validator("solar")
    @classmethod
    def _panels_of_nothing(cls, value: Any) -> Any:
        return None if isinstance(value, Panels) and not value.peak_power_w else value

    @model_validator(mode="after")
    def _two_kinds(self) -> Microgrid:
        if self.marginal_carbon_intensity and self.carbon_intensity.kind == "marginal":
            raise ValueError(
                "beside `marginal_carbon_intensity`, `carbon_intensity` must be of kind average"
            )
        return self
