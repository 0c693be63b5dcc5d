"""One actuator of one site, set to a fraction of its maximum; throttling policies use it."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from controllers.actuators import ACTUATORS
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
        limits = context.limits.get(actuator)
        if limits is None:
            raise ValueError(f"site '{context.site}' has no {actuator} to throttle")
        if math.isinf(limits.maximum):
            raise ValueError(f"{actuator} must have a finite maximum to be a fraction of (got inf)")
        self._limits = limits
        self._actuator = ACTUATORS[actuator]

    def action(self, fraction: float, reason: str) -> SiteAction:
        """Return the action that sets the actuator to `fraction` of its maximum, 0 to 1."""
        if fraction >= 1:
            value = self._limits.unthrottled
        else:
            value = max(self._limits.minimum, fraction * self._limits.maximum)
        if self._actuator.integral:
            value = round(value)
        setting: dict[str, Any] = {self._actuator.field: value}
        return replace(SiteAction(reason=reason), **setting)
