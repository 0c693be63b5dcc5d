"""A controller of one's own: admit everything while the sun shines, a trickle otherwise."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controllers import Controller, SiteAction, SiteContext, SiteObservation


class FollowTheSun(Controller):
    """Opens the gateway while solar power is above a threshold."""

    actuators = frozenset({"admission_rate"})

    def __init__(
        self,
        *,
        open_at_w: Annotated[float, Field(gt=0, description="solar power from which it opens [W]")],
        trickle: Annotated[
            float, Field(ge=0, le=1, description="share of the highest rate that always passes")
        ] = 0.1,
    ) -> None:
        self.open_at_w = open_at_w
        self.trickle = trickle

    def reset(self, context: SiteContext) -> None:
        limits = context.limits["admission_rate"]
        self.open_per_s = limits.unthrottled  # infinite, unless the gateway has a limit
        self.trickle_per_s = self.trickle * limits.maximum

    def step(self, observation: SiteObservation) -> SiteAction:
        sunny = observation.solar_w >= self.open_at_w
        return SiteAction(
            admission_rate_per_s=self.open_per_s if sunny else self.trickle_per_s,
            reason=f"{observation.solar_w:.0f} W of sun",
        )
