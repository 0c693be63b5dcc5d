"""Policy ``clean_windows``: deferrable work on all replicas in the cleanest hours ahead.

By default the hours are the cleanest ones that serve the waiting work before its deadlines: those
of interruptible work in [1]_, here for all replicas together (see `controllers.windows`). So their
number follows from the load. With a `share` they are those in which the forecast F of the carbon
intensity is at most its quantile over the time for which work may wait,

    F_0 <= quantile(F, share)

the threshold of [1]_. Google keeps its flexible work below a capacity that is low in the hours that
are forecast dirty [2]_; here the capacity is all replicas or none. Full replicas use the least
energy for a token, and those without work sleep, so that the hours outside of the windows cost
little.

References:
    .. [1] P. Wiesner et al., "Let's Wait Awhile: How Temporal Workload Shifting Can Reduce Carbon
       Emissions in the Cloud", Middleware 2021.
    .. [2] A. Radovanović et al., "Carbon-Aware Computing for Datacenters", IEEE Transactions on
       Power Systems 38(2), 2023.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from controllers.base import SiteContext
from controllers.observation import SiteObservation
from controllers.windows import HorizonH, Replicas, Sun, Utilisation, WakeS, WindowPolicy

_ROUNDING = 1e-9  # relative: a quantile of equal values may differ from them in the last digit


class CleanWindows(WindowPolicy):
    """Deferrable work on all replicas in the cleanest hours ahead; replicas asleep in the others.

    Args:
        share: Share of the hours ahead that are clean [0 to 1]; by default those that the waiting
            work needs.
        replicas: Whether it also sets the replicas that serve.
        utilisation: Share of the capacity at the SLO for the time per token that all work together
            may take [0 to 1].
        wake_s: Time that a replica takes to wake up [s].
        horizon_h: How far it looks ahead [h].
        sun: Whether it counts the solar power on site.
    """

    forecasts = WindowPolicy.forecasts | {"carbon_intensity"}

    def __init__(
        self,
        *,
        share: Annotated[
            float | None,
            Field(
                gt=0,
                le=1,
                description="share of the hours ahead that are clean; default: as the work needs",
            ),
        ] = None,
        replicas: Replicas = True,
        utilisation: Utilisation = 0.85,
        wake_s: WakeS = 300,
        horizon_h: HorizonH = 24,
        sun: Sun = True,
    ) -> None:
        super().__init__(
            replicas=replicas,
            utilisation=utilisation,
            wake_s=wake_s,
            horizon_h=horizon_h,
            sun=sun,
        )
        self._share = share

    def reset(self, context: SiteContext) -> None:
        """Begin with no window open."""
        super().reset(context)
        horizon_s = min(self._split.may_wait_s, self.forecast_horizon_h * 3600)
        self._steps = max(1, round(horizon_s / context.step_s))

    def windows(self, observation: SiteObservation) -> NDArray[np.bool_]:
        """Return which of the steps ahead are clean."""
        if self._share is None:
            return self.cleanest(observation)
        intensity = self.supply_g_per_kwh(observation)[: self._steps]
        bound = float(np.quantile(intensity, self._share))
        clean: NDArray[np.bool_] = intensity <= bound + _ROUNDING * abs(bound)
        return clean
