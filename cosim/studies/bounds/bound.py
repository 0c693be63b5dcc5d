"""The least emissions of a run for each freedom of its controllers.

The freedoms are nested. `timing` is that of when work is done: deferrable work, and chat within its
objectives. `battery` is also that of the battery's power, `sleep` also that of the number of
replicas that serve, `clocks` also that of clocks and power caps. A run that holds its objectives
(99 % of the requests with SLOs meet them, none is late, all is served) emits no less, with the
change of its batteries at the mean intensity, than the bound of the freedom that holds all that its
controllers set. `docs/bounds.md` has the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import astuple, dataclass

import numpy as np

from cosim.studies.bounds.site_bound import SiteBound, plain_g, site_bounds
from cosim.world.plan import Plan

FREEDOMS = ("timing", "battery", "sleep", "clocks")
"""The freedoms; each holds all before it."""

_BY_ACTUATOR: Mapping[str, str] = {
    "battery_power": "battery",
    "active_replicas": "sleep",
    "clock_fraction": "clocks",
    "prefill_clock": "clocks",
    "decode_clock": "clocks",
    "power_cap": "clocks",
}
_ROUNDING = 1e-6
"""Share, and grams, by which a bound is lowered for the tolerances of the solver."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bound:
    """The least emissions of a run, with the batteries' change valued at the mean intensity [g].

    Example::

        bound_of(plan).of(freedom_of(controller.actuators))

    Attributes:
        timing_g: With free timing of the work.
        battery_g: And of the battery.
        sleep_g: And of the replicas that are awake.
        clocks_g: And of the clocks.
    """

    timing_g: float
    battery_g: float
    sleep_g: float
    clocks_g: float

    def of(self, freedom: str) -> float:
        """Return the bound of a freedom [g]."""
        return float(astuple(self)[FREEDOMS.index(freedom)])


def freedom_of(actuators: Iterable[str]) -> str:
    """Return the smallest freedom that holds all of some actuators."""
    names = {_BY_ACTUATOR.get(actuator, "timing") for actuator in actuators}
    return max(names, key=FREEDOMS.index, default="timing")


def bound_of(plan: Plan, bounds: Mapping[str, SiteBound] | None = None) -> Bound:
    """Return the bound of a plan, whatever its controllers; sites add up.

    Args:
        plan: The plan.
        bounds: Its `site_bounds`, where they are known: finding their prices takes seconds.

    Raises:
        InferenceSimError: If a deployment cannot be simulated.
        ValueError: If a programme has no solution.
    """
    bounds = site_bounds(plan) if bounds is None else bounds
    sums = np.sum([bound.least_g() for bound in bounds.values()], axis=0)
    sums += np.sum([plain_g(plan, site) for site in plan.sites if site.cluster is None], axis=0)
    lowered = sums - _ROUNDING * (1 + np.abs(sums).max())
    # a larger freedom can do all that a smaller one can: the tolerance must not say otherwise
    timing_g, battery_g, sleep_g, clocks_g = np.minimum.accumulate(lowered)
    return Bound(
        timing_g=float(timing_g),
        battery_g=float(battery_g),
        sleep_g=float(sleep_g),
        clocks_g=float(clocks_g),
    )
