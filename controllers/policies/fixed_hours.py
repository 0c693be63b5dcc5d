"""Policy ``fixed_hours``: deferrable work on all replicas from a fixed hour of the day on.

A window (`controllers.windows`) opens every day at that hour and closes when no deferrable request
waits. It never looks at the grid: it is the baseline that shows how much of a saving comes from
serving in bulk and sleeping, without knowing when the grid is clean. `clean_windows` differs from
it in the choice of the hours alone.
"""

from __future__ import annotations

import math
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from controllers.base import SiteContext
from controllers.observation import SiteObservation
from controllers.windows import Replicas, Utilisation, WakeS, WindowPolicy

_DAY_S = 86400.0


class FixedHours(WindowPolicy):
    """Deferrable work on all replicas from an hour of the day on, until none is left.

    Args:
        hour_utc: Hour of the day at which it begins, UTC [h].
        replicas: Whether it also sets the replicas that serve.
        utilisation: Share of the capacity at the SLO for the time per token that all work together
            may take [0 to 1].
        wake_s: Time that a replica takes to wake up [s].
    """

    sees_carbon = False

    def __init__(
        self,
        *,
        hour_utc: Annotated[
            float, Field(ge=0, lt=24, description="hour of the day at which it begins, UTC [h]")
        ] = 0,
        replicas: Replicas = True,
        utilisation: Utilisation = 0.85,
        wake_s: WakeS = 300,
    ) -> None:
        super().__init__(replicas=replicas, utilisation=utilisation, wake_s=wake_s, horizon_h=0)
        self._hour_utc = hour_utc

    def reset(self, context: SiteContext) -> None:
        """Begin with no window open."""
        super().reset(context)
        self._open = False
        self._asked_s = -context.step_s

    def windows(self, observation: SiteObservation) -> NDArray[np.bool_]:
        """Return whether the window is open, and in which of the steps ahead it opens."""
        step_s = observation.step_s
        since_s = _since_s(observation, self._hour_utc)
        begins = since_s < observation.time_s - self._asked_s
        self._open = (self._open or begins) and observation.deferrable_waiting > 0
        self._asked_s = observation.time_s
        ahead_s = step_s * np.arange(1 + math.ceil(self._wake_s / step_s))
        opens: NDArray[np.bool_] = (since_s + ahead_s) % _DAY_S < step_s
        opens[0] = self._open
        return opens


def _since_s(observation: SiteObservation, hour_utc: float) -> float:
    """Return the time since that hour last began [s]."""
    time = observation.time
    clock_s = time.hour * 3600 + time.minute * 60 + time.second + time.microsecond / 1e6
    return round(clock_s - hour_utc * 3600, 3) % _DAY_S
