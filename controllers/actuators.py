"""Actuators: the values that a controller may set, where, and within which limits.

`ACTUATORS` is the only table of them: guard, throttles, studies, reports and the terminal read
their facts here. A new actuator is one row of it and one field of `SiteAction`, beside the knob
that obeys it and the limits that a site gives it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

Setting = tuple[str, str]
"""Key of a value in force: the actuator, and the pool that it is set for; "" for the site."""
Settings = Mapping[Setting, float]
"""Values in force at a site."""

SITE = ""
"""Target of an actuator that a site has once."""


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Actuator:
    """A property of a site that a controller may set.

    Attributes:
        field: Name of its field in `SiteAction`.
        unit: Unit of its value.
        description: Its effect, in a few words.
        example: Its range at the example site of `controllers.example`.
        scope: Whether a site has one, or each pool of its cluster.
        part: The part of the site that obeys it.
        integral: Whether only whole numbers make sense.
        additive: Whether the values of several pools add up to that of the site; otherwise the
            greatest is the site's.
        throttles: Whether a fraction of its maximum makes the cluster do less.
        slows: Whether a lower value lengthens the time per token: the guard opens it in any hold.
        defers: Whether it defers requests: the guard closes it in any hold.
        divides: Whether the values of the pools are parts of a whole, and add up to 1 at most.
        infinite: Word for an infinite value.
    """

    field: str
    unit: str
    description: str
    example: ActuatorLimits
    scope: Literal["site", "pool"] = "site"
    part: Literal["cluster", "battery"] = "cluster"
    integral: bool = False
    additive: bool = False
    throttles: bool = False
    slows: bool = False
    defers: bool = False
    divides: bool = False
    infinite: str = "unlimited"


_INF = float("inf")

ACTUATORS: Mapping[str, Actuator] = MappingProxyType(
    {
        "admission_rate": Actuator(
            field="admission_rate_per_s",
            unit="requests/s",
            description="rate at which the gateway of a cluster admits requests; the excess waits",
            example=ActuatorLimits(0.0, 6.0, initial=_INF),
            throttles=True,
        ),
        "batch_cap": Actuator(
            field="batch_cap",
            unit="sequences per replica",
            description="largest batch of a replica; running sequences are never evicted for it",
            example=ActuatorLimits(1, 64),
            scope="pool",
            integral=True,
            throttles=True,
        ),
        "deferrable_rate": Actuator(
            field="deferrable_rate_per_s",
            unit="requests/s",
            description="rate at which deferrable requests are released; a deadline always wins",
            example=ActuatorLimits(0.0, 8.0, initial=_INF),
            throttles=True,
            defers=True,
        ),
        "active_replicas": Actuator(
            field="active_replicas",
            unit="replicas",
            description="replicas that serve; surplus ones drain and sleep, and wake up slowly",
            example=ActuatorLimits(1, 4),
            scope="pool",
            integral=True,
            additive=True,
            throttles=True,
            slows=True,
        ),
        "clock_fraction": Actuator(
            field="clock_fraction",
            unit="fraction",
            description="clock of the GPUs over their highest one, in every iteration",
            example=ActuatorLimits(0.3, 1.0),
            scope="pool",
            throttles=True,
            slows=True,
        ),
        "prefill_clock": Actuator(
            field="prefill_clock",
            unit="fraction",
            description="clock of iterations that compute prompts; the lower of clock_fraction "
            "and it holds",
            example=ActuatorLimits(0.3, 1.0),
            scope="pool",
            throttles=True,
            slows=True,
        ),
        "decode_clock": Actuator(
            field="decode_clock",
            unit="fraction",
            description="clock of iterations that only decode; the lower of clock_fraction and it "
            "holds",
            example=ActuatorLimits(0.3, 1.0),
            scope="pool",
            throttles=True,
            slows=True,
        ),
        "power_cap": Actuator(
            field="power_cap_w",
            unit="W per GPU",
            description="most that a GPU draws; it lowers its own clock for it, if it can",
            example=ActuatorLimits(80.0, 700.0, initial=_INF),
            scope="pool",
            throttles=True,
            slows=True,
        ),
        "cache_host_gib": Actuator(
            field="cache_host_gib",
            unit="GiB per replica",
            description="host memory behind the KV cache; a lower value evicts at once",
            example=ActuatorLimits(0.0, 256.0),
            scope="pool",
        ),
        "tier_share": Actuator(
            field="tier_share",
            unit="fraction",
            description="share of the requests that a pool gets; the default pool gets the rest",
            example=ActuatorLimits(0.0, 1.0, initial=0.0),
            scope="pool",
            divides=True,
        ),
        "battery_power": Actuator(
            field="battery_setpoint_w",
            unit="W",
            description="charging (+) or discharging (-) setpoint of the battery; inf leaves it "
            "to take surplus and cover deficits",
            example=ActuatorLimits(-1000.0, 1000.0, initial=_INF),
            part="battery",
            infinite="automatic",
        ),
    }
)
"""Every actuator, by its name in scenarios."""

THROTTLES = frozenset(name for name, actuator in ACTUATORS.items() if actuator.throttles)
"""Names of the actuators whose fractions throttle a cluster."""
SLOWING = frozenset(name for name, actuator in ACTUATORS.items() if actuator.slows)
"""Names of those that lengthen the time per token."""
DEFERRING = frozenset(name for name, actuator in ACTUATORS.items() if actuator.defers)
"""Names of those that defer requests."""


def of_site(actuator: str, settings: Settings) -> float | None:
    """Return the value of an actuator for a site as a whole; None if the site does not have it.

    Args:
        actuator: Name of the actuator.
        settings: Values in force at the site.
    """
    values = [value for (name, _), value in settings.items() if name == actuator]
    if not values:
        return None
    return sum(values) if ACTUATORS[actuator].additive else max(values)
