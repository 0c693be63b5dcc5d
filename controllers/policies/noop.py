"""Policy ``noop``: leave everything open."""

from __future__ import annotations

from controllers.base import Controller, SiteContext
from controllers.observation import SiteObservation


class Noop(Controller):
    """Baseline that sets nothing, so that every actuator stays at its unthrottled value.

    The savings of every other policy are measured against it.
    """

    sees_carbon = False

    def reset(self, context: SiteContext) -> None:
        """Do nothing: there is no state."""

    def step(self, observation: SiteObservation) -> None:
        """Set nothing."""
