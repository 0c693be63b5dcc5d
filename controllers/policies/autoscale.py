"""Policy ``autoscale``: as few replicas as hold the SLOs, and more while the grid is clean.

Requests that may not wait get the fewest replicas that hold them, the base: see
`controllers.replicas`.

Deferrable work is added as CarbonScaler [1]_ does. The time until its slack ends is cut into slots.
In each, the k-th step of growth (first the room that the base leaves, then one more replica at a
time) brings a throughput, and costs power at the forecast carbon intensity F of the slot,

    throughput per gram = d(rate) / (d(power) * F)

The pairs (slot, k) are taken from the highest on, k before k + 1, until they hold all deferred
requests. The pairs of the slot that begins give the replicas and the rate of release; the last pair
counts as far as other slots leave it work. The plan is made anew every step, so it follows arrivals
and forecasts.

References:
    .. [1] W. A. Hanafy, Q. Liang, N. Bashir, D. Irwin, P. Shenoy, "CarbonScaler: Leveraging Cloud
       Workload Elasticity for Optimizing Carbon-Efficiency", Proc. ACM Meas. Anal. Comput. Syst.
       7(3), 2023, Algorithm 1.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Annotated

import numpy as np
from pydantic import Field

from controllers.arrays import FloatArray
from controllers.base import Controller, SiteAction, SiteContext
from controllers.objective import required_service
from controllers.observation import SiteObservation
from controllers.release import ACTUATOR
from controllers.replicas import BaseReplicas
from controllers.service import LoadSplit

_ROUNDING = 1e-9


class Autoscale(Controller):
    """Scaling of the replicas with the load, and with deferrable work while the grid is clean.

    Args:
        deferrable: Whether it also sets when deferrable requests are released; only at a site that
            has a deferrable class.
        utilisation: Share of the capacity at the SLO for the time per token that the load may take
            [0 to 1].
        lookahead_s: Time that a replica may take to wake up: the base holds the highest rate
            forecast within it [s].
        slot_s: Length of a slot of the plan for deferrable work [s].
        horizon_h: How far that plan looks ahead [h].
    """

    def __init__(
        self,
        *,
        deferrable: Annotated[
            bool, Field(description="whether it also sets when deferrable requests are released")
        ] = False,
        utilisation: Annotated[
            float, Field(gt=0, le=1, description="share of the capacity that load may take")
        ] = 0.7,
        lookahead_s: Annotated[
            float, Field(gt=0, description="time that a replica may take to wake up [s]")
        ] = 900,
        slot_s: Annotated[float, Field(gt=0, description="length of a slot of the plan [s]")] = 900,
        horizon_h: Annotated[
            float, Field(gt=0, description="how far the plan looks ahead [h]")
        ] = 24,
    ) -> None:
        self.sees_carbon = deferrable
        self.actuators = frozenset({"active_replicas", *([ACTUATOR] if deferrable else [])})
        others = ["deferrable_arrivals", "carbon_intensity"] if deferrable else []
        self.forecasts = frozenset({"arrivals", *others})
        self.forecast_horizon_h = max(
            horizon_h if deferrable else 0.0, lookahead_s / 3600, slot_s / 3600
        )
        self._deferrable = deferrable
        self._utilisation = utilisation
        self._lookahead_s = lookahead_s
        self._slot_s = slot_s

    def reset(self, context: SiteContext) -> None:
        """Take in the service model of the site.

        Raises:
            ValueError: If the site has no cluster or several pools, or a slot is no multiple of
                the step.
        """
        self._service = required_service(context, "scale")
        if self._deferrable and abs(math.remainder(self._slot_s, context.step_s)) > _ROUNDING:
            raise ValueError(
                f"slot_s must be a multiple of the step, {context.step_s:g} s "
                f"(got {self._slot_s:g} s)"
            )
        split = LoadSplit.of(context.classes)
        self._base = BaseReplicas(
            context,
            weight=split.interactive_weight if self._deferrable else None,
            utilisation=self._utilisation,
            lookahead_s=self._lookahead_s,
        )
        self._weight = split.deferrable_weight
        self._fastest_per_s = context.limits[ACTUATOR].maximum if self._deferrable else 0.0

    def step(self, observation: SiteObservation) -> SiteAction:
        """Set the replicas, and the rate of release."""
        rate_per_s = self._base.load_per_s(observation)
        base = int(self._base.holding(rate_per_s))
        needed = f"{base} for {rate_per_s:.3g} requests/s"
        if not self._deferrable:
            return SiteAction(active_replicas=base, reason=needed)
        extra, release_per_s = self._plan(observation, rate_per_s)
        if observation.deferrable_waiting:
            needed += f", {extra} more for {observation.deferrable_waiting} deferrable"
        return SiteAction(
            active_replicas=base + extra,
            deferrable_rate_per_s=min(release_per_s / self._weight, self._fastest_per_s),
            reason=needed,
        )

    def _plan(self, observation: SiteObservation, now_per_s: float) -> tuple[int, float]:
        """Return replicas beyond the base, and the rate of release [mean requests/s], for now.

        Args:
            observation: The present observation.
            now_per_s: Load that the base holds now [mean requests/s].
        """
        if not observation.deferrable_waiting:
            return 0, 0.0
        intensity = observation.forecasts["carbon_intensity"].by_period(self._slot_s)
        arrivals = observation.forecasts["arrivals"]
        coming = replace(arrivals, mean=self._base.coming_per_s(observation))
        load = coming.by_period(self._slot_s)
        load[0] = now_per_s
        slots = len(intensity)
        if observation.deferrable_slack_s is not None:
            slots = min(slots, 1 + int(max(0.0, observation.deferrable_slack_s) // self._slot_s))
        growth_per_s, growth_w = self._growth(load[:slots])
        grams = growth_w * intensity[:slots, None]
        grows = growth_per_s > 0
        value = np.full_like(growth_per_s, np.inf)  # growth that costs nothing comes first
        np.divide(growth_per_s, grams, out=value, where=grows & (grams > 0))
        value = np.minimum.accumulate(value, axis=1)  # k before k + 1
        value[~grows] = -np.inf
        order = np.argsort(-value, axis=None, kind="stable")
        work = growth_per_s.ravel()[order] * self._slot_s
        served = np.cumsum(work)
        waiting = observation.deferrable_waiting * self._weight
        chosen = order[: int(np.searchsorted(served, waiting - _ROUNDING)) + 1]
        first_slot = chosen[chosen < value.shape[1]]  # the pairs of the first slot come first
        first_slot = first_slot[grows[0][first_slot]]
        release_per_s = float(growth_per_s[0][first_slot].sum())
        if len(first_slot) < len(chosen) and len(first_slot) and chosen[-1] == first_slot[-1]:
            # of the last pair no more than cleaner slots leave
            spare = max(0.0, float(served[len(chosen) - 1]) - waiting)
            release_per_s -= spare / self._slot_s
        return int((first_slot > 0).sum()), release_per_s

    def _growth(self, load_per_s: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return the rates [mean requests/s] and powers [W] that growth adds, by step and slot.

        Args:
            load_per_s: Load of the work that may not wait, shape (slots,) [mean requests/s].

        Returns:
            Both of shape (slots, 1 + replicas): the room that the base leaves, and each replica
            beyond it; zero where there is none left.
        """
        base = self._base.holding(load_per_s)
        most, each_per_s = self._base.most, self._base.each_per_s
        room = np.maximum(0.0, base * each_per_s - load_per_s)
        rates = np.zeros((len(load_per_s), 1 + most))
        powers = np.zeros_like(rates)
        rates[:, 0] = room
        for count in np.unique(base):
            same_base = base == count
            drawn = self._service.draw_w(load_per_s[same_base], int(count))
            full = self._service.draw_w(load_per_s[same_base] + room[same_base], int(count))
            powers[same_base, 0] = full - drawn
            rates[same_base, 1 : 1 + most - count] = each_per_s
        alone_w = float(self._service.draw_w(each_per_s, 1)) - float(
            self._service.sleep_w * (self._service.replicas - 1)
        )
        powers[:, 1:] = np.where(rates[:, 1:] > 0, alone_w - self._service.sleep_w, 0.0)
        return rates, powers
