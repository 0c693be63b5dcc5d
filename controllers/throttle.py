"""One actuator of one site, set to a fraction of its maximum; throttling policies use it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from controllers.actuators import ACTUATORS, ActuatorLimits
from controllers.base import SiteAction, SiteContext

if TYPE_CHECKING:
    ThrottledActuator = str
else:  # the names stand in the table alone; a scenario's schema lists them
    ThrottledActuator = Literal[tuple(name for name in ACTUATORS if ACTUATORS[name].throttles)]
"""Names of actuators whose fractions throttle a cluster."""


class Throttle:
    """An actuator that is set to a fraction of its maximum.

    A fraction of 1 is open: the value that is in force without a controller, which for an
    admission rate may be "no limit". Below, the value is the fraction times the maximum, not below
    the actuator's minimum, and rounded where only whole numbers make sense.

    Example::

        throttle = Throttle("batch_cap", context)
        action = throttle.action(0.5, "dirty grid")  # half of the largest batch

    Args:
        actuator: Name of the actuator.
        context: The site.

    Raises:
        ValueError: If the site does not have the actuator, or it has no finite maximum.
    """

    def __init__(self, actuator: str, context: SiteContext) -> None:
        self._actuator = ACTUATORS[actuator]
        self._by_pool: dict[str, ActuatorLimits] = {}
        if self._actuator.scope == "pool" and len(context.pools) > 1:
            pools = context.pools.items()
            self._by_pool = {
                name: pool.limits[actuator] for name, pool in pools if actuator in pool.limits
            }
        limits = context.limits.get(actuator)
        ranges = [*self._by_pool.values()] or ([] if limits is None else [limits])
        if not ranges:
            raise ValueError(f"site '{context.site}' has no {actuator} to throttle")
        if any(math.isinf(limits.maximum) for limits in ranges):
            raise ValueError(f"{actuator} must have a finite maximum to be a fraction of (got inf)")
        self._limits = ranges[0]

    def action(self, fraction: float, reason: str) -> SiteAction:
        """Return the action that sets the actuator to `fraction` of its maximum, 0 to 1.

        Where there are several pools, that is the maximum of each.
        """
        value: float | dict[str, float] = self._value(self._limits, fraction)
        if self._by_pool:
            value = {name: self._value(limits, fraction) for name, limits in self._by_pool.items()}
        setting: dict[str, Any] = {self._actuator.field: value}
        return replace(SiteAction(reason=reason), **setting)

    def _value(self, limits: ActuatorLimits, fraction: float) -> float:
        if fraction >= 1:
            value = limits.unthrottled
        else:
            value = max(limits.minimum, fraction * limits.maximum)
        return round(value) if self._actuator.integral else value
