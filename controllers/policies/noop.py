"""Policy ``noop``: leave everything open."""

from __future__ import annotations

from controllers.base import Controller, SiteContext
from controllers.observation import SiteObservation


class Noop(Controller):
    """Sets nothing, so that every actuator stays at its unthrottled value.

    It is what the saving of every other policy is measured against.
    """

    def reset(self, context: SiteContext) -> None:
        """Do nothing: there is no state."""

    def step(self, observation: SiteObservation) -> None:
        """Set nothing."""
