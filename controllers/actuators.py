"""What a controller may set, and within which limits.

A new actuator is one row of `ACTUATORS` and one field of `SiteAction` (and one of
`SiteObservation`, to show the value in force).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class Actuator:
    """Something of a site that a controller may set.

    Attributes:
        field: Name of its field in `SiteAction` and `SiteObservation`.
        unit: Unit of its value.
        description: What it does.
        integral: Whether only whole numbers make sense.
        part: What it belongs to.
    """

    field: str
    unit: str
    description: str
    integral: bool = False
    part: Literal["cluster", "battery"] = "cluster"


ACTUATORS: Mapping[str, Actuator] = MappingProxyType(
    {
        "admission_rate": Actuator(
            field="admission_rate_per_s",
            unit="requests/s",
            description="rate at which the gateway of a cluster admits requests; the excess waits",
        ),
        "batch_cap": Actuator(
            field="batch_cap",
            unit="sequences per replica",
            description="largest batch of a replica; running sequences are never evicted for it",
            integral=True,
        ),
        "deferrable_rate": Actuator(
            field="deferrable_rate_per_s",
            unit="requests/s",
            description="rate at which deferrable requests are released; a deadline always wins",
        ),
        "active_replicas": Actuator(
            field="active_replicas",
            unit="replicas",
            description="replicas that serve; surplus ones drain and sleep, and wake up slowly",
            integral=True,
        ),
        "clock_fraction": Actuator(
            field="clock_fraction",
            unit="fraction",
            description="clock of the GPUs over their highest one",
        ),
        "power_cap": Actuator(
            field="power_cap_w",
            unit="W per GPU",
            description="most that a GPU draws; it lowers its own clock for it, if it can",
        ),
        "battery_power": Actuator(
            field="battery_setpoint_w",
            unit="W",
            description="charging (+) or discharging (-) setpoint of the battery; inf leaves it "
            "to take surplus and cover deficits",
            part="battery",
        ),
    }
)
"""Every actuator, by its name in scenarios."""


@dataclass(frozen=True, slots=True)
class ActuatorLimits:
    """Range of an actuator at one site.

    Attributes:
        minimum: Least value allowed.
        maximum: Greatest value allowed; throttling policies set fractions of it.
        initial: Value in force until a controller acts; None for the maximum. An admission rate
            is unlimited (infinite) until then, whatever its maximum.
    """

    minimum: float
    maximum: float
    initial: float | None = None

    def __post_init__(self) -> None:
        if not self.minimum <= self.maximum:
            raise ValueError(
                f"minimum must not exceed maximum (got {self.minimum} and {self.maximum})"
            )

    @property
    def unthrottled(self) -> float:
        """The value in force without a controller."""
        return self.maximum if self.initial is None else self.initial
