"""Baselines that are blind to carbon: the savings that need no signal of the grid.

GPUs use less energy per request in larger batches, and replicas that sleep draw little. A policy
that knows the grid has to beat those that know the clock alone: as few replicas as the load needs
(`right_sized`), and all deferrable work at one hour of the day (`bulk`), the best one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from cosim.world.plan import Plan
from cosim.world.site_plan import SitePlan

RIGHT_SIZED, BULK = "right_sized", "bulk"
TRIAL_HOURS = range(0, 24, 3)
"""Hours of the day that are tried for `bulk` [h, UTC]."""
TRIAL_WEEKS = 4
"""Parts of the year in which they are tried, apart from those of the comparison."""
_PERIOD_S = 900.0

Controllers = Sequence[Mapping[str, Any]]


def right_sized(plan: Plan) -> Controllers | None:
    """Return the controllers of as few replicas as the load needs; None where each site has one."""
    step_s = plan.scenario.time.step
    every_s = math.ceil(_PERIOD_S / step_s) * step_s
    return [
        {"type": "autoscale", "site": site.name, "every": every_s}
        for site in plan.sites
        if _may_sleep(site)
    ] or None


def _may_sleep(site: SitePlan) -> bool:
    """Return whether a site has replicas of one pool, of which some may sleep."""
    pools = () if site.cluster is None else site.cluster.pools
    return len(pools) == 1 and pools[0].replicas > 1


def in_bulk(plan: Plan, hour_utc: int) -> Controllers | None:
    """Return the controllers that serve deferrable work from an hour on; None without such work.

    Args:
        plan: A plan of the scenario.
        hour_utc: Hour of the day [h, UTC].
    """
    return [
        {
            "type": "fixed_hours",
            "site": site.name,
            "hour_utc": hour_utc,
            "replicas": _may_sleep(site),
        }
        for site in plan.sites
        if site.cluster is not None and "deferrable_rate" in plan.contexts[site.name].limits
    ] or None
