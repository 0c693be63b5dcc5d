"""Policy ``wait_awhile``: deferrable work in the cleanest slots before its deadline.

Interruptible work that takes k slots runs in the k cleanest ones before its deadline [1]_, where k
is the work over the rate at which it runs. Here the work is the deferred requests, by cohorts of
the same latest start, and a slot is a step. The cohorts are taken in that order, and each gets the
cleanest slots before its latest start that the more urgent ones leave (`controllers.windows`). Work
runs in the present slot if it is among those chosen; they are chosen anew in every step.

The number of replicas is left alone: `clean_windows` takes the same slots and sleeps in the others.

References:
    .. [1] P. Wiesner et al., "Let's Wait Awhile: How Temporal Workload Shifting Can Reduce Carbon
       Emissions in the Cloud", Middleware 2021.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from controllers.observation import SiteObservation
from controllers.windows import HorizonH, Sun, Utilisation, WindowPolicy


class WaitAwhile(WindowPolicy):
    """Deferrable work in the cleanest slots before its deadline.

    Args:
        utilisation: Share of the capacity at the SLO for the time per token that all work together
            may take [0 to 1].
        horizon_h: How far it looks ahead [h]; all work is taken to be due by then.
        sun: Whether it counts the solar power on site.
    """

    forecasts = WindowPolicy.forecasts | {"carbon_intensity"}

    def __init__(
        self,
        *,
        utilisation: Utilisation = 0.85,
        horizon_h: HorizonH = 24,
        sun: Sun = True,
    ) -> None:
        super().__init__(
            replicas=False, utilisation=utilisation, wake_s=0, horizon_h=horizon_h, sun=sun
        )

    def windows(self, observation: SiteObservation) -> NDArray[np.bool_]:
        """Return which of the steps ahead are the cleanest that the waiting work needs."""
        return self.cleanest(observation)
