"""Policy ``fixed_mix``: the same share of the requests for each model, at all hours.

It is the least energy at which the mean quality is what is asked for, blind to the grid: the
baseline that a policy which looks at the grid must beat at equal quality.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from controllers.base import Controller, SiteAction, SiteContext
from controllers.mix import Mix
from controllers.observation import SiteObservation


class FixedMix(Controller):
    """A constant mix of models with a mean quality.

    Args:
        floor: Mean score of the requests, at least; that of the worst model gives it everything.
        benchmark: Score that counts, by its name in the pools' `quality`; the first that all have
            by default.
    """

    actuators = frozenset({"tier_share"})

    def __init__(
        self,
        *,
        floor: Annotated[float, Field(ge=0, description="mean score of the requests, at least")],
        benchmark: Annotated[
            str | None, Field(description="score that counts; the first by default")
        ] = None,
    ) -> None:
        self._floor, self._benchmark = floor, benchmark

    def reset(self, context: SiteContext) -> None:
        """Work out the shares."""
        mix = Mix.of(context, self._benchmark)
        self._shares: dict[str, float] | None = None
        if mix is not None:
            mix.check(self._floor)
            self._shares = mix.settings(mix.constant(self._floor))

    def step(self, observation: SiteObservation) -> SiteAction | None:
        """Set the shares."""
        if self._shares is None:
            return None
        return SiteAction(tier_share=self._shares, reason=f"quality {self._floor:g}")
